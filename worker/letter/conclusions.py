"""What a rationale itself concludes about medical necessity.

    The request is [not] medically necessary [and appropriate].     ... cannot be deemed medically necessary ...
    I cannot affirm medical necessity.                               Medical necessity has not been established.

The last statement counts: earlier ones are about other requests, quote Utilization Review, or lead up to it.
A conditional sentence (`if`, `whether`, `contingent`) concludes nothing.
"""

from __future__ import annotations

import re

from worker.letter.raw_letter import FoundValue
from worker.letter.text import View

_NECESSARY = re.compile(r"medical(?:ly\s+(?:un)?necessary|\s+necessity)\b")

_BETWEEN = (
    r"(?:be|been|being|to|as|a|an|seen|deemed|considered|found|felt|indicated|shown|determined|proven|clearly|currently|yet|"
    r"appear|appears|seem|seems|established|at\s+this\s+time|therefore|presently|generally|reasonably|supported|and|is|was)"
)
_DENIED_BEFORE = re.compile(rf"\b(?:not|cannot|never|n't|nor|neither|no\s+longer)\s+(?:{_BETWEEN}\s+){{0,5}}$")
_STATED_BEFORE = re.compile(
    r"\b(?:is|are|was|were|be|been|being|considered|deemed|found|appears?|seems?|remains?|determined|felt)\s+"
    rf"(?:{_BETWEEN}\s+|both\s+|indeed\s+|thus\s+|\w+ly\s+|,\s*){{0,4}}$"
)
_UNPROVEN_BEFORE = re.compile(
    r"\b(?:not|cannot|can\s?not|unable\s+to|fails?\s+to|failed\s+to|insufficient\s+to|inadequate\s+to|lack\s+of|lacks|without|no)\s+"
    r"(?:[\w-]+\s+){0,4}$"
)
_PROVEN_BEFORE = re.compile(
    r"\b(?:supports?|establish(?:es)?|demonstrates?|affirms?|confirms?|is\s+an?|meets?|documents?)\s+(?:[\w-]+\s+){0,2}$"
)
_UNPROVEN_AFTER = re.compile(
    r"[^.;]{0,160}?\b(?:is|was|has|have|had|are|were|can|could|does|do)\s*(?:not|n't)\b(?!\s+only)|[^.;]{0,160}?\b(?:is|remains)\s+"
    r"(?:unclear|questionable|unestablished|lacking|unsupported)"
)
_PROVEN_AFTER = re.compile(
    r"[^.;]{0,160}?\b(?:is|was|has\s+been|have\s+been)\s+(?:\w+ly\s+|thus\s+|therefore\s+|now\s+)?"
    r"(?:supported|established|affirmed|demonstrated|met|substantiated|confirmed|documented|shown|evident|apparent)"
)
_CONDITION = re.compile(
    r"\b(?:if|whether|unless|until|should|would\s+need|contingent|in\s+order\s+to|may|might|when)\b"
)

_SENTENCE_END = re.compile(r"[.;?!]\s")

_BEFORE_CHARS, _AFTER_CHARS = 160, 200
"""The words around `medically necessary` that are looked at."""


def conclusion(view: View, start: int, end: int) -> FoundValue[bool] | None:
    """Whether the rationale calls the treatment medically necessary, and where; None where it does not say."""
    for match in reversed(list(_NECESSARY.finditer(view.folded, start, end))):
        before = _sentence_before(view.folded, start, match.start())
        necessary = _concluded(view.folded, match, before, end)
        if necessary is not None:
            denied = None if necessary else _DENIED_BEFORE.search(before) or _UNPROVEN_BEFORE.search(before)
            start_of_words = match.start() - len(before) + denied.start() if denied else match.start()
            return FoundValue(necessary, (start_of_words, match.end()))
    return None


def states_conclusion(folded: str) -> bool:
    """Whether a text says what is or is not medically necessary. Headings never do."""
    return any(
        _concluded(folded, match, _sentence_before(folded, 0, match.start()), len(folded)) is not None
        for match in _NECESSARY.finditer(folded)
    )


def _concluded(folded: str, match: re.Match[str], before: str, end: int) -> bool | None:
    """What one mention of medical necessity concludes; None where it concludes nothing."""
    if "necessity" in match.group():
        return _about_necessity(before, folded[match.end() : min(end, match.end() + _AFTER_CHARS)])
    if _DENIED_BEFORE.search(before):
        return False
    if not _STATED_BEFORE.search(before) or _is_conditional(before):
        return None
    return "unnecessary" not in match.group()


def _about_necessity(before: str, after: str) -> bool | None:
    if _UNPROVEN_BEFORE.search(before):
        return False
    if _is_conditional(before):
        return None
    if _UNPROVEN_AFTER.match(after):
        return False
    if _PROVEN_AFTER.match(after) or _PROVEN_BEFORE.search(before):
        return True
    return None


def _sentence_before(folded: str, start: int, end: int) -> str:
    """The words of the sentence before an offset, at most `_BEFORE_CHARS` characters."""
    return _SENTENCE_END.split(folded[max(start, end - _BEFORE_CHARS) : end])[-1]


def _is_conditional(before: str) -> bool:
    return bool(_CONDITION.search(before))
