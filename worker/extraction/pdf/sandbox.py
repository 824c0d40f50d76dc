"""The sandbox: what the reading process gives up before it reads the first letter.

A PDF is a program for a large interpreter written in C++. Whatever it manages to do there, it can use no more than a
bounded share of the machine, reach no network, start nothing, and leave nothing behind. Each restriction is applied
where the machine allows it; those that every machine allows (the resource limits) suffice to keep the worker running.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress

from worker.extraction.pdf.landlock import leave_only
from worker.extraction.pdf.syscall_filter import refuse_processes_and_network

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_MAX_OPEN_FILES = 16
"""One socket, twice /dev/null, and some room for the fonts that PDFium looks up."""

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
"""A service manager that stops the worker sends them to every process of the group. The worker still finishes its
letter then, so the process ignores them: it ends when its parent ends it, closes the socket, or dies."""

_FONTS = ("/usr/share/fonts", "/usr/local/share/fonts", "/usr/share/X11/fonts")
"""Where PDFium looks for a font that a PDF names and does not bring along."""


def confine(*, parent: int, memory_bytes: int, readable: Iterable[str]) -> None:
    """Give up what reading PDFs does not need; `readable` are the folders of the program itself.

    Exits the process at once if `parent` is no longer its parent.
    """
    os.chdir("/")  # a working directory inside the share would keep it from being unmounted
    for stop_signal in _STOP_SIGNALS:
        signal.signal(stop_signal, signal.SIG_IGN)
    _bound_resources(memory_bytes)
    libc = ctypes.CDLL(None)
    libc.unshare(
        _CLONE_NEWUSER | _CLONE_NEWNET
    )  # most containers refuse it: then only the filter below keeps it off the network
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # after unshare, which would clear it
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:  # it died before the signal was asked for: none will come
        sys.exit()
    leave_only(libc, (*readable, *_FONTS))
    refuse_processes_and_network(libc, os.getpid())


def bound_cpu(seconds: float) -> None:
    """Let the process use `seconds` more of processor time; SIGXCPU ends it then.

    The worker's own timeout comes first; this limit holds even while the worker itself is stopped.
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    _set_limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1, hard=False)


def _bound_resources(memory_bytes: int) -> None:
    _set_limit(resource.RLIMIT_AS, memory_bytes)
    _set_limit(resource.RLIMIT_FSIZE, 0)
    _set_limit(resource.RLIMIT_CORE, 0)
    _set_limit(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _set_limit(resource.RLIMIT_NPROC, 0)  # does not bind root


def _set_limit(which: int, limit: int, *, hard: bool = True) -> None:
    ceiling = resource.getrlimit(which)[1]
    wanted = limit if ceiling == resource.RLIM_INFINITY else min(limit, ceiling)
    with suppress(ValueError, OSError):
        resource.setrlimit(which, (wanted, wanted if hard else ceiling))
