"""Where a file is, since when, and what it waits for: from a path, a name, a claim id or a letter's id to an answer.

The share alone shows most of it. Where Redis does not answer, what only the records know is left out, and the answer
says so: an operator asks this when something is wrong.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Final

from worker.adapters.redis.lookup import MAX_MATCHES, Lookup
from worker.adapters.redis.producer_reports import ProducerReport
from worker.adapters.share.pause import Pause, read_pause
from worker.adapters.share.spool import Spool
from worker.contract.claim_ids import is_claim_id
from worker.contract.filenames import DONE_SUFFIX
from worker.contract.names import INBOX
from worker.operations.dead_items import MIN_ID_CHARS
from worker.operations.locate.explanation import Explanation, NotFound, NotUnique, OptionalLookup
from worker.operations.locate.inbox import InboxRules, inbox_status, written_s
from worker.operations.locate.letters import Letters
from worker.operations.locate.places import FileFinder, Place, place_of

_ID: Final = re.compile(rf"([0-9a-f]{{{MIN_ID_CHARS},64}})(:[0-9]+(\.[0-9]+)?)?")


class Explainer:
    """Explains the files of one share; changes nothing."""

    def __init__(
        self,
        *,
        spool: Spool,
        connect: Callable[[], Lookup],
        rules: InboxRules,
        zone: tzinfo,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._rules = rules
        self._now_s = wall_clock_s
        self._lookup = OptionalLookup(connect)
        self._finder = FileFinder(spool, zone)
        self._letters = Letters(spool, self._finder, self._lookup, rules)

    def explain(self, wanted: str) -> Explanation:
        """Explain a path, a name, a claim id or the beginning of a letter's id.

        Raises `NotFound`, `NotUnique`, and OSError if the share cannot be read.
        """
        path = self._finder.at(wanted)
        if path is not None:
            return self._at(path)
        start = _ID.fullmatch(wanted.lower())
        if is_claim_id(wanted.lower()):
            explanation = self._of_claim(wanted.lower())
        else:
            explanation = self._of_id(start[1]) if start is not None else None
        return explanation or self._of_name(wanted)

    def _at(self, path: str) -> Explanation:
        place = place_of(path)
        if place is None:
            raise NotFound("that file is in a folder where no letters are; drop letters into inbox/")
        return self._of_place(place)

    def _of_place(self, place: Place) -> Explanation:
        return self._in_inbox(place) if place.where == "inbox" else self._letters.explain(place)

    def _of_claim(self, claim_id: str) -> Explanation | None:
        places = self._finder.of_claim(claim_id)
        if places:
            return self._of_place(places[0])
        claim = self._lookup.ask(lambda lookup: lookup.open_claim(claim_id))
        return self._letters.nowhere(claim.digest) if claim is not None else None

    def _of_id(self, start: str) -> Explanation | None:
        digests = self._lookup.ask(lambda lookup: lookup.digests(start)) or []
        if len(digests) > 1:
            more = "at least " if len(digests) >= MAX_MATCHES else ""
            raise NotUnique(f"{more}{len(digests)} letters have an id that begins with {start}", digests)
        if not digests:
            dead = self._finder.of_dead_letter(start)
            return self._of_place(dead[0]) if len(dead) == 1 else None
        record = self._lookup.ask(lambda lookup: lookup.record(digests[0]))
        places = self._finder.of_claim(record.claim_id) if record is not None and is_claim_id(record.claim_id) else []
        return self._of_place(places[0]) if places else self._letters.nowhere(digests[0])

    def _of_name(self, wanted: str) -> Explanation:
        places = self._finder.of_name(wanted)
        if len(places) > 1:
            raise NotUnique(f"{len(places)} files have that name", [place.path for place in places])
        if not places:
            raise NotFound("nothing in the share has that name or id", unsure=self._lookup.is_unreachable)
        return self._of_place(places[0])

    def _in_inbox(self, place: Place) -> Explanation:
        try:
            file_status = os.lstat(os.path.join(self._spool.root, place.path))
        except FileNotFoundError as error:
            raise NotFound("the file was claimed or removed this moment; ask again") from error
        inbox_file = inbox_status(
            place.path.removeprefix(f"{INBOX}/"),
            file_status,
            self._now_s(),
            self._holds(),
            self._rules,
            has_done_file=self._spool.exists(place.path + DONE_SUFFIX),
        )
        return Explanation(
            where="inbox",
            state=inbox_file.state,
            path=place.path,
            since=datetime.fromtimestamp(written_s(file_status), UTC),
            sentence=_SENTENCES[inbox_file.state],
            waits_for=inbox_file.waits_for,
            notes=(*inbox_file.warnings, *self._lookup.notes()),
            facts={"size_bytes": file_status.st_size},
        )

    def _holds(self) -> tuple[str, ...]:
        """What keeps producers from claiming any file."""
        pause = read_pause(Path(self._spool.root))
        paused = (_paused(pause),) if pause is not None else ()
        reports = self._lookup.ask(lambda lookup: lookup.reports())
        if reports is None:
            return (*paused, "Redis: it does not answer, and no file is claimed until it does")
        return (*paused, *_held(reports, paused=bool(paused)))


def _paused(pause: Pause) -> str:
    by = f" by {pause.by}" if pause.by else ""
    since = f" since {pause.since.isoformat(timespec='minutes')}" if pause.since is not None else ""
    reason = f" ({pause.reason})" if pause.reason else ""
    return f"an operator: paused{by}{since}{reason}; `imr resume` opens the intake"


def _held(reports: list[ProducerReport], *, paused: bool) -> list[str]:
    if not reports:
        return ["a producer: none is running (`imr up` or `imr watch`)"]
    reasons = {report.trouble for report in reports} | {report.hold for report in reports if not paused}
    return sorted(f"what holds the producer: {reason}" for reason in reasons if reason)


_SENTENCES: Final = {
    "ignored": "In the inbox, and ignored there because of its name.",
    "too deep": "In the inbox, and ignored there: too many folders deep.",
    "settling": "In the inbox; not known to be complete yet.",
    "held": "In the inbox, complete; no files are claimed at present.",
    "waiting": "In the inbox, complete.",
}
