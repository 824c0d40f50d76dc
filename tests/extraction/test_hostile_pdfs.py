"""PDFs that are no letters, damaged, or made to do harm: each ends in a code, and the extractor goes on."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.extraction import pdfs
from worker.adapters.share.errors import Unreadable
from worker.extraction import ReadLimits, Text, TextExtractor, refusals
from worker.extraction.pdf.protocol import PdfAnswer, ReadOutcome

ROOT = Path(__file__).resolve().parents[2]
CANARY = "Canary Jones"
SHORT = ReadLimits(timeout_s=0.5, memory_bytes=200_000_000, max_text_chars=500)

WHOLE = pdfs.plain(*[f"{CANARY} is on page {number}." for number in range(3)])


def truncated(share: float) -> Callable[[], bytes]:
    return lambda: WHOLE[: int(len(WHOLE) * share)]


def with_hole(content: bytes, size_bytes: int = 4096) -> bytes:
    """What a writer leaves that reserved the file and has not filled one block of it."""
    start = len(content) // 2 // 512 * 512
    return content[:start] + bytes(size_bytes) + content[start + size_bytes :]


REFUSED: list[tuple[str, str, Callable[[], bytes]]] = [
    ("password", "password_protected", lambda: pdfs.encrypted(WHOLE, user="secret")),
    ("scan", "no_text", lambda: pdfs.pictures(3)),
    ("blank", "no_text", lambda: pdfs.blank(2)),
    ("header alone", "incomplete", lambda: b"%PDF-"),
    ("rubbish", "incomplete", lambda: b"%PDF-1.7\n" + random.Random(1).randbytes(100_000)),  # noqa: S311 - any bytes
    ("cyclic page tree", "damaged_pdf", pdfs.cyclic_pages),
    ("circular cross-reference", "damaged_pdf", pdfs.circular_xref),
    ("one page of three missing", "damaged_pdf", lambda: pdfs.drawn(b"").replace(b"/Count 1", b"/Count 3")),
    ("a block not yet written", "incomplete", lambda: with_hole(pdfs.plain(*[f"{CANARY} {n}" for n in range(100)]))),
    ("the rest not yet written", "incomplete", lambda: WHOLE[: len(WHOLE) // 2] + bytes(len(WHOLE))),
    ("ten thousand pages", "too_many_pages", lambda: pdfs.drawn(b"", pages=10_000)),
    ("too much text", "too_much_text", lambda: pdfs.plain(*[pdfs.SENTENCE * 5] * 3)),
    ("slow", "read_timeout", pdfs.slow),
    *((f"truncated to {share}", "incomplete", truncated(share)) for share in (0.1, 0.5, 0.9, 0.99)),
]


@pytest.mark.parametrize(("code", "make"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
@pytest.mark.usefixtures("leak_check")
def test_it_ends_in_its_code_and_the_extractor_goes_on(code: str, make: Callable[[], bytes]) -> None:
    with TextExtractor(SHORT) as extractor:
        with pytest.raises(Unreadable) as caught:
            extractor.to_text(make())
        assert caught.value.code == code
        assert CANARY not in repr(caught.value)
        assert extractor.to_text(pdfs.plain()).text == pdfs.SENTENCE


SMALL_CALLER = """
import sys
from worker.adapters.share.errors import Unreadable
from worker.extraction import TextExtractor, ReadLimits
with TextExtractor(ReadLimits(memory_bytes=200_000_000)) as extractor:
    try:
        extractor.to_text(sys.stdin.buffer.read())
    except Unreadable as refused:
        print(refused.code)
    print(extractor.to_text(b"still here").text)
"""


@pytest.mark.parametrize("make", [pdfs.bomb, pdfs.hoard], ids=["decompression bomb", "hoard"])
def test_a_letter_that_eats_memory_is_not_taken_for_a_crash(make: Callable[[], bytes]) -> None:
    """In a process as small as a worker: how much a child of a large one has used, Linux does not tell."""
    run = subprocess.run([sys.executable, "-c", SMALL_CALLER], input=make(), capture_output=True, cwd=ROOT, timeout=60)
    assert run.stdout.decode().splitlines() == ["read_memory", "still here"], run.stderr.decode()


def test_refusals_say_what_a_person_needs(extractor: TextExtractor) -> None:
    with pytest.raises(Unreadable, match="3 pages and holds pictures"):
        extractor.to_text(pdfs.pictures(3))
    with pytest.raises(Unreadable, match="1 page and no text"):
        extractor.to_text(pdfs.blank(1))
    with pytest.raises(Unreadable, match="10,000 pages; a letter has no more than 200"):
        extractor.to_text(pdfs.drawn(b"", pages=10_000))


def test_an_answer_that_is_none_is_a_crash() -> None:
    assert refusals.refused(PdfAnswer(ReadOutcome.READY), SHORT).code == "reader_crashed"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=2000) | st.binary(max_size=2000).map(b"%PDF-1.4\n".__add__))
def test_any_bytes_are_a_text_or_refused(extractor: TextExtractor, content: bytes) -> None:
    assert outcome(extractor, content) != "names a person"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.binary(max_size=4)), min_size=1, max_size=8))
def test_any_damage_to_a_letter_is_a_text_or_refused(extractor: TextExtractor, damage: list[tuple[int, bytes]]) -> None:
    content = bytearray(WHOLE)
    for place, patch in damage:
        content[place : place + len(patch)] = patch
    assert outcome(extractor, bytes(content)) != "names a person"


def outcome(extractor: TextExtractor, content: bytes) -> str:
    try:
        text = extractor.to_text(content)
    except Unreadable as refused:
        return "names a person" if CANARY in repr(refused) else refused.code
    assert isinstance(text, Text)
    assert text.page_count is None or text.text.count("\f") == text.page_count - 1
    return text.kind
