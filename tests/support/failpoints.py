"""Simulated death at a chosen port call: what a kill, a crash or a power cut does to a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, cast

Port = TypeVar("Port")

When = Literal["before", "after"]


class Killed(BaseException):
    """The process died here. Code that catches this has no effect: every further call of a port raises it again."""


class Failpoints:
    """Counts the calls of watched ports; dies at the fatal one, before its effect or after it."""

    def __init__(self, fatal: int | None = None, when: When = "before") -> None:
        self._fatal = fatal
        self._when = when
        self.calls: list[str] = []
        self.is_dead = False

    def watch(self, port: Port) -> Port:
        """The port, each call of it counted."""
        return cast("Port", _Watched(port, self))

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `function`, unless this is where the process dies."""
        if self.is_dead:
            raise Killed
        is_fatal = len(self.calls) == self._fatal
        self.calls.append(name)
        if is_fatal and self._when == "before":
            self.die()
        try:
            return function(*args, **kwargs)
        finally:
            if is_fatal and self._when == "after":
                self.die()

    def die(self) -> None:
        """End the process, as far as the test goes."""
        self.is_dead = True
        raise Killed


class _Watched:
    def __init__(self, port: Any, failpoints: Failpoints) -> None:
        self._port = port
        self._failpoints = failpoints

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value
        return lambda *args, **kwargs: self._failpoints.call(name, value, *args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._failpoints.call("call", self._port, *args, **kwargs)
