"""Holes: blocks of a file that were not written yet.

A writer that reserves the file first and fills it piece by piece leaves zeros where it is not done. PDFium skips them
and gives the rest as if it were all. Packed data has long runs of zeros too, where a picture is white; but those begin
and end anywhere, while a hole begins and ends with the sectors of the file.
"""

from __future__ import annotations

import re

_SECTOR_BYTES = 512
_SECTOR = bytes(_SECTOR_BYTES)
_ZEROS = re.compile(rb"\0{%d,}" % _SECTOR_BYTES)
_NEAR_BYTES = 3
"""How many zeros the data before and behind a hole may end or begin with itself."""
_LONG_BYTES = 16 * 1024
"""A run that no picture leaves: the picture would be white all over, and have 33 million dots."""
_PADDING = b"\0\r\n "
"""What mail gateways and portals leave behind the end of a file."""


def has_hole(content: bytes) -> bool:
    """Whether a block in the middle of the file is missing."""
    if _SECTOR not in content:
        return False
    runs = (run.span() for run in _ZEROS.finditer(content, 0, len(content.rstrip(_PADDING))))
    return any(end - start >= _LONG_BYTES or (_at_sector(-start) and _at_sector(end)) for start, end in runs)


def _at_sector(offset: int) -> bool:
    return offset % _SECTOR_BYTES <= _NEAR_BYTES
