"""A producer of a later version: its hints have version 2, and unknown fields. `python -m` this module."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from producer.__main__ import main
from worker.adapters.celery import client


def _make_newer_hint(claim_ids: Sequence[str]) -> dict[str, object]:
    return {"version": 2, "claim_ids": list(claim_ids), "urgent": True}


client.make_hint = _make_newer_hint  # type: ignore[attr-defined]

if __name__ == "__main__":
    sys.exit(main())
