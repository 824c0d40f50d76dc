"""Naive Celery: watchdog, and one task for each file. `python -m ...naive_celery` is its watcher."""

from __future__ import annotations

from celery import Celery

from tests.benchmarks.throughput.job import publish, redis_url, watch
from worker.contract.redis_client import broker_url

app = Celery("naive", broker=broker_url(redis_url()))
app.conf.update(task_ignore_result=True, broker_connection_retry_on_startup=True)


@app.task
def letter(path: str) -> None:
    """One letter."""
    publish(path)


if __name__ == "__main__":
    from tests.benchmarks.throughput.apps import naive_celery

    watch(lambda path: naive_celery.letter.delay(path))
