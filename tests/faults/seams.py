"""Where failpoints are put: the calls by which producer and worker change or look at anything outside themselves.

`install` is called in a process of its own before our code runs there; nothing in producer/ or worker/ knows of it.
"""

from __future__ import annotations

import builtins
import importlib
import io
import os
from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

from redis.client import Pipeline, Redis

from tests.faults.points import Failpoints, place, place_beyond

EFFECTS: Final = (
    *("rename", "replace", "unlink", "remove", "link", "symlink", "rmdir", "mkdir", "makedirs", "mknod"),
    *("fsync", "fdatasync", "truncate", "ftruncate", "utime", "chmod", "posix_spawn"),
)
"""Calls of `os` that change something."""
LOOKS: Final = ("open", "scandir", "listdir", "stat", "lstat", "fstat", "read", "statvfs")
"""Calls of `os` that only look, and fail when a share is away or a disk is broken."""

FUNCTIONS: Final = (("worker.adapters.share.spool", "rename_no_replace"),)
"""Calls of the kernel that `os` does not have: the module that calls it, and its name there."""

STEPS: Final = (
    ("worker.extraction.text_extractor", "TextExtractor", "to_text"),
    ("worker.processing.determination", "Determiner", "__call__"),
)
"""Steps in which a letter can do something to the program that reads it."""


def install(control: Path) -> Failpoints:
    """Put failpoints into this process."""
    script_names()  # which reads our files, and is no step of ours
    points = Failpoints(control)
    for name in (*EFFECTS, *LOOKS):
        setattr(os, name, _call(points, f"os.{name}", getattr(os, name)))
    opened: Any = _open(points, open)
    builtins.open = io.open = opened  # `Path.open` and its kin use the second name
    for module, name in FUNCTIONS:
        loaded = importlib.import_module(module)
        setattr(loaded, name, _call(points, name.strip("_"), getattr(loaded, name)))
    for module, owner, name in STEPS:
        kind = getattr(importlib.import_module(module), owner)
        setattr(kind, name, _step(points, f"{owner}.{name}", getattr(kind, name)))
    _install_in_clients(points)
    return points


def _call(points: Failpoints, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def patched(*args: Any, **kwargs: Any) -> Any:
        where = place()
        return points.call(where and f"{where}: {what}", function, *args, **kwargs)

    return patched


def _step(points: Failpoints, what: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def patched(*args: Any, **kwargs: Any) -> Any:
        return points.around(f"{place()}: {what}", function, *args, **kwargs)

    return patched


def _open(points: Failpoints, function: Callable[..., Any]) -> Callable[..., Any]:
    """`open`, and `write` of a file opened for writing: that is where a full disk is noticed."""

    def patched(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        where = place()
        writes = where is not None and not set(mode).isdisjoint("wxa+")
        opened = points.call(
            where and f"{where}: open{' to write' if writes else ''}", function, file, mode, *args, **kwargs
        )
        return _Written(opened, points, f"{where}: file.write") if writes else opened

    return patched


class _Written:
    """A file whose writes pass a failpoint."""

    def __init__(self, file: Any, points: Failpoints, name: str) -> None:
        self._file, self._points, self._name = file, points, name

    def write(self, content: Any) -> Any:
        return self._points.call(self._name, self._file.write, content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Written:
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._file.__exit__(*error)


def _install_in_clients(points: Failpoints) -> None:
    """Every command of every Redis client in the process: our records', and the broker's inside Celery."""
    command, pipeline, immediate = Redis.execute_command, Pipeline.execute, Pipeline.immediate_execute_command

    def execute_command(self: Any, *args: Any, **options: Any) -> Any:
        return points.call(_redis_point(args, place_beyond()), command, self, *args, **options)

    def immediate_execute_command(self: Any, *args: Any, **options: Any) -> Any:
        return points.call(_redis_point(args, place_beyond()), immediate, self, *args, **options)

    def execute(self: Any, *args: Any, **options: Any) -> Any:
        if not self.command_stack:
            return pipeline(self, *args, **options)
        first = self.command_stack[0][0]
        return points.call(_redis_point(first, place_beyond()), pipeline, self, *args, **options)

    setattr(Redis, "execute_command", execute_command)  # noqa: B010 - mypy knows both as methods
    setattr(Pipeline, "execute", execute)  # noqa: B010
    setattr(Pipeline, "immediate_execute_command", immediate_execute_command)  # noqa: B010
    _install_in_broker(points)


def _redis_point(args: Any, where: str | None) -> str:
    command = str(args[0]).upper()
    if command == "EVALSHA":
        command = f"script {script_names().get(str(args[1]), '')}".strip()
    return f"{where or 'celery'}: redis {command}"


def _install_in_broker(points: Failpoints) -> None:
    """kombu takes a message off the queue past the client's own call, and then puts it with the unacknowledged."""
    from kombu.transport.redis import Channel

    start, read = Channel._brpop_start, Channel._brpop_read

    def brpop_start(self: Any, *args: Any, **options: Any) -> Any:
        return points.call("celery: brpop sent", start, self, *args, **options)

    def brpop_read(self: Any, **options: Any) -> Any:
        return points.around("celery: brpop read", read, self, **options)

    setattr(Channel, "_brpop_start", brpop_start)  # noqa: B010
    setattr(Channel, "_brpop_read", brpop_read)  # noqa: B010


@cache
def script_names() -> dict[str, str]:
    """SHA-1 -> name of every script of the records."""
    from worker.adapters.redis.records import _Script

    scripts = (resources.files("worker.adapters.redis") / "scripts").iterdir()
    shared = ("keys_and_types", "batch", "trim")
    names = [name for script in scripts if (name := script.name.removesuffix(".lua")) not in shared]
    return {_Script(name).sha: name for name in names}
