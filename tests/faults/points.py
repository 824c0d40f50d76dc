"""Failpoints of a running service: every side effect, named by the place in our code that asks for it.

    worker.processing.filing._move > worker.adapters.share.spool.Spool.write: os.fsync
    worker.adapters.celery.client.HintSender._publish: redis LPUSH
    celery: brpop reply

Names come from the call stack when the call is made, so a new step has its failpoints the moment it is written. A
process is told what to do by a file in its control folder, and may be told again while it runs:

    armed.json   {"point", "when", "action", "times", "skip"}: what the harness wants
    fired.json   the same file, renamed by the process that reached the point: exactly one of many can
    reached      every name reached so far, one a line
"""

from __future__ import annotations

import errno
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, Literal

import redis

When = Literal["before", "after"]
WHEN: Final[tuple[When, ...]] = ("before", "after")

CANARY: Final = "Zanzibarsky"
"""A word in file names, letters and error texts of the harness that may appear in the streams alone."""

_OURS: Final = ("producer.", "worker.")
_SEE_THROUGH: Final = {"os", "pathlib", "shutil", "contextlib", "posixpath", "genericpath", "tempfile"}
"""Modules of the standard library between our call and the system's."""
_DEPTH: Final = 60


@dataclass(frozen=True, slots=True)
class Arm:
    """What is to happen where: at the point, before its effect or after it, `times` in a row after `skip` passes."""

    point: str
    when: When
    action: str
    times: int = 1
    skip: int = 0


class Failpoints:
    """The failpoints of this process."""

    def __init__(self, control: Path) -> None:
        self._armed_path = str(control / "armed.json")
        self._fired_path = str(control / "fired.json")
        self._reached = os.open(control / "reached", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._stat, self._rename, self._write = os.stat, os.rename, os.write
        self._open = open
        self._names: set[str] = set()
        self._mine = threading.local()
        self._armed: Arm | None = None
        self._armed_as: tuple[int, int] | None = None
        self._skip = self._left = 0

    def call(self, name: str | None, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function` through the failpoint `name`; calls that it makes itself are not counted again."""
        if name is None or getattr(self._mine, "inside", False):
            return function(*args, **kwargs)
        self._mine.inside = True
        try:
            self._pass(name, "before")
            try:
                return function(*args, **kwargs)
            finally:
                self._pass(name, "after")
        finally:
            self._mine.inside = False

    def around(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The same for a step whose own calls are counted too."""
        self._pass(name, "before")
        result = function(*args, **kwargs)
        self._pass(name, "after")
        return result

    def _pass(self, name: str, when: When) -> None:
        if name not in self._names:
            self._names.add(name)
            self._write(self._reached, f"{name}\n".encode())
        arm = self._armed_now()
        if arm is None or arm.when != when or arm.point != name:
            return
        if self._skip > 0:
            self._skip -= 1
        elif self._left > 0 or self._claim(arm):
            self._left -= 1
            act(arm.action)

    def _armed_now(self) -> Arm | None:
        """What is armed: a look at one file, whose content is read again only if it is another file."""
        try:
            status = self._stat(self._armed_path)
        except FileNotFoundError:
            return self._armed if self._left > 0 else None
        if self._armed_as != (status.st_ino, status.st_mtime_ns):
            with self._open(self._armed_path) as file:
                self._armed = Arm(**json.load(file))
            self._armed_as = (status.st_ino, status.st_mtime_ns)
            self._skip, self._left = self._armed.skip, 0
        return self._armed

    def _claim(self, arm: Arm) -> bool:
        """Whether this process is the one that acts."""
        try:
            self._rename(self._armed_path, self._fired_path)
        except FileNotFoundError:
            return False
        self._left = arm.times
        return True


def arm(control: Path, what: Arm) -> None:
    """Arm the processes of a control folder."""
    (control / "fired.json").unlink(missing_ok=True)
    aside = control / "armed.new"
    aside.write_text(json.dumps(asdict(what)))
    aside.rename(control / "armed.json")


def disarm(control: Path) -> None:
    """What has not fired shall not."""
    (control / "armed.json").unlink(missing_ok=True)


def fired(control: Path) -> bool:
    """Whether a process has reached what was armed."""
    return (control / "fired.json").exists()


def reached(control: Path) -> list[str]:
    """Every point that a process with that control folder passed so far."""
    path = control / "reached"
    return sorted(set(path.read_text().splitlines())) if path.exists() else []


def place() -> str | None:
    """Where in our code the patched call was made, with the step that called it; None if elsewhere."""
    return _place(sys._getframe(1), through_all=False)


def place_beyond() -> str | None:
    """The same for calls that a library makes on our behalf."""
    return _place(sys._getframe(1), through_all=True)


def _place(frame: FrameType | None, *, through_all: bool) -> str | None:
    site: str | None = None
    module = ""
    for _ in range(_DEPTH):
        frame = frame.f_back if frame is not None else None
        if frame is None:
            return site
        name = str(frame.f_globals.get("__name__", ""))
        if name.startswith(_OURS):
            if site is None:
                site, module = f"{name}.{_function(frame)}", name
            elif name != module:
                return f"{name}.{_function(frame)} > {site}"
        elif site is None and not through_all and name not in _SEE_THROUGH and not name.startswith("tests.faults"):
            return None
    return site


def _function(frame: FrameType) -> str:
    return frame.f_code.co_qualname.removesuffix(".<locals>.<lambda>")


ACTIONS: Final = ("kill", "stop", "pause")
"""Besides `raise:<what>`; see `ERRORS`."""


def act(action: str) -> None:
    """Do what is armed, to this process."""
    kind, _, what = action.partition(":")
    if kind == "raise":
        error = ERRORS[what]()
        raise error
    os.kill(os.getpid(), {"kill": signal.SIGKILL, "stop": signal.SIGTERM, "pause": signal.SIGSTOP}[kind])


def _os_error(number: int) -> Callable[[], OSError]:
    return lambda: OSError(number, os.strerror(number), f"/share/{CANARY}.pdf")


ERRORS: Final[dict[str, Callable[[], BaseException]]] = {
    **{name: _os_error(getattr(errno, name)) for name in ("ENOSPC", "EIO", "EROFS", "EDQUOT", "EACCES", "EMFILE")},
    **{name: _os_error(getattr(errno, name)) for name in ("EAGAIN", "ESTALE")},
    "connection": lambda: redis.ConnectionError(f"cut while {CANARY} was sent"),
    "timeout": lambda: redis.TimeoutError(f"no answer about {CANARY}"),
    "memory": lambda: MemoryError(CANARY),
    "recursion": lambda: RecursionError(CANARY),
    "exit": lambda: SystemExit(CANARY),
    "value": lambda: ValueError(f"cannot read {CANARY}"),
}
"""What can be raised. Each text holds the canary, as real errors quote paths and values."""
