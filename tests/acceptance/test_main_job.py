"""The main job: letters dropped into a share, one event each in the stream, whatever is killed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jsonschema
import pytest

from tests.support.samples import SAMPLES
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually
from worker.contract.schema import event_schema

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "letters"
OWN = Path(__file__).resolve().parents[1] / "letters" / "valid"


def public_letters() -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in sorted(SHARED.rglob("*")) if path.suffix in (".pdf", ".txt")}
    if not found:
        pytest.skip("the public letters are not beside this project")
    return found


def own_letters() -> dict[str, bytes]:
    return {f"{path.parent.name}-{path.name}": path.read_bytes() for path in sorted(OWN.rglob("*.txt"))}


@pytest.mark.parametrize("letters", [public_letters, own_letters], ids=["public", "own"])
def test_each_letter_is_published_once_though_the_worker_is_killed(
    letters: Callable[[], dict[str, bytes]], tmp_path: Path
) -> None:
    """Killed -9 twice in the middle: exactly one event per letter, and a second drop adds none."""
    dropped = letters()
    with running_system(tmp_path / "share", {**QUICK, "IMR_BATCH_LETTERS": "5"}) as system:
        for name, content in dropped.items():
            system.drop(content, name)
        for reached in (5, len(dropped) // 2):
            eventually(partial(has_published, system, reached), f"{reached} events", timeout_s=60)
            system.kill_worker()
        eventually(system.is_idle, "inbox and claimed/ empty", timeout_s=90)
        check_all_published(system, dropped)

        for name, content in dropped.items():
            system.drop(content, name)
        eventually(system.is_idle, "inbox and claimed/ empty again", timeout_s=60)
        check_all_published(system, dropped)
        status = system.status()
        assert (status["seen"], status["duplicate"]) == (2 * len(dropped), len(dropped))
        assert status["unexplained"] == 0


def has_published(system: System, least: int) -> bool:
    return published(system) >= least


def published(system: System) -> int:
    return int(system.client().xlen(system.keys.determinations))


def check_all_published(system: System, dropped: dict[str, bytes]) -> None:
    events = system.events(system.keys.determinations)
    dead = [(event["dataref"], event["data"]["code"]) for event in system.events(system.keys.dead_letters)]
    assert dead == []
    assert Counter(event["id"] for event in events).most_common(1)[0][1] == 1
    assert len(events) == len(dropped)
    validator = jsonschema.Draft202012Validator(event_schema(), format_checker=jsonschema.FormatChecker())
    for event in events:
        validator.validate(event)
        assert (system.share / event["dataref"]).exists()


def test_commands_tell_what_happened(tmp_path: Path) -> None:
    """From drop to resolution with the commands alone: tail, status, list, show, discard, undo, redrive."""
    broken = (SAMPLES / "shoulder-therapy-decision-missing.txt").read_bytes()
    with running_system(tmp_path / "share") as system:
        system.drop(broken, "matter-17/broken.txt")
        in_review = [f"matter-17/broken.txt{suffix}" for suffix in ("", ".error.json", ".error.txt")]
        eventually(lambda: system.files("review") == in_review, "a dead letter in review/")
        (event,) = system.events(system.keys.dead_letters)
        wanted = event["id"][:12]

        assert wanted in system.imr("tail", "--no-follow")
        assert system.imr("tail", "--no-follow") == "", "the group goes on where it stopped"
        assert "issue_without_decision" in system.imr("dead-letters", "list")
        assert "line 34" in system.imr("dead-letters", "show", wanted)
        system.imr("dead-letters", "discard", wanted, code=2)
        system.imr("dead-letters", "discard", wanted, "--reason", "not ours")
        assert system.status()["discarded"] == 1
        assert all(path.startswith("discarded/matter-17/") for path in system.files("review"))
        system.imr("dead-letters", "discard", wanted, "--undo")
        assert system.files("review") == in_review
        system.imr("dead-letters", "redrive", wanted)
        eventually(lambda: len(system.events(system.keys.dead_letters)) == 5, "the second verdict")
        ids = [one["id"].removeprefix(event["id"][:-2]) for one in system.events(system.keys.dead_letters)]
        assert ids == [":1", ":1.1", ":1.2", ":1.3", ":2"]
        eventually(lambda: system.files("review") == in_review, "the letter back in review/")
        assert (system.status()["dead"], system.status()["unexplained"]) == (1, 0)
        system.imr("dead-letters", "show", "0123456789ab", code=5)


def test_a_second_up_on_the_same_share_says_so_and_exits(tmp_path: Path) -> None:
    with running_system(tmp_path / "share") as system:
        system.imr("up", code=7)
        code, printed = system.stop()
    assert code == 0
    assert "nothing is lost" in printed


def test_results_are_kept_between_runs(tmp_path: Path) -> None:
    """Stopped and started again: the same events, and the letters dropped meanwhile."""
    (first, second), *_ = [list(own_letters().values())[:2]]
    with running_system(tmp_path / "share") as system:
        system.drop(first, "first.txt")
        eventually(lambda: published(system) == 1, "the first event")
        system.stop()
        system.drop(second, "second.txt")
        system.start()
        eventually(lambda: published(system) == 2, "the second event")
        assert system.status()["published"] == 2
