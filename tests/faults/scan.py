"""Every call in producer/ and worker/ that has a side effect, found in the source; and the ones that need no failpoint.

What the harness passes when it runs is compared with this list: a side effect that no failpoint covers fails a test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from tests.faults.seams import EFFECTS, FUNCTIONS, LOOKS

ROOT: Final = Path(__file__).resolve().parents[2]

_PATH_EFFECTS: Final = {
    "touch": "os.open",
    "write_text": "open to write",
    "write_bytes": "open to write",
    "symlink_to": "os.symlink",
    "hardlink_to": "os.link",
    **{name: f"os.{name}" for name in ("mkdir", "unlink", "rmdir", "chmod")},
}
"""Methods of a path, and the call of the system that each makes."""
_PATH_MOVES: Final = {"rename", "replace"}
"""With one argument it is a path's; `str.replace` and `dataclasses.replace` take two or names."""
_CLIENTS: Final = ("client", "_client")
_READS: Final = {
    *(
        "get",
        "hget",
        "hgetall",
        "hmget",
        "hexists",
        "hlen",
        "exists",
        "type",
        "ttl",
        "scan_iter",
        "hscan_iter",
        "llen",
        "hkeys",
    ),
    *("zscore", "zmscore", "zrange", "zcard", "xrange", "xrevrange", "xlen", "xpending", "xpending_range", "xread"),
    *("xinfo_stream", "xinfo_groups", "xinfo_consumers", "info", "config_get", "time", "ping", "memory_usage"),
    *("close", "pipeline", "execute", "register_script", "lastsave", "hstrlen", "zrangebyscore", "scan"),
}
"""Commands that change nothing, and what a client does by itself; a pipeline is known by the commands in it."""
_LIBRARIES: Final = {"shutil", "subprocess"}
_READS_ONLY: Final = {"disk_usage", "DEVNULL", "TimeoutExpired"}
_HARMLESS_OS: Final = {
    *("fsencode", "fsdecode", "fspath", "strerror", "getpid", "getppid", "getuid", "cpu_count", "uname", "sysconf"),
    *("close", "waitstatus_to_exitcode", "wait4", "umask", "get_terminal_size", "urandom", "getcwd", "major", "minor"),
    *("chdir", "_exit", "killpg", "kill", "isatty", "waitpid", "getloadavg", "sched_getaffinity", "pipe", "dup2"),
    *("set_blocking", "fdopen", "write", "statvfs", "geteuid", "access", "execvp", "execv", "pidfd_open", "getpgid"),
}
"""Of a process itself, or only looking."""


@cache
def sites() -> dict[str, str]:
    """`module.function: call` of every side effect -> file and line."""
    sites: dict[str, str] = {}
    for package in ("producer", "worker"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            calls = list(_calls(ast.parse(path.read_text()), ""))
            for function, call in calls:
                for what in _effects(call):
                    sites.setdefault(f"{module}.{function}: {what}", f"{path.relative_to(ROOT)}:{call.lineno}")
            for function in _changing_pipelines(calls):
                sites.setdefault(f"{module}.{function}: redis", str(path.relative_to(ROOT)))
    return sites


def _changing_pipelines(calls: list[tuple[str, ast.Call]]) -> Iterator[str]:
    """Functions that execute a pipeline: with a command that changes something, or with commands from elsewhere."""
    commands: dict[str, set[str]] = {}
    for function, call in calls:
        if isinstance(call.func, ast.Attribute) and _owner(call.func) == "pipe":
            commands.setdefault(function, set()).add(call.func.attr)
    for function, used in commands.items():
        others = used - {"execute", "watch", "multi", "unwatch", "reset"}
        if "execute" in used and not (others and others <= _READS):
            yield function


def unknown() -> list[str]:
    """Calls of `os` that are neither known to change something nor known not to."""
    known = {*EFFECTS, *LOOKS, *_HARMLESS_OS}
    return [site for site in sites() if ": os." in site and site.rpartition("os.")[2] not in known]


def site_of(point: str) -> str:
    """The site of a failpoint: without who called, and without what a comprehension adds."""
    where, _, call = point.rpartition(" > ")[2].partition(": ")
    call = "redis" if call.startswith("redis ") else call
    return f"{where.partition('.<locals>')[0]}: {call}"


def _calls(node: ast.AST, scope: str) -> Iterator[tuple[str, ast.Call]]:
    for child in ast.iter_child_nodes(node):
        inner = scope
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{scope}.{child.name}" if scope else child.name
        elif isinstance(child, ast.Call):
            yield scope or "<module>", child
        yield from _calls(child, inner)


def _effects(call: ast.Call) -> Iterator[str]:
    function = call.func
    if isinstance(function, ast.Name):
        if function.id == "open" and _writes(call, position=1):
            yield "open to write"
        if function.id in {name for _, name in FUNCTIONS}:
            yield function.id.strip("_")
    elif isinstance(function, ast.Attribute):
        yield from _of_attribute(call, function)


def _of_attribute(call: ast.Call, function: ast.Attribute) -> Iterator[str]:
    owner = _owner(function)
    if owner == "os" and function.attr not in (*LOOKS, *_HARMLESS_OS):
        yield f"os.{function.attr}"
    elif owner in _LIBRARIES and function.attr not in _READS_ONLY:
        yield f"{owner}.{function.attr}"
    elif owner in _CLIENTS:
        if function.attr not in _READS:
            yield "redis"
    elif owner not in ("os", "pipe"):
        yield from _of_path(call, function)


def _owner(function: ast.Attribute) -> str:
    """The last name before the dot: `client` of `self.client.get`."""
    if isinstance(function.value, ast.Attribute):
        return function.value.attr
    return function.value.id if isinstance(function.value, ast.Name) else ""


def _of_path(call: ast.Call, function: ast.Attribute) -> Iterator[str]:
    if function.attr in _PATH_EFFECTS:
        yield _PATH_EFFECTS[function.attr]
    elif function.attr in _PATH_MOVES and len(call.args) == 1 and not call.keywords:
        yield f"os.{function.attr}"
    elif function.attr == "open" and _writes(call, position=0):
        yield "open to write"


def _writes(call: ast.Call, *, position: int) -> bool:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    given += call.args[position : position + 1]
    modes = [value.value for value in given if isinstance(value, ast.Constant) and isinstance(value.value, str)]
    return any(not set(mode).isdisjoint("wxa+") and len(mode) <= 3 for mode in modes)
