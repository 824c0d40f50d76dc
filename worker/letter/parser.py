"""From a text to a determination or to every violation in it: the sequence of the parser's steps."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from worker.letter.assembly import assemble, service_date
from worker.letter.cover import is_cover_alone
from worker.letter.errors import LetterError, UncheckedLetterError, Violation
from worker.letter.header import read_other_numbers
from worker.letter.heading_parts import HeadingForm, read_heading
from worker.letter.layouts import begins_like, recognize
from worker.letter.layouts.known import KnownLayout
from worker.letter.model import Determination, Finding
from worker.letter.raw_letter import RawLetter, RawProblem
from worker.letter.rules import BY_CODE
from worker.letter.text import INVISIBLE, Lines, View, fold
from worker.letter.validation import DerivedValues, check, conclusions_of

PARSER_VERSION = "1.0.0"
"""Version of the parsed values: it changes whenever the same text gives other values."""


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """What the caller of `parse` may choose."""

    read_parties: bool = False
    """Read names and claim number from a cover page."""
    today: date | None = None
    """Dates after this day are violations; None switches that check off."""


_DEFAULT = ParseOptions()

# NUL and other controls, broken surrogates, and marks that reverse the direction of text: a letter has none, and they
# can make a text look different from what it says.
_UNREADABLE = re.compile("[\x00\x01\x03-\x08\x0e-\x1b\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


_CONTROLS = bytes(code for code in range(128) if _UNREADABLE.match(chr(code)))


def parse(text: str, *, paged: bool = False, options: ParseOptions = _DEFAULT) -> Determination:
    """The determination that a letter states.

    With `paged`, form feeds are the page breaks of a PDF and spans carry page numbers.
    Raises `LetterError`, and no other error, with every violation of a letter that cannot be published.
    """
    _refuse_unreadable(text, paged=paged)
    view = View.of(text, paged=paged)
    layout = recognize(view)
    if layout is None:
        raise _unrecognized(view)
    raw = layout.read(view, 0, len(view.clean.rstrip()))
    read_other_numbers(view, raw.summary[0] if raw.summary else 0, len(view.clean), raw)
    _report_second_letter(view, layout, raw)
    return _determination(view, layout, raw, options)


def _is_plain(text: str) -> bool:
    """Whether the text is ASCII without controls, as nearly every letter is; quicker than the pattern."""
    return text.isascii() and len(text.encode().translate(None, _CONTROLS)) == len(text)


def _refuse_unreadable(text: str, *, paged: bool) -> None:
    if not text.strip() or not text.strip(INVISIBLE).strip():
        raise LetterError((_violation(Lines(text), RawProblem("empty_text"), None, page=None),))
    unreadable = None if _is_plain(text) else _UNREADABLE.search(text)
    if unreadable:
        page = text.count("\f", 0, unreadable.start()) + 1 if paged else None
        raise LetterError((_violation(Lines(text), RawProblem("unreadable_characters"), unreadable.span(), page=page),))


def _unrecognized(view: View) -> LetterError:
    layout = begins_like(view)
    end = len(view.clean.rstrip())
    if layout:
        return _error(view, [RawProblem("truncated", None, (end, end), "everything after the first words")])
    if is_cover_alone(view):
        return _error(view, [RawProblem("truncated", None, (end, end), "everything after the cover page")])
    return _error(view, [RawProblem("unknown_layout", None, view.trimmed(0, min(len(view.clean), 1000)))])


_OPENING = re.compile(
    r"(?:\A\s*|[\n\f][^\S\n\f]*)(?P<opening>maximus\s+federal\s+services\s*,\s+inc\.|(?:imr\s+|maximus\s+)?case\s+number\s*:|medical\s+professional"
    r"\s+review\s|notice\s+of\s+independent|independent\s+medical\s+review\s+final\s+determination\s+letter|how\s+the\s+imr)"
)
_RATIONALE = "rationale"


def _report_second_letter(view: View, layout: KnownLayout, raw: RawLetter) -> None:
    """Report the start of another letter after the first rationale, at its own header.

    The search is in the source: the clean text lacks a second header that looks like a running header.
    """
    first = next((issue.rationale[0] for issue in raw.issues if issue.rationale), None)
    if first is None:
        return
    folded = fold(view.source) if view.cuts else view.folded
    starts = (start.search(folded, view.origin(first)) for start in layout.starts)
    second = min((match for match in starts if match), key=lambda match: match.start(), default=None)
    if second:
        last = max(view.origin(first), folded.rfind(_RATIONALE, 0, second.start()))
        opening = _OPENING.search(folded, last, second.end())
        place = opening.span("opening") if opening else second.span()
        raw.problems.insert(0, RawProblem("two_letters", source=place))


def _determination(view: View, layout: KnownLayout, raw: RawLetter, options: ParseOptions) -> Determination:
    forms: list[HeadingForm | None] = [
        read_heading(view, issue.heading) if issue.heading else None for issue in raw.issues
    ]
    derived = DerivedValues(conclusions_of(view, raw), [service_date(view, form) for form in forms])
    problems = check(view, raw, forms, derived, options.today)
    if not layout.whole:
        problems.append(RawProblem("layout_known_in_part"))
    if any(BY_CODE[problem.code].severity == "error" for problem in problems):
        raise _error(view, problems)
    findings = tuple([_finding(problem) for problem in problems])
    return assemble(view, raw, forms, derived.conclusions, findings, read_parties=options.read_parties)


def _finding(problem: RawProblem) -> Finding:
    rule = BY_CODE[problem.code]
    if rule.severity == "error":
        raise UncheckedLetterError(problem.field or rule.code)
    return Finding(code=rule.code, severity=rule.severity, field=problem.field, message=rule.sentence)


def _error(view: View, problems: list[RawProblem]) -> LetterError:
    """The error of all problems of severity `error`, first those that explain others (`_RANK`)."""
    errors = [problem for problem in problems if BY_CODE[problem.code].severity == "error"]
    errors.sort(key=lambda problem: _RANK.get(problem.code, len(_RANK)))
    lines = Lines(view.source)
    return LetterError(tuple([_located(view, lines, problem) for problem in errors[:_MOST_VIOLATIONS]]))


_RANK = {"two_letters": 0, "truncated": 1}
_MOST_VIOLATIONS = 200
"""A text with more violations is no letter, and nobody reads a longer list."""


def _located(view: View, lines: Lines, problem: RawProblem) -> Violation:
    if problem.source:
        return _violation(lines, problem, problem.source, page=view.page(problem.source[0]))
    if problem.place is None:
        return _violation(lines, problem, None, page=None)
    start, end = (view.origin(offset) for offset in problem.place)
    return _violation(lines, problem, (start, max(start, end)), page=view.page(start))


def _violation(lines: Lines, problem: RawProblem, at: tuple[int, int] | None, *, page: int | None) -> Violation:
    message = BY_CODE[problem.code].sentence
    if problem.detail:
        message += f" Missing: {problem.detail}."
    if at is None:
        return Violation(problem.code, message, problem.field)
    line, column = lines.place(at[0])
    return Violation(
        code=problem.code,
        message=message,
        field=problem.field,
        line=line,
        column=column,
        start=at[0],
        end=at[1],
        page=page,
    )
