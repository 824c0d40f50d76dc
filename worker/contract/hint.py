"""The hint: the one message between producer and workers.

A hint says "these claims may be ready"; it may be lost, doubled, late or wrong. It carries claim ids only: names of
files can be names of people, and the broker, Flower and logs show what a message holds.
"""

from __future__ import annotations

from collections.abc import Sequence

from worker.contract.claim_ids import is_claim_id

HINT_VERSION = 1
MAX_SHOWN_IDS = 3


class BadHint(ValueError):
    """A message on the queue that is no hint of a version this worker knows; the reaper sends the claims again."""


def make_hint(claim_ids: Sequence[str]) -> dict[str, object]:
    """The task's keyword arguments for these claims."""
    return {"version": HINT_VERSION, "claim_ids": list(claim_ids)}


def read_hint(version: object, claim_ids: object) -> list[str]:
    """The claim ids of a hint, each once, in order.

    Raises `BadHint` if the version is unknown or an id has not the form of one: what came over the queue is not
    trusted to name files.
    """
    if version != HINT_VERSION:
        told = version if isinstance(version, int) else f"({type(version).__name__})"  # never what others wrote there
        raise BadHint(f"unknown hint version {told}: this worker knows {HINT_VERSION}")
    if not isinstance(claim_ids, list) or not all(isinstance(one, str) and is_claim_id(one) for one in claim_ids):
        raise BadHint("a hint holds a list of claim ids")
    return list(dict.fromkeys(claim_ids))


def shown(claim_ids: Sequence[str]) -> str:
    """What Flower and the worker's log show of a hint: how many letters, and the first ids."""
    listed = ", ".join(claim_ids[:MAX_SHOWN_IDS])
    more = ", ..." if len(claim_ids) > MAX_SHOWN_IDS else ""
    letters = "letter" if len(claim_ids) == 1 else "letters"
    return f"({len(claim_ids)} {letters}: {listed}{more})"
