"""Age, sex and dates, as the clinical summary gives them.

    The injured worker is a 29 year old male with a date of injury of 2/10/04.
    The date of the Utilization Review (UR) decision was 11/4/13.

Age and sex come from the sentence about the patient. A summary also names other people, other injuries and things that
are years old; only a person of whom the letter says `is a ... year old ...` is the patient.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from worker.letter.fields import DATE, NUMBER, latest_full_year, read_date, read_number
from worker.letter.raw_letter import FoundValue, RawLetter, RawProblem
from worker.letter.text import Place, View

Sex = Literal["male", "female"]

_OLD = re.compile(r"year(?:s|\(s\))?[\s,-]*(?:old|of[\s-]+age)\b")
_OLD_SHORT = re.compile(r"\b(?:yrs?\.?[\s-]*old|y[/.\s]{0,2}o\b\.?)")
_NUMBER_BEFORE = re.compile(rf"\b(?P<age>{NUMBER})[\s-]*$")
_AGED = re.compile(rf"\b(?:aged|age\s*:?|age\s+of|at\s+age)\s+(?P<age>{NUMBER})\b")

_SUBJECT = (
    r"(?<![\w-])(?:injured\s+worker|patient|applicant|claimant|employee|worker|individual|case\s+involves|this\s+is|he\s+is|she\s+is|"
    r"mr\.|ms\.|mrs\.)(?!')"
)
# The subject of the sentence is the patient, or the sentence begins with the age.
_ABOUT_PATIENT = re.compile(rf"{_SUBJECT}[^.;]{{0,100}}$|(?:^|[.?!:]\s)\s*(?:the|an?|this)?\s*(?:now\s+)?$")
_CALLED_PATIENT = re.compile(r"\W*(?:[a-z-]+\s+){0,3}(?:injured\s+worker|patient|applicant|claimant)\b")
_OF_ANOTHER = re.compile(
    r"\b(?:his|her|their|whose|patient's|worker's|applicant's|claimant's)\s+(?:[a-z-]+\s+){0,2}(?:[a-z]+\s*,\s*)?(?:an?\s+)?(?:now\s+)?$"
)
_NOT_THE_PATIENT = re.compile(
    r"\W*(?:[a-z-]+\s+)?(?:son|daughter|grandson|granddaughter|child|children|mother|father|wife|husband|brother|sister|spouse|"
    r"co-?worker|injury|injuries|claim|history|fracture|study|report|mri|scar)\b"
)

_SEX_WORDS: dict[str, Sex] = {
    "male": "male", "man": "male", "gentleman": "male", "boy": "male",
    "female": "female", "woman": "female", "lady": "female", "girl": "female",
    "gentlewoman": "female",
}  # fmt: skip
_SEX = re.compile(rf"\b(?P<word>{'|'.join(_SEX_WORDS)})\b")
_SUBJECT_IS = re.compile(rf"{_SUBJECT}\b[^.]{{0,60}}?\b(?P<word>female|male|woman|man|gentleman|lady)\b")
_TITLE = re.compile(r"\b(?P<title>mr|mrs|ms)\.\s")
_PRONOUN = re.compile(r"\b(?P<pronoun>he|his|him|himself|she|her|hers|herself)\b")
_SENTENCE_END = re.compile(r"(?<![MD]r)(?<!Mrs)(?<!Ms)[.?!]\s+(?=[A-Z])|\n\s*\n")

_REACH_CHARS = 320
"""A sentence about a patient is shorter than this."""


class _Mention(NamedTuple):
    """An age such as `29 year old`, with the sentence around it."""

    age: int
    place: Place
    sentence: Place


def read_summary(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read the section: its text, the patient and the dates."""
    start, end = view.trimmed(start, end)
    if start == end:
        raw.problems.append(
            RawProblem("missing_section", "clinical_summary", (start, start), "the text of the case summary")
        )
        return
    raw.summary = (start, end)
    read_patient(view, start, end, raw)
    read_dates(view, start, end, raw)


