"""What a file in the inbox waits for, as a table of how it looks and who holds the intake."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from typing import Any

import pytest

from worker.adapters.share.completion_rule import CompletionRule
from worker.contract.filenames import ignore_rule, may_be_letter
from worker.operations.locate.inbox import InboxRules, inbox_status

RULES = InboxRules(CompletionRule("quiet", 2.0), max_scan_s=30.0, max_letter_bytes=1000)
NOW_S = 1_000_000.0


def looks(**changes: Any) -> os.stat_result:
    """A regular file of 10 bytes, written to a minute ago."""
    values = {"mode": stat.S_IFREG | 0o644, "links": 1, "size": 10, "mtime": NOW_S - 60, "ctime": NOW_S - 60, **changes}
    mode, links, size = values["mode"], values["links"], values["size"]
    return os.stat_result((mode, 1, 1, links, 0, 0, size, int(NOW_S), values["mtime"], values["ctime"]))


@pytest.mark.parametrize(
    ("path", "state"),
    [
        ("letter.pdf", "waiting"),
        ("clinic/2014/letter.pdf", "waiting"),
        ("letter.pdf.part", "ignored"),
        (".trash/letter.pdf", "ignored"),
        ("letter.pdf.error.txt", "ignored"),
        ("/".join(["d"] * 64) + "/letter.pdf", "waiting"),
        ("/".join(["d"] * 65) + "/letter.pdf", "too deep"),
    ],
)
def test_by_its_path(path: str, state: str) -> None:
    assert inbox_status(path, looks(), NOW_S, (), RULES).state == state
    assert may_be_letter(path) == (state == "waiting"), "as the producer decides"


@pytest.mark.parametrize(
    ("path", "rule"), [("A.PART", "*.part"), (".x/y.pdf", ".*"), ("~$x.docx", "~$*"), ("x.pdf", None), ("part", None)]
)
def test_the_rule_is_named(path: str, rule: str | None) -> None:
    assert ignore_rule(path) == rule
    if rule is not None:
        assert rule in inbox_status(path, looks(), NOW_S, (), RULES).waits_for[0]


@pytest.mark.parametrize(
    ("mtime", "state", "said"),
    [
        (NOW_S - 2.0, "waiting", "in 30 s at most (IMR_MAX_SCAN_SECONDS)"),
        (NOW_S - 0.5, "settling", "2 s without a change (IMR_SETTLE_SECONDS); it was written to 0.5 s ago"),
        (NOW_S + 0.5, "settling", "written to 0.0 s ago"),
        (NOW_S + 3600, "settling", "its time is 3600 s ahead of this machine's clock, which does no harm"),
    ],
)
def test_by_when_it_was_written_to(mtime: float, state: str, said: str) -> None:
    found = inbox_status("letter.pdf", looks(mtime=mtime), NOW_S, (), RULES)
    assert found.state == state
    assert said in found.waits_for[0]


def test_by_the_way_in_which_files_are_complete() -> None:
    rules = replace(RULES, completion=CompletionRule("done-file", 2.0))
    (waits_for,) = inbox_status("clinic/a.pdf", looks(), NOW_S, (), rules).waits_for
    assert waits_for == "its done-file: a.pdf.done beside it (IMR_COMPLETE is done-file)"
    assert inbox_status("clinic/a.pdf", looks(), NOW_S, (), rules, has_done_file=True).state == "waiting"
    renamed = replace(RULES, completion=CompletionRule("renamed", 90.0))
    (waits_for,) = inbox_status("a.pdf", looks(), NOW_S, (), renamed).waits_for
    assert waits_for == "90 s without a change (IMR_RENAMED_QUIET_SECONDS); it was written to 60.0 s ago"


def test_everything_that_holds_it_is_listed() -> None:
    holds = ("an operator: paused", "Redis: it does not answer")
    assert inbox_status("letter.pdf", looks(), NOW_S, holds, RULES).waits_for == holds
    assert inbox_status("letter.pdf", looks(), NOW_S, holds, RULES).state == "held"
    settling = inbox_status("letter.pdf", looks(mtime=NOW_S), NOW_S, holds, RULES)
    assert (settling.state, settling.waits_for[1:]) == ("settling", holds)
    assert "paused" not in inbox_status(".x", looks(), NOW_S, holds, RULES).waits_for[0], (
        "what is no letter waits for nobody"
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"mode": stat.S_IFLNK | 0o777}, "symbolic_link"),
        ({"mode": stat.S_IFIFO | 0o644}, "not_a_regular_file"),
        ({"mode": stat.S_IFSOCK | 0o644, "links": 2}, "not_a_regular_file"),
        ({"links": 2}, "hard_link"),
        ({"size": 0}, "empty"),
        ({"size": 1001}, "too_large"),
    ],
)
def test_what_will_be_refused_is_announced(changes: dict[str, Any], code: str) -> None:
    (warning,) = inbox_status("letter.pdf", looks(**changes), NOW_S, (), RULES).warnings
    assert f"`{code}`" in warning
    assert inbox_status("letter.pdf", looks(size=1000), NOW_S, (), RULES).warnings == ()
