"""Start the producer (`imr watch`, `python -m producer`): read the environment, make the clients, own the clock."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import time

import redis
from redis.exceptions import AuthenticationError

from producer.discovery.discovery import DiscoverySettings
from producer.maintenance import PeriodicTask, ServerHeartbeat
from producer.policy import AdmissionLimits
from producer.reaper import RedisLeases
from producer.reporting import RedisGauges
from producer.service import Producer, Timing
from producer.wake import Wake
from worker.adapters.celery.client import HintSender, make_app
from worker.adapters.logs import configure_logging, places
from worker.adapters.redis.server import broker_of, redis_url, require_server
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.folders import prepare
from worker.adapters.share.identity import absence, adopt
from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.names import RECONCILE_TASK, TRIM_TASK, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, SettingsError, load_settings

log = logging.getLogger("imr.producer")

EXIT_FAILED = 1
EXIT_REFUSED = 3
RETRY_S = 2.0
"""How often a Redis that is not there yet is asked again."""


RECONCILE_EVERY_S = 6.0
"""A little longer than one task checks letters."""


class Stop:
    """Told by a signal, once and for all: whoever waits is woken, whoever starts later does not begin."""

    def __init__(self) -> None:
        self.is_told = False
        self._wake = Wake()
        self._producer: Producer | None = None

    def tell(self) -> None:
        """Stop. Safe to call from a signal handler."""
        self.is_told = True
        self._wake.set()
        if self._producer is not None:
            self._producer.stop()

    def wait(self, timeout_s: float) -> None:
        """Sleep, until told at most."""
        if not self.is_told:
            self._wake.wait(timeout_s)

    def also(self, producer: Producer) -> None:
        """Stop that one too."""
        self._producer = producer
        if self.is_told:
            producer.stop()


def main() -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 3 if the producer may not start."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        run(settings)
    except (SettingsError, StartRefused) as error:
        print(f"imr: the producer cannot start: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return EXIT_REFUSED
    except Exception as error:  # noqa: BLE001 - its message can hold names of files: its kind and place are told alone
        log.critical("ended by a fault of ours kind=%s at %s", type(error).__name__, places(error))
        return EXIT_FAILED
    return 0


def run(settings: Settings) -> None:
    """Feed the share until told to stop. Raises `StartRefused`."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.tell())
    if not wait_for_share(settings, stop):
        return
    prepare(settings.share)
    share_id = adopt(settings.share, settings.state_folder)
    url = redis_url(settings)
    client = _client(url)
    if not wait_for_server(client, stop):
        return
    for problem in require_server(client):
        log.warning("%s", problem)
    keys = Keys(settings.prefix)
    hints = HintSender(make_app(broker_of(settings, url), settings.prefix))
    gauges = _gauges(settings, client, keys)
    manner, chores = _manner(settings, share_id), _chores(settings, share_id, client, keys)
    producer = _producer(settings, hints, RedisLeases(client, keys), gauges, manner, chores)
    stop.also(producer)
    log.info("watching %s", settings.share)
    producer.run()
    _leave(gauges, hints)


def wait_for_share(settings: Settings, stop: Stop) -> bool:
    """Wait until the share that was used here before is mounted. False if told to stop before it was."""
    told: Problem | None = None
    while not stop.is_told:
        problem = absence(settings.share, settings.state_folder)
        if problem is None:
            return True
        if problem != told:
            log.error("%s; asked again every %g s", problem, RETRY_S)
        told = problem
        stop.wait(RETRY_S)
    return False


def wait_for_server(client: redis.Redis, stop: Stop) -> bool:
    """Wait until Redis answers: services may start in any order. False if told to stop before it did.

    One that answers with a refusal is not waited for: that is for a person to put right, and `require_server` says so.
    """
    while not stop.is_told:
        try:
            client.ping()
        except AuthenticationError:
            return True
        except (redis.ConnectionError, redis.TimeoutError) as error:
            kind = type(error).__name__
            log.warning("Redis does not answer (%s); asked again in %g s, letters wait in the inbox", kind, RETRY_S)
            stop.wait(RETRY_S)
        except redis.RedisError:
            return True
        else:
            return True
    return False


def _client(url: str) -> redis.Redis:
    try:
        return connect(url)
    except ValueError:  # its message may quote the password
        remedy = "write redis://user:password@host:6379/0, rediss://... or unix:///path, special characters as %40"
        raise StartRefused([Problem("IMR_REDIS_URL is no address of a Redis", remedy)]) from None


def _gauges(settings: Settings, client: redis.Redis, keys: Keys) -> RedisGauges:
    return RedisGauges(
        client=client,
        keys=keys,
        share=os.fspath(settings.share),
        name=f"{socket.gethostname()}:{os.getpid()}",
        wall_clock_ms=_now_ms,
    )


def _chores(settings: Settings, share_id: str | None, client: redis.Redis, keys: Keys) -> list[PeriodicTask]:
    doubts = ServerHeartbeat(
        ServerContinuity(client, keys), os.path.abspath(settings.share), settings.lease_seconds, share_id
    )
    with contextlib.suppress(redis.RedisError):
        doubts.is_check_wanted()  # before anything is claimed: the server of a new, empty share is trusted at once
    return [
        PeriodicTask(RECONCILE_TASK, RECONCILE_EVERY_S, doubts.is_check_wanted),
        PeriodicTask(TRIM_TASK, settings.trim_seconds, is_wanted=lambda: True),
    ]


def _manner(settings: Settings, share_id: str | None) -> DiscoverySettings:
    return DiscoverySettings(
        watch=settings.watch,
        complete=settings.complete,
        settle_s=settings.settle_seconds,
        renamed_quiet_s=settings.renamed_quiet_seconds,
        scan_s=settings.scan_seconds,
        max_scan_s=settings.max_scan_seconds,
        share_id=share_id,
    )


def _producer(
    settings: Settings,
    hints: HintSender,
    leases: RedisLeases,
    gauges: RedisGauges,
    manner: DiscoverySettings,
    chores: list[PeriodicTask],
) -> Producer:
    return Producer(
        share=os.path.abspath(settings.share),
        hints=hints,
        leases=leases,
        gauges=gauges,
        manner=manner,
        timing=Timing(
            reap_s=settings.reap_seconds,
            hint_timeout_s=settings.hint_timeout_seconds,
            retry_max_s=settings.retry_max_seconds,
        ),
        limits=AdmissionLimits(
            max_claimed_letters=settings.max_claimed_letters,
            min_free_disk_bytes=settings.min_free_disk_bytes,
            max_redis_memory_percent=settings.max_redis_memory_percent,
        ),
        batch_letters=settings.batch_letters,
        wall_clock_ms=_now_ms,
        monotonic_s=time.monotonic,
        chores=chores,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _leave(gauges: RedisGauges, hints: HintSender) -> None:
    try:
        gauges.leave()
    except redis.RedisError as error:
        log.info("Redis is gone before us (%s)", type(error).__name__)
    hints.close()
    log.info("stopped; what was not claimed waits in the inbox")


if __name__ == "__main__":
    sys.exit(main())
