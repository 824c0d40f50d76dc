"""The rivals' environment: made by the bench, beside ours, and never a dependency of anything."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Final

from tests.benchmarks.throughput.contestants import ROOT, Contestant, pathway, rivals

FOLDER: Final = ROOT / ".bench-venv"
_HERE: Final = Path(__file__).parent
_INSTALL_TIMEOUT_S: Final = 900


def install(*, with_pathway: bool) -> tuple[list[Contestant], dict[str, str]]:
    """The rivals that could be installed, and why each of the others could not."""
    python = str(FOLDER / "bin" / "python")
    skipped: dict[str, str] = {}
    found: list[Contestant] = []
    problem = _make(python) or _install(python, _HERE / "rivals.lock")
    without_pathway = problem or (_install(python, _HERE / "pathway.lock") if with_pathway else None)
    if problem is None:
        _add_ours()
    for rival in rivals(python):
        _sort(rival, problem, found, skipped)
    if with_pathway:
        _sort(pathway(python), without_pathway, found, skipped)
    return found, skipped


def _sort(rival: Contestant, problem: str | None, found: list[Contestant], skipped: dict[str, str]) -> None:
    if problem is None:
        found.append(rival)
    else:
        skipped[rival.name] = f"not installed: {problem}"


def _make(python: str) -> str | None:
    return None if os.path.exists(python) else _run([sys.executable, "-m", "venv", str(FOLDER)])


def _add_ours() -> None:
    """Let it find this project's own packages after its own."""
    (packages,) = FOLDER.glob("lib/python*/site-packages")
    (packages / "imr-intake.pth").write_text(sysconfig.get_path("purelib") + "\n")


def _install(python: str, lock: Path) -> str | None:
    stamp = FOLDER / f"{lock.stem}.installed"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return None
    # A lock is complete. Left to itself pip takes a newer google-auth into account as soon as there is one, which a
    # package wants with an extra, and refuses it for having no hash.
    problem = _run([python, "-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "-r", str(lock)])
    if problem is None:
        stamp.write_bytes(lock.read_bytes())
    return problem


def _run(command: list[str]) -> str | None:
    """What went wrong, in a line; None if nothing did."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    if run.returncode == 0:
        return None
    errors = [line for line in run.stderr.splitlines() if line.startswith("ERROR")]
    # The first line alone, without the address that it may name.
    return (errors or ["the installer failed"])[0].partition("http")[0][:160]
