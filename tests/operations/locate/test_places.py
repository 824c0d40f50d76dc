"""What a path says about the letter there, and where the letter of a name or a claim is found."""

from __future__ import annotations

import os
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from worker.adapters.share.spool import Spool
from worker.contract.names import FOLDERS
from worker.operations.locate.places import FileFinder, Place, place_of

CLAIM = "01j00cf7002gez2gax4y"
DAY = "archive/2024/06/09"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("inbox/a.pdf", ("inbox", "", "a.pdf", None)),
        ("inbox/clinic/x/a.pdf", ("inbox", "clinic/x", "a.pdf", None)),
        (f"inbox/{CLAIM}~a.pdf", ("inbox", "", f"{CLAIM}~a.pdf", None)),
        (f"claimed/clinic/{CLAIM}~a.pdf", ("claimed", "clinic", "a.pdf", CLAIM)),
        (f"{DAY}/clinic/{CLAIM}~a.pdf", ("archive", "clinic", "a.pdf", CLAIM)),
        (f"{DAY}/{CLAIM}~a.pdf", ("archive", "", "a.pdf", CLAIM)),
        (f"{DAY}/duplicates/clinic/{CLAIM}~a.pdf", ("duplicates", "clinic", "a.pdf", CLAIM)),
        ("review/clinic/a.pdf", ("review", "clinic", "a.pdf", None)),
        (f"review/clinic/{CLAIM}~a.pdf", ("review", "clinic", "a.pdf", CLAIM)),
        (f"review/discarded/clinic/{CLAIM}~a.pdf", ("discarded", "clinic", "a.pdf", CLAIM)),
        ("review/discarded/a.pdf", ("review", "discarded", "a.pdf", None)),
        (f"review/duplicates/{CLAIM}~a.pdf", ("duplicates", "", "a.pdf", CLAIM)),
    ],
)
def test_a_path_says_where_the_letter_is_and_what_it_was_called(path: str, expected: tuple[object, ...]) -> None:
    assert place_of(path) == Place(expected[0], path, *expected[1:])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "path", ["claimed/a.pdf", f"archive/2024/{CLAIM}~a.pdf", f"{DAY}/a.pdf", "PAUSED.txt", ".imr/x", "inbox", "inbox/"]
)
def test_other_paths_hold_no_letters(path: str) -> None:
    assert place_of(path) is None


@pytest.mark.parametrize("suffix", [".error.json", ".error.txt"])
def test_what_lies_beside_a_letter_counts_as_the_letter(suffix: str) -> None:
    assert place_of(f"review/a.pdf{suffix}") == place_of("review/a.pdf")
    assert place_of(f"{DAY}/{CLAIM}~a.pdf.extracted.txt") == place_of(f"{DAY}/{CLAIM}~a.pdf")
    assert place_of(f"inbox/a.pdf{suffix}") != place_of("inbox/a.pdf"), "in the inbox it is what it is"


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    share = tmp_path / "share"
    for folder in FOLDERS:
        (share / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return share


def put(share: Path, *paths: str) -> None:
    for path in paths:
        (share / path).parent.mkdir(parents=True, exist_ok=True)
        (share / path).write_text("a letter")


def finder(share: Path) -> FileFinder:
    return FileFinder(Spool(share), ZoneInfo("America/Los_Angeles"))


def test_a_path_may_be_given_in_many_ways(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(share, "inbox/clinic/a.pdf")
    given = [str(share / "inbox/clinic/a.pdf"), "share/inbox/clinic/a.pdf", "inbox/clinic/a.pdf", "clinic/a.pdf"]
    given += ["./share/inbox/../inbox/clinic/a.pdf", "inbox//clinic/a.pdf"]
    assert {path: finder(share).at(path) for path in given} == dict.fromkeys(given, "inbox/clinic/a.pdf")
    monkeypatch.chdir(share / "inbox" / "clinic")
    assert finder(share).at("a.pdf") == "inbox/clinic/a.pdf"


def test_a_share_that_is_named_by_a_link_is_the_same_share(share: Path) -> None:
    put(share, "inbox/a.pdf")
    (share.parent / "link").symlink_to(share)
    assert finder(share.parent / "link").at(str(share / "inbox/a.pdf")) == "inbox/a.pdf"
    assert finder(share).at(str(share.parent / "link/inbox/a.pdf")) == "inbox/a.pdf"


def test_a_link_in_the_inbox_is_itself(share: Path, tmp_path: Path) -> None:
    (tmp_path / "bait").write_text("bait")
    (share / "inbox/link.pdf").symlink_to(tmp_path / "bait")
    (share / "inbox/folder").symlink_to(tmp_path)
    assert finder(share).at("inbox/link.pdf") == "inbox/link.pdf"
    assert finder(share).at("inbox/folder") == "inbox/folder"


@pytest.mark.parametrize("given", ["../bait", "/etc/passwd", "inbox", "share/inbox", "nothing.pdf", "inbox/../../bait"])
def test_what_is_not_in_the_share_or_no_file_is_not_there(share: Path, given: str) -> None:
    (share.parent / "bait").write_text("bait")
    assert finder(share).at(given) is None


def test_a_claim_is_found_wherever_its_file_lies(share: Path) -> None:
    stored = f"clinic/{CLAIM}~a.pdf"
    for path in (f"claimed/{stored}", f"{DAY}/{stored}", f"review/discarded/{stored}", f"review/{stored}"):
        put(share, path)
        assert [place.path for place in finder(share).of_claim(CLAIM)] == [path]
        (share / path).unlink()
    assert finder(share).of_claim(CLAIM) == []
    put(share, "review/a.pdf", "review/b.pdf")
    (share / "review/a.pdf.error.json").write_text(f'{{"claim_id": "{CLAIM}"}}')
    assert [place.path for place in finder(share).of_claim(CLAIM)] == ["review/a.pdf"]


def test_a_name_finds_what_was_dropped_under_it(share: Path) -> None:
    archived = f"{DAY}/clinic/2014/{CLAIM}~a.pdf"
    put(share, archived, f"{DAY}/other/{CLAIM}~a.pdf", f"{archived}.extracted.txt", "review/b.pdf")
    for given in (
        "clinic/2014/a.pdf",
        "2014/a.pdf",
        "share/inbox/clinic/2014/a.pdf",
        "/srv/imr/inbox/clinic/2014/a.pdf",
    ):
        assert [place.path for place in finder(share).of_name(given)] == [archived], given
    assert len(finder(share).of_name("a.pdf")) == 2
    assert [place.path for place in finder(share).of_name("b.pdf")] == ["review/b.pdf"]
    assert finder(share).of_name("c.pdf") == []
    assert finder(share).of_name("nic/2014/a.pdf") == [], "a folder is named whole"


def test_names_that_are_not_unicode_are_found(share: Path) -> None:
    name = os.fsdecode(b"\xff\n.pdf")
    put(share, f"inbox/{name}")
    assert finder(share).at(f"inbox/{name}") == f"inbox/{name}"
    assert [place.name for place in finder(share).of_name(name)] == [name]
