"""Whether descriptors and processes are left, and what happens where no more are to be had."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


def open_files() -> dict[int, str]:
    """Descriptors of this process, with what they are."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:  # the one that listed them
            continue
        if target != "/dev/urandom":  # the library that encrypts PDFs for the tests keeps it open
            found[int(name)] = target
    return found


def children(parent: int | None = None) -> set[int]:
    """Direct children of a process, this one by default, zombies included."""
    wanted = str(parent or os.getpid())
    return {
        int(name) for name in os.listdir("/proc") if name.isdecimal() and status_of(int(name)).get("PPid") == wanted
    }


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process, by field; empty where there is none."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return {}
    return {field: value.strip() for field, _, value in (line.partition(":") for line in lines)}


def is_alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    return not status_of(pid).get("State", "Z").startswith("Z")


@contextmanager
def no_leaks() -> Iterator[None]:
    """What is open and running at the end was so at the start."""
    files, processes = open_files(), children()
    yield
    opened, started = open_files().items() - files.items(), children() - processes
    assert not opened, f"left open: {sorted(opened)}"
    assert not started, f"left running: {sorted(started)}"


@contextmanager
def at_most_descriptors(more: int) -> Iterator[None]:
    """This process can open that many more files, then no other."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
