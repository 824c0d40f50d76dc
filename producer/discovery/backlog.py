"""The scan backlog: letters that only a scan can bring into the index, and when events may overtake them.

Letters leave the inbox in order of arrival, as far as that can be known. Events announce new files at once and in
order, but some are lost. A scan finds every file, but a folder is listed in no order, so a full scan picks the files
that have waited longest and knows their order only at its end. Here is the one place that decides whose turn it is:

    in order       The index holds every letter that is older than the next event. Events go straight to the index.
    behind         Older letters may be unknown: events were lost, the watch has just begun, or the index was full. An
                   event of an unknown file is dropped, and the next full scan finds its file in its turn.
    catching up    A full scan that began since then is under way, or what it picked is on its way into the index. An
                   event of an unknown file is held until the scan's letters are in the index and have settled.

    in order ----> behind         events were lost, a file was announced without room for it, a scan left letters out
    behind ----> catching up      a full scan begins
    catching up ----> in order    everything that the scan met is in the index and has settled; held events follow
    catching up ----> behind      events were lost, too many are held, or the scan left letters out
    any ----> in order            the inbox cannot be listed: until a scan succeeds, no letter waits for older ones

Nothing is forgotten: whatever was dropped or not announced, a full scan finds. In the state *behind* it begins as soon
as there is room, and in any state another one begins after each interval.

What is picked is kept as ranks, which take little memory, and enters the index oldest first, as that has room.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from enum import Enum
from typing import Final

from producer.discovery.arrival_order import OldestFiles, PickedFiles, Rank, path_of, rank_of
from producer.discovery.inbox import InboxIndex
from producer.discovery.inotify import FileEvent

SLICE_S: Final = 0.02
"""How long a scan or a hand-over works before the producer's loop goes on."""
FILES_PER_CLOCK_READ: Final = 32
"""Files between two reads of the clock: a slow share answers some thousand times a second."""
MAX_PICKED: Final = 30_000
"""Files picked by one full scan, some 3 MB. Each scan looks at every file: a flood of 200,000 takes seven."""
MAX_HELD: Final = 4_000
"""Events held while catching up."""
MAX_ORDER_WAIT_S: Final = 5.0
"""Longest quiet time of older letters that newer ones wait for. With a longer one they do not wait at all."""
NEVER_S: Final = float("-inf")


class Order(Enum):
    """Whether the index holds every letter that is older than the next event."""

    IN_ORDER = "in order"
    BEHIND = "behind"
    CATCHING_UP = "catching up"


class _EventCoverage:
    """Whether events should have announced what a full scan finds.

    They should, if the full scan before left no letter unknown, and no event was missed since that one began.
    """

    def __init__(self, watch_blind_s: Callable[[], float]) -> None:
        self._watch_blind_s = watch_blind_s
        self._missed_s = NEVER_S
        self._begun_s = self._all_known_s = NEVER_S
        """When the last full scan began; the same for the last one that has ended, if it left no letter unknown."""

    def miss(self, now_s: float) -> None:
        """An event was lost, held or dropped."""
        self._missed_s = now_s

    def blind_s(self) -> float:
        """When an event was last missed; infinite if one may be missed now."""
        return max(self._watch_blind_s(), self._missed_s)

    def begin_scan(self, now_s: float) -> None:
        """A full scan begins."""
        self._begun_s = now_s

    def end_scan(self, *, all_known: bool) -> None:
        """It has ended; `all_known`: whether the index holds every letter that it met."""
        self._all_known_s = self._begun_s if all_known else NEVER_S

    def holds(self, claim_failed_s: float) -> bool:
        """Whether they should; `claim_failed_s`: when a letter was last taken from the index and not claimed."""
        return max(self.blind_s(), claim_failed_s) < self._all_known_s


