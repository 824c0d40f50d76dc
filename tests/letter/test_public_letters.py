"""Real letters with labels, where they are at hand; they are not part of the repository."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.letter.corpus import PUBLIC
from worker.letter import parse
from worker.letter.model import Guideline

LABELS = PUBLIC / "2014-public" / "labels.json"
pytestmark = pytest.mark.skipif(not LABELS.exists(), reason="the labeled public letters are not here")


def labeled() -> list[tuple[str, dict[str, Any]]]:
    return list(json.loads(LABELS.read_text()).items()) if LABELS.exists() else []


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def cited(guideline: Guideline | None) -> list[dict[str, Any]]:
    assert guideline
    return [
        {
            "source": citation.source,
            "chapter": citation.chapter,
            "year": citation.year,
            "sections": list(citation.sections),
            "pages": list(citation.pages),
        }
        for citation in guideline.citations
    ]


@pytest.mark.parametrize(("name", "label"), labeled(), ids=lambda value: value if isinstance(value, str) else "")
def test_a_public_letter_is_read_as_labeled(name: str, label: dict[str, Any]) -> None:
    determination = parse((LABELS.parent / name).read_bytes().decode())
    assert (determination.patient.age, determination.patient.sex) == (label["age"], label["sex"])
    assert (str(determination.date_of_injury), str(determination.ur_decision_date)) == (
        label["date_of_injury"],
        label["ur_decision_date"],
    )
    assert determination.reviewer.role == label["role"]
    assert list(determination.reviewer.specialties) == label["specialties"]
    assert list(determination.reviewer.subspecialties) == label["subspecialties"]
    assert list(determination.reviewer.licensed_states) == label["licensed_states"]
    assert squeezed(determination.clinical_summary) == squeezed(label["summary"])
    assert [issue.heading for issue in determination.issues] == [issue["heading"] for issue in label["issues"]]
    for issue, want in zip(determination.issues, label["issues"], strict=True):
        assert issue.decision == want["decision"]
        assert squeezed(issue.rationale) == squeezed(want["rationale"])
        assert cited(issue.claims_administrator_guideline) == want["claims_administrator"]["citations"]
        assert cited(issue.reviewer_guideline) == want["reviewer"]["citations"]


def pdfs() -> list[Path]:
    return sorted((PUBLIC / "2017-public").glob("*.pdf"))[::6]


@pytest.mark.parametrize("path", pdfs(), ids=lambda path: path.name)
def test_a_public_pdf_is_read_as_labeled(path: Path) -> None:
    from worker.extraction import TextExtractor

    label = json.loads((path.parent / "labels.json").read_text())[path.name]
    with TextExtractor() as extractor:
        text = extractor.to_text(path.read_bytes())
    determination = parse(text.text, paged=text.paged)
    assert determination.case_number == label["case_number"]
    assert [squeezed(issue.heading) for issue in determination.issues] == [
        squeezed(issue["heading"]) for issue in label["issues"]
    ]
    assert [issue.decision for issue in determination.issues] == [issue["decision"] for issue in label["issues"]]
    assert [squeezed(issue.rationale) for issue in determination.issues] == [
        squeezed(issue["rationale"]) for issue in label["issues"]
    ]
