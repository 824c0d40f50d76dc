"""The protocol of the worker and its reading process, over one socket.

    worker -> process    8 bytes: length of the PDF | the PDF
    process -> worker    13 bytes: outcome, pages, picture pages, length of the text | picture pages, 4 bytes each |
                         the text in UTF-8

Questions and answers alternate. The process also sends one answer (`READY`) before the first question. The worker
trusts nothing in an answer: a hostile PDF may have taken over the process.
"""

from __future__ import annotations

import struct
from array import array
from dataclasses import dataclass
from enum import IntEnum

QUESTION = struct.Struct("<Q")
ANSWER = struct.Struct("<BIII")
OUT_OF_MEMORY_EXIT = 77
"""Exit status of a reading process that reached its memory limit: it cannot go on, and there is no answer."""


class ReadOutcome(IntEnum):
    """The kind of an answer; all but `READY` and `TEXT` are refusals of the letter."""

    READY = 0
    TEXT = 1
    PASSWORD_PROTECTED = 2
    DAMAGED = 3
    NO_TEXT = 4
    TOO_MANY_PAGES = 5
    TOO_MUCH_TEXT = 6


@dataclass(frozen=True, slots=True)
class PdfAnswer:
    """The answer of the reading process; pages are counted from 1."""

    outcome: ReadOutcome
    pages: int = 0
    picture_pages: tuple[int, ...] = ()
    text: str = ""

    def encode(self) -> bytes:
        """The answer as a frame."""
        pictures = array("I", self.picture_pages).tobytes()
        text = self.text.encode("utf-8", "replace")
        return ANSWER.pack(self.outcome, self.pages, len(self.picture_pages), len(text)) + pictures + text


@dataclass(frozen=True, slots=True)
class Head:
    """The first bytes of an answer: enough to check the size of the rest before it is received."""

    outcome: ReadOutcome
    pages: int
    pictures_bytes: int
    text_bytes: int

    @classmethod
    def decode(cls, frame: bytes) -> Head:
        """The head in `ANSWER.size` bytes. `ValueError` where this is no answer."""
        outcome, pages, pictures, text_bytes = ANSWER.unpack(frame)
        return cls(ReadOutcome(outcome), pages, pictures * array("I").itemsize, text_bytes)

    def body(self, frame: bytes) -> PdfAnswer:
        """The whole answer, from what follows the head. `ValueError` where the text is not UTF-8."""
        pictures = array("I", frame[: self.pictures_bytes])
        return PdfAnswer(self.outcome, self.pages, tuple(pictures), frame[self.pictures_bytes :].decode("utf-8"))
