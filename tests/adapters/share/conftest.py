"""A share with an inbox, as the producer's tests have it."""

from __future__ import annotations

from tests.producer.conftest import share

__all__ = ["share"]
