"""One checker over a bench's whole history: what became of every byte that was dropped, and what else was left.

It knows what was dropped, and believes nothing that it is told: streams, files, counts, keys and logs are looked at
one by one, and each published determination is compared with a parse of the letter's bytes made here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote

import orjson

from tests.faults.bench import Bench
from tests.faults.points import CANARY
from tests.support.key_list import stray_keys
from worker.adapters.redis.records import RedisRecords
from worker.adapters.share.spool import TEMPORARY_PREFIX, Spool
from worker.contract.claim_ids import arrival_day, split_claimed_name
from worker.contract.names import ARCHIVE, DUPLICATES, EXTRACTED_SUFFIX, REVIEW, SIDECAR_SUFFIXES, STATE
from worker.extraction import ReadLimits, TextExtractor
from worker.letter.errors import LetterError
from worker.letter.model import Determination
from worker.operations.status import take_balance
from worker.processing.determination import Determiner

PUBLISHED, DEAD, RESOLVED = "imr.determination.published", "imr.letter.dead-lettered", "imr.letter.resolved"

BESIDE: Final = (*SIDECAR_SUFFIXES, EXTRACTED_SUFFIX)
"""What lies beside letters."""
OUR_FAULTS: Final = ("internal", "poison")
"""Codes of dead letters that say nothing about the letter."""

_READER: Final = TextExtractor(ReadLimits(timeout_s=60.0))
_READING: Final = threading.Lock()


@dataclass(slots=True)
class Findings:
    """What is wrong, by kind; empty lists for a system that kept its promises."""

    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    corrupt: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(getattr(self, kind.name) for kind in dataclasses.fields(self))

    def __str__(self) -> str:
        lines = [f"{kind.name}: {getattr(self, kind.name)[:12]}" for kind in dataclasses.fields(self)]
        return "\n".join(lines)

    def add(self, other: Findings) -> None:
        """Add the findings of another bench."""
        for kind in dataclasses.fields(self):
            getattr(self, kind.name).extend(getattr(other, kind.name))

    def counted(self) -> dict[str, int]:
        """How many of each kind."""
        return {kind.name: len(getattr(self, kind.name)) for kind in dataclasses.fields(self)}


def check(bench: Bench) -> Findings:
    """Look at everything. The bench must be settled, its services may run."""
    findings = Findings()
    events = {stream: _events(bench, stream) for stream in (bench.keys.determinations, bench.keys.dead_letters)}
    _check_ids(events, findings)
    _check_outcomes(bench, events, findings)
    for event in events[bench.keys.determinations]:
        _check_parse(bench, event, findings)
    _check_files(bench, findings)
    _check_account(bench, findings)
    _check_leaks(bench, findings)
    return findings


def _events(bench: Bench, stream: str) -> list[dict[str, Any]]:
    rows = cast("Any", bench.client().xrange(stream))
    return [orjson.loads(fields[b"data"]) for _, fields in rows]


def _check_ids(events: dict[str, list[dict[str, Any]]], findings: Findings) -> None:
    """No id twice, in either stream or in both."""
    ids = Counter(event["id"] for entries in events.values() for event in entries)
    findings.doubled += [f"{identity} is published {times} times" for identity, times in ids.items() if times > 1]


def _check_outcomes(bench: Bench, events: dict[str, list[dict[str, Any]]], findings: Findings) -> None:
    """Each letter has exactly one outcome, and it is the right one; nothing else was published."""
    outcomes: dict[str, set[str]] = {}
    excused = 0
    for event in (entry for entries in events.values() for entry in entries if entry["type"] != RESOLVED):
        if event["data"].get("code") in OUR_FAULTS:
            excused += 1
        else:
            outcomes.setdefault(event["id"].partition(":")[0], set()).add(event["type"])
    if excused > bench.excused:
        findings.corrupt.append(f"{excused} letters went to review for our faults, {bench.excused} were made to")
    dropped = {letter.digest: letter for letter in bench.dropped}
    for digest, letter in dropped.items():
        expected = DEAD if isinstance(_parsed(letter.content, None), str) else PUBLISHED
        if digest not in outcomes:
            findings.missing.append(f"{letter.kind} {digest[:12]} has no outcome")
        elif outcomes[digest] != {expected}:
            findings.corrupt.append(f"{letter.kind} {digest[:12]} is {sorted(outcomes[digest])}, expected {expected}")
    findings.corrupt += [f"{digest[:12]} was never dropped" for digest in outcomes.keys() - dropped.keys()]


def _check_parse(bench: Bench, event: dict[str, Any], findings: Findings) -> None:
    """What was published is the parse of the file that it points to, whose bytes are the ones of its id."""
    path = unquote(event["dataref"])
    short = event["id"][:12]
    try:
        content = (bench.share / path).read_bytes()
    except OSError as error:
        findings.missing.append(f"the file of {short} is not where its event says ({type(error).__name__})")
        return
    if hashlib.sha256(content).hexdigest() != event["id"].partition(":")[0]:
        findings.corrupt.append(f"the file of {short} holds other bytes")
    claim = split_claimed_name(path.rpartition("/")[2])
    received_on = arrival_day(claim[0], _zone()) if claim is not None else None
    if received_on is None or event["data"] != _parsed(content, received_on):
        findings.corrupt.append(f"{short} is not what its letter says")


def _zone() -> Any:
    from worker.contract.settings import Settings

    return Settings(_env_file=None).zone  # type: ignore[call-arg]


@cache
def _determiner() -> Determiner:
    return Determiner(read_parties=False, today=lambda: date.today())  # noqa: DTZ011 - the day only bounds dates


@cache
def _parsed(content: bytes, received_on: date | None) -> Any:
    """What a letter says, as an event holds it; the code of its dead letter where it says nothing."""
    try:
        with _READING:
            text = _READER.to_text(content)
        determination: Determination = _determiner()(text, received_on)
    except LetterError as error:
        return error.code
    return orjson.loads(orjson.dumps(determination))


def _check_files(bench: Bench, findings: Findings) -> None:
    """Every byte that was dropped is in the share as often as it was dropped, in exactly one folder, whole."""
    files = dict(_files(bench.share))
    letters = {path: content for path, content in files.items() if not path.endswith(BESIDE) and not _is_state(path)}
    temporary = [path for path in letters if TEMPORARY_PREFIX in path]
    findings.leaked += [f"temporary file {hashlib.sha256(path.encode()).hexdigest()[:8]}" for path in temporary]
    there = Counter(content for path, content in letters.items() if path not in temporary)
    dropped = Counter(letter.content for letter in bench.dropped)
    findings.missing += [f"{times} files of {_short(content)} are gone" for content, times in (dropped - there).items()]
    findings.corrupt += [f"{times} files more of {_short(content)}" for content, times in (there - dropped).items()]
    findings.unexplained += [f"a file in {path.partition('/')[0]}" for path in letters if _is_waiting(path)]
    findings.unexplained += [f"a lone sidecar file in {path.partition('/')[0]}" for path in _lonely(files)]
    findings.missing += [f"no sidecar file for {_short(files[path])}" for path in _unexplained_dead(files)]


def _files(share: Path) -> Iterator[tuple[str, bytes]]:
    for path in share.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(share)), path.read_bytes()


def _is_state(path: str) -> bool:
    """Whether it belongs to this machine or to us, and is no letter and never was."""
    return path.startswith(f"{STATE}/")


def _is_waiting(path: str) -> bool:
    return path.partition("/")[0] not in (ARCHIVE, REVIEW)


def _lonely(files: dict[str, bytes]) -> list[str]:
    beside = {path: suffix for path in files for suffix in BESIDE if path.endswith(suffix)}
    return [path for path, suffix in beside.items() if path.removesuffix(suffix) not in files]


def _unexplained_dead(files: dict[str, bytes]) -> list[str]:
    in_review = [path for path in files if path.startswith(f"{REVIEW}/") and not path.endswith(SIDECAR_SUFFIXES)]
    dead = [path for path in in_review if f"/{DUPLICATES}/" not in path and TEMPORARY_PREFIX not in path]
    return [path for path in dead if not all(path + suffix in files for suffix in SIDECAR_SUFFIXES)]


def _short(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _check_account(bench: Bench, findings: Findings) -> None:
    """`imr status` closes, and counts what was dropped."""
    client = bench.client()
    account = take_balance(Spool(bench.share), RedisRecords(client, bench.keys), client, bench.keys)
    expected = {
        "seen": len(bench.dropped),
        "duplicate": len(bench.dropped) - len({letter.digest for letter in bench.dropped}),
        "in_flight": 0,
        "lost_claims": 0,
        "unexplained": 0,
    }
    if bench.forgot:
        del expected["seen"], expected["duplicate"]
    reported = {name: getattr(account, name) for name in expected}
    if reported != expected:
        findings.unexplained.append(f"status says {reported}, expected {expected}")


def _check_leaks(bench: Bench, findings: Findings) -> None:
    """No key that is not on the list, no canary where no letter belongs."""
    findings.leaked += [f"key {key}" for key in stray_keys(bench.client())]
    findings.leaked += [
        f"the canary in {name}" for name, text in bench.logs().items() if CANARY in text and name != "imr.out"
    ]
    findings.leaked += [f"the canary in command {command}" for command in bench.proxy.leaks]
    streams = {bench.keys.determinations, bench.keys.dead_letters}
    for key in cast("Any", bench.client().scan_iter(count=1000)):
        name = key.decode()
        dumped = bench.client().dump(key) if name not in streams else b""
        if CANARY in name or CANARY.encode() in (dumped or b""):
            findings.leaked.append(f"the canary in key {name.partition(':letter:')[0]}")
