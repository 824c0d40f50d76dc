"""Sidecar files of a dead letter in `review/`: `<name>.error.json` for programs, `<name>.error.txt` for people.

The second is for a person who opens the folder and has no other tool: a few sentences, wrapped, with the line ends that
every editor shows. Its name ends in `.error.txt` and not in `.txt` alone, because `x.pdf.txt` is what OCR programs call
their result: a letter of that name must stay a letter, and this file must never be taken for one.

The `.error.json` is written first and removed last, so whatever a crash leaves has one, by which the sweep finds it.
"""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from worker.adapters.share.spool import ClaimedFile, Spool
from worker.contract.claim_ids import split_claimed_name
from worker.contract.names import ERROR_SUFFIX, NOTE_SUFFIX, SIDECAR_SUFFIXES
from worker.processing import dead_letters

_WIDTH: Final = 76
"""Fits the window of an editor and a printed page."""
_PLACES: Final = 5
"""The note lists at most this many places; the `.error.json` has them all."""
_LINE_END: Final = "\r\n"
"""Old editors on Windows show nothing else as the end of a line, and every other editor accepts it."""

_HEAD: Final = "This letter could not be processed automatically, and needs a person."
_WHO_DECIDES: Final = (
    'To have it "discarded", or tried again ("redriven"), give the number {number} to the person who runs this '
    "service. Please do not rename, move or delete the files here by hand."
)
_SAME_NAME: Final = (
    "A corrected copy may have the same name: drop it into the inbox. Dropping this very file again has no "
    "effect: it is already known."
)
_REPLACED: Final = (
    "REPLACED? A file of this name that came later was published on {when} as {which}. If it is the corrected copy of "
    "this letter, all that is left to do is to have this one discarded. If it is another letter that only has the same "
    "name, this one still needs a person."
)


def write(spool: Spool, path: str, event: bytes) -> None:
    """Write both for the dead letter `path` from its event. Raises OSError; each is whole or not there."""
    _write(spool, path, dead_letters.error_file(event))


def move(spool: Spool, source: str, target: str) -> None:
    """Move both after their dead letter. Raises OSError; may be repeated."""
    for suffix in reversed(SIDECAR_SUFFIXES):
        spool.move(source + suffix, target + suffix)


def remove(spool: Spool, path: str) -> None:
    """Remove both. Raises OSError; may be repeated."""
    for suffix in reversed(SIDECAR_SUFFIXES):
        spool.remove(path + suffix)


def mark_replaced(spool: Spool, file: ClaimedFile, identity: str, at: datetime) -> None:
    """Say beside each earlier dead letter of the same folder and name that `file` was published as `identity` at `at`.

    Nothing is discarded: it may be another letter that only has the same name, which a person decides. Raises OSError;
    may be repeated. A dead letter that is moved at this moment leaves a file without its letter, which is swept.
    """
    plain = file.review_path("plain")
    if not spool.exists(plain + ERROR_SUFFIX):
        return
    for path in (plain, *_namesakes(spool, file)):
        content = _read(spool, path)
        by = {"id": identity, "published_at": at.isoformat()}
        # The first replacement stays. It is written again, because a crash may have left the note without it.
        if str(content.get("claim_id", "~")) < file.claim_id and content.setdefault("replaced_by", by) == by:
            _write(spool, path, content)


def _namesakes(spool: Spool, file: ClaimedFile) -> list[str]:
    """Dead letters of that folder and name that have their claim id before it, because the name was taken."""
    paths = []
    for path in spool.error_files_in(file.folder):
        stored = path.removesuffix(ERROR_SUFFIX).rpartition("/")[2]
        split = split_claimed_name(stored)
        if split is not None and ClaimedFile(split[0], file.folder, file.name).stored == stored:
            paths.append(path.removesuffix(ERROR_SUFFIX))
    return paths


def _read(spool: Spool, path: str) -> dict[str, Any]:
    try:
        content = orjson.loads(spool.read(path + ERROR_SUFFIX))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write(spool: Spool, path: str, content: dict[str, Any]) -> None:
    spool.write(path + ERROR_SUFFIX, orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    spool.write(path + NOTE_SUFFIX, note(content))


def note(content: dict[str, Any]) -> bytes:
    """The `.error.txt` for what an `.error.json` says."""
    parts = [*_replaced(content), _HEAD]
    parts += [f"What is wrong:\n  {content.get('what_happened')}"]
    parts += ["\n  ".join(["Where:", *_places(content)])] if content.get("where") else []
    parts += [f"What to do:\n  {content.get('what_to_do')}"]
    parts += [_WHO_DECIDES.format(number=str(content.get("id", ""))[:12]), _SAME_NAME]
    code, received_on = content.get("code"), content.get("received_on")
    parts += [f"(code {code}, received {received_on}; details: the file ending in {ERROR_SUFFIX})"]
    return (_LINE_END * 2).join(_wrapped(part) for part in parts).encode("utf-8", "replace") + _LINE_END.encode()


def _replaced(content: dict[str, Any]) -> list[str]:
    by = content.get("replaced_by")
    if not isinstance(by, dict):
        return []
    return [_REPLACED.format(when=_minute(str(by.get("published_at"))), which=str(by.get("id"))[:12])]


def _minute(stamp: str) -> str:
    return datetime.fromisoformat(stamp).astimezone(UTC).strftime("%Y-%m-%d at %H:%M UTC")


def _places(content: dict[str, Any]) -> list[str]:
    places = [str(place) for place in content["where"]]
    more = len(places) - _PLACES
    return [*places[:_PLACES], f"and {more} more"] if more > 0 else places


def _wrapped(part: str) -> str:
    lines = []
    for line in part.split("\n"):
        indent = "  " if line.startswith("  ") else ""
        lines += textwrap.wrap(line, _WIDTH, subsequent_indent=indent, break_on_hyphens=False)
    return _LINE_END.join(lines)
