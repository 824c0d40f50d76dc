"""Streams that stay small by themselves, and never at the cost of a reader: the whole system, and its commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually

OWN = Path(__file__).resolve().parents[1] / "letters" / "valid"
AT_ONCE = {"IMR_KEEP_ACKNOWLEDGED_DAYS": "0.000001", "IMR_TRIM_SECONDS": "0.5"}


def test_streams_are_trimmed_by_themselves_of_what_their_readers_have(tmp_path: Path) -> None:
    letters = [path.read_bytes() for path in sorted(OWN.rglob("*.txt"))[:3]]
    with running_system(tmp_path / "share", {**QUICK, **AT_ONCE}) as system:
        client, stream = system.client(), system.keys.determinations
        for number, content in enumerate(letters):
            system.drop(content, f"letter-{number}.txt")
        eventually(lambda: client.xlen(stream) == 3, "three events", timeout_s=60)
        looked = [json.loads(line) for line in system.imr("stream", "trim", "--dry-run", "--json").splitlines()]
        assert [(one["stream"], one["removed"], one["why"]) for one in looked] == [
            (stream, 0, "no_reader"),
            (system.keys.dead_letters, 0, "empty"),
        ]

        acknowledge_first(system, 2)
        eventually(lambda: client.xlen(stream) == 1, "what the reader has to be trimmed", timeout_s=60)
        assert "group desk still needs the entries from" in system.imr("stream", "trim")
        assert client.xlen(stream) == 1
        assert system.status()["published"] == 3

        assert "every reader gets every entry" in system.imr("stream", "check")
        assert system.status()["stream_problems"] == []
        client.xtrim(stream, maxlen=0, approximate=False)  # what nobody should do: one entry is unread
        told = json.loads(system.imr("stream", "check", "--json", code=1))
        assert [(one["code"], one["group"], one["count"]) for one in told["problems"]] == [("lost_entries", "desk", 1)]
        assert "-> find who runs XTRIM" in system.imr("stream", "check", code=1)


def acknowledge_first(system: System, count: int) -> None:
    client, stream = system.client(), system.keys.determinations
    client.xgroup_create(stream, "desk", id="0")
    ((_, entries),) = cast("Any", client.xreadgroup("desk", "reader", {stream: ">"}, count=count))
    client.xack(stream, "desk", *(entry for entry, _ in entries))
