"""A share with one letter in it, and reading it."""

from __future__ import annotations

from pathlib import Path

from worker.adapters.share.safe_read import FileContent, read_file

CONTENT = b"Case Number: invented\r\n"
LIMIT = 100_000
LETTER = "claimed/letter.txt"


def read_letter(share: Path, relative: str = LETTER) -> FileContent:
    """The letter's bytes, read with a limit of `LIMIT`."""
    return read_file(str(share), relative, max_bytes=LIMIT)
