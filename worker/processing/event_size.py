"""Keeping an event below its size limit, and saying what was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from worker.contract.event import MAX_EVENT_BYTES, SUPERSEDES_BYTES, Event, encode
from worker.letter.model import Determination, Finding, Issue

LEFT_OUT = "left_out"

Reduction = Callable[[Determination], Determination]


def encode_within(event: Event, max_bytes: int = MAX_EVENT_BYTES - SUPERSEDES_BYTES) -> bytes:
    """The event as JSON, at most `max_bytes` long if leaving out parts of its determination can make it so.

    Parts go in the order of how easily they are had elsewhere: spans, documents, summary, rationales, guidelines.
    Each leaves a finding `left_out` with the field's name; everything is still in the archived letter.
    """
    encoded = encode(event)
    for field, reduce in _REDUCTIONS:
        if len(encoded) <= max_bytes or not isinstance(event.data, Determination):
            break
        event = replace(event, data=_without(event.data, field, reduce))
        encoded = encode(event)
    return encoded


def _without(told: Determination, field: str, reduce: Reduction) -> Determination:
    reduced = reduce(told)
    if reduced == told:
        return told
    message = f"The event would be too large for its readers; {field} was left out. It stands in the archived letter."
    return replace(reduced, findings=(*told.findings, Finding(LEFT_OUT, "warning", field, message)))


def _in_issues(reduce: Callable[[Issue], Issue]) -> Reduction:
    return lambda told: replace(told, issues=tuple(reduce(issue) for issue in told.issues))


_REDUCTIONS: tuple[tuple[str, Reduction], ...] = (
    ("spans", lambda told: replace(told, spans={})),
    ("documents_reviewed", lambda told: replace(told, documents_reviewed=None)),
    ("clinical_summary", lambda told: replace(told, clinical_summary="")),
    ("issues.rationale", _in_issues(lambda issue: replace(issue, rationale=""))),
    (
        "issues.guidelines",
        _in_issues(lambda issue: replace(issue, claims_administrator_guideline=None, reviewer_guideline=None)),
    ),
)
