"""The Celery application: `celery -A worker.app worker`, `celery -A worker.app flower`.

Transport only. A hint comes in, the pipeline runs its claims, nothing goes out: results are in the stream. Importing
this module reads the settings, as Celery's command line needs; clients and the PDF reader are made in the process that
does the work, on its first hint.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import threading
import time
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
from worker.processing.filing_queue import Filer, Files, FilingThread
from worker.processing.pipeline import Pipeline
from worker.processing.records import RecordsUnavailable
from worker.processing.work_item import Policy

log = logging.getLogger("imr.worker")

settings: Final = load_settings()
rules: Final = load_rules(settings.rules_file)
app: Final[Celery] = make_app(broker_of(settings, redis_url(settings)), settings.prefix)

_mine = threading.local()
"""Each thread of each process has a pipeline of its own: none of its parts is shared."""


@app.task(name=LETTERS_TASK, Strategy=STRATEGY)  # type: ignore[untyped-decorator]
def letters(version: object = None, claim_ids: object = None, **unknown: Any) -> None:
    """Work on the claims of one hint. Never raises: what is not done is in `claimed/`, where the reaper finds it."""
    if unknown:
        log.warning("hint with unknown fields ignored: a newer producer sends them")
    try:
        wanted = read_hint(version, claim_ids)
        started_s = time.monotonic()
        report = _pipeline().run(wanted)
    except BadHint as error:
        log.error("hint refused: %s; the reaper hints its claims again", error)
    except (RecordsUnavailable, redis.RedisError) as error:
        log.warning("hint put off (%s): its letters stay claimed and are hinted again", type(error).__name__)
    except OSError as error:
        log.warning("hint put off (errno=%s): its letters stay claimed and are hinted again", error.errno)
    except Exception as error:  # noqa: BLE001 - a MemoryError that escapes ends the worker
        log.error("hint failed kind=%s: its letters stay claimed and are hinted again", type(error).__name__)
    else:
        ms = 1000 * (time.monotonic() - started_s)
        told = " ".join(f"{result}={count}" for result, count in sorted(report.counted().items()))
        log.info("hint done letters=%d ms=%.0f %s", len(wanted), ms, told)


@app.task(name=TRIM_TASK, Strategy=STRATEGY)  # type: ignore[untyped-decorator]
def trim(**_: object) -> None:
    """Trim the streams. Never raises: what is not trimmed now is trimmed when a producer asks the next time."""
    keys = Keys(settings.prefix)
    try:
        with contextlib.closing(connect(redis_url(settings))) as client:
            trimmed = Trimmer(client, keys, settings.keep_acknowledged_days).trim()
            problems = problems_of(read_states(client, keys), keys, limits_of(settings), lost={})
    except Exception as error:  # noqa: BLE001 - a MemoryError that escapes ends the worker
        log.warning("not trimmed (%s): tried again in %g s", type(error).__name__, settings.trim_seconds)
    else:
        for one in trimmed:
            log.info("trimmed stream=%s entries=%d", one.stream, one.removed)
        for problem in problems:  # names of groups and consumers are their owners': the command tells them
            log.warning("%s stream=%s count=%d: see `imr stream check`", problem.code, problem.stream, problem.count)


@app.task(name=RECONCILE_TASK, Strategy=STRATEGY)  # type: ignore[untyped-decorator]
def reconcile_letters(**_: object) -> None:
    """Go on checking what was filed away, if Redis may have lost it. Never raises: the producer asks again."""
    keys, days, zone = Keys(settings.prefix), settings.reconcile_days, settings.zone
    try:
        with contextlib.closing(connect(redis_url(settings))) as client:
            reconciler = make_reconciler(settings, RedisRecords(client, keys))
            reconcile(reconciler, ServerContinuity(client, keys), days=days, zone=zone, monotonic_s=time.monotonic)
    except Exception as error:  # noqa: BLE001 - a MemoryError that escapes ends the worker
        log.warning("check put off (%s): it goes on from where it was", type(error).__name__)


def make_filing(settings: Settings, client: redis.Redis) -> FilingThread:
    """What files away the letters of one pipeline, with a client of its own."""
    durability = RedisDurability(client, Keys(settings.prefix))
    filer = Filer(spool=Spool(settings.share.absolute()), durability=durability, monotonic_s=time.monotonic)
    return FilingThread(filer)


def make_pipeline(settings: Settings, client: redis.Redis, reader: TextExtractor, files: Files) -> Pipeline:
    """The pipeline of one process."""
    return Pipeline(
        spool=Spool(settings.share.absolute()),
        records=RedisRecords(client, Keys(settings.prefix)),
        files=files,
        reader=reader,
        determine=Determiner(
            read_parties=settings.read_parties,
            rules=rules,
            today=lambda: datetime.now(settings.zone).date(),
        ),
        policy=Policy(
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


def make_reader(settings: Settings) -> TextExtractor:
    """The reader of one process."""
    return TextExtractor(ReadLimits(timeout_s=settings.read_timeout_seconds, memory_bytes=settings.read_memory_bytes))


def _pipeline() -> Pipeline:
    if not hasattr(_mine, "pipeline"):
        url = redis_url(settings)
        _mine.reader = make_reader(settings)
        _mine.filing = make_filing(settings, connect(url))
        _mine.pipeline = make_pipeline(settings, connect(url), _mine.reader, _mine.filing)
        # What is imported and made by now stays until the end: collections need not walk over it again and again.
        gc.freeze()
    pipeline: Pipeline = _mine.pipeline
    return pipeline


class LastWords(logging.Handler):
    """Tells what ends a worker: the kind of the error alone, because its words may be anybody's."""

    def __init__(self) -> None:
        super().__init__(logging.CRITICAL)

    def emit(self, record: logging.LogRecord) -> None:
        """Tell it."""
        error = record.exc_info[1] if record.exc_info else None
        log.critical("the worker cannot go on kind=%s errno=%s", type(error).__name__, getattr(error, "errno", None))


@setup_logging.connect  # type: ignore[untyped-decorator]
def _narrate(**_: object) -> None:
    """Our narration in place of Celery's: its lines for unknown tasks and errors show arguments."""
    configure_logging(settings.log_level)
    celery = logging.getLogger("celery")
    celery.setLevel(logging.INFO)
    celery.addHandler(LastWords())


@worker_init.connect  # type: ignore[untyped-decorator]
def _open_the_calendar(**_: object) -> None:
    """Once, before the pool's processes are forked: else the first overturned letter of each of them waits for it."""
    open_calendar()


@worker_ready.connect  # type: ignore[untyped-decorator]
def _say_ready(**_: object) -> None:
    log.info("ready share=%s", settings.share)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _close(**_: object) -> None:
    filing = getattr(_mine, "filing", None)
    if filing is not None:
        filing.close()
    reader = getattr(_mine, "reader", None)
    if reader is not None:
        reader.close()
