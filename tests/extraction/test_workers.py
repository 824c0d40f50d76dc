"""The reading process in worker processes of their own: it dies with its worker, and every fork has its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.leaks import is_alive
from tests.support.waiting import eventually

ROOT = str(Path(__file__).resolve().parents[2])

pytestmark = pytest.mark.usefixtures("leak_check")


def run(script: str, stderr: int | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", script]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True, cwd=ROOT)


def test_it_dies_with_its_worker() -> None:
    script = (
        "import signal\n"
        "from tests.extraction import pdfs\n"
        "from worker.extraction import TextExtractor\n"
        "extractor = TextExtractor()\n"
        "extractor.to_text(pdfs.plain())\n"
        "print(extractor._process._pid, flush=True)\n"
        "signal.pause()\n"
    )
    with run(script) as worker:
        assert worker.stdout is not None
        pid = int(worker.stdout.readline())
        assert is_alive(pid)
        worker.kill()
    eventually(lambda: not is_alive(pid), "the end of the reading process")


def test_each_fork_has_a_process_of_its_own() -> None:
    """Celery forks its pool: two workers on one socket would get each other's letters."""
    script = (
        "import json, multiprocessing, os\n"
        "from tests.extraction import pdfs\n"
        "from tests.support.leaks import children, open_files\n"
        "from worker.extraction import TextExtractor\n"
        "extractor = TextExtractor()\n"
        "def read(name, answers):\n"
        "    texts = {extractor.to_text(pdfs.plain(name)).text for _ in range(20)}\n"
        "    answers.put((name, sorted(texts), extractor._process._pid in children(), extractor._process._pid))\n"
        "    extractor.close()\n"
        "extractor.to_text(pdfs.plain())\n"
        "fork = multiprocessing.get_context('fork')\n"
        "answers = fork.SimpleQueue()\n"
        "names = ['The first worker', 'The second worker', 'The third worker']\n"
        "workers = [fork.Process(target=read, args=(name, answers), daemon=True) for name in names]\n"
        "for worker in workers: worker.start()\n"
        "for worker in workers: worker.join()\n"
        "found = [answers.get() for _ in workers]\n"
        "assert sorted(name for name, *_ in found) == sorted(names), found\n"
        "assert all(texts == [name] and own for name, texts, own, _ in found), found\n"
        "pids = {pid for *_, pid in found} | {extractor._process._pid}\n"
        "assert len(pids) == 4, found\n"
        "assert extractor.to_text(pdfs.plain()).text == pdfs.SENTENCE\n"
        "extractor.close()\n"
        "print(json.dumps('sound'))\n"
    )
    with run(script) as worker:
        out, _ = worker.communicate()
    assert out == '"sound"\n'


def test_importing_it_brings_no_pdf_library_along() -> None:
    probe = (
        "import sys, worker.extraction; print(sorted({'pypdfium2', 'ctypes', 'multiprocessing'} & set(sys.modules)))"
    )
    with run(probe) as child:
        out, _ = child.communicate()
    assert out == "[]\n"


def test_an_installation_that_cannot_read_pdfs_blames_no_letter(tmp_path: Path) -> None:
    """Else one broken upgrade would send every letter to review."""
    (tmp_path / "pypdfium2.py").write_text("raise ImportError('no PDFium for this machine')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from worker.extraction import TextExtractor, ExtractionUnavailable\n"
        "try: TextExtractor().to_text(b'%PDF-1.7')\n"
        "except ExtractionUnavailable as error: print(error)\n"
    )
    with run(script, stderr=subprocess.PIPE) as worker:
        out, narrated = worker.communicate()
    assert out == "the process that reads PDFs did not start (exit status 1)\n"
    assert "no PDFium for this machine" in narrated
