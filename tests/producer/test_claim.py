"""Sole ownership by one rename: exactly one winner, nothing opened, nothing followed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from producer.claim import Claimer
from tests.producer.doubles import Share
from worker.contract.claim_ids import claimed_at_ms, is_claim_id
from worker.contract.names import MAX_NAME_BYTES

NOW_MS = 1_718_000_000_123


@pytest.fixture
def claimer(share: Share) -> Claimer:
    return Claimer(str(share.root), lambda: NOW_MS)


def test_the_file_moves_whole_under_a_fresh_claim_id(share: Share, claimer: Claimer) -> None:
    share.write("letter.pdf", "word for word")
    claim_id = claimer.claim("letter.pdf")
    assert claim_id is not None
    assert is_claim_id(claim_id)
    assert claimed_at_ms(claim_id) == NOW_MS
    assert (share.root / "claimed" / f"{claim_id}~letter.pdf").read_text() == "word for word"
    assert share.waiting_paths() == []


def test_two_claims_of_the_same_moment_have_ids_of_their_own(share: Share, claimer: Claimer) -> None:
    share.write("a.pdf")
    share.write("b.pdf")
    assert claimer.claim("a.pdf") != claimer.claim("b.pdf")


def test_sub_folders_of_the_inbox_are_kept(share: Share, claimer: Claimer) -> None:
    share.write("clinic/2014/letter.pdf")
    claim_id = claimer.claim("clinic/2014/letter.pdf")
    assert share.claimed() == {claim_id: "clinic/2014/letter.pdf"}
    assert (share.inbox / "clinic" / "2014").is_dir(), "people's folders stay"


@pytest.mark.parametrize("path", ["never-there.pdf", "no/such/folder.pdf", "file.pdf/inside"])
def test_what_is_gone_is_nobodys(share: Share, claimer: Claimer, path: str) -> None:
    share.write("file.pdf")
    assert claimer.claim(path) is None
    assert share.claimed() == {}


def test_of_many_threads_one_gets_the_file(share: Share) -> None:
    claimers = [Claimer(str(share.root), lambda: NOW_MS) for _ in range(8)]
    with ThreadPoolExecutor(len(claimers)) as pool:
        for number in range(50):
            share.write(f"folder/{number}.pdf")
            start = threading.Barrier(len(claimers))

            def race(claimer: Claimer, number: int = number, start: threading.Barrier = start) -> str | None:
                start.wait()
                return claimer.claim(f"folder/{number}.pdf")

            won = [claim_id for claim_id in pool.map(race, claimers) if claim_id is not None]
            assert len(won) == 1, won
    assert len(share.claimed()) == 50


RACER = """
import sys
from producer.claim import Claimer
claimer = Claimer(sys.argv[1], lambda: 0)
print("ready", flush=True)
sys.stdin.readline()
for number in range(300):
    claim_id = claimer.claim(f"sub/{number}.pdf")
    if claim_id is not None:
        print(claim_id)
"""


def test_of_many_processes_one_gets_each_file(share: Share) -> None:
    for number in range(300):
        share.write(f"sub/{number}.pdf")
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(share.root)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]  # fmt: skip
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    won = [claim_id for racer in racers for claim_id in racer.communicate(timeout=30)[0].split()]
    assert len(won) == len(set(won)) == 300
    assert share.claimed_paths() == sorted(f"sub/{number}.pdf" for number in range(300))


def test_a_link_is_renamed_itself(share: Share, claimer: Claimer) -> None:
    bait = share.root / "outside" / "bait"
    bait.write_text("not for us")
    (share.inbox / "link.pdf").symlink_to(bait)
    claim_id = claimer.claim("link.pdf")
    claimed = share.root / "claimed" / f"{claim_id}~link.pdf"
    assert claimed.is_symlink()
    assert claimed.readlink() == bait
    assert bait.read_text() == "not for us"


def test_a_folder_that_became_a_link_leads_nowhere(share: Share, claimer: Claimer) -> None:
    bait = share.root / "outside" / "bait.pdf"
    bait.write_text("not for us")
    (share.inbox / "clinic").symlink_to(bait.parent)
    (share.inbox / "real").mkdir()
    (share.inbox / "real" / "deeper").symlink_to(bait.parent)
    assert claimer.claim("clinic/bait.pdf") is None
    assert claimer.claim("real/deeper/bait.pdf") is None
    assert bait.exists()
    assert share.claimed() == {}


def test_a_folder_that_takes_the_place_of_a_link_in_that_moment_stays_in_the_inbox(
    share: Share, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rename moves whatever has the name; a folder in claimed/ would hide the letters in it for ever."""
    (share.inbox / "swapped").symlink_to("nowhere")
    real = os.rename

    def swapped_before(old: str, new: str, **kwargs: int) -> None:
        if (share.inbox / "swapped").is_symlink():
            (share.inbox / "swapped").unlink()
            share.write("swapped/letter.pdf")
        real(old, new, **kwargs)

    monkeypatch.setattr(os, "rename", swapped_before)
    assert claimer.claim("swapped") is None
    assert share.waiting_paths() == ["swapped/letter.pdf"]
    assert os.listdir(share.root / "claimed") == []


