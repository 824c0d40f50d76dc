"""A worker of a later version, which knows hints of version 2 as well: `celery -A tests.support.newer_app worker`."""

from __future__ import annotations

from worker import app as real
from worker.contract.hint import read_hint


def _read_newer_hint(version: object, claim_ids: object) -> list[str]:
    return read_hint(1 if version == 2 else version, claim_ids)


real.read_hint = _read_newer_hint  # type: ignore[attr-defined]
app = real.app
