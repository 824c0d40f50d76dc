"""Where a file is, since when, and what it waits for: from a path, a name, a claim id or a letter's id to an answer.

The share alone already says most of it. What only the records could tell is left open where Redis does not answer, and
is said to be: an operator asks this when something is wrong.
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
from worker.operations.locate.answer import Explanation, NotFound, NotUnique, Redis
from worker.operations.locate.inbox import InboxRules, judge, written_s
from worker.operations.locate.letters import Letters
from worker.operations.locate.places import Finder, Place, place_of

MIN_ID_CHARS: Final = 6
"""Shorter beginnings of an id are taken for names of files: a slip of a digit would find another letter."""
_ID: Final = re.compile(rf"([0-9a-f]{{{MIN_ID_CHARS},64}})(:[0-9]+(\.[0-9]+)?)?")


class Explainer:
    """Answers for one share; changes nothing."""

    def __init__(
        self,
        *,
        spool: Spool,
        reach: Callable[[], Lookup],
        rules: InboxRules,
        zone: tzinfo,
        wall_clock_s: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._rules = rules
        self._now_s = wall_clock_s
        self._redis = Redis(reach)
        self._finder = Finder(spool, zone)
        self._letters = Letters(spool, self._finder, self._redis, rules)

    def explain(self, wanted: str) -> Explanation:
        """Where that is. Raises `NotFound`, `NotUnique`, OSError if the share cannot be looked at."""
        path = self._finder.at(wanted)
        if path is not None:
            return self._at(path)
        start = _ID.fullmatch(wanted.lower())
        if is_claim_id(wanted.lower()):
            found = self._of_claim(wanted.lower())
        else:
            found = self._of_id(start[1]) if start is not None else None
        return found or self._of_name(wanted)

    def _at(self, path: str) -> Explanation:
        place = place_of(path)
        if place is None:
            raise NotFound("that file lies where no letters are; letters are dropped into inbox/")
        return self._of_place(place)

    def _of_place(self, place: Place) -> Explanation:
        return self._in_inbox(place) if place.where == "inbox" else self._letters.answer(place)

    def _of_claim(self, claim_id: str) -> Explanation | None:
        places = self._finder.of_claim(claim_id)
        if places:
            return self._of_place(places[0])
        claim = self._redis.ask(lambda lookup: lookup.open_claim(claim_id))
        return self._letters.nowhere(claim.digest) if claim is not None else None

    def _of_id(self, start: str) -> Explanation | None:
        digests = self._redis.ask(lambda lookup: lookup.digests(start)) or []
        if len(digests) > 1:
            more = "at least " if len(digests) >= MAX_MATCHES else ""
            raise NotUnique(f"{more}{len(digests)} letters have an id that begins with {start}", digests)
        if not digests:
            beside = self._finder.told_of(start)
            return self._of_place(beside[0]) if len(beside) == 1 else None
        record = self._redis.ask(lambda lookup: lookup.record(digests[0]))
        places = self._finder.of_claim(record.claim_id) if record is not None and is_claim_id(record.claim_id) else []
        return self._of_place(places[0]) if places else self._letters.nowhere(digests[0])

    def _of_name(self, wanted: str) -> Explanation:
        places = self._finder.of_name(wanted)
        if len(places) > 1:
            raise NotUnique(f"{len(places)} files have that name", [place.path for place in places])
        if not places:
            raise NotFound("nothing in the share has that name or id", unsure=self._redis.is_away)
        return self._of_place(places[0])

    def _in_inbox(self, place: Place) -> Explanation:
        try:
            status = os.lstat(os.path.join(self._spool.root, place.path))
        except FileNotFoundError as error:
            raise NotFound("it was claimed or taken away while we looked; ask again") from error
        waiting = judge(
            place.path.removeprefix(f"{INBOX}/"),
            status,
            self._now_s(),
            self._holds(),
            self._rules,
            has_done_file=self._spool.exists(place.path + DONE_SUFFIX),
        )
        return Explanation(
            where="inbox",
            state=waiting.state,
            path=place.path,
            since=datetime.fromtimestamp(written_s(status), UTC),
            sentence=_SENTENCES[waiting.state],
            waits_for=waiting.waits_for,
            notes=(*waiting.warnings, *self._redis.notes()),
            facts={"size_bytes": status.st_size},
        )

    def _holds(self) -> tuple[str, ...]:
        """What keeps producers from claiming anything."""
        pause = read_pause(Path(self._spool.root))
        paused = (_paused(pause),) if pause is not None else ()
        reports = self._redis.ask(lambda lookup: lookup.reports())
        if reports is None:
            return (*paused, "Redis: it does not answer, and nothing is claimed meanwhile")
        return (*paused, *_held(reports, paused=bool(paused)))


def _paused(pause: Pause) -> str:
    by = f" by {pause.by}" if pause.by else ""
    since = f" since {pause.since.isoformat(timespec='minutes')}" if pause.since is not None else ""
    reason = f" ({pause.reason})" if pause.reason else ""
    return f"an operator: paused{by}{since}{reason}; `imr resume` opens the intake"


def _held(reports: list[ProducerReport], *, paused: bool) -> list[str]:
    if not reports:
        return ["a producer: none is running (`imr up` or `imr watch`)"]
    told = {report.trouble for report in reports} | {report.hold for report in reports if not paused}
    return sorted(f"what holds the producer: {one}" for one in told if one)


_SENTENCES: Final = {
    "ignored": "In the inbox, and left there: by its name it is no letter.",
    "too deep": "In the inbox, and left there: it lies too deep.",
    "settling": "In the inbox; it is not complete yet, or was not a moment ago.",
    "held": "In the inbox, complete; nothing is being claimed.",
    "waiting": "In the inbox, complete.",
}
