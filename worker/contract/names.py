"""Names that outlive a process: the folders of the share and the keys in Redis.

Folders, all on one file system (a claim is one rename):

    inbox/      people and programs drop letters here, in any sub-folder
    claimed/    <sub-folders>/<claim id>~<name>, being worked on
    archive/    YYYY/MM/DD/<sub-folders>/<claim id>~<name>, published letters
    review/     <sub-folders>/<name>, dead letters, each beside <name>.error.json and <name>.error.txt
    .imr/       the share's id, the embedded server's data and this machine's lock; never scanned
    PAUSED.txt  there while an operator holds the intake (`worker.adapters.share.pause`)

Keys, all below one prefix (`imr`):

    imr:letter:<digest>  hash    what became of a letter; drawn in `worker.records`
    imr:open             zset    claim id -> end of its lease (ms, 0 while it waits); begun and not finished
    imr:open-letters     hash    claim id -> digest of the letter it is open for
    imr:finished         hash    claim id -> `<digest>:<revision>` or `copy:<digest>`; finished and not filed away yet
    imr:barrier          string  written before each wait for the disk; its value means nothing; expires
    imr:counts           hash    seen, published, dead, discarded, duplicate; internal: dead by a fault of ours
    imr:review-names     hash    SHA-256 of a path in review/ -> digest of the letter that has it
    imr:producers        hash    producer -> its last report (waiting, ignored, what holds it); expires with them
    imr:trimmed          hash    '<stream> below' -> first id that trimming kept, '<stream> entries' -> how many went
    imr:server           hash    which server is trusted, and the check of one that is not; see `contract.trust`
    imr:determinations   stream  results
    imr:dead-letters     stream  dead letters and decisions about them
    imr:celery:*                 the queue of hints; whatever Celery needs, nothing else
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
COMPANIONS = (ERROR_SUFFIX, NOTE_SUFFIX)
"""What lies beside a dead letter, in the order in which it is written."""

ReviewNaming = Literal["plain", "claim"]
"""How a file is named in `review/`: by its own name, or with its claim id before it because that name is taken."""

LETTERS_QUEUE = "letters"
LETTERS_TASK = "imr.letters"
TRIM_TASK = "imr.trim"
RECONCILE_TASK = "imr.reconcile"

TAIL_GROUP = "imr-tail"
"""Consumer group of a person who looks at the streams; what only it has acknowledged counts as read by nobody."""

EXTRACTED_SUFFIX = ".extracted.txt"

PRODUCER_REPORT_TTL_S = 30
"""A producer that has not reported for so many seconds is not running."""

MAX_NAME_BYTES = 255 - max(len(suffix) for suffix in (*COMPANIONS, EXTRACTED_SUFFIX))
"""A stored name leaves room for the companions of a letter within the 255 bytes that file systems allow."""


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
        """Hash: claim id of each letter that is finished and not yet filed away -> what it was finished as."""
        return f"{self.prefix}:finished"

    @property
    def barrier(self) -> str:
        """String: the write that a wait for the disk waits for."""
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
        """Hash: name of a running producer -> its last report as JSON; it expires when none reports any more."""
        return f"{self.prefix}:producers"

    @property
    def trimmed(self) -> str:
        """Hash: what trimming has taken from each stream; what else is missing there was deleted by other hands."""
        return f"{self.prefix}:trimmed"

    @property
    def server(self) -> str:
        """Hash: the server process that is known to have everything, and its last beat."""
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
