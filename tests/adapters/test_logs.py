"""Logs: one line per event on standard error, whatever a name could contain."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import pytest

from worker.adapters.logs import LogOnChange, configure_logging


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger("imr")
    before, hook = (root.handlers[:], root.level, root.propagate), threading.excepthook
    yield
    threading.excepthook = hook
    root.handlers[:], root.level, root.propagate = before


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words", "plain words"),
        ("two\nlines", r"two\nlines"),
        ("\r\x1b[2Kerased", r"\r\x1b[2Kerased"),
        ("\x00\x07\x7f", r"\x00\x07\x7f"),
        ("\u202eright to left", r"\u202eright to left"),
        ("\u2028another line", r"\u2028another line"),
        ("\udcff not Unicode", r"\udcff not Unicode"),
        ("Ünïcödé", "Ünïcödé"),
    ],
)
def test_an_event_is_one_line_of_printable_text(capsys: pytest.CaptureFixture[str], text: str, shown: str) -> None:
    configure_logging("INFO")
    logging.getLogger("imr.worker").info("%s", text)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err[:-1].isprintable()
    assert err.endswith(f" INFO imr.worker {shown}\n")


def test_a_traceback_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    error = ValueError("a\nb")
    logging.getLogger("imr.worker").error("failed", exc_info=error)
    assert capsys.readouterr().err.count("\n") == 1


def test_the_time_is_utc_with_milliseconds(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    record = logging.LogRecord("imr.x", logging.INFO, "", 0, "told", None, None)
    record.created, record.msecs = 1_718_000_000.123, 123.0
    logging.getLogger("imr.x").handle(record)
    assert capsys.readouterr().err == "2024-06-10T06:13:20.123Z INFO imr.x told\n"


def test_configuring_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO")
    configure_logging("WARNING")
    logging.getLogger("imr.x").info("too quiet")
    logging.getLogger("imr.x").warning("told")
    assert capsys.readouterr().err.count("\n") == 1


def test_a_thread_that_ends_by_an_error_is_logged_without_the_message(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise OSError(5, "Input/output error", "/share/inbox/Smith, John.pdf")

    configure_logging("INFO")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    said = capsys.readouterr().err
    assert "a thread ended by an error kind=OSError at " in said
    assert "fail:" in said
    assert "Smith" not in said
    assert said.count("\n") == 1, said


class TestLogOnChange:
    @pytest.fixture
    def hold(self, caplog: pytest.LogCaptureFixture) -> LogOnChange:
        caplog.set_level(logging.INFO)
        return LogOnChange(logging.getLogger("changes"))

    def test_a_state_that_stays_is_logged_once(self, hold: LogOnChange, caplog: pytest.LogCaptureFixture) -> None:
        for _ in range(3):
            hold.log("disk full", logging.WARNING, "held: %s", "disk full")
        assert caplog.record_tuples == [("changes", logging.WARNING, "held: disk full")]

    def test_each_change_is_logged_in_its_own_words(self, hold: LogOnChange, caplog: pytest.LogCaptureFixture) -> None:
        hold.log(1, logging.WARNING, "held: %d", 1)
        hold.log(2, logging.WARNING, "held: %d", 2)
        hold.log(None, logging.INFO, "open")
        hold.log(1, logging.WARNING, "held: %d", 1)
        assert caplog.messages == ["held: 1", "held: 2", "open", "held: 1"]
        assert [record.levelno for record in caplog.records][2] == logging.INFO

    def test_it_begins_with_nothing_to_report(self, hold: LogOnChange, caplog: pytest.LogCaptureFixture) -> None:
        assert hold.state is None
        hold.log(None, logging.INFO, "open")
        assert caplog.messages == []

    def test_a_reset_is_silent_and_the_same_state_is_logged_again(
        self, hold: LogOnChange, caplog: pytest.LogCaptureFixture
    ) -> None:
        hold.log(28, logging.WARNING, "errno=%d", 28)
        assert hold.state == 28
        hold.reset()
        hold.log(28, logging.WARNING, "errno=%d", 28)
        assert caplog.messages == ["errno=28", "errno=28"]

    def test_a_level_that_is_off_counts_as_logged(self, hold: LogOnChange, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.ERROR, logger="changes")
        hold.log("a", logging.INFO, "a")
        caplog.set_level(logging.INFO, logger="changes")
        hold.log("a", logging.INFO, "a")
        assert caplog.messages == []
