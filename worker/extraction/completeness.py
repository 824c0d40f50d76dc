"""Completeness: whether a file was written to its end, as far as its bytes show.

A writer can pause in the middle, with the file open. A writer that reserves the space first leaves zeros where it is
not done. Such a file is refused like a damaged one, but it may still become complete.
"""

from __future__ import annotations

import codecs
from typing import Final

from worker.extraction.holes import has_hole

_SECTOR: Final = bytes(512)
_TAIL_BYTES: Final = 2048
"""Where the end mark of a complete PDF is looked for: PDF programs accept 1 KB of rubbish behind it."""


def has_end_mark(content: bytes) -> bool:
    """Whether a PDF ends as a complete PDF does."""
    return b"%%EOF" in content[-_TAIL_BYTES:]


def is_unfinished(content: bytes, *, pdf: bool) -> bool:
    """Whether a file that was refused may become complete, if its writer goes on."""
    if pdf:
        return not has_end_mark(content) or has_hole(content)
    return content.endswith(_SECTOR) or has_hole(content) or _ends_within_a_character(content)


def _ends_within_a_character(content: bytes) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(content, final=False)
    except UnicodeDecodeError:
        return False
    return bool(decoder.getstate()[0])
