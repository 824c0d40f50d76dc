"""Ids, leases and outcomes for tests of the records: short to write, and valid."""

from __future__ import annotations

import hashlib
import itertools

from worker.contract.claim_ids import new_claim_id
from worker.contract.event import Action
from worker.contract.names import ReviewNaming
from worker.processing.records import Finish, Lease, Resolve

NOON_2024_MS = 1_718_000_000_000
LONG_MS = 3_600_000
"""A lease that outlives every test."""
RUN_OUT_MS = 0
"""A lease that has run out when it is granted: what a killed worker leaves, without the wait."""

_tokens = itertools.count(1)


def claim(number: int = 1) -> str:
    """A fresh claim id, made `number` milliseconds after a fixed noon."""
    return new_claim_id(NOON_2024_MS + number)


def digest(content: str) -> str:
    """The id of a letter with that content."""
    return hashlib.sha256(content.encode()).hexdigest()


def lease(content: str, claim_id: str) -> Lease:
    """A lease asked for by a new worker: its token is unique."""
    return Lease(digest(content), claim_id, f"token-{next(_tokens)}")


def publishing(held: Lease, revision: int = 1, event: bytes = b'{"an":"event"}', earlier: str = "") -> Finish:
    """FINISH of a letter that is published."""
    return Finish(held, revision, "published", "", event, earlier=earlier)


def burying(
    held: Lease,
    path: str = "review/letter.txt",
    *,
    revision: int = 1,
    named: ReviewNaming = "plain",
    code: str = "empty",
    earlier: str = "",
) -> Finish:
    """FINISH of a dead letter that wants `path` in review."""
    return Finish(held, revision, "dead", code, b'{"a":"dead letter"}', named, path, earlier)


def deciding(
    action: Action,
    content: str,
    *,
    revision: int = 1,
    decisions: int = 0,
    path: str = "review/letter.txt",
    named: ReviewNaming = "plain",
) -> Resolve:
    """RESOLVE by a person who saw that revision and that many decisions; each call is a separate decision."""
    token = f"decision-{next(_tokens)}"
    return Resolve(action, digest(content), revision, decisions, path, b'{"a":"decision"}', named, token)


def superseding(
    content: str, by: Lease, *, revision: int = 1, decisions: int = 0, path: str = "review/letter.txt"
) -> Resolve:
    """RESOLVE by a worker that found the file of that letter to be another one."""
    token = f"supersede:{by.claim_id}:{revision}"
    event = b'{"a":"letter was superseded"}'
    return Resolve("supersede", digest(content), revision, decisions, path, event, "plain", token, by)