def test_also_when_its_name_is_taken_by_then(share: Share, claimer: Claimer, monkeypatch: pytest.MonkeyPatch) -> None:
    share.write("swapped/letter.pdf")
    real = os.rename

    def taken_after(old: str, new: str, **kwargs: int) -> None:
        real(old, new, **kwargs)
        if not os.path.lexists(share.inbox / "swapped"):
            (share.inbox / "swapped").symlink_to("nowhere")

    monkeypatch.setattr(os, "rename", taken_after)
    assert claimer.claim("swapped") is None
    (kept,) = [path for path in share.waiting_paths() if path != "swapped"]
    assert kept.endswith("~swapped/letter.pdf")
    assert os.listdir(share.root / "claimed") == []


def test_a_fifo_is_claimed_without_being_opened(share: Share, claimer: Claimer) -> None:
    os.mkfifo(share.inbox / "fifo.pdf")
    claim_id = claimer.claim("fifo.pdf")
    assert (share.root / "claimed" / f"{claim_id}~fifo.pdf").is_fifo()


@pytest.mark.parametrize(
    "name",
    [b"n" * 251 + b".pdf", b"\xc3\xa4" * 125 + b".pdf", b"\xff" * 255, b"line\nbreak.pdf", b"-rf", b"a~b~c.pdf"],
    ids=lambda name: repr(name[:6]),
)
def test_any_name_fits_and_keeps_its_extension(share: Share, claimer: Claimer, name: bytes) -> None:
    path = os.fsdecode(name)
    share.write(path, "word for word")
    claim_id = claimer.claim(path)
    ((found, original),) = share.claimed().items()
    assert found == claim_id
    assert os.path.splitext(original)[1] == os.path.splitext(path)[1]
    assert path.startswith(os.path.splitext(original)[0])
    stored = f"{claim_id}~{original}"
    assert len(os.fsencode(stored)) <= MAX_NAME_BYTES
    assert (share.root / "claimed" / stored).read_text() == "word for word"


def test_a_folder_pruned_between_its_making_and_the_rename_is_made_again(
    share: Share, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    share.write("clinic/letter.pdf")
    real, pruned = os.makedirs, list[str]()

    def makedirs(path: str, *, exist_ok: bool) -> None:
        real(path, exist_ok=exist_ok)
        if len(pruned) < 3:
            os.rmdir(path)
            pruned.append(path)

    monkeypatch.setattr(os, "makedirs", makedirs)
    claim_id = claimer.claim("clinic/letter.pdf")
    assert len(pruned) == 3
    assert share.claimed() == {claim_id: "clinic/letter.pdf"}


def test_a_folder_pruned_every_time_ends_in_an_error_and_the_file_stays(
    share: Share, claimer: Claimer, monkeypatch: pytest.MonkeyPatch
) -> None:
    share.write("clinic/letter.pdf")
    monkeypatch.setattr(os, "makedirs", lambda path, *, exist_ok: None)
    with pytest.raises(FileNotFoundError):
        claimer.claim("clinic/letter.pdf")
    assert share.waiting_paths() == ["clinic/letter.pdf"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EROFS, errno.EXDEV, errno.EBUSY, errno.EIO])
def test_what_the_file_system_refuses_stays_in_the_inbox(
    share: Share, claimer: Claimer, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    share.write("letter.pdf")

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(OSError, match=os.strerror(code)):
        claimer.claim("letter.pdf")
    assert share.waiting_paths() == ["letter.pdf"]


def test_a_file_in_the_way_of_a_folder_in_claimed_is_an_error_and_the_letter_stays(
    share: Share, claimer: Claimer
) -> None:
    share.write("clinic/letter.pdf")
    (share.root / "claimed" / "clinic").write_text("in the way")
    with pytest.raises(OSError, match=r"Not a directory|File exists"):
        claimer.claim("clinic/letter.pdf")
    assert share.waiting_paths() == ["clinic/letter.pdf"]


def test_claims_leave_no_descriptor_open(share: Share, claimer: Claimer) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        share.write(f"a/b/{number}.pdf")
        claimer.claim(f"a/b/{number}.pdf")
        claimer.claim(f"a/gone/{number}.pdf")
        claimer.claim("a/b/gone.pdf")
    assert len(os.listdir("/proc/self/fd")) == before
