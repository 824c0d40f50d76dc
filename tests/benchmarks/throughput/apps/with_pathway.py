"""pathway: its own folder connector, the job as a function over rows, entries added as they come out."""

from __future__ import annotations

from typing import Any

import pathway as pw

from tests.benchmarks.throughput.job import STREAM, client, fields_of_bytes, inbox

COMMIT_MS = 20
"""pathway gathers rows for 1,500 ms by default, which nobody would who wants an event soon."""


@pw.udf
def event(content: bytes) -> bytes:
    """The encoded event of a letter."""
    data: bytes = fields_of_bytes(content, "letter")["data"]
    return data


class Sink:
    """Entries of one commit, in one pipeline."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def row(self, key: Any, row: dict[str, Any], time: int, is_addition: bool) -> None:
        """One row."""
        if is_addition:
            self._rows.append(row["event"])
        if len(self._rows) >= 100:
            self.flush(time)

    def flush(self, time: int) -> None:
        """What has come so far."""
        with client().pipeline(transaction=False) as pipe:
            for data in self._rows:
                pipe.xadd(STREAM, {"content-type": "application/cloudevents+json", "data": data})
            pipe.execute()
        self._rows.clear()


def main() -> None:
    """Run until ended."""
    files = pw.io.fs.read(inbox(), format="binary", mode="streaming", autocommit_duration_ms=COMMIT_MS)
    sink = Sink()
    events = files.select(event=event(pw.this.data))
    pw.io.subscribe(events, on_change=sink.row, on_time_end=sink.flush)
    pw.run(monitoring_level=pw.MonitoringLevel.NONE)


if __name__ == "__main__":
    main()
