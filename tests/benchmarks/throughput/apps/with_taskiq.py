"""taskiq: watchdog, and one task for each file. `python -m ...with_taskiq` is its watcher."""

from __future__ import annotations

import asyncio
import threading

from taskiq_redis import ListQueueBroker

from tests.benchmarks.throughput.job import publish, redis_url, watch

broker = ListQueueBroker(url=redis_url())


@broker.task
def letter(path: str) -> None:
    """One letter."""
    publish(path)


async def send() -> None:
    """Send a task for each file, from the loop that taskiq's client needs."""
    loop = asyncio.get_running_loop()
    found: asyncio.Queue[str] = asyncio.Queue()
    await broker.startup()
    tell = lambda path: loop.call_soon_threadsafe(found.put_nowait, path)  # noqa: E731
    threading.Thread(target=watch, args=(tell,), daemon=True).start()
    while True:
        await with_taskiq.letter.kiq(await found.get())


if __name__ == "__main__":
    from tests.benchmarks.throughput.apps import with_taskiq

    asyncio.run(send())
