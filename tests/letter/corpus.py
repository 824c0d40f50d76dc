"""The letters of tests/letters, for every test that needs some."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LETTERS = Path(__file__).resolve().parents[1] / "letters"
PUBLIC = Path(__file__).resolve().parents[2].parent / "shared" / "letters"
"""Real letters with labels; they are not part of the repository."""


@dataclass(frozen=True)
class Letter:
    """One letter and what is known about it."""

    name: str
    text: str
    about: dict[str, Any]

    def __str__(self) -> str:
        return self.name


def _load(folder: str) -> list[Letter]:
    return [
        Letter(
            f"{path.parent.name}/{path.stem}",
            path.read_bytes().decode(),
            json.loads(path.with_suffix(".json").read_text()),
        )
        for path in sorted((LETTERS / folder).glob("*/*.txt"))
        if path.with_suffix(".json").exists()
    ]


VALID = _load("valid")
INVALID = _load("invalid")
