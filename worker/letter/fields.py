"""Small values inside of sentences: dates, numbers, states and lists of specialties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_MONTH = "|".join(f"{name[:3]}(?:{name[3:]})?" if len(name) > 3 else name for name in MONTHS) + "|sept"

# `10/13/2016`, `10-13-16`, `11/3/16`, `2016-10-13`, also broken over a line; `October 20, 2016`, `Oct. 20th 2016`;
# `20 October 2016`. `8/2011` is not a date.
DATE = (
    r"(?:\d{1,4}\s?[/.-]\s*\d{1,2}\s?[/.-]\s*\d{1,4}(?![\d/])"
    rf"|(?:{_MONTH})\b\.?\s+\d{{1,2}}(?:st|nd|rd|th)?\s*,?\s+\d{{4}}\b"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?\s+(?:{_MONTH})\b\.?,?\s+\d{{4}}\b)"
)
"""Pattern of the form of a date in `folded` text: days that do not exist match too."""

_DATE = re.compile(DATE)
_USUAL = re.compile(r"(\d{1,2})[/-](\d{1,2})[/-](\d{4})$")
_NUMBERS = re.compile(r"\d+")
_YEAR_DIGITS = 4
_FIRST_YEAR, _LAST_YEAR = 1900, 2100
"""Every date of a letter lies between: injuries of living people, and determinations."""
_PIVOT = 40
"""Two-digit years up to this are of this century where no other date of the letter decides."""


def read_date(folded: str, *, latest_year: int | None = None) -> date | None:
    """The date in a text that matched `DATE`; None where there is no such day.

    Two-digit years are resolved against the letter's other dates: none is later than `latest_year`.
    """
    usual = _USUAL.match(folded)
    if usual:
        return _day(int(usual.group(3)), int(usual.group(1)), int(usual.group(2)))
    if not _DATE.match(folded):
        return None
    numbers = [int(number) for number in _NUMBERS.findall(folded)]
    month = _month_in(folded)
    if month:
        day, year = numbers
    elif re.match(r"\d{4}", folded):
        year, month, day = numbers
    else:
        month, day, year = numbers
    if year < 100 and not re.search(r"\d{4}$", folded):
        year = _full_year(year, latest_year)
    return _day(year, month, day)


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if _FIRST_YEAR <= year <= _LAST_YEAR else None
    except ValueError:
        return None


def _month_in(folded: str) -> int:
    return next((number for number, name in enumerate(MONTHS, 1) if name[:3] in folded), 0)


def _full_year(year: int, latest_year: int | None) -> int:
    if latest_year is not None:
        return 2000 + year if 2000 + year <= latest_year else 1900 + year
    return 2000 + year if year <= _PIVOT else 1900 + year


def latest_full_year(folded: str) -> int | None:
    """The latest year that a date of the text prints with four digits; None without one."""
    years = (
        day.year
        for match in _DATE.finditer(folded)
        if re.search(r"\d{4}", match.group())
        if (day := read_date(match.group()))
    )
    return max(years, default=None)


_UNITS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_NUMBER_WORDS = {word: number for number, word in enumerate([*_UNITS, *_TEENS], 1)} | {
    word: number for number, word in zip(range(20, 100, 10), _TENS, strict=True)
}

NUMBER = rf"(?:\d{{1,3}}|(?:{'|'.join(_TENS)})(?:[\s-]+(?:{'|'.join(_UNITS)}))?|{'|'.join(_TEENS)})"
"""A number up to 999 in digits, or up to 99 in words."""


def read_number(folded: str) -> int:
    """The value of a text that matched `NUMBER`."""
    if folded[0].isdigit():
        return int(folded[:3])
    return sum(_NUMBER_WORDS[word] for word in re.split(r"[\s-]+", folded))


_STATES = (
    "Alabama, Alaska, Arizona, Arkansas, California, Colorado, Connecticut, Delaware, Florida, Georgia, Hawaii, Idaho, "
    "Illinois, Indiana, Iowa, Kansas, Kentucky, Louisiana, Maine, Maryland, Massachusetts, Michigan, Minnesota, "
    "Mississippi, Missouri, Montana, Nebraska, Nevada, New Hampshire, New Jersey, New Mexico, New York, "
    "North Carolina, North Dakota, Ohio, Oklahoma, Oregon, Pennsylvania, Rhode Island, South Carolina, South Dakota, "
    "Tennessee, Texas, Utah, Vermont, Virginia, Washington, "
    "West Virginia, Wisconsin, Wyoming, District of Columbia, Puerto Rico, Guam"
)
STATES = {name.lower(): name for name in _STATES.split(", ")}

# Names of boards that contain a comma or an `and`: a list of specialties is not split inside of them.
_BOARDS_WITH_AND = tuple(
    tuple(name.split())
    for name in (
        "physical medicine and rehabilitation",
        "public health and general preventive medicine",
        "hospice and palliative medicine",
        "obstetrics and gynecology",
        "allergy and immunology",
        "oral and maxillofacial surgery",
        "child and adolescent psychiatry",
        "psychiatry and neurology",
        "plastic and reconstructive surgery",
        "diagnostic and interventional radiology",
        "vascular and interventional radiology",
        "endocrinology, diabetes, and metabolism",
        "endocrinology, diabetes and metabolism",
        "ear, nose, and throat",
        "ear, nose and throat",
        "foot and ankle surgery",
        "reconstructive and plastic surgery",
        "female pelvic medicine and reconstructive surgery",
        "undersea and hyperbaric medicine",
        "medical genetics and genomics",
        "pathology and laboratory medicine",
        "hematology and oncology",
        "pulmonary disease and critical care medicine",
        "thoracic and cardiac surgery",
        "spine and pain medicine",
    )
)
_WHOLE_NAME = "|".join(r"\s+".join(re.escape(word) for word in name) for name in _BOARDS_WITH_AND)
_NAME = re.compile(rf"(?:{_WHOLE_NAME})(?![\w&-])|(?:(?!\band\s|,).)+?(?=\s*,|\s+and\s|\s*$)", re.DOTALL)
_SEPARATOR = re.compile(r"\s*(?:,\s*and\s|,|and\s)\s*")


def names_in_list(folded: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Places of the names in a list such as `Acupuncture, Pain Medicine, and Physical Medicine and Rehabilitation`."""
    position = start
    while position < end:
        separator = _SEPARATOR.match(folded, position, end)
        if separator and separator.end() > position:
            position = separator.end()
            continue
        if folded[position].isspace():
            position += 1
            continue
        name = _NAME.match(folded, position, end)
        if not name:
            return
        yield name.span()
        position = name.end()
