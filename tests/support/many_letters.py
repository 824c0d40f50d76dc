"""Hundreds of letters: short, valid, invented, each with different bytes."""

from __future__ import annotations

from tests.letter.building import Part, letter


def numbered_letter(number: int) -> bytes:
    """A letter that differs from those of other numbers."""
    return letter(Part(heading=f"Barrier cream, {number + 2} tubes")).encode()


def numbered_letters(count: int) -> dict[str, bytes]:
    """`count` letters by name."""
    return {f"letter-{number:05}.txt": numbered_letter(number) for number in range(count)}
