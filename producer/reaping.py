"""Finding claims that nobody works on: the one place that repeats hints.

A hint can be lost anywhere between here and a worker, a worker can die, a step can wait for something else. Whatever
the cause, the file still lies in `claimed/`, and has no lease; after the hint timeout it is hinted again. Doubled
hints cost nothing; still, none are sent into a deep queue, where the first ones are waiting.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final, Protocol, cast

import redis

from producer.enqueueing import Outbox
from producer.scanning import walk
from worker.contract.claim_ids import split_claimed_name
from worker.contract.names import CLAIMED, Keys

SHALLOW_MESSAGES: Final = 4
"""With more messages than this on the queue a letter's first hint is most likely among them."""


class Leases(Protocol):
    """Who is being worked on."""

    def leased(self, claim_ids: Sequence[str]) -> set[str]:
        """Those of the claims that a worker holds now. Raises redis.RedisError."""


class RedisLeases:
    """Leases as the workers' records keep them: claim id -> end, on the server's clock."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._client = client
        self._keys = keys

    def leased(self, claim_ids: Sequence[str]) -> set[str]:
        """See `Leases.leased`."""
        if not claim_ids:
            return set()
        with self._client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.zmscore(self._keys.open, list(claim_ids))
            (seconds, micros), ends = cast("Any", pipe.execute())
        now_ms = seconds * 1000 + micros // 1000
        return {one for one, end in zip(claim_ids, ends, strict=True) if end is not None and end > now_ms}


def claimed_ids(share: str) -> list[str]:
    """Claim ids of the files in `claimed/`, oldest first. Raises OSError if it cannot be listed."""
    splits = (split_claimed_name(name) for _, name in walk(os.path.join(share, CLAIMED)))
    return sorted(split[0] for split in splits if split is not None)


def orphans(claimed: Sequence[str], outbox: Outbox, now_s: float, hint_timeout_s: float) -> list[str]:
    """Claims whose last hint is older than the timeout, or that this producer never hinted (before its start)."""
    return [
        one
        for one in claimed
        if not outbox.is_waiting(one) and now_s - outbox.hinted_at_s.get(one, -hint_timeout_s) >= hint_timeout_s
    ]
