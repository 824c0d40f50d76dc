"""What producers tell of themselves: versions that do not know each other's fields understand each other."""

from __future__ import annotations

from dataclasses import fields

from worker.adapters.redis.producer_reports import ProducerReport, decode

FULL = ProducerReport(
    at_ms=1, pid=2, waiting=3, ignored=4, claimed=5, hold="full", trouble="the share is not mounted", watching="scan",
    why="cifs", repairs={"overflow": 1}, too_deep=6, unreadable=7, unwatched=8, scan_entries=9, scan_busy_s=0.5,
    scan_every_s=5.0,
)  # fmt: skip


def test_every_field_comes_back() -> None:
    assert decode(FULL.encode()) == FULL
    defaults = ProducerReport()
    untold = [one.name for one in fields(ProducerReport) if getattr(FULL, one.name) == getattr(defaults, one.name)]
    assert untold == [], "the full report above leaves these at their defaults"


def test_an_older_report_has_defaults_and_a_newer_ones_fields_are_passed_over() -> None:
    told = decode(b'{"at_ms": 1, "waiting": 3, "watching": "scan", "a field of tomorrow": [1]}')
    assert told == ProducerReport(at_ms=1, waiting=3, watching="scan")
