"""Bad input ends in review, each kind with its own code and a sentence for people, while the worker goes on."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.letters_pdf import make_pdf
from tests.support.samples import SAMPLES
from tests.support.system import QUICK, System, running_system
from tests.support.waiting import eventually

LETTER = (SAMPLES / "opioid-and-acupuncture.txt").read_text()
OTHER = (SAMPLES / "home-infusion-expedited.txt").read_text()
MAX_BYTES = 200_000

CONTENTS: dict[str, tuple[bytes, str]] = {
    "empty.txt": (b"", "empty"),
    "too large.txt": (b"x" * (MAX_BYTES + 1), "too_large"),
    "noise.bin": (bytes(range(256)) * 8, "not_text"),
    "truncated.txt": (LETTER[: LETTER.index("Decision rationale:") + 200].encode(), "truncated"),
    "locked.pdf": (make_pdf(LETTER, password="a secret"), "password_protected"),
    "minutes.txt": (b"Minutes of the safety committee\n\nPresent: nobody.\n" * 5, "unknown_layout"),
    "two.txt": ((LETTER + "\f" + OTHER).encode(), "two_letters"),
    "picture.png": (b"\x89PNG\r\n\x1a\n" + bytes(200), "unsupported_format"),
    "broken.pdf": (make_pdf(LETTER)[:900], "incomplete"),
}


def _symbolic_link(path: Path) -> None:
    path.symlink_to(SAMPLES / "opioid-and-acupuncture.txt")


def _hard_link(path: Path) -> None:
    foreign = path.parents[1] / "foreign.txt"
    foreign.write_text(LETTER)
    os.link(foreign, path)


def _socket(path: Path) -> None:
    # The address of a unix socket has 108 bytes; a descriptor of its folder makes a short one.
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


MADE: dict[str, tuple[Callable[[Path], None], str]] = {
    "link.txt": (_symbolic_link, "symbolic_link"),
    "hard.txt": (_hard_link, "hard_link"),
    "pipe.txt": (os.mkfifo, "not_a_regular_file"),
    "socket.txt": (_socket, "not_a_regular_file"),
}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A system that was given all the bad input at once, and a good letter after it."""
    share = tmp_path_factory.mktemp("bad") / "share"
    with running_system(share, {**QUICK, "IMR_MAX_LETTER_BYTES": str(MAX_BYTES)}) as running:
        for name, (content, _) in CONTENTS.items():
            running.drop(content, name)
        for name, (make, _) in MADE.items():
            make(share / "inbox" / name)
        running.drop(LETTER.encode(), "good.txt")
        eventually(running.is_idle, "inbox and claimed/ empty", timeout_s=60)
        yield running


@pytest.mark.parametrize(
    ("name", "code"), [(name, code) for name, (_, code) in {**CONTENTS, **MADE}.items()], ids=[*CONTENTS, *MADE]
)
def test_bad_input_goes_to_review_with_its_code(system: System, name: str, code: str) -> None:
    told = json.loads((system.share / "review" / f"{name}.error.json").read_text())
    assert told["code"] == code
    assert told["what_happened"].endswith(".")
    assert len(told["what_to_do"]) > 20
    assert os.path.lexists(system.share / "review" / name)


def test_each_has_one_dead_letter_event(system: System) -> None:
    codes = sorted(event["data"]["code"] for event in system.events(system.keys.dead_letters))
    assert codes == sorted(code for _, code in [*CONTENTS.values(), *MADE.values()])


def test_the_worker_goes_on(system: System) -> None:
    (event,) = system.events(system.keys.determinations)
    assert event["subject"] == "CM18-9970021"
    status = system.status()
    assert (status["published"], status["dead"], status["unexplained"]) == (1, len(CONTENTS) + len(MADE), 0)


def test_nothing_from_outside_the_share_was_read(system: System) -> None:
    """Links stay links, and what they point to is neither published nor moved."""
    assert (system.share / "review" / "link.txt").is_symlink()
    assert (system.share / "foreign.txt").read_text() == LETTER


def test_no_name_and_no_word_of_a_letter_is_in_the_logs(system: System) -> None:
    said = "".join(path.read_text() for path in (system.share / ".imr" / "logs").iterdir())
    assert [name for name in [*CONTENTS, *MADE, "good.txt"] if name in said] == []
    assert "Acupuncture" not in said
