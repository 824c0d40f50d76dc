"""Claiming complete files, as many as admission allows; the rest stays in the inbox."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from producer.admission import Admission, Limits, admit
from producer.claiming import Claimer
from producer.enqueueing import work_of
from producer.inbox import Inbox
from producer.reaping import count_claimed
from producer.reporting import Gauges

log = logging.getLogger("imr.producer")

HELD_POLL_S: Final = 0.05
"""How soon a full `claimed/` is looked at again while the inbox waits, at the soonest."""
HELD_POLL_COSTS: Final = 20
"""And after so many times what the last look took: of a large folder, or a slow share, it takes its time."""
HELD_POLL_MAX_S: Final = 5.0
"""But no later: a look that ran into the time limit of a server that is back would hold the intake for minutes."""
STEP_LETTERS: Final = 200
"""So many are claimed before their hint is sent: workers begin while the rest of a flood is being claimed."""
OPEN_POLL_S: Final = 2.0
"""How long an answer of admission holds that still has room: each question lists a folder and asks Redis."""


class Intake:
    """The gate between `inbox/` and `claimed/`."""

    def __init__(
        self,
        *,
        share: str,
        inbox: Inbox,
        claimer: Claimer,
        gauges: Gauges,
        limits: Limits,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._share = share
        self._inbox = inbox
        self._claimer = claimer
        self._gauges = gauges
        self._limits = limits
        self._now_s = monotonic_s
        self._admission = Admission(0, None)
        self._open_until_s = self._held_until_s = float("-inf")
        self.told: str | None = None
        """A reason not to claim that does not come from the load, set by the loop."""
        self.claimed = 0
        """Files in `claimed/`, as last counted, and those claimed since."""

    @property
    def hold(self) -> str | None:
        """What keeps files in the inbox; None if nothing does."""
        return self._admission.reason

    @property
    def is_hindered(self) -> bool:
        """Whether what keeps files in the inbox keeps workers from theirs too."""
        return self._admission.is_hindrance

    def claim(self) -> dict[str, int]:
        """Claim complete files in order of arrival; the claim ids, each with how much work it is."""
        if not self._inbox.has_complete():
            return {}
        self.ask()
        claimed: dict[str, int] = {}
        failed = Counter[int | None]()
        for path in self._inbox.take(min(self._admission.letters, STEP_LETTERS)):
            try:
                claim_id = self._claimer.claim(path)
            except OSError as error:
                failed[error.errno] += 1
                self._inbox.give_up()
            else:
                claimed |= {claim_id: work_of(path)} if claim_id is not None else {}
        self._count(len(claimed), failed)
        return claimed

    def ask(self) -> None:
        """Ask admission afresh, unless the last answer still holds."""
        if self._now_s() < self._answered_until_s:
            return
        began_s = self._now_s()
        self._admission = admit(self._gauges.load(self._count_claimed()), self._limits, self.told)
        now_s = self._now_s()
        held_s = min(max(HELD_POLL_S, HELD_POLL_COSTS * (now_s - began_s)), HELD_POLL_MAX_S)
        self._open_until_s, self._held_until_s = now_s + OPEN_POLL_S, now_s + held_s

    @property
    def _answered_until_s(self) -> float:
        return self._open_until_s if self._admission.letters > 0 else self._held_until_s

    def idle_s(self) -> float:
        """How long no file can be claimed that is complete; infinite if none is."""
        if not self._inbox.has_complete():
            return float("inf")
        return 0.0 if self._admission.letters > 0 else max(0.0, self._held_until_s - self._now_s())

    def _count_claimed(self) -> int | None:
        try:
            self.claimed = count_claimed(self._share)
        except OSError:
            return None
        return self.claimed

    def _count(self, claimed: int, failed: Counter[int | None]) -> None:
        self.claimed += claimed
        self._admission = replace(self._admission, letters=self._admission.letters - claimed)
        for errno, letters in failed.items():
            # Still in the inbox: permission, a sharing violation, a full disk. The next scan finds them again.
            log.warning("not claimed letters=%d (errno=%s); they stay in the inbox and are tried again", letters, errno)
