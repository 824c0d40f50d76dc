"""The Celery application: `celery -A worker.app worker`, `celery -A worker.app flower`.

Transport only. A hint comes in, the pipeline runs its claims, nothing goes out: results are in the stream. Importing
this module reads the settings, as Celery's command line needs; clients and the text extractor are made in the process
that does the work, on its first hint.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import redis
from billiard.common import terminate_handler_fired
from celery import Celery
from celery.signals import setup_logging, worker_init, worker_process_shutdown, worker_ready, worker_shutdown

from worker.adapters.celery.client import make_app
from worker.adapters.celery.strategy import STRATEGY
from worker.adapters.logs import configure_logging
from worker.adapters.redis.durability import RedisDurability
from worker.adapters.redis.records import RedisRecords
from worker.adapters.redis.server import broker_of, redis_url
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.redis.stream_state import read_states
from worker.adapters.redis.stream_trim import Trimmer
from worker.adapters.share.spool import Spool
from worker.contract.hint import BadHint, read_hint
from worker.contract.names import LETTERS_TASK, RECONCILE_TASK, TRIM_TASK, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, load_settings
from worker.extraction import ReadLimits, TextExtractor
from worker.operations.reconcile import make_reconciler, reconcile
from worker.operations.stream_health import limits_of, problems_of
from worker.processing.determination import Determiner, load_rules, open_calendar
from worker.processing.filing_queue import FilingQueue, FilingThread
from worker.processing.pipeline import Pipeline
from worker.processing.ports import FilingPort
from worker.processing.records import RecordsUnavailable
from worker.processing.work_item import ProcessingLimits

log = logging.getLogger("imr.worker")

settings: Final = load_settings()
rules: Final = load_rules(settings.rules_file)
app: Final[Celery] = make_app(broker_of(settings, redis_url(settings)), settings.prefix)

_thread = threading.local()
"""Each thread of each process has a pipeline of its own: none of its parts is shared."""


@contextlib.contextmanager
def _logged(task: str, otherwise: str) -> Iterator[None]:
    """The body of a task: what it raises is logged, and never leaves it, because a MemoryError that escapes ends the
    whole worker. `otherwise` says what becomes of the work that was not done.
    """
    try:
        yield
    except BadHint as error:
        log.error("hint refused: %s; %s", error, otherwise)
    except (RecordsUnavailable, redis.RedisError) as error:
        log.warning("%s interrupted, Redis unavailable (%s); %s", task, type(error).__name__, otherwise)
    except OSError as error:
        log.warning("%s interrupted, share unavailable (errno=%s); %s", task, error.errno, otherwise)
    except Exception as error:  # noqa: BLE001 - see above
        log.error("%s failed kind=%s; %s", task, type(error).__name__, otherwise)


@app.task(name=LETTERS_TASK, Strategy=STRATEGY)  # type: ignore[untyped-decorator]
def letters(version: object = None, claim_ids: object = None, **unknown: Any) -> None:
    """Work on the claims of one hint. Never raises: what is not done is in `claimed/`, where the reaper finds it."""
    if unknown:
        log.warning("hint with unknown fields ignored: a newer producer sends them")
    with _logged("batch", "its letters stay in claimed/ and will be retried"):
        wanted = read_hint(version, claim_ids)
        started_s = time.monotonic()
        report = _pipeline().run(wanted)
        ms = 1000 * (time.monotonic() - started_s)
        counts = " ".join(f"{result}={count}" for result, count in sorted(report.counted().items()))
        log.info("batch done letters=%d ms=%.0f %s", len(wanted), ms, counts)


@app.task(name=TRIM_TASK, Strategy=STRATEGY)  # type: ignore[untyped-decorator]
def trim(**_: object) -> None:
    """Trim the streams. Never raises: what is not trimmed now is trimmed when a producer asks the next time."""
    with _logged("trimming", f"it will be retried in {settings.trim_seconds:g} s"):
        keys = Keys(settings.prefix)
        with contextlib.closing(connect(redis_url(settings))) as client:
            trimmed = Trimmer(client, keys, settings.keep_acknowledged_days).trim()
            problems = problems_of(read_states(client, keys), keys, limits_of(settings), lost={})
        for stream in trimmed:
            log.info("trimmed stream=%s entries=%d", stream.stream, stream.removed)
        for problem in problems:  # names of groups and consumers stay out of logs: the command shows them
            log.warning("%s stream=%s count=%d: see `imr stream check`", problem.code, problem.stream, problem.count)


@app.task(name=RECONCILE_TASK, Strategy=STRATEGY)  # type: ignore[untyped-decorator]
def reconcile_letters(**_: object) -> None:
    """Go on checking what was filed, if Redis may have lost it. Never raises: the producer asks again."""
    with _logged("check of filed letters", "it will go on from where it was"):
        keys, days, zone = Keys(settings.prefix), settings.reconcile_days, settings.zone
        with contextlib.closing(connect(redis_url(settings))) as client:
            reconciler = make_reconciler(settings, RedisRecords(client, keys))
            reconcile(reconciler, ServerContinuity(client, keys), days=days, zone=zone, monotonic_s=time.monotonic)


def make_filing(settings: Settings, client: redis.Redis) -> FilingThread:
    """The filing queue of one pipeline, with a client of its own."""
    durability = RedisDurability(client, Keys(settings.prefix))
    spool = Spool(settings.share.absolute())
    return FilingThread(FilingQueue(spool=spool, durability=durability, monotonic_s=time.monotonic))


def make_pipeline(settings: Settings, client: redis.Redis, extractor: TextExtractor, filing: FilingPort) -> Pipeline:
    """The pipeline of one process."""
    return Pipeline(
        spool=Spool(settings.share.absolute()),
        records=RedisRecords(client, Keys(settings.prefix)),
        filing=filing,
        extractor=extractor,
        determine=Determiner(
            read_parties=settings.read_parties,
            rules=rules,
            today=lambda: datetime.now(settings.zone).date(),
        ),
        limits=ProcessingLimits(
            site=settings.site,
            zone=settings.zone,
            lease_seconds=settings.lease_seconds,
            max_attempts=settings.max_attempts,
            max_letter_bytes=settings.max_letter_bytes,
            incomplete_seconds=settings.incomplete_seconds,
        ),
        wall_clock=lambda: datetime.now(UTC),
        monotonic_s=time.monotonic,
        is_stopping=terminate_handler_fired,
    )


def make_extractor(settings: Settings) -> TextExtractor:
    """The text extractor of one process."""
    return TextExtractor(ReadLimits(timeout_s=settings.read_timeout_seconds, memory_bytes=settings.read_memory_bytes))


def _pipeline() -> Pipeline:
    if not hasattr(_thread, "pipeline"):
        url = redis_url(settings)
        _thread.extractor = make_extractor(settings)
        _thread.filing = make_filing(settings, connect(url))
        _thread.pipeline = make_pipeline(settings, connect(url), _thread.extractor, _thread.filing)
        # What is imported and made by now stays until the end: collections need not walk over it again and again.
        gc.freeze()
    pipeline: Pipeline = _thread.pipeline
    return pipeline


class FatalErrorLog(logging.Handler):
    """Logs what ends a worker: the kind of the error alone, because its message may hold anything."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)

    def emit(self, record: logging.LogRecord) -> None:
        """Log the kind of the record's error."""
        error = record.exc_info[1] if record.exc_info else None
        log.critical("the worker cannot go on kind=%s errno=%s", type(error).__name__, getattr(error, "errno", None))


@setup_logging.connect  # type: ignore[untyped-decorator]
def _configure_logging(**_: object) -> None:
    """This project's log in place of Celery's: its lines for unknown tasks and errors show arguments."""
    configure_logging(settings.log_level)
    celery = logging.getLogger("celery")
    celery.setLevel(logging.INFO)
    celery.addHandler(FatalErrorLog())


@worker_init.connect  # type: ignore[untyped-decorator]
def _open_calendar(**_: object) -> None:
    """Once, before the pool's processes are forked: else the first overturned letter of each of them waits for it."""
    open_calendar()


@worker_ready.connect  # type: ignore[untyped-decorator]
def _log_ready(**_: object) -> None:
    log.info("ready share=%s", settings.share)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _close(**_: object) -> None:
    filing = getattr(_thread, "filing", None)
    if filing is not None:
        filing.close()
    extractor = getattr(_thread, "extractor", None)
    if extractor is not None:
        extractor.close()
