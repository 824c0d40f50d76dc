# ruff: noqa: T201  a command that prints its figures
"""The mutation check: one safety line at a time is taken out of a copy of the code; the fitting tests must turn red.

python -m tests.faults.mutations [--only TEXT]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("producer", "worker", "tests", "docs", "pyproject.toml", "README.md")
TIMEOUT_S: Final = 240
"""Some lines keep the system from waiting for ever: a selection that hangs without one is red."""

CONTRACT = ("tests/adapters/redis/test_records_contract.py", "-k", "valkey")
SCRIPTS = ("tests/adapters/redis/test_records.py", "-k", "valkey")
PIPELINE = ("tests/processing/test_pipeline.py",)
SPOOL = ("tests/adapters/share/test_spool.py",)


@dataclass(frozen=True, slots=True)
class Mutation:
    """A line that keeps letters safe, its replacement, and the tests that must fail without it."""

    what: str
    file: str
    line: str
    instead: str
    tests: tuple[str, ...]


MUTATIONS: Final = (
    Mutation(
        "FINISH without the token", "worker/adapters/redis/scripts/finish.lua", "known[3] ~= token", "false", CONTRACT
    ),
    Mutation(
        "FINISH without looking whether it was done",
        "worker/adapters/redis/scripts/finish.lua",
        "if is_done(state) and known[2] == claim and known[4] == revision then",
        "if false then",
        CONTRACT,
    ),
    Mutation(
        "BEGIN without looking whether it was done",
        "worker/adapters/redis/scripts/begin.lua",
        "if is_done(state) then",
        "if false then",
        CONTRACT,
    ),
    Mutation(
        "BEGIN without the lease",
        "worker/adapters/redis/scripts/begin.lua",
        "if lease > now then return answer('held') end",
        "",
        CONTRACT,
    ),
    Mutation(
        "attempts not counted before the work",
        "worker/adapters/redis/scripts/begin.lua",
        "attempts = attempts + counted",
        "attempts = attempts",
        CONTRACT,
    ),
    Mutation(
        "a letter tried before is begun in company",
        "worker/adapters/redis/scripts/begin.lua",
        "if attempts > 0 and mode == 'batch' then return answer('alone') end",
        "",
        CONTRACT,
    ),
    Mutation(
        "RESOLVE without the decisions that the person saw",
        "worker/adapters/redis/scripts/resolve.lua",
        "if still and decisions ~= ARGV[3] then return answer('conflict') end",
        "",
        CONTRACT,
    ),
    Mutation(
        "scripts without the types of their keys",
        "worker/adapters/redis/scripts/keys_and_types.lua",
        "if actual ~= 'none' and actual ~= kind then",
        "if false then",
        SCRIPTS,
    ),
    Mutation(
        "no look at the file before its result is published",
        "worker/processing/outcome.py",
        "return None if same else _CHANGED",
        "return None",
        PIPELINE,
    ),
    Mutation(
        "no look at the file before it is filed away",
        "worker/processing/filing.py",
        "if not is_unchanged(spool, order.file, order.signature, must_be_empty=order.must_be_empty):",
        "if False:",
        PIPELINE,
    ),
    Mutation(
        "files are filed before Redis has them on its disk",
        "worker/adapters/redis/durability.py",
        "synced = parse_reply(waited, lambda reply: int(reply[0])) == 1",
        "synced = True",
        ("tests/adapters/redis/test_durability.py",),
    ),
    Mutation(
        "every server counts as one that syncs always",
        "worker/adapters/redis/durability.py",
        "self._always = syncs_always(_config(config))",
        "self._always = True",
        ("tests/adapters/redis/test_durability.py",),
    ),
    Mutation(
        "an error file without a sync", "worker/adapters/share/spool.py", "os.fsync(file.fileno())", "pass", SPOOL
    ),
    Mutation(
        "a rename that replaces",
        "worker/adapters/share/rename.py",
        "_RENAME_NOREPLACE = 1",
        "_RENAME_NOREPLACE = 0",
        SPOOL,
    ),
    Mutation(
        "links are followed",
        "worker/adapters/share/walk.py",
        "flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer",
        "flags | os.O_DIRECTORY, dir_fd=outer",
        ("tests/adapters/share/safe_read/test_races.py", "tests/adapters/share/safe_read/test_read_file.py"),
    ),
    Mutation(
        "an acknowledgement that fails keeps its place",
        "worker/adapters/celery/transport.py",
        "self._quick_ack(delivery_tag)",
        "pass",
        ("tests/adapters/celery/test_client.py", "-k", "acknowledged"),
    ),
    Mutation(
        "the client repeats commands",
        "worker/contract/redis_client.py",
        "Retry(NoBackoff(), 0)",
        "Retry(NoBackoff(), 3)",
        ("tests/contract/test_redis_client.py",),
    ),
    Mutation(
        "the reaper forgets claims that were never hinted",
        "producer/reaper.py",
        "if last is None:\n            return True",
        "if last is None:\n            return False",
        ("tests/producer/test_reaper.py",),
    ),
    Mutation(
        "every server is trusted",
        "worker/adapters/redis/server_continuity.py",
        'if known.get("run_id") == run_id:',
        "if True:",
        ("tests/integration/test_reconciling.py",),
    ),
)


def check(copy: Path, mutation: Mutation) -> str:
    """How the tests ended without the line: `red`, `GREEN`, or why that is unknown."""
    path = copy / mutation.file
    before = path.read_text()
    if before.count(mutation.line) == 0:
        return f"NO SUCH LINE in {mutation.file}"
    path.write_text(before.replace(mutation.line, mutation.instead))
    try:
        return "red" if run(copy, mutation.tests) else "GREEN"
    finally:
        path.write_text(before)


def run(copy: Path, tests: tuple[str, ...]) -> bool:
    """Whether a test fails. Raises if nothing could be run."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return True
    if ended.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {ended.returncode} for {tests}: {ended.stdout[-500:]}")
    return ended.returncode == 1


def main(wanted: Iterable[str] | None = None) -> int:
    """Try every mutation; 0 if each was noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="")
    options = parser.parse_args(list(wanted) if wanted is not None else None)
    chosen = [mutation for mutation in MUTATIONS if options.only in mutation.what]
    unnoticed = 0
    with tempfile.TemporaryDirectory(prefix="imr-mutant-") as folder:
        for name in COPIED:
            copied = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copied(ROOT / name, Path(folder) / name)
        for mutation in chosen:
            began_s = time.monotonic()
            ended = check(Path(folder), mutation)
            unnoticed += ended != "red"
            print(f"{ended:6} {time.monotonic() - began_s:5.1f} s  {mutation.what}", flush=True)
    print(f"{len(chosen)} mutations, {unnoticed} unnoticed")
    return 1 if unnoticed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
