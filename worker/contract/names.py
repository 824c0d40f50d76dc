"""Names that outlive a process: the folders of the share and the keys in Redis.

Folders, all on one file system (a claim is one rename):

    inbox/      people and programs drop letters here, in any sub-folder
    claimed/    <sub-folders>/<claim id>~<name>, being worked on
    archive/    YYYY/MM/DD/<sub-folders>/<claim id>~<name>, published letters
    review/     <sub-folders>/<name>, dead letters, each beside <name>.error.json and <name>.error.txt
    .imr/       the share's id, the embedded server's data and this machine's lock; never scanned
    PAUSED.txt  present while an operator pauses the intake (`worker.adapters.share.pause`)

Keys, all below one prefix (`imr`):

    imr:letter:<digest>  hash    record of a letter; fields in worker/adapters/redis/scripts/keys_and_types.lua
    imr:open             zset    claim id -> end of its lease (ms, 0 while it waits); begun and not finished
    imr:open-letters     hash    claim id -> digest of the letter it is open for
    imr:finished         hash    claim id -> `<digest>:<revision>` or `copy:<digest>`; finished and not filed away yet
    imr:barrier          string  written before each wait for the disk; its value means nothing; expires
    imr:counts           hash    seen, published, dead, discarded, duplicate; internal: dead by a fault of this software
    imr:review-names     hash    SHA-256 of a path in review/ -> digest of the letter that has it
    imr:producers        hash    producer -> its last report (waiting, ignored, hold, ...); expires
    imr:trimmed          hash    '<stream> below' -> first id that trimming kept, '<stream> entries' -> number deleted
    imr:server           hash    server heartbeat and pending check; see worker.adapters.redis.server_continuity
    imr:determinations   stream  results
    imr:dead-letters     stream  dead letters and decisions about them
    imr:celery:*                 the queue of hints, and other keys of Celery
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

INBOX = "inbox"
CLAIMED = "claimed"
ARCHIVE = "archive"
REVIEW = "review"
STATE = ".imr"
FOLDERS = (INBOX, CLAIMED, ARCHIVE, REVIEW)

DUPLICATES = "duplicates"
DISCARDED = "discarded"
ERROR_SUFFIX = ".error.json"
NOTE_SUFFIX = ".error.txt"
SIDECAR_SUFFIXES = (ERROR_SUFFIX, NOTE_SUFFIX)
"""Suffixes of the sidecar files of a dead letter, in the order in which they are written."""

ReviewNaming = Literal["plain", "claim"]
"""Name of a file in `review/`: its own name, or its claim id before it because that name is taken."""

LETTERS_QUEUE = "letters"
LETTERS_TASK = "imr.letters"
TRIM_TASK = "imr.trim"
RECONCILE_TASK = "imr.reconcile"

TAIL_GROUP = "imr-tail"
"""Consumer group of `imr tail`, which a person uses to watch the streams; it does not count as a reader."""

EXTRACTED_SUFFIX = ".extracted.txt"

PRODUCER_REPORT_TTL_S = 30
"""Age in seconds at which the report of a producer means that it is not running."""

MAX_NAME_BYTES = 255 - max(len(suffix) for suffix in (*SIDECAR_SUFFIXES, EXTRACTED_SUFFIX))
"""Limit of a stored name: with the suffixes of the sidecar files it fits the 255 bytes that file systems allow."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one installation."""

    prefix: str

    @property
    def determinations(self) -> str:
        """Stream of results."""
        return f"{self.prefix}:determinations"

    @property
    def dead_letters(self) -> str:
        """Stream of dead letters and of the decisions taken about them."""
        return f"{self.prefix}:dead-letters"

    @property
    def open(self) -> str:
        """Sorted set: claim id of each begun and unfinished letter -> end of its lease in ms."""
        return f"{self.prefix}:open"

    @property
    def open_letters(self) -> str:
        """Hash: claim id of each begun and unfinished letter -> the letter's digest."""
        return f"{self.prefix}:open-letters"

    @property
    def finished(self) -> str:
        """Hash: claim id of each letter that is finished and not yet filed away -> its recorded outcome."""
        return f"{self.prefix}:finished"

    @property
    def barrier(self) -> str:
        """String: written before each wait for the disk, which waits until this write is synced."""
        return f"{self.prefix}:barrier"

    @property
    def counts(self) -> str:
        """Hash of the counters behind `imr status`."""
        return f"{self.prefix}:counts"

    @property
    def review_names(self) -> str:
        """Hash: SHA-256 of a path in `review/` -> digest of the letter that holds it."""
        return f"{self.prefix}:review-names"

    @property
    def producers(self) -> str:
        """Hash: name of a running producer -> its last report as JSON; expires when no producer reports."""
        return f"{self.prefix}:producers"

    @property
    def trimmed(self) -> str:
        """Hash: what trimming has deleted from each stream; any other missing entry was deleted by others."""
        return f"{self.prefix}:trimmed"

    @property
    def server(self) -> str:
        """Hash: the server process that is known to have everything, and its last heartbeat."""
        return f"{self.prefix}:server"

    @property
    def broker(self) -> str:
        """Prefix of everything that Celery keeps in this Redis."""
        return f"{self.prefix}:celery:"

    def letter(self, digest: str) -> str:
        """Record of one letter."""
        return f"{self.prefix}:letter:{digest}"


def stored_name(name: str, prefix: str = "") -> str:
    """`prefix` + `name`, its stem shortened so that the whole fits `MAX_NAME_BYTES` and keeps its extension."""
    whole = prefix + name
    if len(os.fsencode(whole)) <= MAX_NAME_BYTES:
        return whole
    stem, suffix = os.path.splitext(name)
    if len(os.fsencode(suffix)) > 20:  # longer is no extension
        stem, suffix = name, ""
    while len(os.fsencode(prefix + stem + suffix)) > MAX_NAME_BYTES:
        stem = stem[:-1]
    return prefix + stem + suffix
