"""Replies of Redis as values, and its errors as those of the records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

from redis.exceptions import RedisError, ResponseError

from worker.contract.names import ReviewNaming
from worker.processing.records import (
    Begun,
    Finished,
    Record,
    RecordDamaged,
    RecordsUnavailable,
    Resolved,
    State,
)

Parsed = TypeVar("Parsed")

_REFUSALS: Final = ("OOM", "READONLY", "MISCONF", "MASTERDOWN", "NOREPLICAS", "NOPERM")
"""Codes with which Redis refuses a script, or its first write."""


@contextmanager
def unavailable_on_error() -> Iterator[None]:
    """Raise `RecordsUnavailable` for any error of Redis."""
    try:
        yield
    except RedisError as error:
        # Only the kind of the error: the message of a Redis error can quote arguments.
        raise RecordsUnavailable(f"Redis did not answer as expected ({type(error).__name__})") from error


def parse_reply(reply: Any, parse: Callable[[Any], Parsed]) -> Parsed | RecordDamaged:
    """The parsed reply; raises `RecordsUnavailable` if the server refused the command."""
    if isinstance(reply, ResponseError) and "WRONGKIND" in str(reply):
        return RecordDamaged(str(reply))
    if isinstance(reply, Exception):
        # The whole command was refused: out of memory, read-only replica, still loading. Nothing was written.
        raise RecordsUnavailable(f"Redis refused ({_refusal(reply)})") from reply
    return parse(reply)


def _refusal(reply: Exception) -> str:
    """The error's code or class, never its message; Redis 6 puts the code of an error in a script into the middle."""
    return next((code for code in _REFUSALS if code in str(reply)), type(reply).__name__)


def _naming(raw: bytes) -> ReviewNaming:
    return "claim" if raw == b"claim" else "plain"


def _state(raw: bytes) -> State | None:
    return cast("State", raw.decode()) if raw else None


def begun_of(raw: list[Any]) -> Begun:
    """The reply of begin.lua."""
    reply, state, revision, attempts, entry, named, earlier = raw
    texts = (entry.decode(), _naming(named), earlier.decode())
    return Begun(reply.decode(), _state(state), int(revision), int(attempts), *texts)


def finished_of(raw: list[Any]) -> Finished:
    """The reply of finish.lua."""
    reply, entry, state, named = raw
    return Finished(reply.decode(), entry.decode(), _state(state), _naming(named))


def resolved_of(raw: list[Any]) -> Resolved:
    """The reply of resolve.lua."""
    reply, state, revision, decisions, named = raw
    return Resolved(reply.decode(), _state(state), int(revision), int(decisions), _naming(named))


def record_of(digest: str, fields: dict[bytes, bytes]) -> Record | None:
    """The record in a letter's hash; None if the hash is empty."""
    known = {name.decode(): value.decode() for name, value in fields.items()}
    if not known:
        return None
    return Record(
        digest=digest,
        state=cast("State", known.get("state", "waiting")),
        claim_id=known.get("claim", ""),
        attempts=int(known.get("attempts", 0)),
        revision=int(known.get("revision", 1)),
        decisions=int(known.get("decisions", 0)),
        entry=known.get("entry", ""),
        named=_naming(known.get("named", "").encode()),
        code=known.get("code", ""),
        superseded=known.get("superseded", ""),
    )
