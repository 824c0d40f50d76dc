"""Letters cut off anywhere: what may still become whole waits, and what is whole never does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.letters_pdf import make_pdf
from tests.support.samples import SAMPLES
from worker.adapters.share.errors import Unreadable
from worker.extraction import TextExtractor
from worker.letter.errors import LetterError
from worker.letter.parser import parse
from worker.processing.disposition import Kind, dispose

LETTERS = Path(__file__).resolve().parents[1] / "letters"
VALID = sorted((LETTERS / "valid").rglob("*.txt"))


@pytest.fixture(scope="module")
def reader() -> Iterator[TextExtractor]:
    with TextExtractor() as made:
        yield made


def kind_of(content: bytes, reader: TextExtractor) -> tuple[Kind | None, str]:
    """Disposition and code of what these bytes are refused as; None for what is published."""
    try:
        text = reader.to_text(content)
        parse(text.text, paged=text.paged)
    except (LetterError, Unreadable) as error:
        disposition = dispose(error)
        return disposition.kind, disposition.code
    return None, ""


def test_a_text_cut_off_anywhere_waits(reader: TextExtractor) -> None:
    """All but cuts behind a whole sentence of the last rationale, which nobody can tell from the end."""
    kinds: Counter[tuple[Kind | None, str]] = Counter()
    for path in VALID:
        content = path.read_bytes()
        # The rationale that a letter ends with is in its last quarter.
        kinds.update(kind_of(content[:cut], reader) for cut in range(7, 3 * len(content) // 4, 251))
    reviewed = {kind: count for kind, count in kinds.items() if kind[0] == "review"}
    assert sum(kinds.values()) > 700, "as many cuts as letters of this length have"
    assert not reviewed, reviewed
    assert kinds[None, ""] < 0.02 * sum(kinds.values()), kinds


def test_a_whole_letter_that_is_faulty_does_not_wait(reader: TextExtractor) -> None:
    broken = (SAMPLES / "shoulder-therapy-decision-missing.txt").read_bytes()
    assert kind_of(broken, reader) == ("review", "issue_without_decision")
    invalid = [kind_of(path.read_bytes(), reader) for path in sorted((LETTERS / "invalid").rglob("*.txt"))]
    waiting = {code for kind, code in invalid if kind == "incomplete"}
    assert waiting <= {"truncated", "no_issues", "decision_counts_differ", "empty_text"}, waiting


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.995])
def test_a_pdf_cut_off_anywhere_waits(reader: TextExtractor, share: float) -> None:
    whole = make_pdf((SAMPLES / "knee-arthroscopy.txt").read_text())
    assert kind_of(whole, reader) == (None, "")
    assert kind_of(whole[: max(3, int(share * len(whole)))], reader)[0] == "incomplete"


@pytest.mark.parametrize("written", [0, 100, 2000])
@pytest.mark.parametrize("kind", ["pdf", "txt"])
def test_a_file_whose_space_was_reserved_waits(reader: TextExtractor, kind: str, written: int) -> None:
    letter = (SAMPLES / "knee-arthroscopy.txt").read_text()
    whole = make_pdf(letter) if kind == "pdf" else letter.encode()
    assert kind_of(whole[:written] + bytes(len(whole) - written), reader) == ("incomplete", "incomplete")


def test_a_text_cut_off_within_a_character_waits(reader: TextExtractor) -> None:
    letter = (SAMPLES / "knee-arthroscopy.txt").read_text().replace(" the ", " the\u2019 ") + "\u2019"
    assert kind_of(letter.encode()[:-1], reader) == ("incomplete", "incomplete")
    assert kind_of(b"\xe2\x80\x99 \xff", reader)[0] == "review"
