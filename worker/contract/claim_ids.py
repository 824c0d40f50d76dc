"""Claim ids: they identify the owner of a file, and the time of its claim.

A claim id is 20 characters of Crockford's base 32 in lower case: 10 of milliseconds since 1970 (so that ids sort by
arrival), 10 random (50 bits: two producers claiming in the same millisecond do not meet). It names a file from the
moment of its claim, in `claimed/`, in hints, records, logs and events; it carries nothing of the file's name.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, date, datetime, tzinfo
from functools import lru_cache

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
SEPARATOR = "~"
_TIME_CHARS = 10
_RANDOM_CHARS = 10
ID_CHARS = _TIME_CHARS + _RANDOM_CHARS
_VALUE = {char: value for value, char in enumerate(ALPHABET)}
_CLAIM_ID = re.compile(f"[0-3][{ALPHABET}]{{{ID_CHARS - 1}}}")
"""The first character is limited to the years before 6430, so that even an invented id has a valid day of arrival."""


def new_claim_id(now_ms: int) -> str:
    """A new id for a claim made at `now_ms` (milliseconds since 1970)."""
    return _encode(now_ms, _TIME_CHARS) + _encode(secrets.randbits(5 * _RANDOM_CHARS), _RANDOM_CHARS)


def is_claim_id(text: str) -> bool:
    """Whether `text` has the form of a claim id."""
    return _CLAIM_ID.fullmatch(text) is not None


def claimed_at_ms(claim_id: str) -> int:
    """When the claim was made, in milliseconds since 1970."""
    value = 0
    for char in claim_id[:_TIME_CHARS]:
        value = value * len(ALPHABET) + _VALUE[char]
    return value


def arrival_day(claim_id: str, zone: tzinfo) -> date:
    """The day on which the file was claimed, in the given time zone: the same at any time and on any machine."""
    return _day_of_minute(claimed_at_ms(claim_id) // 60_000, zone)


@lru_cache(maxsize=256)
def _day_of_minute(minute: int, zone: tzinfo) -> date:
    """Cached by minute: letters of a batch arrive within seconds; days begin and clocks change on whole minutes."""
    return datetime.fromtimestamp(minute * 60, UTC).astimezone(zone).date()


def split_claimed_name(name: str) -> tuple[str, str] | None:
    """(claim id, original name) of a file name in `claimed/`; None for any other name."""
    claim_id, separator, original = name.partition(SEPARATOR)
    return (claim_id, original) if separator and is_claim_id(claim_id) else None


def _encode(value: int, length: int) -> str:
    chars = []
    for _ in range(length):
        value, digit = divmod(value, len(ALPHABET))
        chars.append(ALPHABET[digit])
    return "".join(reversed(chars))
