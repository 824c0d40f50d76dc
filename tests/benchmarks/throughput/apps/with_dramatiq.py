"""dramatiq: watchdog, and one message for each file. `python -m ...with_dramatiq` is its watcher."""

from __future__ import annotations

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from tests.benchmarks.throughput.job import publish, redis_url, watch

dramatiq.set_broker(RedisBroker(url=redis_url()))


@dramatiq.actor
def letter(path: str) -> None:
    """One letter."""
    publish(path)


if __name__ == "__main__":
    from tests.benchmarks.throughput.apps import with_dramatiq

    watch(lambda path: with_dramatiq.letter.send(path))
