"""Who reviewed: boards and subspecialties with `and` in their names, states, reviewers who are no physicians."""

from __future__ import annotations

import pytest

from tests.letter.building import letter
from worker.letter import parse

REHABILITATION = "Physical Medicine and Rehabilitation"
PUBLIC = "Public Health and General Preventive Medicine"
HOSPICE = "Hospice and Palliative Medicine"


@pytest.mark.parametrize(
    ("boards", "prose"),
    [
        ((REHABILITATION,), f"Board Certified in {REHABILITATION}, and"),
        (
            ("Internal Medicine", "Emergency Medicine"),
            "Board Certified in Internal Medicine and Emergency Medicine and",
        ),
        (("Family Practice", PUBLIC, HOSPICE), f"Board Certified in Family Practice, {PUBLIC} and {HOSPICE}, and"),
        (("Psychology",), "Board Certified in Psychology and"),
        (("Psychologist",), "a licensed Psychologist and"),
        (("Chiropractic",), "a licensed Doctor of Chiropractic and"),
        (("Chiropractic",), "Licensed in Chiropractic and"),
        (("Chiropractor",), "a Chiropractor and"),
    ],
)
def test_boards(boards: tuple[str, ...], prose: str) -> None:
    said = f"The physician reviewer is {prose} is licensed to practice in Nevada. He/she has been in practice."
    reviewer = parse(letter(reviewer=said)).reviewer
    assert (reviewer.role, reviewer.specialties) == ("physician reviewer", boards)
    assert reviewer.licensed_states == ("Nevada",)


@pytest.mark.parametrize(
    ("subspecialties", "said"),
    [
        (("Acupuncture",), "has a subspecialty in Acupuncture"),
        (("Acupuncture", "Pain Medicine"), "has a subspecialty in Acupuncture and Pain Medicine"),
        (("Pain Medicine", HOSPICE), f"has a subspecialty in Pain Medicine, and {HOSPICE},"),
    ],
)
def test_subspecialties(subspecialties: tuple[str, ...], said: str) -> None:
    prose = f"The reviewer is Board Certified in {REHABILITATION}, {said} and is licensed to practice in Ohio."
    reviewer = parse(letter(reviewer=prose)).reviewer
    assert (reviewer.specialties, reviewer.subspecialties) == ((REHABILITATION,), subspecialties)


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("Illinois", "Ohio", "District of Columbia"), "Illinois, Ohio, and the District of Columbia"),
        (("New York", "New Jersey"), "New York and New Jersey"),
        (("North Dakota",), "the state of North\nDakota"),
    ],
)
def test_states(states: tuple[str, ...], said: str) -> None:
    prose = f"The reviewer is Board Certified in Surgery and is licensed to practice in {said}."
    assert parse(letter(reviewer=prose)).reviewer.licensed_states == states


def test_an_unknown_state_is_read_and_noticed() -> None:
    determination = parse(
        letter(reviewer="The reviewer is Board Certified in Surgery and is licensed to practice in Ontario.")
    )
    assert determination.reviewer.licensed_states == ("Ontario",)
    assert [(finding.code, finding.field) for finding in determination.findings] == [
        ("unknown_state", "reviewer.licensed_states.0")
    ]


def test_a_letter_without_credentials_says_so() -> None:
    determination = parse(letter(reviewer="Nothing more is said."))
    assert determination.reviewer.specialties == ()
    assert "reviewer_unread" in {finding.code for finding in determination.findings}
