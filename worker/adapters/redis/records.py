"""The records in Redis (or Valkey): scripts, sent in pipelines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from typing import Any, Final, TypeVar, cast

import redis
from redis.exceptions import NoScriptError, RedisError, ResponseError

from worker.contract.event import CONTENT_TYPE
from worker.contract.names import Keys, ReviewNaming
from worker.processing.records import (
    Begun,
    Counts,
    Finish,
    Finished,
    Lease,
    Record,
    RecordDamaged,
    RecordsUnavailable,
    Resolve,
    Resolved,
    State,
)

Answer = TypeVar("Answer")
Command = tuple[list[str], list[Any]]
"""Keys and arguments of one run of a script."""


class _Script:
    def __init__(self, name: str) -> None:
        package = resources.files("worker.adapters.redis") / "scripts"
        common, step, batch = (
            (package / part).read_text() for part in ("keys_and_types.lua", f"{name}.lua", "batch.lua")
        )
        self.source = f"{common}local function step(KEYS, ARGV)\n{step}end\n{batch}".encode()
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


LETTERS_A_SCRIPT: Final = 20
"""One run of a script is for so many letters: the types of the keys that they share are looked at once. A server does
nothing else meanwhile, for about a millisecond."""
_REFUSALS: Final = ("OOM", "READONLY", "MISCONF", "MASTERDOWN", "NOREPLICAS", "NOPERM")
"""Why Redis refuses a script, or its first write."""
_NAMES = ("begin", "finish", "prolong", "release", "postpone", "resolve")


class RedisRecords:
    """`Records` on a Redis client that repeats nothing by itself (`worker.contract.redis_client.connect`)."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys
        self._scripts: Final = {name: _Script(name) for name in _NAMES}

    def begin(
        self, leases: Sequence[Lease], *, lease_ms: int, max_attempts: int, alone: bool = False
    ) -> list[Begun | RecordDamaged]:
        """See `Records.begin`."""
        keys, mode = self._keys, "alone" if alone else "batch"
        commands: list[Command] = [
            (
                [keys.letter(lease.digest), keys.open, keys.counts, keys.open_letters, keys.finished],
                [lease.claim_id, lease.token, lease_ms, max_attempts, mode, lease.digest],
            )
            for lease in leases
        ]
        return [each(reply, _begun) for reply in self._run("begin", commands)]

    def finish(self, finishes: Sequence[Finish]) -> list[Finished | RecordDamaged]:
        """See `Records.finish`."""
        return [each(reply, _finished) for reply in self._run("finish", [self._finish(one) for one in finishes])]

    def _finish(self, one: Finish) -> Command:
        keys, lease = self._keys, one.lease
        stream = keys.determinations if one.outcome == "published" else keys.dead_letters
        wanted = _wanted(one.review_path, one.named)
        who = (lease.claim_id, lease.token, one.revision)
        return (
            [*self._about(lease.digest, stream), keys.finished],
            [*who, one.outcome, one.code, wanted, one.named, CONTENT_TYPE, one.event, lease.digest, one.earlier],
        )

    def _about(self, digest: str, stream: str) -> list[str]:
        keys = self._keys
        return [keys.letter(digest), keys.open, keys.counts, stream, keys.review_names, keys.open_letters]

    def prolong(self, leases: Sequence[Lease], *, lease_ms: int) -> list[bool]:
        """See `Records.prolong`."""
        replies = self._run("prolong", [self._of(lease, [lease_ms]) for lease in leases])
        return [each(reply, bool) is True for reply in replies]

    def release(self, leases: Sequence[Lease]) -> None:
        """See `Records.release`."""
        for reply in self._run("release", [self._of(lease, []) for lease in leases]):
            each(reply, bool)

    def postpone(self, lease: Lease, *, patience_ms: int) -> bool:
        """See `Records.postpone`."""
        return each(self._run("postpone", [self._of(lease, [patience_ms])])[0], bool) is True

    def _of(self, lease: Lease, more: list[Any]) -> Command:
        keys = self._keys
        who = (lease.claim_id, lease.token, lease.digest)
        return [keys.letter(lease.digest), keys.open, keys.open_letters], [*who, *more]

    def resolve(self, decision: Resolve) -> Resolved:
        """See `Records.resolve`. Raises `RecordDamaged` too."""
        keys, one = self._keys, decision
        seen, path = (one.revision, one.decisions), _wanted(one.review_path, one.named)
        now = (one.by.claim_id, one.by.digest) if one.by is not None else ("", "")
        command: Command = (
            [*self._about(one.digest, keys.dead_letters), keys.finished],
            [one.action, *seen, path, one.named, CONTENT_TYPE, one.event, one.digest, one.token, *now],
        )
        answer = each(self._run("resolve", [command])[0], _resolved)
        if isinstance(answer, RecordDamaged):
            raise answer
        return answer

    def record(self, digest: str) -> Record | None:
        """See `Records.record`."""
        return self.records([digest])[0]

    def records(self, digests: Sequence[str]) -> list[Record | None]:
        """See `Records.records`."""
        with reaching(), self._client.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.hgetall(self._keys.letter(digest))
            found = cast("list[dict[bytes, bytes]]", pipe.execute() if digests else [])
        return [_record(digest, fields) for digest, fields in zip(digests, found, strict=True)]

    def dead_letter_event(self, entry: str) -> bytes | None:
        """See `Records.dead_letter_event`."""
        with reaching():
            found = cast("Any", self._client.xrange(self._keys.dead_letters, entry, entry))
        return found[0][1].get(b"data") if found else None

    def counts(self) -> Counts:
        """See `Records.counts`."""
        with reaching(), self._client.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._keys.counts)
            pipe.zrange(self._keys.open, 0, -1)
            pipe.hkeys(self._keys.finished)
            fields, *claims = pipe.execute()
        numbers = {name.decode(): int(value) for name, value in fields.items()}
        names = ("seen", "published", "dead", "discarded", "duplicate")
        seen, published, dead, discarded, duplicate = (numbers.get(name, 0) for name in names)
        open_claims, finished = (frozenset(one.decode() for one in group) for group in claims)
        internal = numbers.get("internal", 0)
        return Counts(seen, published, dead, discarded, duplicate, open_claims, finished, internal)

    def _run(self, name: str, commands: Sequence[Command]) -> list[Any]:
        """The replies of one script run for all commands in one round trip; an error reply stands in its place."""
        script = self._scripts[name]
        batches = [commands[start : start + LETTERS_A_SCRIPT] for start in range(0, len(commands), LETTERS_A_SCRIPT)]
        with reaching():
            replies = self._send(script, batches)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # The server forgot its scripts (restart, SCRIPT FLUSH); what was refused so has not run.
                self._client.script_load(script.source)
                missed = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
                again = self._send(script, [batches[index] for index in missed])
                for index, reply in zip(missed, again, strict=True):
                    replies[index] = reply
        return [one for batch, reply in zip(batches, replies, strict=True) for one in _of_each(batch, reply)]

    def _send(self, script: _Script, batches: Sequence[Sequence[Command]]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipe:
            for batch in batches:
                (first_keys, first_arguments) = batch[0]
                keys = [key for keys, _ in batch for key in keys]
                arguments = [argument for _, arguments in batch for argument in arguments]
                pipe.evalsha(script.sha, len(keys), *keys, len(first_keys), len(first_arguments), *arguments)
            return pipe.execute(raise_on_error=False) if batches else []


def _of_each(batch: Sequence[Command], reply: Any) -> Sequence[Any]:
    """The replies about each letter; an error that ended the run is one about all of them."""
    return [reply] * len(batch) if isinstance(reply, Exception) else cast("list[Any]", reply)


def _wanted(path: str | None, named: ReviewNaming) -> str:
    """The name that a letter needs for itself; one with its claim id in it is its own anyway."""
    return path_hash(path) if path is not None and named == "plain" else ""


def path_hash(path: str) -> str:
    """A path in `review/` as it stands in the records: names of files can be names of people."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def reaching() -> Iterator[None]:
    """What Redis does not do, as `RecordsUnavailable`."""
    try:
        yield
    except RedisError as error:
        # The message of a Redis error can quote arguments; its kind is all that may be told.
        raise RecordsUnavailable(f"Redis did not answer as expected ({type(error).__name__})") from error


def each(reply: Any, read: Callable[[Any], Answer]) -> Answer | RecordDamaged:
    """The reply, read; raises `RecordsUnavailable` for one that is a refusal."""
    if isinstance(reply, ResponseError) and "WRONGKIND" in str(reply):
        return RecordDamaged(str(reply))
    if isinstance(reply, Exception):
        # Refused as a whole: out of memory, read-only replica, still loading. Nothing was written.
        raise RecordsUnavailable(f"Redis refused ({_refusal(reply)})") from reply
    return read(reply)


def _refusal(reply: Exception) -> str:
    """What kind of error it is, never its message; Redis 6 puts the code of an error in a script into the middle."""
    return next((code for code in _REFUSALS if code in str(reply)), type(reply).__name__)


def _naming(raw: bytes) -> ReviewNaming:
    return "claim" if raw == b"claim" else "plain"


def _state(raw: bytes) -> State | None:
    return cast("State", raw.decode()) if raw else None


def _begun(raw: list[Any]) -> Begun:
    reply, state, revision, attempts, entry, named, earlier = raw
    texts = (entry.decode(), _naming(named), earlier.decode())
    return Begun(reply.decode(), _state(state), int(revision), int(attempts), *texts)


def _finished(raw: list[Any]) -> Finished:
    reply, entry, state, named = raw
    return Finished(reply.decode(), entry.decode(), _state(state), _naming(named))


def _resolved(raw: list[Any]) -> Resolved:
    reply, state, revision, decisions, named = raw
    return Resolved(reply.decode(), _state(state), int(revision), int(decisions), _naming(named))


def _record(digest: str, fields: dict[bytes, bytes]) -> Record | None:
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
