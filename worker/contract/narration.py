"""Narration of the services: one line per event on standard error; ids, counts, codes and durations only."""

from __future__ import annotations

import logging
import sys
import time

_FORMAT = "%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s"


class _OneLine(logging.Formatter):
    converter = staticmethod(time.gmtime)

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line: what a share's names could smuggle in stays printable."""
        line = super().format(record)
        return line if line.isprintable() else line.encode("unicode_escape").decode()


def narrate(level: str) -> None:
    """Send this program's narration to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine(_FORMAT, datefmt="%Y-%m-%dT%H:%M:%S"))
    root = logging.getLogger("imr")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
