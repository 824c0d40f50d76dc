"""A block that is not written yet is not taken for a white picture, nor the other way round."""

from __future__ import annotations

import random
import time
import zlib

import pytest

from worker.extraction.holes import has_hole

WRITTEN = random.Random(1).randbytes(100_000)  # noqa: S311 - any bytes


def with_hole(start: int, length: int) -> bytes:
    return WRITTEN[:start] + bytes(length) + WRITTEN[start + length :]


@pytest.mark.parametrize(("start", "length"), [(4096, 4096), (512, 512), (0, 1024), (65_536, 8192), (777, 20_000)])
def test_a_missing_block_is_seen(start: int, length: int) -> None:
    assert has_hole(with_hole(start, length))


def test_a_block_next_to_zeros_that_belong_to_the_file_is_seen() -> None:
    assert has_hole(with_hole(4094, 4096 + 4))


@pytest.mark.parametrize("dots", [100_000, 1_000_000, 4_000_000])
def test_a_white_picture_is_no_hole(dots: int) -> None:
    picture = zlib.compress(b"\xff" * dots)
    assert not any(has_hole(WRITTEN[:offset] + picture + WRITTEN[offset:]) for offset in range(1000, 1064))
    assert dots < 1_000_000 or bytes(512) in picture


def test_zeros_behind_the_end_are_padding() -> None:
    assert not has_hole(WRITTEN + bytes(100_000))
    assert not has_hole(WRITTEN + b"\r\n" + bytes(4096))


def test_a_file_of_holes_takes_no_time() -> None:
    started_s = time.monotonic()
    has_hole((b"letter" * 100 + bytes(515)) * 50_000 + b"x")
    assert time.monotonic() - started_s < 2
