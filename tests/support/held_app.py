"""The worker's application with a long task: reading a letter lasts for as long as a file exists.

`celery -A tests.support.held_app worker`; IMR_TEST_HOLD names the file, IMR_TEST_GRACE_S how long a stop may last.
"""

from __future__ import annotations

import os
import time

from worker import app as real
from worker.contract.settings import Settings
from worker.extraction import Text, TextExtractor

_make_extractor = real.make_extractor


class HeldExtractor:
    """Reads once the file is gone."""

    def __init__(self, reader: TextExtractor) -> None:
        self._reader = reader

    def to_text(self, content: bytes, following: bytes | None = None) -> Text:
        """See `TextExtractor.to_text`."""
        while os.path.exists(os.environ["IMR_TEST_HOLD"]):
            time.sleep(0.01)
        return self._reader.to_text(content, following)

    def close(self) -> None:
        """See `TextExtractor.close`."""
        self._reader.close()


def _make_held_extractor(settings: Settings) -> HeldExtractor:
    return HeldExtractor(_make_extractor(settings))


real.make_extractor = _make_held_extractor  # type: ignore[assignment]
app = real.app
app.conf.worker_soft_shutdown_timeout = float(os.environ["IMR_TEST_GRACE_S"])
