"""A share in a temporary folder, and a producer on it that the test steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.producer.doubles import Share, Site


@pytest.fixture
def share(tmp_path: Path) -> Share:
    return Share(tmp_path / "share")


@pytest.fixture
def site(share: Share) -> Iterator[Site]:
    site = Site(share)
    yield site
    site.close()
