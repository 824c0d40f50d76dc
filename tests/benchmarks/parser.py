# ruff: noqa: T201  a command that prints its figures
"""Figures of the parser: `python -m tests.benchmarks.parser` (or `make bench-parser`).

Everything runs on one core in one process, parser and baselines in turn on the same files, the best of several rounds
of each. The letters are the project's own.

- *labels*: reads the file, hashes it, and runs one compiled pattern per label for what stands behind it on its line.
- *bare extraction*: opens a PDF with the library that the reader uses and takes the text of each page.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import re
import resource
import tempfile
import time
import timeit
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pypdfium2

from tests.letter.corpus import VALID
from tests.letters_pdf import make_pdf
from worker.extraction import ReadLimits
from worker.extraction.pdf.pages import read_pdf
from worker.letter import parse
from worker.letter.assembly import assemble
from worker.letter.heading_parts import read_heading
from worker.letter.layouts import recognize
from worker.letter.text import View
from worker.letter.validation import conclusions_of

LABELS = [
    re.compile(label + r"\s*(.*)")
    for label in (
        "Case Number:", "Date Assigned:", "Date of Injury:", "Decision Date:", "UR Denial Date:", "Priority:",
        r"Application\s+Received:", r"State\(s\) of Licensure:", r"Certification\(s\)/Specialty:",
        "HOW THE IMR FINAL DETERMINATION WAS MADE", "CLINICAL CASE SUMMARY", "IMR ISSUES, DECISIONS AND RATIONALES",
        "Claims Administrator guideline:", "MAXIMUS guideline:", "Decision rationale:", r"(?:Upheld|Overturned)\s",
    )
]  # fmt: skip

TYPICAL_CHARS = 5_000
"""Published letters: 6.5 KB and 2.6 issues in the mean of those at hand; short ones have one or two issues."""
_VISIT = """On the visit before, the findings were much the same: the range of motion was full, the grip was a
little weaker on the side of the injury, and no swelling was seen. Rest had helped for some weeks.
"""


def labels(path: str) -> None:
    """The lean baseline."""
    text = _read(path).decode()
    for pattern in LABELS:
        pattern.findall(text)


def parser(path: str) -> None:
    """What the worker does with a text file."""
    parse(_read(path).decode())


def bare_extraction(path: str) -> None:
    """Text of a PDF and nothing else."""
    with pypdfium2.PdfDocument(_read(path)) as document:
        for number in range(len(document)):
            page = document[number]
            page.get_textpage().get_text_bounded()


def reading(path: str) -> None:
    """The reader's extraction: lines with their places, and gaps between paragraphs."""
    read_pdf(_read(path), ReadLimits())


def reading_and_parser(path: str) -> None:
    """What the worker does with a PDF."""
    parse(read_pdf(_read(path), ReadLimits()).text, paged=True)


def _read(path: str) -> bytes:
    content = Path(path).read_bytes()
    hashlib.sha256(content).hexdigest()
    return content


def per_second(jobs: Sequence[Callable[[str], None]], paths: Sequence[str], rounds: int) -> list[float]:
    """Files per second of each job: the best of some rounds, the jobs taking turns."""
    best = [float("inf")] * len(jobs)
    for _ in range(rounds):
        for index, job in enumerate(jobs):
            gc.collect()
            began = time.process_time()
            for path in paths:
                job(path)
            best[index] = min(best[index], time.process_time() - began)
    return [len(paths) / seconds for seconds in best]


def write(folder: Path, letters: Iterable[str], count: int) -> list[str]:
    """So many text files made of the letters, each with a number of its own."""
    texts = list(letters)
    paths = []
    for number in range(count):
        text = re.sub(r"(?<=CM\d\d-)\d{7}", f"{number:07d}", texts[number % len(texts)])
        path = folder / f"{number}.txt"
        path.write_text(text)
        paths.append(str(path))
    return paths


def write_pdfs(folder: Path, letters: Iterable[str], count: int) -> list[str]:
    """So many PDFs like the published ones: encrypted with an empty password."""
    paths = []
    for number, text in enumerate(list(letters)[:count]):
        path = folder / f"{number}.pdf"
        path.write_bytes(make_pdf(text, encrypted=True))
        paths.append(str(path))
    return paths


