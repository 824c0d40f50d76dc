"""The records in Redis (or Valkey): Lua scripts, sent in pipelines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any, Final, cast

import redis
from redis.exceptions import NoScriptError

from worker.adapters.redis.replies import (
    begun_of,
    finished_of,
    parse_reply,
    record_of,
    resolved_of,
    unavailable_on_error,
)
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
    Resolve,
    Resolved,
)

Command = tuple[list[str], list[Any]]
"""Keys and arguments of one run of a script."""


class _Script:
    """A script as the server gets it: the shared part, the step for one letter, and the loop over a batch."""

    def __init__(self, name: str) -> None:
        package = resources.files("worker.adapters.redis") / "scripts"
        common, step, batch = (
            (package / part).read_text() for part in ("keys_and_types.lua", f"{name}.lua", "batch.lua")
        )
        self.source = f"{common}local function step(KEYS, ARGV)\n{step}end\n{batch}".encode()
        self.sha = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


LETTERS_A_SCRIPT: Final = 20
"""Letters handled by one run of a script. The types of the keys that they share are checked once per run; the server
does nothing else during the run, which takes about a millisecond."""
_NAMES = ("begin", "finish", "prolong", "release", "postpone", "resolve")


class RedisRecords:
    """`Records` over a Redis client that never repeats a command by itself (`worker.contract.redis_client.connect`)."""

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
        return [parse_reply(reply, begun_of) for reply in self._run("begin", commands)]

    def finish(self, finishes: Sequence[Finish]) -> list[Finished | RecordDamaged]:
        """See `Records.finish`."""
        commands = [self._finish_command(finish) for finish in finishes]
        return [parse_reply(reply, finished_of) for reply in self._run("finish", commands)]

    def _finish_command(self, finish: Finish) -> Command:
        lease = finish.lease
        stream = self._keys.determinations if finish.outcome == "published" else self._keys.dead_letters
        name_hash = _reserved_name(finish.review_path, finish.named)
        holder = (lease.claim_id, lease.token, finish.revision)
        outcome = (finish.outcome, finish.code, name_hash, finish.named)
        return (
            self._outcome_keys(lease.digest, stream),
            [*holder, *outcome, CONTENT_TYPE, finish.event, lease.digest, finish.earlier],
        )

    def _outcome_keys(self, digest: str, stream: str) -> list[str]:
        """Keys of the scripts that write an outcome or a decision, with the stream that gets its entry."""
        keys = self._keys
        return [
            *(keys.letter(digest), keys.open, keys.counts, stream),
            *(keys.review_names, keys.open_letters, keys.finished),
        ]

    def prolong(self, leases: Sequence[Lease], *, lease_ms: int) -> list[bool]:
        """See `Records.prolong`."""
        replies = self._run("prolong", [self._lease_command(lease, lease_ms) for lease in leases])
        return [parse_reply(reply, bool) is True for reply in replies]

    def release(self, leases: Sequence[Lease]) -> None:
        """See `Records.release`."""
        for reply in self._run("release", [self._lease_command(lease) for lease in leases]):
            parse_reply(reply, bool)

    def postpone(self, lease: Lease, *, patience_ms: int) -> bool:
        """See `Records.postpone`."""
        (reply,) = self._run("postpone", [self._lease_command(lease, patience_ms)])
        return parse_reply(reply, bool) is True

    def _lease_command(self, lease: Lease, *arguments: int) -> Command:
        keys = self._keys
        holder = (lease.claim_id, lease.token, lease.digest)
        return [keys.letter(lease.digest), keys.open, keys.open_letters], [*holder, *arguments]

    def resolve(self, decision: Resolve) -> Resolved:
        """See `Records.resolve`. Raises `RecordDamaged` too."""
        (reply,) = self._run("resolve", [self._resolve_command(decision)])
        resolved = parse_reply(reply, resolved_of)
        if isinstance(resolved, RecordDamaged):
            raise resolved
        return resolved

    def _resolve_command(self, decision: Resolve) -> Command:
        seen = (decision.action, decision.revision, decision.decisions)
        name = (_reserved_name(decision.review_path, decision.named), decision.named)
        successor = (decision.by.claim_id, decision.by.digest) if decision.by is not None else ("", "")
        return (
            self._outcome_keys(decision.digest, self._keys.dead_letters),
            [*seen, *name, CONTENT_TYPE, decision.event, decision.digest, decision.token, *successor],
        )

    def record(self, digest: str) -> Record | None:
        """See `Records.record`."""
        return self.records([digest])[0]

    def records(self, digests: Sequence[str]) -> list[Record | None]:
        """See `Records.records`."""
        with unavailable_on_error(), self._client.pipeline(transaction=False) as pipe:
            for digest in digests:
                pipe.hgetall(self._keys.letter(digest))
            hashes = cast("list[dict[bytes, bytes]]", pipe.execute() if digests else [])
        return [record_of(digest, fields) for digest, fields in zip(digests, hashes, strict=True)]

    def dead_letter_event(self, entry: str) -> bytes | None:
        """See `Records.dead_letter_event`."""
        with unavailable_on_error():
            rows = cast("Any", self._client.xrange(self._keys.dead_letters, entry, entry))
        return rows[0][1].get(b"data") if rows else None

    def counts(self) -> Counts:
        """See `Records.counts`."""
        with unavailable_on_error(), self._client.pipeline(transaction=True) as pipe:
            pipe.hgetall(self._keys.counts)
            pipe.zrange(self._keys.open, 0, -1)
            pipe.hkeys(self._keys.finished)
            fields, *claims = pipe.execute()
        numbers = {name.decode(): int(value) for name, value in fields.items()}
        names = ("seen", "published", "dead", "discarded", "duplicate")
        seen, published, dead, discarded, duplicate = (numbers.get(name, 0) for name in names)
        open_claims, finished = (frozenset(claim_id.decode() for claim_id in group) for group in claims)
        internal = numbers.get("internal", 0)
        return Counts(seen, published, dead, discarded, duplicate, open_claims, finished, internal)

    def _run(self, name: str, commands: Sequence[Command]) -> list[Any]:
        """The replies of a script to all commands, in order, in one round trip; errors are returned as replies."""
        script = self._scripts[name]
        batches = [commands[start : start + LETTERS_A_SCRIPT] for start in range(0, len(commands), LETTERS_A_SCRIPT)]
        with unavailable_on_error():
            replies = self._send(script, batches)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # The server forgot its scripts (restart, SCRIPT FLUSH); those it refused for that reason have not run.
                self._client.script_load(script.source)
                missed = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
                again = self._send(script, [batches[index] for index in missed])
                for index, reply in zip(missed, again, strict=True):
                    replies[index] = reply
        pairs = zip(batches, replies, strict=True)
        return [letter_reply for batch, reply in pairs for letter_reply in _replies_per_letter(batch, reply)]

    def _send(self, script: _Script, batches: Sequence[Sequence[Command]]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipe:
            for batch in batches:
                (first_keys, first_arguments) = batch[0]
                keys = [key for keys, _ in batch for key in keys]
                arguments = [argument for _, arguments in batch for argument in arguments]
                pipe.evalsha(script.sha, len(keys), *keys, len(first_keys), len(first_arguments), *arguments)
            return pipe.execute(raise_on_error=False) if batches else []


def _replies_per_letter(batch: Sequence[Command], reply: Any) -> Sequence[Any]:
    """One reply for each letter of a batch; an error that ended the whole run counts for all of them."""
    return [reply] * len(batch) if isinstance(reply, Exception) else cast("list[Any]", reply)


def _reserved_name(path: str | None, named: ReviewNaming) -> str:
    """Hash of the name in `review/` to reserve; empty if there is none, or if the claim id in it makes it unique."""
    return path_hash(path) if path is not None and named == "plain" else ""


def path_hash(path: str) -> str:
    """A path in `review/` as the records store it: hashed, because names of files can be names of people."""
    return hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()
