"""Letters for the bench: distinct, invented, of three kinds. PDFs take a while to set and are kept in a cache."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from pathlib import Path
from typing import Final, Literal

from tests.benchmarks.parser import long, typical
from tests.letters_pdf import make_pdf

Kind = Literal["text", "long", "pdf"]
EXTENSION: Final[dict[Kind, str]] = {"text": "txt", "long": "txt", "pdf": "pdf"}
CACHE: Final = Path(tempfile.gettempdir()) / f"imr-bench-letters-{os.getuid()}"

_CASE_NUMBER = re.compile(r"(?<=CM\d\d-)\d{7}")


def stage(folder: Path, kind: Kind, first: int, count: int) -> list[Path]:
    """Write so many letters, each with a number of its own from `first` on; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "pdf":
        prepare_pdfs(first + count)
    paths = []
    for number in range(first, first + count):
        path = folder / f"{kind}-{number:07d}.{EXTENSION[kind]}"
        path.write_bytes(content(kind, number))
        paths.append(path)
    return paths


def content(kind: Kind, number: int) -> bytes:
    """Letter `number` of that kind."""
    if kind == "pdf":
        prepare_pdfs(number + 1)
        return _pdf_path(number).read_bytes()
    return _text(kind, number).encode()


def prepare_pdfs(count: int) -> None:
    """Set what the cache has not got yet, on all processors."""
    there = set(_names(_pdf_path(0).parent))
    missing = [number for number in range(count) if _pdf_path(number).name not in there]
    if missing:
        _names.cache_clear()
        _pdf_path(0).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            list(pool.map(_set_pdf, missing, chunksize=20))


def _text(kind: Kind, number: int) -> str:
    texts = _texts("text" if kind == "pdf" else kind)
    return _CASE_NUMBER.sub(f"{number:07d}", texts[number % len(texts)])


@cache
def _texts(kind: Literal["text", "long"]) -> list[str]:
    make: Callable[[], list[str]] = typical if kind == "text" else long
    return make()


@cache
def _edition() -> str:
    """The cache is of these texts, set by that program."""
    digest = hashlib.sha256("".join(_texts("text")).encode())
    digest.update(Path(make_pdf.__code__.co_filename).read_bytes())
    return digest.hexdigest()[:12]


def _pdf_path(number: int) -> Path:
    return CACHE / _edition() / f"{number:07d}.pdf"


@cache
def _names(folder: Path) -> list[str]:
    return os.listdir(folder) if folder.exists() else []


def _set_pdf(number: int) -> None:
    path = _pdf_path(number)
    aside = path.with_suffix(f".{os.getpid()}")
    aside.write_bytes(make_pdf(_text("pdf", number), encrypted=True))
    aside.rename(path)


def each(paths: list[Path], inbox: Path) -> Iterator[tuple[Path, Path]]:
    """(where it lies, where it goes) of each letter."""
    yield from ((path, inbox / path.name) for path in paths)
