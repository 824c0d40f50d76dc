"""Narration of the services: one line per event on standard error; ids, counts, codes and durations only."""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from functools import lru_cache

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"


class _OneLine(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - logging's name
        """The time to the second; worked out once for all records of that second."""
        return _second(int(record.created), datefmt or "")

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line: what a share's names could smuggle in stays printable."""
        line = super().format(record)
        return line if line.isprintable() else line.encode("unicode_escape").decode()


@lru_cache(maxsize=4)
def _second(at_s: int, form: str) -> str:
    return time.strftime(form, time.gmtime(at_s))


def _record_no_more_than_is_told() -> None:
    """Where a line was written, by which thread and task: looked up for every record, and never part of a line."""
    logging._srcfile = None  # documented under "Optimization" in logging's HOWTO
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False


def configure_logging(level: str) -> None:
    """Send this program's narration to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S"))
    _record_no_more_than_is_told()
    root = logging.getLogger("imr")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    threading.excepthook = _tell_of_thread


class LogOnChange:
    """Logs a state when it differs from the last one, so that what lasts is logged once."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self.state: object = None
        """The last state; None, as at the start, if there was nothing to report."""

    def log(self, state: object, level: int, message: str, *args: object) -> None:
        """Log the message if `state` is not equal to the last state, and remember `state`."""
        if state != self.state:
            self._logger.log(level, message, *args)
        self.state = state

    def reset(self) -> None:
        """There is nothing to report, and that is worth no log line of its own: the next state is logged."""
        self.state = None


def places(error: BaseException) -> str:
    """Where an error came from, in our code's own names: its message can quote the name of a file."""
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__))


def _tell_of_thread(ended: threading.ExceptHookArgs) -> None:
    """A thread that ends by an error, in a line; Python's own way is a traceback with the error's message."""
    where = places(ended.exc_value) if ended.exc_value is not None else ""
    logging.getLogger("imr").error("a thread ended kind=%s at %s", ended.exc_type.__name__, where)
