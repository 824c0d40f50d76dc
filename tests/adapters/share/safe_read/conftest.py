"""A share with one claimed letter, and a check that reading it leaves nothing open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.adapters.share.safe_read.letter import CONTENT, LETTER
from tests.support.leaks import no_leaks


@pytest.fixture
def share(tmp_path: Path) -> Iterator[Path]:
    """A share with one letter that is claimed."""
    (tmp_path / "share" / "claimed").mkdir(parents=True)
    (tmp_path / "share" / LETTER).write_bytes(CONTENT)
    with no_leaks():
        yield tmp_path / "share"