def read_patient(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read age and sex, and report a letter that speaks of two patients."""
    mentions = list(_mentions(view, start, end))
    if mentions:
        first = mentions[0]
        raw.age = FoundValue(first.age, first.place)
        raw.sex = _sex_in(view, first)
        _report_conflicts(view, mentions, raw)
    if raw.sex is None:
        raw.sex = _sex_of_subject(view, start, end)


def _mentions(view: View, start: int, end: int) -> Iterator[_Mention]:
    """Every age that the summary gives the patient."""
    for pattern in (_OLD, _OLD_SHORT):
        any_age = False
        for match in pattern.finditer(view.folded, start, end):
            low = max(start, match.start() - 40)
            number = _NUMBER_BEFORE.search(view.folded, low, match.start())
            if number and _is_patient(view, start, number.start(), match.end(), end):
                any_age = True
                place = (number.start(), match.end())
                yield _Mention(read_number(number.group("age")), place, _sentence(view, place, start, end))
        if any_age:
            return
    aged = _AGED.search(view.folded, start, end)
    if aged and not _OF_ANOTHER.search(view.folded, max(start, aged.start() - 60), aged.start()):
        yield _Mention(read_number(aged.group("age")), aged.span("age"), _sentence(view, aged.span(), start, end))


def _is_patient(view: View, start: int, at: int, after: int, end: int) -> bool:
    before = view.folded[max(start, at - 120) : at]
    if _OF_ANOTHER.search(before[-60:]) or _NOT_THE_PATIENT.match(view.folded, after, min(end, after + 40)):
        return False
    return bool(_ABOUT_PATIENT.search(before) or _CALLED_PATIENT.match(view.folded, after, min(end, after + 80)))


def _sentence(view: View, place: Place, start: int, end: int) -> Place:
    low, high = max(start, place[0] - _REACH_CHARS), min(end, place[1] + _REACH_CHARS)
    for match in _SENTENCE_END.finditer(view.clean, low, place[0]):
        low = match.end()
    stop = _SENTENCE_END.search(view.clean, place[1], high)
    return low, stop.start() if stop else high


def _sex_in(view: View, mention: _Mention) -> FoundValue[Sex] | None:
    """The noun nearest after the age, else before it, else a title, else the only kind of pronoun in the sentence."""
    low, high = mention.sentence
    noun = _SEX.search(view.folded, mention.place[1], high) or _SEX.search(view.folded, low, mention.place[0])
    if noun:
        return FoundValue(_SEX_WORDS[noun.group("word")], noun.span("word"))
    title = _TITLE.search(view.folded, low, high)
    if title:
        return FoundValue("male" if title.group("title") == "mr" else "female", title.span("title"))
    pronouns = list(_PRONOUN.finditer(view.folded, low, high))
    sexes: set[Sex] = {
        "male" if match.group().startswith("hi") or match.group() == "he" else "female" for match in pronouns
    }
    return FoundValue(sexes.pop(), pronouns[0].span()) if len(sexes) == 1 else None


def _sex_of_subject(view: View, start: int, end: int) -> FoundValue[Sex] | None:
    match = _SUBJECT_IS.search(view.folded, start, end)
    return FoundValue(_SEX_WORDS[match.group("word")], match.span("word")) if match else None


def _report_conflicts(view: View, mentions: list[_Mention], raw: RawLetter) -> None:
    """Report two patients: two ages more than a birthday apart, or two sexes."""
    first = mentions[0]
    for other in mentions[1:]:
        noun = _SEX.search(view.folded, other.place[1], min(other.place[1] + 30, other.sentence[1]))
        sex = _SEX_WORDS[noun.group("word")] if noun else None
        if abs(other.age - first.age) > 1:
            raw.problems.append(RawProblem("patient_conflict", "patient.age", other.place))
        elif sex and raw.sex and sex != raw.sex.value and noun:
            raw.problems.append(RawProblem("patient_conflict", "patient.sex", noun.span("word")))


_INJURY = (
    re.compile(
        rf"date\s+of\s+(?:the\s+)?injury[\s:,(]+(?:doi\)\W+)?(?:(?:of|on|is|was|as|dated|listed|reported|given|noted)\s+){{0,3}}(?P<date>{DATE})"
    ),
    re.compile(
        rf"injur(?:y|ies|ed)\W+(?:(?:date|on|of|dated|occurring|that|occurred|sustained|dating|back|to|in|which)\s+){{0,4}}(?P<date>{DATE})"
    ),
    re.compile(
        rf"(?:occupational|industrial|outpatient)\s+(?:claim|accident|incident)\s+(?:from|on|of|dated)\s+(?P<date>{DATE})"
    ),
    re.compile(rf"\bdoi\W+(?P<date>{DATE})"),
    # `... who broke three bones of the left foot on 1/29/2013 when a ...`
    re.compile(
        r"\b(?:injured|hurt|fell|slipped|tripped|struck|hit|broke|fractured|sprained|strained|twisted|tore|cut|lacerated|burned|burnt|"
        rf"crushed|pinned|caught|thrown|amputated|dislocated|bitten|stung|assaulted|exposed)\b[^.;]{{0,120}}?\bon\s+(?P<date>{DATE})"
    ),
    re.compile(rf"\bon\s+(?P<date>{DATE})\s*,?\s+(?:when|while)\b"),
)
_UR = r"(?:utilization\s+review|\bur\b)(?:\s+\(ur\))?"
_UR_DECISION = (
    re.compile(
        rf"date\s+of\s+(?:the\s+)?{_UR}\s+(?:decision|denial|determination)\W+(?:(?:was|is|of|on)\s+)?(?P<date>{DATE})"
    ),
    re.compile(
        rf"{_UR}\s+(?:decision|denial|determination)\s+(?:(?:of|on|dated|was|is|made|issued|from|date)\s+){{1,3}}(?P<date>{DATE})"
    ),
    re.compile(rf"{_UR}\W+(?:(?:report|letter|documentation|of|on|dated|was)\s+){{0,3}}\(?(?P<date>{DATE})"),
    re.compile(rf"{_UR}[^.;]{{0,80}}?\bdecision\s+(?:of|on|dated)\s+(?P<date>{DATE})"),
    re.compile(rf"\bon\s+(?P<date>{DATE})\s*,?\s+(?:the\s+)?{_UR}"),
    re.compile(rf"{_UR}\s+(?:denied|modified|non-?\s?certified)\b[^.;]{{0,120}}?\bon\s+(?P<date>{DATE})"),
)

_DATES = {"ur_decision_date": _UR_DECISION, "date_of_injury": _INJURY}


def read_dates(view: View, start: int, end: int, raw: RawLetter) -> None:
    """Read the dates that the header did not give, from the summary's own words.

    Utilization Review decisions are of this century; no injury is later than any date of the letter.
    """
    wanted = {name: patterns for name, patterns in _DATES.items() if name not in raw.dates}
    for name, patterns in wanted.items():
        if place := _first(patterns, view, start, end):
            latest = _THIS_CENTURY if name == "ur_decision_date" else _latest_year(view, start, end, raw)
            raw.dates[name] = FoundValue(read_date(view.folded[place[0] : place[1]], latest_year=latest), place)


_THIS_CENTURY = 2099


def _latest_year(view: View, start: int, end: int, raw: RawLetter) -> int | None:
    """The latest year among dates with four-digit years and the Utilization Review decision; None without any."""
    decided = raw.dates.get("ur_decision_date")
    years = [latest_full_year(view.folded[start:end]), decided.value.year if decided and decided.value else None]
    return max((year for year in years if year), default=None)


def _first(patterns: tuple[re.Pattern[str], ...], view: View, start: int, end: int) -> Place | None:
    """The date of the first pattern that matches; the most specific patterns come first."""
    for pattern in patterns:
        match = pattern.search(view.folded, start, end)
        if match:
            return match.span("date")
    return None
