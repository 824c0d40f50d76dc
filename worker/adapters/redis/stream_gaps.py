"""Which entries a group has lost: others deleted them before they were delivered to the group.

Servers do not keep the ids of deleted entries (before Redis 7 not even their number), but the records do: the record of
each finished letter holds the id of its entry. So a group has lost the entries that the records name and the stream
does not have. Entries deleted by trimming are not lost: every group of that time had acknowledged them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import redis

from worker.adapters.redis.stream_state import GroupState, StreamState, entry_id, in_pages, missing
from worker.contract.names import Keys

_PAGE: Final = 1_000
_STATES: Final = {"determinations": {b"published"}, "dead_letters": {b"dead", b"discarded"}}


def lost_entries(client: redis.Redis, keys: Keys, state: StreamState) -> dict[str, tuple[str, ...]]:
    """Group -> ids of the entries that it has lost, oldest first; groups that have lost none are left out.

    Reads the record of every letter, unless the server says that nothing was deleted. Raises redis.RedisError.
    """
    behind = [group for group in state.groups if entry_id(group.last_delivered) < entry_id(state.last_generated)]
    if not behind or state.deleted_by_others == 0:
        return {}
    known = sorted(_entries_of_letters(client, keys, state), key=entry_id)
    gone = missing(client, state.stream, known, state.first, state.last_deleted)
    lost = {
        group.name: tuple(entry for entry in known if entry in gone and _is_undelivered(group, entry))
        for group in behind
    }
    return {name: ids for name, ids in lost.items() if ids}


def _is_undelivered(group: GroupState, entry: str) -> bool:
    return entry_id(entry) > entry_id(group.last_delivered)


def _entries_of_letters(client: redis.Redis, keys: Keys, state: StreamState) -> Iterator[str]:
    """Ids, from the letters' records, of the entries that some group has yet to get."""
    states = _STATES["determinations" if state.stream == keys.determinations else "dead_letters"]
    oldest = min(entry_id(group.last_delivered) for group in state.groups)
    lowest = max(oldest, entry_id(state.trimmed_below))
    for page in in_pages(client.scan_iter(match=keys.letter("*"), count=_PAGE), _PAGE):
        with client.pipeline(transaction=False) as pipe:
            for key in page:
                pipe.hmget(key, "state", "entry")
            for outcome, entry in pipe.execute():
                if outcome in states and entry and lowest <= entry_id(entry.decode()) <= entry_id(state.last_generated):
                    yield entry.decode()
