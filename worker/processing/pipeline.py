"""The way of a batch of claimed letters, from hint to filed file: sequence alone.

Policy is in `retrying`, wording in `dead_letters`, transport in `app`; what is needed is given. One batch makes one
round trip per script; one letter's failure stays its own. Every step may be repeated from the start by anyone: a claim
whose file is gone is skipped, a letter that is finished is only filed away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Final

from worker.adapters.share.safe_read import folders_held_open, read_file
from worker.adapters.share.spool import ClaimedFile, Spool
from worker.processing import dead_letters
from worker.processing.disposition import Disposition, dispose
from worker.processing.filing import Filing
from worker.processing.filing_order import Departure, Departures, Reads
from worker.processing.filing_queue import Files
from worker.processing.outcome import Determine, Judge
from worker.processing.records import Begun, Finished, Lease, RecordDamaged, Records, RecordsUnavailable
from worker.processing.supersede import Superseding
from worker.processing.work_item import Policy, Report, Verdict, Work, digest_of_unread

log = logging.getLogger("imr.worker")

CHUNK_BYTES: Final = 32_000_000
"""So many bytes of letters are held in memory at once, whatever a hint asks for."""


class Pipeline:
    """Runs batches of claims. One per process; not for several threads at once."""

    def __init__(
        self,
        *,
        spool: Spool,
        records: Records,
        files: Files,
        reader: Reads,
        determine: Determine,
        policy: Policy,
        wall_clock: Callable[[], datetime],
        monotonic_s: Callable[[], float],
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`is_stopping`: whether a SystemExit means that this process was told to end, and not an error of a step."""
        self._spool = spool
        self._records = records
        self._files = files
        self._policy = policy
        self._departures = Departures(records, reader, policy)
        self._superseding = Superseding(records, policy, wall_clock)
        self._judge = Judge(
            spool=spool,
            filing=Filing(spool),
            reader=reader,
            determine=determine,
            policy=policy,
            wall_clock=wall_clock,
            is_stopping=is_stopping,
        )
        self._monotonic = monotonic_s
        self._is_stopping = is_stopping

    def run(self, claim_ids: Sequence[str]) -> Report:
        """Take each claim as far as it goes.

        Raises `RecordsUnavailable` if the records cannot be reached, OSError if `claimed/` cannot be listed: then
        every letter not yet finished is still in `claimed/`, and the reaper hints it again. So it is with SystemExit,
        when this process is told to end and gives back what it holds.
        """
        report = Report()
        files = self._spool.locate(claim_ids)
        report.results.update((one, "gone") for one in claim_ids if one not in files)
        with self._files.at_work():
            for chunk in self._chunks(files.values(), report):
                self._run_chunk(chunk, report)
        return report

    def _chunks(self, files: Iterable[ClaimedFile], report: Report) -> Iterator[list[Work]]:
        """The letters as taken from the share, in portions that fit into memory."""
        waiting = iter(files)
        while True:
            with folders_held_open():
                chunk, is_last = self._chunk(waiting, report)
            if chunk:
                yield chunk
            if is_last:
                return

    def _chunk(self, waiting: Iterator[ClaimedFile], report: Report) -> tuple[list[Work], bool]:
        """The next portion, and whether there is none after it."""
        chunk: list[Work] = []
        size = 0
        for file in waiting:
            work = self._take(file)
            if work.failed is not None and work.failed.kind in ("retry", "gone"):
                self._leave(work, work.failed, report)
                continue
            chunk.append(work)
            size += len(work.taken.content) if work.taken else 0
            if size > CHUNK_BYTES:
                return chunk, False
        return chunk, True

    def _take(self, file: ClaimedFile) -> Work:
        """Read the file once; a letter that cannot be read at all is known by its claim instead of its bytes."""
        token = secrets.token_hex(8)
        try:
            taken = read_file(self._spool.root, file.path, max_bytes=self._policy.max_letter_bytes)
        except BaseException as error:
            # Every error has a disposition; but a worker that is told to end has to, and the letter waits for another.
            if isinstance(error, SystemExit | KeyboardInterrupt) and self._is_stopping():
                raise
            unread = digest_of_unread(file.claim_id)
            return Work(file, Lease(unread, file.claim_id, token), failed=dispose(error))
        return Work(file, Lease(taken.digest, file.claim_id, token), taken=taken)

    def _run_chunk(self, chunk: Sequence[Work], report: Report, *, alone: bool = False) -> None:
        try:
            self._take_through(chunk, report, alone=alone)
        except (RecordsUnavailable, SystemExit):
            # What is held must not wait for its lease to run out, nor pay with an attempt.
            with contextlib.suppress(RecordsUnavailable):
                self._records.release([work.lease for work in chunk])
            raise

    def _take_through(self, chunk: Sequence[Work], report: Report, *, alone: bool) -> None:
        begun = self._begin(chunk, report, alone=alone)
        going = [work for work, answer in begun if self._goes(work, answer, report)]
        leaving: list[Departure] = []
        with folders_held_open():
            verdicts = list(self._verdicts(going, report))
        finished = self._finish(verdicts, report, leaving)
        superseded = self._what_was_done(begun, report, leaving)
        self._files.submit(leaving)

        for work, answer in begun:
            if answer.reply == "alone":
                self._run_chunk([work], report, alone=True)
        copies = [work for work, answer in begun if answer.reply == "held" and work.lease.digest in finished]
        if copies or superseded:
            self._run_chunk([*copies, *superseded], report)

    def _begin(self, chunk: Sequence[Work], report: Report, *, alone: bool) -> list[tuple[Work, Begun]]:
        answers = self._records.begin(
            [work.lease for work in chunk],
            lease_ms=self._policy.lease_ms,
            max_attempts=self._policy.max_attempts,
            alone=alone,
        )
        begun = []
        for work, answer in zip(chunk, answers, strict=True):
            if isinstance(answer, RecordDamaged):
                self._leave(work, dispose(answer), report)
            else:
                begun.append((work, answer))
        return begun

    def _goes(self, work: Work, answer: Begun, report: Report) -> bool:
        """Whether this worker has the letter now."""
        if answer.reply == "held":
            report.results[work.file.claim_id] = "held"
        if answer.reply == "poison":
            work.failed = Disposition("review", dead_letters.POISON)
        work.revision, work.attempts = answer.revision, answer.attempts
        return answer.reply in ("go", "poison")

    def _verdicts(self, going: Sequence[Work], report: Report) -> Iterator[Verdict]:
        """Parse each letter, keeping the leases of those that wait."""
        prolonged_at = self._monotonic()
        held = list(going)
        for work, following in zip_longest(going, going[1:]):
            if self._monotonic() - prolonged_at > self._policy.lease_seconds / 3:
                # Those that are through wait for the others: they are finished together.
                self._records.prolong([one.lease for one in held], lease_ms=self._policy.lease_ms)
                prolonged_at = self._monotonic()
            verdict = self._out_of_patience(work, self._judge.verdict(work, following))
            if isinstance(verdict, Verdict):
                yield verdict
            else:
                self._give_back(work, verdict, report)
                held = [one for one in held if one is not work]

    def _out_of_patience(self, work: Work, verdict: Verdict | Disposition) -> Verdict | Disposition:
        """The same; a dead letter in place of waiting for an end that has not come for too long."""
        if isinstance(verdict, Verdict) or verdict.kind != "unwhole":
            return verdict
        waits = self._records.postpone(work.lease, patience_ms=self._policy.patience_ms)
        return verdict if waits else self._judge.refused(work, verdict)

    def _finish(self, verdicts: list[Verdict], report: Report, leaving: list[Departure]) -> set[str]:
        """Publish; the digests of the letters whose outcome stands. Those of ours are added to `leaving`."""
        finished: set[str] = set()
        again: list[Verdict] = []
        answers = self._records.finish([one.finish() for one in verdicts])
        for verdict, answer in zip(verdicts, answers, strict=True):
            work = verdict.work
            if isinstance(answer, RecordDamaged):
                self._give_back(work, dispose(answer), report)
            elif answer.reply == "taken" and work.failed is not None:
                # Another letter has that name in review/: with the claim id before it, it is free.
                again += self._renamed(verdict, work.failed, report)
            elif answer.reply == "earlier":
                again += self._settled(verdict, answer, report)
            else:
                self._after(verdict, answer, report, leaving)
                finished |= {work.lease.digest} if answer.reply != "fenced" else set()
        return finished | (self._finish(again, report, leaving) if again else set())

    def _renamed(self, verdict: Verdict, why: Disposition, report: Report) -> list[Verdict]:
        renamed = self._judge.refused(verdict.work, why, named="claim")
        if isinstance(renamed, Disposition):
            self._give_back(verdict.work, renamed, report)
            return []
        return [dataclasses.replace(renamed, earlier=verdict.earlier)]

    def _settled(self, verdict: Verdict, answer: Finished, report: Report) -> list[Verdict]:
        """The verdict about a file that was told of as other bytes, once those are superseded."""
        try:
            return [self._superseding.settled(verdict, answer.entry)]
        except RecordDamaged as error:
            self._give_back(verdict.work, dispose(error), report)
            return []

    def _after(self, verdict: Verdict, answer: Finished, report: Report, leaving: list[Departure]) -> None:
        work = verdict.work
        if answer.reply == "fenced":
            # Another worker has the letter since our lease ran out: it answers for it, and our result is dropped.
            log.warning("fenced claim=%s", work.file.claim_id)
            report.results[work.file.claim_id] = "fenced"
            return
        if answer.reply == "done":
            # Another worker finished it under this claim: what it found out stands.
            report.results[work.file.claim_id] = "filed"
            self._see_off(work, answer, leaving)
            return
        log.info("%s claim=%s code=%s attempt=%d", verdict.outcome, work.file.claim_id, verdict.code, work.attempts)
        report.results[work.file.claim_id] = verdict.outcome
        self._see_off(work, answer, leaving, verdict.event)

    def _see_off(
        self, work: Work, answer: Begun | Finished, leaving: list[Departure], event: bytes | None = None
    ) -> None:
        """Have the letter leave `claimed/`; what it cannot read_file along now it can when it is hinted again."""
        try:
            if answer.reply == "duplicate":
                leaving.append(self._departures.of_copy(work, answer.state, answer.entry))
            else:
                leaving.append(self._departures.of_letter(work, answer.state, answer.named, answer.entry, event))
        except (RecordsUnavailable, OSError) as error:
            log.warning("filing waits claim=%s (%s)", work.file.claim_id, type(error).__name__)

    def _what_was_done(
        self, begun: Sequence[tuple[Work, Begun]], report: Report, leaving: list[Departure]
    ) -> list[Work]:
        """Letters whose outcome stands since an earlier attempt, and further copies of finished ones, leave too.

        Those whose file was told of as other bytes are returned: they are asked about again, that being superseded.
        """
        again = []
        for work, answer in begun:
            if answer.reply not in ("done", "duplicate"):
                continue
            if answer.earlier:
                again += self._superseded(work, answer, report)
                continue
            if answer.reply == "duplicate":
                log.info("duplicate claim=%s", work.file.claim_id)
            report.results[work.file.claim_id] = "filed" if answer.reply == "done" else "duplicate"
            self._see_off(work, answer, leaving)
        return again

    def _superseded(self, work: Work, answer: Begun, report: Report) -> list[Work]:
        try:
            self._superseding.supersede(answer.earlier, work.lease, work.file)
        except RecordDamaged as error:
            self._leave(work, dispose(error), report)
            return []
        return [work]

    def _give_back(self, work: Work, why: Disposition, report: Report) -> None:
        """Not the letter's fault: the attempt is taken back, the file stays, the reaper hints it again."""
        self._records.release([work.lease])
        self._leave(work, why, report)

    def _leave(self, work: Work, why: Disposition, report: Report) -> None:
        report.results[work.file.claim_id] = "gone" if why.kind == "gone" else "retry"
        if why.kind == "unwhole":
            log.info("waits for its end claim=%s code=%s", work.file.claim_id, why.code)
        if why.kind == "retry":
            # A damaged record stays damaged until an operator has looked at the key that the message names.
            level = logging.ERROR if why.code == "record_damaged" else logging.WARNING
            log.log(level, "waits claim=%s code=%s %s", work.file.claim_id, why.code, why.message)
