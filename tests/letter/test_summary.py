"""Age, sex and dates, from the sentence that is about the patient."""

from __future__ import annotations

from datetime import date

import pytest

from tests.letter.building import letter
from worker.letter import LetterError, parse
from worker.letter.fields import DATE, read_date


@pytest.mark.parametrize(
    ("sentence", "age", "sex"),
    [
        ("The injured worker is a 48 year old male with pain.", 48, "male"),
        ("The patient is a 48-year-old woman.", 48, "female"),
        ("This case involves a now 54-year-old female with a history of an occupational claim.", 54, "female"),
        ("The 30 year old male injured worker fell from a ladder.", 30, "male"),
        ("A 61 year-old gentleman was struck by a hose.", 61, "male"),
        ("The applicant is a forty-eight year old lady.", 48, "female"),
        ("The claimant is a sixty year old man.", 60, "male"),
        ("The patient is a nineteen-year-old male.", 19, "male"),
        ("According to the records, the injured worker is a(n) 57 year old male.", 57, "male"),
        ("The patient is a 39 y/o female.", 39, "female"),
        ("The patient is a 39 yr old right-hand dominant male.", 39, "male"),
        ("The patient, a 27-year-old male roofer, slipped.", 27, "male"),
        ("The male patient is 52 years old.", 52, "male"),
        ("The employee is 52 years of age. She was burned.", 52, None),
        ("The injured worker is a 33 year old who hurt her wrist.", 33, "female"),
        ("Mr. Doe is a 44 year old carpenter.", 44, "male"),
        ("Though blurry, the records were read. The injured worker is a 60 year old male.", 60, "male"),
        ("The worker lives with his 12-year-old son. The worker is a 35 year old male.", 35, "male"),
        ("A coworker, a 22 year old male, was hurt too. The injured worker is a 51 year old female.", 51, "female"),
        ("The patient is a female with pain for a 10 year old injury.", None, "female"),
        ("The patient has a 3 year old scar.", None, None),
        ("The records are sparse.", None, None),
    ],
)
def test_age_and_sex(sentence: str, age: int | None, sex: str | None) -> None:
    determination = parse(letter(summary=sentence))
    assert (determination.patient.age, determination.patient.sex) == (age, sex)
    missing = {finding.code for finding in determination.findings if finding.code.startswith("patient_")}
    assert missing == ({"patient_age_missing"} if age is None else set()) | (
        {"patient_sex_missing"} if sex is None else set()
    )


@pytest.mark.parametrize(
    "summary",
    [
        "The patient is a 48 year old male with pain. The patient is a 31 year old male with a burn.",
        "The patient is a 48 year old male with pain. The injured worker is a 48 year old female with a burn.",
        "The patient is a 48 year old male with pain. The patient is a 48 year old gentlewoman with a burn.",
    ],
)
def test_two_patients_in_one_letter_go_to_review(summary: str) -> None:
    with pytest.raises(LetterError) as caught:
        parse(letter(summary=summary))
    assert caught.value.code == "patient_conflict"


def test_a_birthday_between_two_reports_is_no_second_patient() -> None:
    determination = parse(letter(summary="The patient is a 48 year old male. Later the patient is a 49 year old male."))
    assert determination.patient.age == 48


@pytest.mark.parametrize(
    ("sentence", "injured", "decided"),
    [
        (
            "Date of injury of 2/10/04. The date of the Utilization Review (UR) decision was 11/4/13.",
            "2004-02-10",
            "2013-11-04",
        ),
        ("An industrial injury on 2/8/2013. The UR decision on 9/18/2013 denied it.", "2013-02-08", "2013-09-18"),
        ("Injured on October 20, 2012. Utilization Review dated 11-16-13 denied it.", "2012-10-20", "2013-11-16"),
        ("Injury date of 10-16-2012. On 11/3/13 the UR denied it.", "2012-10-16", "2013-11-03"),
        ("Date of injury: Jan. 5th, 1999. UR (9/9/2013) denied it.", "1999-01-05", "2013-09-09"),
        ("Date of injury is 10-30-\n2012. UR denial of 11/30/2013.", "2012-10-30", "2013-11-30"),
        ("Injured on 5/5/99. The UR decision on 9/18/2013 denied it.", "1999-05-05", "2013-09-18"),
        ("Injured in 8/2011. UR denied it in 9/2013.", None, None),
        ("The pain began long ago.", None, None),
    ],
)
def test_dates_in_the_words_of_the_summary(sentence: str, injured: str | None, decided: str | None) -> None:
    determination = parse(letter(summary=f"The patient is a 48 year old male. {sentence}"))
    assert (str(determination.date_of_injury or ""), str(determination.ur_decision_date or "")) == (
        injured or "",
        decided or "",
    )


def test_an_impossible_date_is_an_error_at_its_place() -> None:
    text = letter(summary="The patient is a 48 year old male with a date of injury of 2/30/2012.")
    with pytest.raises(LetterError) as caught:
        parse(text)
    (violation,) = caught.value.violations
    assert (violation.code, violation.field) == ("impossible_date", "date_of_injury")
    assert text[violation.start : violation.end] == "2/30/2012"


@pytest.mark.parametrize(
    ("words", "latest", "day"),
    [
        ("10/13/2016", None, date(2016, 10, 13)),
        ("10-13-16", None, date(2016, 10, 13)),
        ("11/3/16", 2016, date(2016, 11, 3)),
        ("3/3/17", 2016, date(1917, 3, 3)),
        ("4/4/85", None, date(1985, 4, 4)),
        ("2016-10-13", None, date(2016, 10, 13)),
        ("october 20, 2016", None, date(2016, 10, 20)),
        ("20 october 2016", None, date(2016, 10, 20)),
        ("sept. 3rd 2016", None, date(2016, 9, 3)),
        ("13/13/2016", None, None),
        ("02/29/2015", None, None),
        ("01/01/0001", None, None),
        ("1/1/999", None, None),
        ("nothing", None, None),
    ],
)
def test_dates_in_every_style(words: str, latest: int | None, day: date | None) -> None:
    assert read_date(words, latest_year=latest) == day


def test_a_month_and_a_year_are_no_date() -> None:
    import re

    assert not re.search(DATE, "since 8/2011 and in august 2011")
