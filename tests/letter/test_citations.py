"""Chapters, sections and pages, with the commas and conjunctions inside their names."""

from __future__ import annotations

import re

import pytest

from tests.letter.building import Part, letter
from tests.letter.corpus import VALID
from worker.letter import parse
from worker.letter.model import Citation

Cited = tuple[str | None, int | None, tuple[str, ...], tuple[str, ...]]


def cited(claims: str) -> list[Citation]:
    guideline = parse(letter(Part(claims=claims))).issues[0].claims_administrator_guideline
    assert guideline
    return list(guideline.citations)


def short(citation: Citation) -> Cited:
    return citation.chapter, citation.year, citation.sections, citation.pages


HANDS, CHRONIC, OPIOIDS = "Forearm, Wrist, and Hand Complaints", "Chronic Pain Medical Treatment", "Opioid Treatment"
OLDER = "Chronic Pain Treatment Guidelines"
TENS = "TENS, chronic pain (transcutaneous electrical nerve stimulation)"
HEART = "NSAIDs, GI symptoms & cardiovascular risk"


@pytest.mark.parametrize(
    ("said", "want"),
    [
        ("Knee Complaints 2004.", [("Knee Complaints", 2004, (), ())]),
        ("Knee Complaints 2004, Section(s): Initial Care.", [("Knee Complaints", 2004, ("Initial Care",), ())]),
        (f"{HANDS} 2004, Section(s): One, Two.", [(HANDS, 2004, ("One", "Two"), ())]),
        (
            f"{HANDS} 2004, Section(s): One, Two, and Neck and Upper\nBack Complaints 2004, Section(s): Three.",
            [(HANDS, 2004, ("One", "Two"), ()), ("Neck and Upper Back Complaints", 2004, ("Three",), ())],
        ),
        (
            "Postsurgical Treatment 2009, Section(s): Forearm, Wrist, & Hand, and Eye 2004.",
            [("Postsurgical Treatment", 2009, ("Forearm, Wrist, & Hand",), ()), ("Eye", 2004, (), ())],
        ),
        (f"{CHRONIC} 2016, Section(s): {TENS}.", [(CHRONIC, 2016, (TENS,), ())]),
        (
            f"{CHRONIC} 2016, Section(s): {HEART}, Topical analgesics.",
            [(CHRONIC, 2016, (HEART, "Topical analgesics"), ())],
        ),
        (
            f"{OPIOIDS} 2016, Section(s): 3.3 Starting: Doses, Times, 3.3.1 Screening, Prior Use.",
            [(OPIOIDS, 2016, ("3.3 Starting: Doses, Times", "3.3.1 Screening, Prior Use"), ())],
        ),
        (f"{OLDER} Stimulators Page(s): 105, 107-108.", [(OLDER, None, ("Stimulators",), ("105", "107-108"))]),
        (f"{OLDER} Page(s): 9.", [(OLDER, None, (), ("9",))]),
        (f"{OLDER} Drugs, list, Tens Page(s): 9.", [(OLDER, None, ("Drugs, list", "Tens"), ("9",))]),
        ("ACOEM Chapter 13 Knee Complaints Page(s): 3.", [("Knee Complaints", None, (), ("3",))]),
        ("ACOEM Practice Guidelines, Chapter 11 Forearm, Wrist & Hand Complaints.", [(HANDS, None, (), ())]),
        ("Hip and Groin Disorders 2017, Section(s): Bursitis.", [("Hip and Groin Disorders", 2017, ("Bursitis",), ())]),
        ("Lungs and Other Organs 2019, Section(s): Dust.", [("Lungs and Other Organs", 2019, ("Dust",), ())]),
    ],
)
def test_chapters(said: str, want: list[Cited]) -> None:
    assert [short(citation) for citation in cited(f"Decision based on MTUS {said}")] == want


def test_a_chapter_that_is_not_in_the_list_is_read_and_noticed() -> None:
    determination = parse(letter(Part(claims="Decision based on MTUS Lungs and Other Organs 2019.")))
    assert "unknown_chapter" in {finding.code for finding in determination.findings}
    assert all(finding.code != "unknown_chapter" for finding in parse(letter()).findings)


@pytest.mark.parametrize("word", ["Citation ", "", "Citations "])
def test_other_sources_keep_their_text(word: str) -> None:
    free = 'Doe J, "On wax": a review, 2nd ed. https://example.org/wax-\nbath?x=1'
    mtus, other = cited(f"Decision based on MTUS Eye 2004. Decision based on Non-MTUS {word}{free}.")
    assert mtus.text == "Eye 2004"
    assert (other.source, other.chapter, other.year) == ("non-MTUS", None, None)
    assert other.text == " ".join(free.split())


def test_a_side_that_cites_nothing() -> None:
    guideline = parse(letter()).issues[0].reviewer_guideline
    assert guideline
    assert guideline.none_cited
    assert guideline.citations == ()


def test_two_other_sources() -> None:
    text = "Decision based on Non-MTUS Citation One thing. Decision based on Non-MTUS Citation Another, 2012."
    assert [citation.text for citation in cited(text)] == ["One thing", "Another, 2012"]


@pytest.mark.parametrize("name", ["2013-notice/psychotherapy", "2014-documents-reviewed/hip-injection"])
def test_a_reviewer_who_found_something_states_a_guideline(name: str) -> None:
    text = next(letter.text for letter in VALID if letter.name == name)
    statement = re.compile(r"(?i)(the\s+\w+\s+reviewer)\s+(?:based|did\s+not\s+cite)")
    guideline = parse(statement.sub(r"\1 found", text)).issues[0].reviewer_guideline
    assert guideline
    assert "eviewer found" in guideline.text
