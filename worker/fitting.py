"""Keeping an event below its size limit, and saying what was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from worker.contract.event import MAX_EVENT_BYTES, DeadLetter, Event, encode
from worker.letter.errors import Violation
from worker.letter.model import Determination, Finding, Issue

LEFT_OUT = "left_out"

Reduction = Callable[[Determination], Determination]


def encode_within(event: Event, max_bytes: int = MAX_EVENT_BYTES) -> bytes:
    """The event as JSON, at most `max_bytes` long if leaving out parts of its data can make it so.

    Parts of a determination go in the order of how easily they are had elsewhere: spans, documents, summary,
    rationales, guidelines. Each leaves a finding `left_out` with the field's name; everything is still in the archived
    letter. Of a dead letter's violations the first, most telling ones are kept.
    """
    encoded = encode(event)
    if len(encoded) <= max_bytes:
        return encoded
    if isinstance(event.data, DeadLetter):
        return _with_fewer_violations(event, event.data, max_bytes)
    for field, reduce in _REDUCTIONS:
        if len(encoded) <= max_bytes or not isinstance(event.data, Determination):
            break
        event = replace(event, data=_without(event.data, field, reduce))
        encoded = encode(event)
    return encoded


def _with_fewer_violations(event: Event, dead: DeadLetter, max_bytes: int) -> bytes:
    kept, encoded = dead.violations, encode(event)
    while kept and len(encoded) > max_bytes:
        kept = kept[: len(kept) // 2]
        more = len(dead.violations) - len(kept)
        note = Violation(LEFT_OUT, f"{more} more problems were left out: the event would be too large for its readers.")
        encoded = encode(replace(event, data=replace(dead, violations=(*kept, note))))
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