def memory(text: str) -> tuple[float, float]:
    """Peak bytes for each character of the text while it is parsed, and KB that a thousand letters leave behind."""
    parse(text)
    tracemalloc.start()
    parse(text)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        parse(text)
    return peak / len(text), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


def typical() -> list[str]:
    """Letters of about 5 KB in the layout of 2016, of which nearly all are: one or two issues and much prose."""
    short = [letter.text for letter in VALID if "2016" in letter.name and letter.text.count("Decision rationale:") <= 2]
    return [_lengthened(text) for text in short if "\n\nIMR ISSUES" in text]


def _lengthened(text: str) -> str:
    visits = max(0, TYPICAL_CHARS - len(text)) // len(_VISIT)
    return text.replace("\n\nIMR ISSUES", "\n" + (_VISIT * visits).rstrip() + "\n\nIMR ISSUES", 1)


def long() -> list[str]:
    """Letters with about twenty issues."""
    return [letter.text for letter in VALID if letter.text.count("Decision rationale:") >= 20]


def text_row(name: str, paths: Sequence[str], rounds: int) -> str:
    lean, ours = per_second((labels, parser), paths, rounds)
    size = sum(Path(path).stat().st_size for path in paths) / len(paths) / 1000
    values = sum(len(parse(Path(path).read_text()).spans) for path in paths) / len(paths)
    return f"| {name} | {size:.1f} | {values:.0f} | {ours:,.0f} | {lean:,.0f} | {ours / lean:.2f} |"


def stages(texts: Sequence[str], rounds: int) -> Iterable[tuple[str, float]]:
    """Microseconds per letter of each stage of the parser."""
    views = [View.of(text) for text in texts]
    known = [(view, layout) for view in views if (layout := recognize(view))]
    raws = [(view, layout.read(view, 0, len(view.clean.rstrip()))) for view, layout in known]
    forms = [[read_heading(view, issue.heading or (0, 0)) for issue in raw.issues] for view, raw in raws]
    told = [conclusions_of(view, raw) for view, raw in raws]
    ready = list(zip(raws, forms, told, strict=True))
    work: dict[str, Callable[[], object]] = {
        "normalizing, page furniture": lambda: [View.of(text) for text in texts],
        "recognizing and reading": lambda: [layout.read(view, 0, len(view.clean)) for view, layout in known],
        "headings, conclusions": lambda: [
            (conclusions_of(view, raw), [read_heading(view, issue.heading or (0, 0)) for issue in raw.issues])
            for view, raw in raws
        ],
        "determination with spans": lambda: [
            assemble(view, raw, list(form), conclusion, (), read_parties=False)
            for (view, raw), form, conclusion in ready
        ],
    }
    for name, job in work.items():
        best = min(timeit.repeat(job, number=1, repeat=rounds * 4))
        yield name, best / len(texts) * 1e6


def pdf_row(paths: Sequence[str], rounds: int) -> str:
    bare, read, whole = per_second((bare_extraction, reading, reading_and_parser), paths, rounds)
    return f"| PDF, {len(paths)} letters | {whole:,.0f} | {bare:,.0f} | {whole / bare:.2f} | {whole / read:.0%} |"


def report(rounds: int, files: int) -> Iterable[str]:
    """The lines of the report."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield "| text letters | KB | values | parser, letters/s | labels, letters/s | ratio |"
        yield "|---|---|---|---|---|---|"
        yield text_row("typical", write(folder, typical(), files), rounds)
        yield text_row("21 issues", write(folder, long(), max(1, files // 10)), rounds)
        yield ""
        yield "| PDF letters | reader and parser, letters/s | bare extraction, letters/s | ratio | share of reading |"
        yield "|---|---|---|---|---|"
        yield pdf_row(write_pdfs(folder, typical(), max(1, files // 10)), rounds)
    yield ""
    yield "| stage of a typical letter | microseconds |"
    yield "|---|---|"
    yield from (f"| {name} | {microseconds:.0f} |" for name, microseconds in stages(typical(), rounds))
    peak, left = memory(typical()[0])
    yield ""
    yield f"Memory: {peak:.0f} bytes for each character while a letter is parsed; 1,000 letters later {left} KB more."


def main() -> None:
    """Run from the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=15)
    arguments.add_argument("--files", type=int, default=200)
    asked = arguments.parse_args()
    for line in report(asked.rounds, asked.files):
        print(line, flush=True)


if __name__ == "__main__":
    main()
