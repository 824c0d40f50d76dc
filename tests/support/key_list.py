"""The list of keys in `worker.contract.names`, as a check: no key may be left that is not on it."""

from __future__ import annotations

import fnmatch
import re
from typing import cast

import redis

from worker.contract import names

_LINE = re.compile(r"^ {4}imr:(?P<key>\S+)(?: +(?P<kind>hash|zset|stream|string)\b)?", re.MULTILINE)


def listed_keys() -> dict[str, str | None]:
    """Pattern below the prefix -> type that the key must have, None for any; read from the module's own text."""
    keys = {re.sub(r"<\w+>", "*", line["key"]): line["kind"] for line in _LINE.finditer(names.__doc__ or "")}
    assert len(keys) > 5, "the list of keys is not where it was"
    return keys


def stray_keys(client: redis.Redis, prefix: str = "imr") -> list[str]:
    """Every key of the server that is not on the list, or not of its type."""
    listed = {f"{prefix}:{pattern}": kind for pattern, kind in listed_keys().items()}
    keys = sorted(cast("bytes", key).decode("utf-8", "backslashreplace") for key in client.scan_iter(count=1000))
    return [key for key in keys if not _is_listed(key, client, listed)]


def _is_listed(key: str, client: redis.Redis, listed: dict[str, str | None]) -> bool:
    kinds = [kind for pattern, kind in listed.items() if fnmatch.fnmatchcase(key, pattern)]
    return bool(kinds) and (None in kinds or cast("bytes", client.type(key)).decode() in kinds)