class ScanBacklog:
    """Puts letters into the index in order of arrival: events and scans reach the index only through here."""

    def __init__(self, inbox: InboxIndex, monotonic_s: Callable[[], float], watch_blind_s: Callable[[], float]) -> None:
        """`watch_blind_s`: when the watch last missed events, on the monotonic clock; infinite if it may do so now."""
        self._inbox = inbox
        self._now_s = monotonic_s
        self._coverage = _EventCoverage(watch_blind_s)
        self._picked = PickedFiles()
        self.order = Order.IN_ORDER
        self.dropped = 0
        """Events that were dropped so far: scans find their files."""
        self._held: list[FileEvent] = []
        """Events that are held while catching up, oldest first."""
        self._first_missed: Rank | None = None
        """Since the full scan began, the first file that was renamed in and whose event was held or dropped. Of files
        that came later, the scan may have met any or none."""
        self._found_s = NEVER_S
        """When a scan last put a new letter into the index."""
        self._is_scan_requested = self._is_handing_over = False
        """Handing over: the last full scan has ended, and not everything that it picked is in the index and settled."""

    @property
    def waiting(self) -> int:
        """Letters that a scan met and that are not in the index."""
        return len(self._picked) + self._picked.left_out

    def blind_s(self) -> float:
        """When an event was last lost, held or dropped, on the monotonic clock; infinite if one may be lost now."""
        return self._coverage.blind_s()

    def handle_event(self, event: FileEvent) -> None:
        """Pass the event of a file on to the index; or hold or drop it, if its turn has not come."""
        letter = self._inbox.letter_at(event.path)
        if letter is None:
            return
        if self._inbox.knows(letter) or (self.order is Order.IN_ORDER and self._inbox.room):
            self._inbox.add_announced(letter, renamed_in=event.renamed_in, must_settle=self._keeps_order())
        else:
            self._miss(letter, event)

    def fall_behind(self) -> None:
        """There may be unknown letters that are older than the next event: a full scan must find them."""
        self.order, self._held = Order.BEHIND, []
        self._coverage.miss(self._now_s())
        self.request_scan()

    def request_scan(self) -> None:
        """Ask for a full scan as soon as there is room for what it may find."""
        self._is_scan_requested = True

    def wants_scan(self) -> bool:
        """Whether a full scan should begin now: when half of the index is free, so that claims need not wait for it."""
        is_wanted = self._is_scan_requested or self.order is not Order.IN_ORDER
        is_idle = not self._picked and not self._is_handing_over
        return is_wanted and is_idle and self._inbox.room >= len(self._inbox)

    def begin_scan(self) -> OldestFiles:
        """A full scan begins, and adds what it meets to the answer. Those of the last one are handed over meanwhile."""
        self._is_scan_requested = self._is_handing_over = False
        self._first_missed, self._held = None, []
        if self.order is Order.BEHIND:
            self.order = Order.CATCHING_UP
        self._coverage.begin_scan(self._now_s())
        return OldestFiles(MAX_PICKED, self._picked.resume_after)

    def end_scan(self, oldest: OldestFiles) -> int:
        """The full scan has met everything; how many letters it picked."""
        ranks = oldest.take()
        certain = self._certain(ranks)
        unheld = len(ranks) - certain if self.order is Order.BEHIND else 0
        self._picked.replace(ranks[:certain], oldest.left_out + unheld)
        self._is_handing_over = True
        self._hand_over(unannounced=self._coverage.holds(self._inbox.claim_failed_s))
        self._coverage.end_scan(all_known=not self.waiting and oldest.after is None)
        return len(ranks)

    def abandon_scan(self) -> None:
        """The inbox cannot be listed: until a scan succeeds, no letter waits for older ones."""
        self.dropped += len(self._held)
        self.order, self._held = Order.IN_ORDER, []
        self._coverage.end_scan(all_known=False)

    def add_found(self, ranks: list[Rank], *, by_full_scan: bool) -> None:
        """Put letters into the index, oldest first: those of a folder, or of a full scan that has not ended yet."""
        self._add(ranks, unannounced=by_full_scan and self._coverage.holds(self._inbox.claim_failed_s))

    def has_work(self) -> bool:
        """Whether there is something to hand over, and room for it."""
        return bool(self._picked) and self._inbox.room > 0

    def work(self) -> None:
        """Hand over what there is room for, for no longer than a slice."""
        self._hand_over(unannounced=False)

    def _hand_over(self, *, unannounced: bool) -> None:
        until_s = self._now_s() + SLICE_S
        while self.has_work():
            self._add(self._picked.take(min(FILES_PER_CLOCK_READ, self._inbox.room)), unannounced=unannounced)
            if self._now_s() >= until_s:
                break
        if self._is_handing_over and not self._picked and (self._picked.left_out or self._may_end_waiting()):
            self._end_hand_over()

    def _end_hand_over(self) -> None:
        self._is_handing_over = False
        held, self._held = self._held, []
        if not self._picked.left_out:
            self._picked.start_over()
        if self._picked.left_out or self.order is Order.BEHIND:
            self.order = Order.BEHIND
            self.dropped += len(held)
            return
        self.order = Order.IN_ORDER
        self._inbox.recheck()
        for event in held:
            self.handle_event(event)

    def _add(self, ranks: list[Rank], *, unannounced: bool) -> None:
        if self._inbox.add_found(map(path_of, ranks), unannounced=unannounced):
            self._found_s = self._now_s()

    def _certain(self, ranks: list[Rank]) -> int:
        """How many letters, oldest first, have no unknown one before them: a listing may lack any that came later."""
        return bisect_right(ranks, self._first_missed) if self._first_missed is not None else len(ranks)

    def _miss(self, letter: str, event: FileEvent) -> None:
        """Hold the event. Or drop it, and with it all that are held: then this scan cannot end the backlog."""
        if self._first_missed is None and event.renamed_in and (sample := self._inbox.sample(letter)) is not None:
            self._first_missed = rank_of(letter, sample.ctime_ns)
        if self.order is Order.CATCHING_UP and len(self._held) < MAX_HELD:
            self._held.append(event)
        else:
            self.dropped += 1 + len(self._held)
            self.order, self._held = Order.BEHIND, []
        self._coverage.miss(self._now_s())

    def _keeps_order(self) -> bool:
        """Whether complete letters wait for older ones that are unknown or have not settled."""
        return self.order is not Order.IN_ORDER and self._inbox.quiet_s <= MAX_ORDER_WAIT_S

    def _may_end_waiting(self) -> bool:
        """Whether held events need not wait longer: before, they would overtake letters that scans found."""
        has_settled = self._now_s() - self._found_s >= self._inbox.quiet_s
        return self.order is not Order.CATCHING_UP or has_settled or not self._keeps_order()
