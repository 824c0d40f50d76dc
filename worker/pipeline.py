"""The way of a batch of claimed letters, from hint to filed file: sequence alone.

Policy is in `retrying`, wording in `dead_letters`, transport in `app`; what is needed is given. One batch makes one
round trip per script; one letter's failure stays its own. Every step may be repeated from the start by anyone: a claim
whose file is gone is skipped, a letter that is finished is only filed away.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import Final, TypeVar

from worker import dead_letters
from worker.contract.event import DEAD_LETTERED, PUBLISHED, encode, event_id, make_event
from worker.filing import Filing, Reads
from worker.fitting import encode_within
from worker.letter.model import Determination
from worker.reading import Taken, Text, take
from worker.records.model import Begun, Finished, Lease, Naming, RecordDamaged, Records
from worker.retrying import Disposition, dispose
from worker.spool import ClaimedFile, Spool
from worker.work import Policy, Report, Verdict, Work, digest_of_unread

log = logging.getLogger("imr.worker")

CHUNK_BYTES: Final = 32_000_000
"""So many bytes of letters are held in memory at once, whatever a hint asks for."""

_CHANGED: Final = Disposition("retry", "changed_while_read", "the file was written to meanwhile")

Answer = TypeVar("Answer")

Determine = Callable[[Text, date], Determination]
"""Text and day of receipt to a determination with its deadlines; raises `LetterError`."""


class Pipeline:
    """Runs batches of claims. One per process; not for several threads at once."""

    def __init__(
        self,
        *,
        spool: Spool,
        records: Records,
        reader: Reads,
        determine: Determine,
        policy: Policy,
        wall_clock: Callable[[], datetime],
        monotonic_s: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._records = records
        self._reader = reader
        self._determine = determine
        self._policy = policy
        self._filing = Filing(spool, records, reader, policy.zone)
        self._now = wall_clock
        self._monotonic = monotonic_s

    def run(self, claim_ids: Sequence[str]) -> Report:
        """Take each claim as far as it goes.

        Raises `RecordsUnavailable` if the records cannot be reached, OSError if `claimed/` cannot be listed: then
        every letter not yet finished is still in `claimed/`, and the reaper hints it again.
        """
        report = Report()
        files = self._spool.locate(claim_ids)
        report.results.update((one, "gone") for one in claim_ids if one not in files)
        for chunk in self._chunks(files.values(), report):
            self._run_chunk(chunk, report)
        return report

    def _chunks(self, files: Iterable[ClaimedFile], report: Report) -> Iterator[list[Work]]:
        """The letters as taken from the share, in portions that fit into memory."""
        chunk: list[Work] = []
        size = 0
        for file in files:
            work = self._take(file)
            if work.failed is not None and work.failed.kind in ("retry", "gone"):
                self._leave(work, work.failed, report)
                continue
            chunk.append(work)
            size += len(work.taken.content) if work.taken else 0
            if size > CHUNK_BYTES:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _take(self, file: ClaimedFile) -> Work:
        """Read the file once; a letter that cannot be read at all is known by its claim instead of its bytes."""
        token = secrets.token_hex(8)
        try:
            taken = take(self._spool.root, file.path, max_bytes=self._policy.max_letter_bytes)
        except Exception as error:  # noqa: BLE001 - every error has a disposition
            unread = digest_of_unread(file.claim_id)
            return Work(file, Lease(unread, file.claim_id, token), failed=dispose(error))
        return Work(file, Lease(taken.digest, file.claim_id, token), taken=taken)

    def _run_chunk(self, chunk: Sequence[Work], report: Report, *, alone: bool = False) -> None:
        begun = self._begin(chunk, alone=alone)
        going = [work for work, answer in begun if self._goes(work, answer, report)]
        self._finish(list(self._verdicts(going, report)), report)
        self._file_what_was_done(begun, report)

        for work, answer in begun:
            if answer.verdict == "alone":
                self._run_chunk([work], report, alone=True)
        mine = {work.lease.digest for work in going}
        copies = [work for work, answer in begun if answer.verdict == "held" and work.lease.digest in mine]
        if copies:
            self._run_chunk(copies, report)

    def _begin(self, chunk: Sequence[Work], *, alone: bool = False) -> list[tuple[Work, Begun]]:
        answers = self._records.begin(
            [work.lease for work in chunk],
            lease_ms=self._policy.lease_ms,
            max_attempts=self._policy.max_attempts,
            alone=alone,
        )
        return list(_undamaged(chunk, answers))

    def _goes(self, work: Work, answer: Begun, report: Report) -> bool:
        """Whether this worker has the letter now."""
        if answer.verdict == "held":
            report.results[work.file.claim_id] = "held"
        if answer.verdict == "poison":
            work.failed = Disposition("review", dead_letters.POISON)
        work.revision, work.attempts = answer.revision, answer.attempts
        return answer.verdict in ("go", "poison")

    def _verdicts(self, going: Sequence[Work], report: Report) -> Iterator[Verdict]:
        """Parse each letter, keeping the leases of those that wait."""
        prolonged_at = self._monotonic()
        for index, work in enumerate(going):
            if self._monotonic() - prolonged_at > self._policy.lease_seconds / 3:
                self._records.prolong([one.lease for one in going[index:]], lease_ms=self._policy.lease_ms)
                prolonged_at = self._monotonic()
            verdict = self._verdict(work)
            if isinstance(verdict, Verdict):
                yield verdict
            else:
                # Not the letter's fault: the attempt is taken back, the file stays, the reaper hints it again.
                self._records.release([work.lease])
                self._leave(work, verdict, report)

    def _verdict(self, work: Work) -> Verdict | Disposition:
        """The letter's determination or dead letter; a disposition if it has to wait for something else."""
        if work.failed is None and work.taken is not None:
            try:
                published = self._published(work, work.taken)
                return published if self._filing.unchanged(work) else _CHANGED
            except (KeyboardInterrupt, GeneratorExit):
                raise
            except BaseException as error:  # noqa: BLE001 - MemoryError and SystemExit would end the worker
                work.failed = dispose(error)
        failed = work.failed or dispose(RuntimeError())
        if failed.kind == "retry":
            return failed
        if not self._filing.unchanged(work):
            return _CHANGED
        if failed.kind == "ours":
            log.error("letter failed claim=%s code=%s kind=%s", work.file.claim_id, failed.code, failed.message)
        return self._dead(work, failed)

    def _published(self, work: Work, taken: Taken) -> Verdict:
        work.text = self._reader.to_text(taken.content)
        told = self._determine(work.text, work.received_on(self._policy.zone))
        event = make_event(
            kind=PUBLISHED,
            identity=event_id(work.lease.digest, work.revision),
            site=self._policy.site,
            time=self._now(),
            path=work.file.archive_path(self._policy.zone),
            data=told,
        )
        return Verdict(work, "published", "", encode_within(event))

    def _dead(self, work: Work, why: Disposition, named: Naming | None = None) -> Verdict:
        if named is None:
            named = "claim" if self._spool.exists(work.file.review_path("plain")) else "plain"
        told = dead_letters.make_dead_letter(
            why,
            attempts=work.attempts,
            claim_id=work.file.claim_id,
            received_on=work.received_on(self._policy.zone),
            failed_at=self._now(),
            size_bytes=len(work.taken.content) if work.taken else None,
        )
        event = make_event(
            kind=DEAD_LETTERED,
            identity=event_id(work.lease.digest, work.revision),
            site=self._policy.site,
            time=self._now(),
            path=work.file.review_path(named),
            data=told,
        )
        return Verdict(work, "dead", why.code, encode(event), named)

    def _finish(self, verdicts: list[Verdict], report: Report) -> None:
        """Publish, then file away; a name in `review/` that another letter took is asked for once more, differently."""
        again: list[Verdict] = []
        answers = self._records.finish([one.finish() for one in verdicts])
        by_claim = {one.work.file.claim_id: one for one in verdicts}
        for work, answer in _undamaged([one.work for one in verdicts], answers):
            verdict = by_claim[work.file.claim_id]
            if answer.verdict == "taken" and verdict.work.failed is not None:
                again.append(self._dead(verdict.work, verdict.work.failed, named="claim"))
            else:
                self._after(verdict, answer, report)
        if again:
            self._finish(again, report)

    def _after(self, verdict: Verdict, answer: Finished, report: Report) -> None:
        work = verdict.work
        if answer.verdict == "fenced":
            # Another worker has the letter since our lease ran out: it answers for it, and our result is dropped.
            log.warning("fenced claim=%s", work.file.claim_id)
            report.results[work.file.claim_id] = "fenced"
            return
        log.info("%s claim=%s code=%s attempt=%d", verdict.outcome, work.file.claim_id, verdict.code, work.attempts)
        report.results[work.file.claim_id] = verdict.outcome
        event = verdict.event if answer.verdict == "finished" else None
        self._filing.file(work, answer.state, answer.named, answer.entry, event)

    def _file_what_was_done(self, begun: Sequence[tuple[Work, Begun]], report: Report) -> None:
        """File letters whose outcome stands since an earlier attempt, and further copies of finished ones."""
        for work, answer in begun:
            if answer.verdict == "done":
                report.results[work.file.claim_id] = "filed"
                self._filing.file(work, answer.state, answer.named, answer.entry)
            elif answer.verdict == "duplicate":
                log.info("duplicate claim=%s", work.file.claim_id)
                report.results[work.file.claim_id] = "duplicate"
                self._filing.file_duplicate(work, answer.state)

    def _leave(self, work: Work, why: Disposition, report: Report) -> None:
        report.results[work.file.claim_id] = "gone" if why.kind == "gone" else "retry"
        if why.kind == "retry":
            log.warning("waits claim=%s code=%s %s", work.file.claim_id, why.code, why.message)


def _undamaged(works: Sequence[Work], answers: Sequence[Answer | RecordDamaged]) -> Iterator[tuple[Work, Answer]]:
    """The answers that stand. A letter whose record is damaged stays in `claimed/` until an operator has looked."""
    for work, answer in zip(works, answers, strict=True):
        if isinstance(answer, RecordDamaged):
            log.error("record damaged claim=%s: %s", work.file.claim_id, answer)
        else:
            yield work, answer
