"""Keeps an event below its size limit, and says in its findings what was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from worker.contract.event import MAX_EVENT_BYTES, SUPERSEDES_BYTES, Event, encode
from worker.letter.model import Determination, Finding, Issue

LEFT_OUT = "left_out"

Reduction = Callable[[Determination], Determination]


def encode_within(event: Event, max_bytes: int = MAX_EVENT_BYTES - SUPERSEDES_BYTES) -> bytes:
    """The event as JSON, at most `max_bytes` long if leaving out parts of its determination can make it so.

    Parts are left out in this order: spans, documents, summary, rationales, guidelines. Each leaves a finding
    `left_out` with the field's name; everything is still in the archived letter.
    """
    encoded = encode(event)
    for field, reduce in _REDUCTIONS:
        if len(encoded) <= max_bytes or not isinstance(event.data, Determination):
            break
        event = replace(event, data=_without(event.data, field, reduce))
        encoded = encode(event)
    return encoded


def _without(determination: Determination, field: str, reduce: Reduction) -> Determination:
    reduced = reduce(determination)
    if reduced == determination:
        return determination
    message = f"The event would be too large for its readers; {field} was left out. It stands in the archived letter."
    return replace(reduced, findings=(*determination.findings, Finding(LEFT_OUT, "warning", field, message)))


def _in_issues(reduce: Callable[[Issue], Issue]) -> Reduction:
    return lambda letter: replace(letter, issues=tuple(reduce(issue) for issue in letter.issues))


_REDUCTIONS: tuple[tuple[str, Reduction], ...] = (
    ("spans", lambda letter: replace(letter, spans={})),
    ("documents_reviewed", lambda letter: replace(letter, documents_reviewed=None)),
    ("clinical_summary", lambda letter: replace(letter, clinical_summary="")),
    ("issues.rationale", _in_issues(lambda issue: replace(issue, rationale=""))),
    (
        "issues.guidelines",
        _in_issues(lambda issue: replace(issue, claims_administrator_guideline=None, reviewer_guideline=None)),
    ),
)
