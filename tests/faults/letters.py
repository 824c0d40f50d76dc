"""Letters for faults: any number, each with different bytes and with the canary in its text and in its name."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from tests.faults.points import CANARY
from tests.letters_pdf import make_pdf
from tests.support.samples import SAMPLES

GOOD: Final = (
    "opioid-and-acupuncture.txt",
    "knee-arthroscopy.txt",
    "home-infusion-expedited.txt",
)
BROKEN: Final = "shoulder-therapy-decision-missing.txt"

Kind = Literal["text", "pdf", "broken", "noise"]
MIX: Final[tuple[Kind, ...]] = ("text", "pdf", "broken", "text", "text", "noise", "text", "text")
"""Of eight letters, one is a PDF, one misses a decision, one is no letter at all."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A file to be dropped."""

    name: str
    content: bytes
    kind: Kind

    @property
    def digest(self) -> str:
        """Its id."""
        return hashlib.sha256(self.content).hexdigest()


class Letters:
    """A supply of letters; the same seed gives the same letters."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._random = random.Random(seed)  # noqa: S311 - the same letters for the same seed
        self._made = 0

    def make(self, kind: Kind) -> Letter:
        """A letter that was not made before."""
        self._made += 1
        serial = f"{self._seed % 1000:03d}{self._made:06d}"
        folder = self._random.choice(("", "", f"{CANARY} {serial}/", "clinic/a/"))
        suffix = "pdf" if kind == "pdf" else "txt"
        return Letter(f"{folder}{CANARY} {serial}.{suffix}", self._content(kind, serial), kind)

    def batch(self, count: int) -> list[Letter]:
        """Letters of all kinds."""
        return [self.make(MIX[number % len(MIX)]) for number in range(count)]

    def _content(self, kind: Kind, serial: str) -> bytes:
        if kind == "noise":
            return f"Minutes of the safety committee, number {serial}. {CANARY} was absent.\n".encode() * 8
        if kind == "broken":
            return _marked(BROKEN, serial).encode()
        sample = self._random.choice(GOOD)
        if kind == "pdf":
            # A comment behind the last object: other bytes, the same pages.
            return _pdf(sample) + f"% {serial}\n".encode()
        return _marked(sample, serial).encode()


def _marked(sample: str, serial: str) -> str:
    """A sample with the canary and a number of its own in its summary."""
    text = (SAMPLES / sample).read_text()
    summary = "The injured worker is a "
    assert summary in text, f"{sample} has no summary to mark"
    return text.replace(summary, f"{CANARY} {serial} is known. {summary}", 1)


@cache
def _pdf(sample: str) -> bytes:
    return make_pdf(_marked(sample, "000000000"))
