"""Start the producer (`imr watch`, `python -m producer`): read the environment, make the clients, own the clock."""

from __future__ import annotations

import contextlib
import logging
import os
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
from producer.wake import StopSignal
from worker.adapters.celery.client import HintSender, make_app
from worker.adapters.logs import LogOnChange, call_path, configure_logging
from worker.adapters.redis.server import broker_of, redis_url, require_server
from worker.adapters.redis.server_continuity import ServerContinuity
from worker.adapters.share.folders import prepare
from worker.adapters.share.identity import adopt, identity_problem
from worker.adapters.start_problem import Problem, StartRefused
from worker.contract.names import RECONCILE_TASK, TRIM_TASK, Keys
from worker.contract.redis_client import connect
from worker.contract.settings import Settings, SettingsError, load_settings

log = logging.getLogger("imr.producer")

EXIT_FAILED = 1
EXIT_REFUSED = 3
RETRY_S = 2.0
"""How often a share or a Redis that is not there at the start is tried again."""
RECONCILE_EVERY_S = 6.0
"""A little longer than one reconcile task checks letters."""


def main() -> int:
    """Run until SIGTERM or SIGINT; the exit status: 0 after a clean stop, 3 if the producer may not start, else 1."""
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        run(settings)
    except (SettingsError, StartRefused) as error:
        print(f"imr: the producer cannot start: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return EXIT_REFUSED
    except Exception as error:  # noqa: BLE001 - only kind and place are logged: the message can hold names of files
        log.critical("ended by an internal error kind=%s at %s", type(error).__name__, call_path(error))
        return EXIT_FAILED
    return 0


def run(settings: Settings) -> None:
    """Wait for share and Redis, then feed the share to the queue until SIGTERM or SIGINT. Raises `StartRefused`."""
    stop = StopSignal()
    stop.install()
    if not wait_for_share(settings, stop):
        return
    prepare(settings.share)
    share_id = adopt(settings.share, settings.state_folder)
    url = redis_url(settings)
    client = _connect(url)
    if not wait_for_server(client, stop):
        return
    for problem in require_server(client):
        log.warning("%s", problem)
    _feed(settings, share_id, url, client, stop)


def wait_for_share(settings: Settings, stop: StopSignal) -> bool:
    """Wait until the share that was used here before is mounted. False if the stop was requested before it was."""
    problem_changes = LogOnChange(log)
    while not stop.is_requested:
        problem = identity_problem(settings.share, settings.state_folder)
        if problem is None:
            return True
        problem_changes.log(problem, logging.ERROR, "%s; retried every %g s", problem, RETRY_S)
        stop.wait(RETRY_S)
    return False


def wait_for_server(client: redis.Redis, stop: StopSignal) -> bool:
    """Wait until Redis answers: services may start in any order. False if the stop was requested before it did.

    A server that refuses us is not waited for: a person has to put that right, and `require_server` says so.
    """
    while not stop.is_requested:
        try:
            client.ping()
        except AuthenticationError:
            return True
        except (redis.ConnectionError, redis.TimeoutError) as error:
            kind = type(error).__name__
            log.warning("Redis does not answer (%s); retried in %g s, letters wait in the inbox", kind, RETRY_S)
            stop.wait(RETRY_S)
        except redis.RedisError:
            return True
        else:
            return True
    return False


def _connect(url: str) -> redis.Redis:
    try:
        return connect(url)
    except ValueError:  # its message may quote the password
        remedy = "write redis://user:password@host:6379/0, rediss://... or unix:///path, special characters as %40"
        raise StartRefused([Problem("IMR_REDIS_URL is no address of a Redis", remedy)]) from None


def _feed(settings: Settings, share_id: str | None, url: str, client: redis.Redis, stop: StopSignal) -> None:
    """Make the producer, and run it until the stop."""
    share, keys = os.path.abspath(settings.share), Keys(settings.prefix)
    queue = HintSender(make_app(broker_of(settings, url), settings.prefix))
    gauges = RedisGauges(
        client=client,
        keys=keys,
        share=share,
        name=f"{socket.gethostname()}:{os.getpid()}",
        wall_clock_ms=_now_ms,
    )
    heartbeat = ServerHeartbeat(ServerContinuity(client, keys), share, settings.lease_seconds, share_id)
    producer = Producer(
        share=share,
        queue=queue,
        leases=RedisLeases(client, keys),
        gauges=gauges,
        discovery=_discovery_settings(settings, share_id),
        timing=_timing(settings),
        limits=_limits(settings),
        batch_letters=settings.batch_letters,
        wall_clock_ms=_now_ms,
        monotonic_s=time.monotonic,
        tasks=_periodic_tasks(settings, heartbeat),
    )
    stop.forward_to(producer.stop)
    log.info("watching %s", settings.share)
    producer.run()
    _leave(gauges, queue)


def _discovery_settings(settings: Settings, share_id: str | None) -> DiscoverySettings:
    return DiscoverySettings(
        watch=settings.watch,
        complete=settings.complete,
        settle_s=settings.settle_seconds,
        renamed_quiet_s=settings.renamed_quiet_seconds,
        scan_s=settings.scan_seconds,
        max_scan_s=settings.max_scan_seconds,
        share_id=share_id,
    )


def _timing(settings: Settings) -> Timing:
    return Timing(
        reap_s=settings.reap_seconds,
        hint_timeout_s=settings.hint_timeout_seconds,
        retry_max_s=settings.retry_max_seconds,
    )


def _limits(settings: Settings) -> AdmissionLimits:
    return AdmissionLimits(
        max_claimed_letters=settings.max_claimed_letters,
        min_free_disk_bytes=settings.min_free_disk_bytes,
        max_redis_memory_percent=settings.max_redis_memory_percent,
    )


def _periodic_tasks(settings: Settings, heartbeat: ServerHeartbeat) -> list[PeriodicTask]:
    with contextlib.suppress(redis.RedisError):
        heartbeat.is_check_wanted()  # before anything is claimed: the server of a new, empty share needs no check
    return [
        PeriodicTask(RECONCILE_TASK, RECONCILE_EVERY_S, heartbeat.is_check_wanted),
        PeriodicTask(TRIM_TASK, settings.trim_seconds, is_wanted=lambda: True),
    ]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _leave(gauges: RedisGauges, queue: HintSender) -> None:
    """Remove what says that this producer runs, and close its connections."""
    try:
        gauges.remove_report()
    except redis.RedisError as error:
        log.info("report not removed (%s); it expires by itself", type(error).__name__)
    queue.close()
    log.info("stopped; what was not claimed waits in the inbox")


if __name__ == "__main__":
    sys.exit(main())
