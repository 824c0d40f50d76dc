"""The outcome of a letter, derived from the decisions on its issues."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from worker.letter.errors import UncheckedLetterError
from worker.letter.model import Decision


def outcome_of(decisions: AbstractSet[Decision]) -> Decision:
    """The decision where all issues have the same, else `partially_overturned`.

    Raises `UncheckedLetterError` without any decision: there is no outcome by default.
    """
    if not decisions:
        raise UncheckedLetterError("outcome")
    return next(iter(decisions)) if len(decisions) == 1 else "partially_overturned"
