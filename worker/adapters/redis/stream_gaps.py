"""Which entries a group has lost: deleted by other hands before the group was given them.

Servers do not keep ids of what was deleted (before Redis 7 not even their number), but the records do: each finished
letter's record holds the id of the entry that told of it. So what a group has lost is what the records name and the
stream does not have. What our own trimming took was acknowledged by every group that there was, and is not lost.
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

    Reads the record of every letter, unless the server tells that nothing was deleted. Raises redis.RedisError.
    """
    behind = [group for group in state.groups if entry_id(group.last_delivered) < entry_id(state.last_generated)]
    if not behind or state.deleted_by_others == 0:
        return {}
    known = sorted(_entries_of_letters(client, keys, state), key=entry_id)
    gone = missing(client, state.stream, known, state.first, state.last_deleted)
    found = {group.name: tuple(one for one in known if one in gone and _was_for(group, one)) for group in behind}
    return {name: ids for name, ids in found.items() if ids}


def _was_for(group: GroupState, entry: str) -> bool:
    return entry_id(entry) > entry_id(group.last_delivered)


def _entries_of_letters(client: redis.Redis, keys: Keys, state: StreamState) -> Iterator[str]:
    """Ids of the entries that some group should still be given, by the letters' records."""
    states = _STATES["determinations" if state.stream == keys.determinations else "dead_letters"]
    oldest = min(entry_id(group.last_delivered) for group in state.groups)
    lowest = max(oldest, entry_id(state.trimmed_below))
    for some in in_pages(client.scan_iter(match=keys.letter("*"), count=_PAGE), _PAGE):
        with client.pipeline(transaction=False) as pipe:
            for key in some:
                pipe.hmget(key, "state", "entry")
            for outcome, entry in pipe.execute():
                if outcome in states and entry and lowest <= entry_id(entry.decode()) <= entry_id(state.last_generated):
                    yield entry.decode()
