"""Start the producer (`imr watch`, `python -m producer`): read the environment, make the clients, own the clock."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time

import redis

from producer.admission import Limits
from producer.reaping import RedisLeases
from producer.reporting import RedisGauges
from producer.service import Producer, Timing
from worker.contract.names import Keys
from worker.contract.narration import narrate
from worker.contract.redis_client import connect
from worker.contract.server import broker_of, redis_url, require_server
from worker.contract.settings import Settings, SettingsError, load_settings
from worker.contract.share import StartRefused, prepare
from worker.hints import Hints, make_app

log = logging.getLogger("imr.producer")

EXIT_REFUSED = 3


def main() -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 3 if the producer may not start."""
    try:
        settings = load_settings()
        narrate(settings.log_level)
        run(settings)
    except (SettingsError, StartRefused) as error:
        print(f"imr: the producer cannot start: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return EXIT_REFUSED
    return 0


def run(settings: Settings) -> None:
    """Feed the share until told to stop. Raises `StartRefused`."""
    prepare(settings.share)
    url = redis_url(settings)
    client = connect(url)
    for problem in require_server(client):
        log.warning("%s", problem)
    keys = Keys(settings.prefix)
    hints = Hints(make_app(broker_of(settings, url), settings.prefix))
    gauges = RedisGauges(
        client=client,
        keys=keys,
        share=os.fspath(settings.share),
        name=f"{socket.gethostname()}:{os.getpid()}",
        wall_clock_ms=_now_ms,
    )
    producer = _producer(settings, hints, RedisLeases(client, keys), gauges)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: producer.stop())
    log.info("watching %s", settings.share)
    producer.run()
    _leave(gauges, hints)


def _producer(settings: Settings, hints: Hints, leases: RedisLeases, gauges: RedisGauges) -> Producer:
    return Producer(
        share=os.path.abspath(settings.share),
        hints=hints,
        leases=leases,
        gauges=gauges,
        timing=Timing(
            settle_s=settings.settle_seconds,
            scan_s=settings.scan_seconds,
            reap_s=settings.reap_seconds,
            hint_timeout_s=settings.hint_timeout_seconds,
        ),
        limits=Limits(
            max_claimed_letters=settings.max_claimed_letters,
            min_free_disk_bytes=settings.min_free_disk_bytes,
            max_redis_memory_percent=settings.max_redis_memory_percent,
        ),
        batch_letters=settings.batch_letters,
        wall_clock_ms=_now_ms,
        monotonic_s=time.monotonic,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _leave(gauges: RedisGauges, hints: Hints) -> None:
    try:
        gauges.leave()
    except redis.RedisError as error:
        log.info("Redis is gone before us (%s)", type(error).__name__)
    hints.close()
    log.info("stopped; what was not claimed waits in the inbox")


if __name__ == "__main__":
    sys.exit(main())
