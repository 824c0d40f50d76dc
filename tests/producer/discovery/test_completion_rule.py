"""The three ways to tell that a file is complete."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from producer.discovery.discovery import DiscoverySettings
from tests.producer.doubles import DISCOVERY, SCAN_S, SETTLE_S, Site
from tests.producer.stepping import known_to, quietly, started, step_after, step_until
from worker.adapters.share.completion_rule import CompletionRule
from worker.contract.settings import Complete


@pytest.mark.parametrize(
    ("mode", "path", "letter"),
    [
        ("quiet", "x.pdf", "x.pdf"),
        ("quiet", "a/x.pdf", "a/x.pdf"),
        ("quiet", "x.pdf.done", None),
        ("quiet", ".x.pdf", None),
        ("renamed", "x.pdf", "x.pdf"),
        ("renamed", "x.pdf.done", None),
        ("done-file", "x.pdf", None),
        ("done-file", "x.pdf.done", "x.pdf"),
        ("done-file", "a/b/x.pdf.done", "a/b/x.pdf"),
        ("done-file", ".done", None),
        ("done-file", "x.tmp.done", None),
        ("done-file", ".hidden/x.pdf.done", None),
        ("done-file", "x.pdf.done.done", None),
    ],
)
def test_a_path_speaks_for_a_letter(mode: Complete, path: str, letter: str | None) -> None:
    assert CompletionRule(mode, 1.0).letter_at(path) == letter


def test_each_mode_has_its_quiet_time() -> None:
    modes: list[Complete] = ["quiet", "renamed", "done-file"]
    assert [DiscoverySettings(complete=mode, settle_s=2, renamed_quiet_s=60).completion.quiet_s for mode in modes] == [
        2,
        60,
        2,
    ]


def moded(site: Site, mode: Complete) -> Site:
    site.discovery = replace(DISCOVERY, complete=mode, renamed_quiet_s=60.0)
    return site


# --- Renamed ----------------------------------------------------------------------------------------------------------


def test_in_renamed_mode_what_is_renamed_in_goes_at_once_and_the_rest_waits_long(site: Site) -> None:
    moded(site, "renamed")
    site.share.write("there-before.pdf")
    producer = started(site)
    site.share.write("written.pdf")
    site.share.drop("renamed.pdf")
    step_until(producer, lambda: site.share.claimed_paths() == ["renamed.pdf"], "renamed.pdf to be claimed")
    quietly(site, producer, 59)
    assert site.share.claimed_paths() == ["renamed.pdf"]
    quietly(site, producer, 10)
    assert site.share.claimed_paths() == ["renamed.pdf", "there-before.pdf", "written.pdf"]


def test_in_renamed_mode_a_file_that_was_written_is_a_letter_once_it_is_renamed(site: Site) -> None:
    producer = started(moded(site, "renamed"))
    site.share.write("being written.pdf")
    step_until(producer, lambda: known_to(producer) == 1, "the file to be noticed")
    (site.share.inbox / "being written.pdf").rename(site.share.inbox / "letter.pdf")
    step_until(producer, lambda: site.share.claimed_paths() == ["letter.pdf"], "letter.pdf to be claimed")


# --- Done-files -------------------------------------------------------------------------------------------------------


def test_in_done_file_mode_nothing_goes_without_one_and_both_go_with_it(site: Site) -> None:
    moded(site, "done-file")
    # There before the start, so that its folder is watched when the done-file comes.
    site.share.write("a/letter.pdf")
    producer = started(site)
    site.share.drop("clinic.pdf")
    quietly(site, producer, 30)
    assert site.share.claimed_paths() == []
    site.share.write("a/letter.pdf.done", "")
    step_until(producer, lambda: site.share.claimed_paths() == ["a/letter.pdf"], "the letter to be claimed")
    assert site.share.waiting_paths() == ["clinic.pdf"], "the done-file is gone with its letter"


def test_a_done_file_that_was_there_before_is_trusted_after_the_quiet_time(site: Site) -> None:
    """It may be left over from an earlier letter of that name, while the next is being written."""
    moded(site, "done-file")
    site.share.write("letter.pdf.done", "")
    letter = site.share.write("letter.pdf", "begun")
    producer = started(site)
    step_after(site, producer, SETTLE_S - 0.5)
    with letter.open("a") as file:
        file.write(", and ended")
    step_after(site, producer, 0.5)
    assert site.share.claimed_paths() == []
    step_after(site, producer, SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]
    assert site.share.waiting_paths() == []


def test_a_done_file_before_its_letter_waits_for_it(site: Site) -> None:
    producer = started(moded(site, "done-file"))
    site.share.write("letter.pdf.done", "")
    quietly(site, producer, SCAN_S)
    assert known_to(producer) == 0
    site.share.write("letter.pdf")
    quietly(site, producer, SCAN_S + SETTLE_S)
    assert site.share.claimed_paths() == ["letter.pdf"]


def test_a_done_file_that_cannot_be_removed_does_not_hold_up_its_letter(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between claim and removal is the same: the letter is claimed, its done-file left, and harmless."""
    producer = started(moded(site, "done-file"))
    real = os.unlink

    def refuse(path: str, *, dir_fd: int | None = None) -> None:
        if str(path).endswith(".done"):
            raise PermissionError(1, "Operation not permitted")
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", refuse)
    site.share.write("letter.pdf")
    site.share.write("letter.pdf.done", "")
    step_until(producer, site.share.claimed, "the letter to be claimed")
    quietly(site, producer, 3 * SCAN_S)
    assert site.share.claimed_paths() == ["letter.pdf"]
    assert site.share.waiting_paths() == ["letter.pdf.done"]


def test_in_quiet_mode_a_done_file_is_no_letter(site: Site) -> None:
    assert site.discovery == DISCOVERY
    site.share.write("letter.pdf.done", "")
    producer = started(site)
    quietly(site, producer, SCAN_S)
    assert site.share.claimed_paths() == []
    assert site.dials.reports[-1].ignored == 1
