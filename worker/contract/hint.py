"""The hint: the one message between producer and workers.

A hint says "these claims may be ready"; it may be lost, doubled, late or wrong. It holds claim ids only: names of files
can be names of people, and the broker, Flower and logs show the content of a message.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.claim_ids import is_claim_id

HINT_VERSION = 1
MAX_SHOWN_IDS = 3
"""Ids that Flower and the log show of a hint."""


class BadHint(ValueError):
    """A message on the queue that is not a hint of a known version; the reaper sends the claims again."""


def make_hint(claim_ids: Sequence[str]) -> dict[str, object]:
    """The task's keyword arguments for these claims."""
    return {"version": HINT_VERSION, "claim_ids": list(claim_ids)}


def read_hint(version: object, claim_ids: object) -> list[str]:
    """The claim ids of a hint, each once, in order.

    Raises `BadHint` if the version is unknown or an id is malformed: messages on the queue are not trusted to name
    files.
    """
    if version != HINT_VERSION:
        # Only numbers are shown: anything else may have been written by anybody.
        shown = version if isinstance(version, int) else f"({type(version).__name__})"
        raise BadHint(f"unknown hint version {shown}: this worker knows {HINT_VERSION}")
    if not isinstance(claim_ids, list) or not all(isinstance(item, str) and is_claim_id(item) for item in claim_ids):
        raise BadHint("a hint holds a list of claim ids")
    return list(dict.fromkeys(claim_ids))


def describe_hint(claim_ids: Sequence[str]) -> str:
    """A hint as Flower and the worker's log show it: the number of letters, and the first ids."""
    listed = ", ".join(claim_ids[:MAX_SHOWN_IDS])
    more = ", ..." if len(claim_ids) > MAX_SHOWN_IDS else ""
    letters = "letter" if len(claim_ids) == 1 else "letters"
    return f"({len(claim_ids)} {letters}: {listed}{more})"
