"""Where headings begin, and what they say."""

from __future__ import annotations

import re

import pytest

from tests.letter.building import Part, letter
from worker.letter import LetterError, parse

HEADINGS = [
    "Topical cream 1.5 mg. tubes, #2",
    "Pre-op labs: CBC, CMP",
    "Gabapentin 10%, Lidocaine 5% in a base (180 grams)",
    "Splint: left wrist, custom: thermoplastic",
    "Home visits 3 times a week for 2 weeks, then once a week for 4 weeks, by a registered nurse of an agency",
    "24 sessions of hand therapy",
    "eight visits of hand therapy",
    '"Kinesio" tape',
    "Follow-up in 6 weeks (on or after 1/2/2014)",
    "Dr. Hu's second opinion vs. a repeat visit",
]
RATIONALES = [
    "The wound has closed. The request is not medically necessary.",
    "Without a diagnosis I cannot affirm medical necessity.",
    "It was advised by the surgeon. The guideline does not address it. There is no record of a trial of it.",
    "Three things are missing:\n1. a diagnosis.\n2. an examination.\nThe request is not medically necessary.",
]


def unspaced(text: str) -> str:
    return re.sub(r"\n\s*\n", "\n", text)


@pytest.mark.parametrize("rationale", RATIONALES)
@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_separated_from_the_rationale_before_it(heading: str, rationale: str) -> None:
    text = letter(Part(rationale=rationale), Part(heading=heading), Part())
    for reading in (text, unspaced(text), text.replace("\n", "\n\n")):
        determination = parse(reading)
        assert determination.issues[1].heading == heading
        assert " ".join(determination.issues[0].rationale.split()) == " ".join(rationale.split())


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_decision_word_may_stand_alone_on_its_line(heading: str) -> None:
    for between in (":\n", ":  ", " :\n\n"):
        text = letter(Part(), Part(heading=heading)).replace(f"{heading}: ", f"{heading}{between}")
        assert parse(text).issues[1].heading == heading


def test_a_long_heading_over_many_lines_without_blank_lines() -> None:
    heading = (
        "Hand therapy, twelve visits, with\nparaffin bath and fluidotherapy\nwas the original request. Hand therapy,\n"
        "six visits\nwas authorized by the Claims\nAdministrator. The remaining IMR eligible\nportion of the original\n"
        "request, Hand\ntherapy, six visits with paraffin bath is"
    )
    determination = parse(unspaced(letter(Part(), Part(heading=heading))))
    assert determination.issues[1].heading == " ".join(heading.split())
    assert determination.issues[1].treatment == "Hand therapy, six visits with paraffin bath"


@pytest.mark.parametrize("ending", [" is", ""])
def test_the_two_forms_of_a_partial_authorization(ending: str) -> None:
    first = (
        "Paraffin bath, purchase was the original request. Paraffin bath, rental was authorized by the Claims "
        f"Administrator. The remaining IMR eligible portion of the original request, Paraffin bath, ownership{ending}"
    )
    second = (
        "Paraffin bath, purchase was the original request. The Claims Administrator authorized Paraffin bath, rental, "
        f"leaving the original request IMR eligible. The original request, Paraffin bath, purchase{ending}"
    )
    determination = parse(letter(Part(heading=first), Part(heading=second)))
    remaining, whole = determination.issues
    assert (remaining.original_request, remaining.authorized) == ("Paraffin bath, purchase", "Paraffin bath, rental")
    assert remaining.treatment == "Paraffin bath, ownership"
    assert (whole.original_request, whole.authorized) == ("Paraffin bath, purchase", "Paraffin bath, rental")
    assert whole.treatment == "Paraffin bath, purchase"


def test_a_rationale_that_quotes_a_partial_authorization_is_no_heading() -> None:
    quoting = (
        'The request for "Tape, 4 rolls was the original request. Tape, 2 rolls was authorized by the Claims '
        "Administrator. "
        'The remaining IMR eligible portion of the original request, Tape, 2 rolls" is not medically necessary.'
    )
    determination = parse(unspaced(letter(Part(rationale=quoting), Part(heading="Scissors"))))
    assert determination.issues[1].heading == "Scissors"
    assert determination.issues[0].rationale == quoting


@pytest.mark.parametrize(
    ("heading", "treatment", "day"),
    [
        ("Retrospective wax bath (DOS 12/29/12)", "wax bath (DOS 12/29/12)", "2012-12-29"),
        ("Retrospective: wax bath DOS: 11/14/12", "wax bath DOS: 11/14/12", "2012-11-14"),
        (
            "Retrospective request for wax bath (Date of Service 11/18/12)",
            "wax bath (Date of Service 11/18/12)",
            "2012-11-18",
        ),
        ("RETROSPECTIVE wax bath", "wax bath", "None"),
        ("Associated surgical service: Retrospective wax bath", "wax bath", "None"),
    ],
)
def test_retrospective_requests(heading: str, treatment: str, day: str) -> None:
    (issue,) = parse(letter(Part(heading=heading))).issues
    assert (issue.review_type, issue.treatment, str(issue.date_of_service)) == ("retrospective", treatment, day)
    assert issue.associated_surgical_service == heading.startswith("Associated")


def test_a_date_of_service_without_the_word_is_noticed_and_not_guessed_at() -> None:
    determination = parse(letter(Part(heading="Wax bath (DOS 12/29/12)")))
    assert determination.issues[0].review_type == "prospective"
    assert "service_date_without_retrospective" in {finding.code for finding in determination.findings}


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        ("Upheld", "upheld"),
        ("OVERTURNED", "overturned"),
        ("Partially Overturned", "partially_overturned"),
        ("Upheld.", "upheld"),
    ],
)
def test_decision_words(decision: str, said: str) -> None:
    rationale = "Some of it is reasonable."
    assert parse(letter(Part(decision=decision, rationale=rationale))).issues[0].decision == said


def test_a_word_of_utilization_review_is_no_decision() -> None:
    text = letter(Part(decision="Modified"))
    with pytest.raises(LetterError) as caught:
        parse(text)
    (violation,) = caught.value.violations
    assert violation.code == "unknown_decision"
    assert text[violation.start : violation.end] == "Modified"


def test_mixed_decisions_overturn_in_part() -> None:
    determination = parse(letter(Part(), Part(decision="Overturned", rationale="The tape is medically necessary.")))
    assert determination.outcome == "partially_overturned"
