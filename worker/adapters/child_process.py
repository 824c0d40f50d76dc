"""A child that does not outlive its parent: `python -IS child_process.py PARENT SIGNAL COMMAND...` becomes the command.

A supervisor that is killed with -9 cannot stop its children: its server, producer and workers would go on, and the next
`imr up` would start a second set beside them. Linux signals a child when its parent ends, if the child itself asks for
it (PR_SET_PDEATHSIG). The child asks here, between fork and exec, in a program of its own: code that runs in a fork of
a program with threads may hang.
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
    """The command line that runs `command`, and sends it the signal `number` when this process ends."""
    return [sys.executable, "-IS", os.path.abspath(__file__), str(os.getpid()), str(int(number)), *command]


def main() -> None:
    """Become the command, or end at once if the parent has ended already."""
    parent, number, *command = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))
    if os.getppid() == int(parent):
        os.execvp(command[0], command)  # noqa: S606 - a list, never through a shell


if __name__ == "__main__":
    main()
