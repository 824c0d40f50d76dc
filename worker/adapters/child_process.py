"""A child that does not outlive its parent: `python -IS child_process.py PARENT SIGNAL COMMAND...` becomes the command.

Killed with -9, the supervisor stops nobody; its server, producer and workers would go on, and the next `imr up` would
start a second set beside them. Linux signals the child instead, when asked by the child itself (PR_SET_PDEATHSIG). The
child asks here, between fork and exec, in a program of its own: code run in a fork of a program with threads may hang.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""


def die_with_parent(command: Sequence[str], number: signal.Signals) -> list[str]:
    """The command line that runs `command` until it ends, or is sent that signal because this process has ended."""
    return [sys.executable, "-IS", os.path.abspath(__file__), str(os.getpid()), str(int(number)), *command]


def main() -> None:
    """Become the command; or end at once if the parent is gone already."""
    parent, number, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() == int(parent):
        os.execvp(command[0], command)  # noqa: S606 - a list, never through a shell


if __name__ == "__main__":
    main()
