"""huey: watchdog, and one task for each file. `python -m ...with_huey` is its watcher."""

from __future__ import annotations

from huey import RedisHuey

from tests.benchmarks.throughput.job import publish, redis_url, watch

huey = RedisHuey("letters", url=redis_url(), results=False)


@huey.task()
def letter(path: str) -> None:
    """One letter."""
    publish(path)


if __name__ == "__main__":
    from tests.benchmarks.throughput.apps import with_huey

    watch(lambda path: with_huey.letter(path))
