"""The errors of the parser: `LetterError` about a letter, `UncheckedLetterError` about a defect of the parser."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule: which rule, about which value, and where in the letter.

    `line` and `column` count from 1 in the extracted text, `start` and `end` are character offsets (end exclusive),
    `page` counts from 1 and is None for text files. A violation about something that is missing has the place where
    it was expected, or None throughout.
    """

    __pydantic_config__: ClassVar[dict[str, object]] = {"use_attribute_docstrings": True, "extra": "forbid"}

    code: str
    """Stable code of the rule, listed by `imr schema --errors`."""
    message: str
    """What is wrong, in a sentence for a claims examiner; never words of the letter."""
    field: str | None = None
    """Path of the value concerned (`issues.0.decision`); null where it is about the whole letter."""
    line: int | None = None
    """Line in the extracted text, from 1."""
    column: int | None = None
    """Column in that line, from 1."""
    start: int | None = None
    """Offset of the first character concerned."""
    end: int | None = None
    """Offset after the last character concerned (exclusive)."""
    page: int | None = None
    """Page, from 1; null for text files."""


class LetterError(Exception):
    """The letter cannot be published as it is.

    `violations` holds every broken rule, at least one. The first is the one that explains most; `code` is its code.
    Safe to pickle.
    """

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(violations)
        self.violations = violations

    @property
    def code(self) -> str:
        """Stable code of the first violation."""
        return self.violations[0].code

    def __str__(self) -> str:
        return "; ".join(f"{violation.code}: {violation.message}" for violation in self.violations)


class UncheckedLetterError(AssertionError):
    """A value that every valid letter has is missing after validation: a defect of the parser, not of the letter.

    Validation refuses such letters, so `parse` never raises this. It stands where a default would otherwise invent a
    decision or another legal value. Safe to pickle.
    """

    def __init__(self, field: str) -> None:
        super().__init__(field)
        self.field = field
        """Path of the missing value (`issues.0.decision`)."""

    def __str__(self) -> str:
        return f"{self.field} has no value after validation, and no default is allowed"
