"""From a text to a determination or to everything that is wrong with it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from worker.letter.assembly import assemble, service_date
from worker.letter.cover import is_cover_alone
from worker.letter.errors import LetterError, UncheckedLetterError, Violation
from worker.letter.header import read_other_numbers
from worker.letter.heading_parts import HeadingForm, read_heading
from worker.letter.layouts import begins_like, recognise
from worker.letter.layouts.known import KnownLayout
from worker.letter.model import Determination, Finding
from worker.letter.raw_letter import RawLetter, RawProblem
from worker.letter.rules import BY_CODE
from worker.letter.text import INVISIBLE, Lines, View, fold
from worker.letter.validation import Checked, check, conclusions_of

PARSER_VERSION = "1.0.0"
"""Of the values that the same text gives; it changes when they do."""


@dataclass(frozen=True, slots=True)
class ParseOptions:
    """What the reader of a letter may choose."""

    read_parties: bool = False
    """Read names and claim number from a cover page."""
    today: date | None = None
    """Dates after this day lie in the future; None asks no such question."""


_DEFAULT = ParseOptions()

# NUL and other controls, broken surrogates, and marks that turn the direction of text around: a letter has none, and
# they can make a text look other than it is.
_UNREADABLE = re.compile("[\x00\x01\x03-\x08\x0e-\x1b\x7f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")


_CONTROLS = bytes(code for code in range(128) if _UNREADABLE.match(chr(code)))


def parse(text: str, *, paged: bool = False, options: ParseOptions = _DEFAULT) -> Determination:
    """What the letter says.

    `paged` tells that form feeds are the page breaks of a PDF: spans then carry page numbers.
    Raises `LetterError` with every violation for a letter that cannot be published, and nothing else.
    """
    _refuse_unreadable(text, paged=paged)
    view = View.of(text, paged=paged)
    layout = recognise(view)
    if layout is None:
        raise _unrecognised(view)
    raw = layout.read(view, 0, len(view.clean.rstrip()))
    read_other_numbers(view, raw.summary[0] if raw.summary else 0, len(view.clean), raw)
    _notice_second_letter(view, layout, raw)
    return _judged(view, layout, raw, options)


def _is_plain(text: str) -> bool:
    """A quick look: nearly every letter is ASCII without controls."""
    return text.isascii() and len(text.encode().translate(None, _CONTROLS)) == len(text)


def _refuse_unreadable(text: str, *, paged: bool) -> None:
    if not text.strip() or not text.strip(INVISIBLE).strip():
        raise LetterError((_violation(Lines(text), RawProblem("empty_text"), None, page=None),))
    odd = None if _is_plain(text) else _UNREADABLE.search(text)
    if odd:
        page = text.count("\f", 0, odd.start()) + 1 if paged else None
        raise LetterError((_violation(Lines(text), RawProblem("unreadable_characters"), odd.span(), page=page),))


def _unrecognised(view: View) -> LetterError:
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


def _notice_second_letter(view: View, layout: KnownLayout, raw: RawLetter) -> None:
    """A start of a letter after the first rationale is a second letter; it begins with its own header.

    Looked for in the source: the header of a second letter looks like a running header of the first.
    """
    first = next((issue.rationale[0] for issue in raw.issues if issue.rationale), None)
    if first is None:
        return
    folded = fold(view.source) if view.cuts else view.folded
    found = (start.search(folded, view.origin(first)) for start in layout.starts)
    second = min((match for match in found if match), key=lambda match: match.start(), default=None)
    if second:
        last = max(view.origin(first), folded.rfind(_RATIONALE, 0, second.start()))
        opening = _OPENING.search(folded, last, second.end())
        place = opening.span("opening") if opening else second.span()
        raw.problems.insert(0, RawProblem("two_letters", source=place))


def _judged(view: View, layout: KnownLayout, raw: RawLetter, options: ParseOptions) -> Determination:
    forms: list[HeadingForm | None] = [
        read_heading(view, issue.heading) if issue.heading else None for issue in raw.issues
    ]
    checked = Checked(conclusions_of(view, raw), [service_date(view, form) for form in forms])
    problems = check(view, raw, forms, checked, options.today)
    if not layout.whole:
        problems.append(RawProblem("layout_known_in_part"))
    if any(BY_CODE[problem.code].severity == "error" for problem in problems):
        raise _error(view, problems)
    findings = tuple([_finding(problem) for problem in problems])
    return assemble(view, raw, forms, checked.conclusions, findings, read_parties=options.read_parties)


def _finding(problem: RawProblem) -> Finding:
    rule = BY_CODE[problem.code]
    if rule.severity == "error":
        raise UncheckedLetterError(problem.field or rule.code)
    return Finding(code=rule.code, severity=rule.severity, field=problem.field, message=rule.sentence)


def _error(view: View, problems: list[RawProblem]) -> LetterError:
    """Every error, the most telling first: what breaks off or is doubled explains the rest."""
    errors = [problem for problem in problems if BY_CODE[problem.code].severity == "error"]
    errors.sort(key=lambda problem: _RANK.get(problem.code, len(_RANK)))
    lines = Lines(view.source)
    return LetterError(tuple([_located(view, lines, problem) for problem in errors[:_MOST_VIOLATIONS]]))


_RANK = {"two_letters": 0, "truncated": 1}
_MOST_VIOLATIONS = 200
"""Nobody reads more, and a letter with more is not one."""


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
