"""Every side effect in producer/ and worker/ has a failpoint that the harness passes, or a reason why it needs none."""

from __future__ import annotations

import pytest

from tests.faults.bench import Bench
from tests.faults.letters import Letters
from tests.faults.points import Arm, reached
from tests.faults.redis_faults import configured
from tests.faults.scan import site_of, sites, unknown
from tests.faults.striking import Strike, load, strike

pytestmark = pytest.mark.services

HARMLESS: dict[str, str] = {
    "producer.claim.Claimer.claim: os.unlink": "the marker beside a letter that is claimed already",
    "producer.claim._put_back: os.rename": "of a folder that took a file's place that very moment; no letter moves",
    "worker.entrypoints.": "commands of a person and the supervisor: they start, show and ask, and change no letter",
    "worker.adapters.redis.embedded.": "the embedded server's own folder and socket, before any letter",
    "worker.adapters.share.pause.": "a note of the operator's; letters wait in the inbox whether it is whole or not",
    "worker.contract.consumer_group.": "for programs that read the streams: their own places in them, and no letter's",
    "worker.adapters.redis.server_continuity.ServerContinuity.acknowledge_loss": (
        "a figure that `imr status` shows until a person has seen to it"
    ),
    "worker.adapters.share.rename._look_and_rename: os.rename": "where kernel or file system know no renameat2",
}
"""Side effects (by the beginning of their site) that no letter depends on."""


def is_harmless(site: str) -> bool:
    return any(site.startswith(prefix) for prefix in HARMLESS)


@pytest.fixture(scope="module")
def passed(toured: tuple[Bench, list[tuple[str, str]], Letters]) -> set[str]:
    """The sites passed when letters go every way, are decided about by a person, and a disk is full."""
    bench, points, letters = toured
    full = "worker.processing.filing._move > worker.adapters.share.spool.Spool.write: file.write"
    strike(bench, letters, Strike("worker", Arm(full, "before", "raise:ENOSPC")))
    decide(bench, letters)
    with configured(bench, "appendfsync", "everysec"):
        bench.drop(load(letters))
        bench.settle()
    bench.server.restart()
    bench.recover()
    bench.stop("producer")
    bench.start("producer")
    passed = [
        *points,
        *((role, point) for role in ("producer", "worker", "imr") for point in reached(bench.control(role))),
    ]
    return {site_of(point) for _, point in passed}


def decide(bench: Bench, letters: Letters) -> None:
    """A dead letter given up, taken back and tried again."""
    broken = letters.make("broken")
    bench.drop([broken])
    bench.settle()
    wanted = broken.digest[:12]
    for arguments in (("discard", wanted, "--reason", "not ours"), ("discard", wanted, "--undo"), ("redrive", wanted)):
        status, said = bench.command("dead-letters", *arguments)
        assert status == 0, said
    bench.settle()


def test_every_side_effect_has_a_failpoint(passed: set[str]) -> None:
    missed = [f"{where}  {site}" for site, where in sites().items() if site not in passed and not is_harmless(site)]
    listing = "\n".join(missed)
    assert not missed, (
        f"the harness strikes none of these: have a letter pass them here, or say above why not\n{listing}"
    )


def test_no_call_of_the_system_is_unknown() -> None:
    assert unknown() == [], "say in tests/faults whether these change something"


def test_what_is_called_harmless_exists() -> None:
    assert [prefix for prefix in HARMLESS if not any(site.startswith(prefix) for site in sites())] == []
