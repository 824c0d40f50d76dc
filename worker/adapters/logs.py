"""The logs of the services: one line per event on standard error; ids, counts, codes and durations only."""

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
        """The time to the second; formatted once for all records of that second."""
        return _second(int(record.created), datefmt or "")

    def format(self, record: logging.LogRecord) -> str:
        """The record as one printable line: line ends and escapes are shown as text, so that no name forges a line."""
        line = super().format(record)
        return line if line.isprintable() else line.encode("unicode_escape").decode()


@lru_cache(maxsize=4)
def _second(at_s: int, form: str) -> str:
    return time.strftime(form, time.gmtime(at_s))


def _skip_unused_fields() -> None:
    """Turn off what logging looks up for every record and no line shows: source file, thread, process, task."""
    logging._srcfile = None  # documented under "Optimization" in logging's HOWTO
    logging.logThreads = False
    logging.logProcesses = False
    logging.logMultiprocessing = False


def configure_logging(level: str) -> None:
    """Write this program's log lines, from `level` on, to standard error; also those of a thread that fails."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S"))
    _skip_unused_fields()
    root = logging.getLogger("imr")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
    threading.excepthook = _log_failed_thread


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
        """Forget the state: there is nothing to report, without a log line. The next state is logged."""
        self.state = None


def call_path(error: BaseException) -> str:
    """Functions and lines that an error came through: logged instead of its message, which can quote a file name."""
    return " > ".join(f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__))


def _log_failed_thread(ended: threading.ExceptHookArgs) -> None:
    """Log a thread that ends by an error, in one line. Python itself prints a traceback with the error's message."""
    where = call_path(ended.exc_value) if ended.exc_value is not None else ""
    logging.getLogger("imr").error("a thread ended by an error kind=%s at %s", ended.exc_type.__name__, where)
