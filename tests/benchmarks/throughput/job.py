"""What every contestant but ours does with a letter: read, hash, parse with this project's parser, encode its event.

The event is the one that this system would publish, deadlines included, so that every contestant does the same work
and the streams can be compared. PDFs are read in the same process: no limits, no protection.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import redis
from watchdog.events import FileCreatedEvent, FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from worker.contract.event import CONTENT_TYPE, PUBLISHED, encode, event_id, make_event
from worker.extraction import ReadLimits, Text, file_types, plain_text
from worker.extraction.pdf.pages import read_pdf
from worker.processing.determination import Determiner

STREAM: Final = "imr:determinations"
LIMITS: Final = ReadLimits()

Fields = dict[Any, Any]


def redis_url() -> str:
    """The server of this run."""
    return os.environ["BENCH_REDIS_URL"]


def inbox() -> str:
    """The folder that letters are renamed into."""
    return os.environ["BENCH_INBOX"]


@cache
def client() -> redis.Redis:
    """One client for each process."""
    return redis.Redis.from_url(redis_url())


@cache
def _determiner() -> Determiner:
    return Determiner(read_parties=False, today=lambda: datetime.now(UTC).date())


def fields_of(path: str) -> Fields:
    """The stream entry of a letter."""
    return fields_of_bytes(Path(path).read_bytes(), path)


def fields_of_bytes(content: bytes, path: str) -> Fields:
    """The stream entry of a letter whose bytes are at hand."""
    digest = hashlib.sha256(content).hexdigest()
    now = datetime.now(UTC)
    event = make_event(
        kind=PUBLISHED,
        identity=event_id(digest, 1),
        site="bench",
        time=now,
        path=path,
        data=_determiner()(_text_of(content), now.date()),
    )
    return {"content-type": CONTENT_TYPE, "data": encode(event)}


def _text_of(content: bytes) -> Text:
    if not file_types.is_pdf(content):
        return plain_text.to_text(content, max_text_chars=LIMITS.max_text_chars)
    answer = read_pdf(content, LIMITS)
    return Text(answer.text, paged=True, page_count=answer.pages, kind="pdf")


def publish(path: str) -> None:
    """The whole job for one letter."""
    client().xadd(STREAM, fields_of(path))


def watch(found: Callable[[str], None]) -> None:
    """Call `found` with the path of every letter that is renamed into the inbox, until ended."""
    observer = Observer()
    observer.schedule(_Handler(found), inbox(), event_filter=[FileCreatedEvent])
    observer.start()
    observer.join()


class _Handler(FileSystemEventHandler):
    """watchdog calls a rename from outside the folder a creation."""

    def __init__(self, found: Callable[[str], None]) -> None:
        self._found = found

    def on_created(self, event: FileSystemEvent) -> None:
        self._found(os.fsdecode(event.src_path))
