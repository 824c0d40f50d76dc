"""The same letter as other extractors and other people's programs give it.

Each reading takes the text of a letter and returns another text that says the same. `EXACT` readings keep paragraphs;
`LOOSE` ones lose the blank lines between them, so that paragraphs of one value run together.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable

Reading = Callable[[str], str]

_LINES_ON_PAGE = 31
"""Prime, so that pages break in the middle of everything over the corpus."""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def crlf(text: str) -> str:
    """Lines end as on Windows."""
    return _plain(text).replace("\n", "\r\n")


def carriage_returns(text: str) -> str:
    """Lines end as on an old Macintosh."""
    return _plain(text).replace("\n", "\r")


def trailing_blanks(text: str) -> str:
    """Every line carries a blank."""
    return _plain(text).replace("\n", " \n")


def indented(text: str) -> str:
    """Every line starts after a margin, as `pdftotext -layout` prints it."""
    return "\n".join(f"      {line}" if line.strip() else line for line in _plain(text).split("\n"))


def double_spaced(text: str) -> str:
    """A blank line after every line."""
    return _plain(text).replace("\n", "\n\n")


def double_spaced_with_blanks(text: str) -> str:
    """As word processors export it: the lines between are not quite empty."""
    return _plain(text).replace("\n", " \n \n")


def hard_blanks(text: str) -> str:
    """Every blank is a non-breaking one."""
    return text.replace(" ", "\u00a0")


def tabs_and_double_blanks(text: str) -> str:
    """Blanks as tabs after a colon, and two after a period."""
    return _plain(text).replace(": ", ":\t").replace(". ", ".  ")


def typographic(text: str) -> str:
    """Quotes as a word processor sets them."""
    text = re.sub(r'(?<![\w.,)!?])"', "\u201c", text).replace('"', "\u201d")
    return text.replace("'", "\u2019")


def soft_hyphens(text: str) -> str:
    """Invisible hyphens inside long words."""
    return re.sub(r"(?<=[a-z]{5})(?=[a-z]{5})", "\u00ad", text)


def byte_order_mark(text: str) -> str:
    """A mark at the start that some programs write."""
    return "\ufeff" + text


def form_feeds(text: str) -> str:
    """Page breaks after equal numbers of lines, wherever they fall."""
    return _paged(text, lambda _number, _total: "\n\f")


def form_feeds_in_lines(text: str) -> str:
    """Page breaks in the place of line breaks, as PDF pages are joined."""
    return _paged(text, lambda _number, _total: "\f")


def blank_lines_at_page_breaks(text: str) -> str:
    """Blank lines at the foot and at the top of each page."""
    return _paged(text, lambda _number, _total: "\n\n\n\f\n\n")


def page_numbers(text: str) -> str:
    """`Page 2 of 5` at the foot of each page."""
    return (
        _paged(text, lambda number, total: f"\n\nPage {number} of {total}\n\f")
        + f"\nPage {_pages(text)} of {_pages(text)}\n"
    )


def page_numbers_without_form_feeds(text: str) -> str:
    """The same where form feeds were lost."""
    return (
        _paged(text, lambda number, total: f"\n\nPage {number} of {total}\n\n")
        + f"\nPage {_pages(text)} of {_pages(text)}\n"
    )


def running_headers(text: str) -> str:
    """The organization and the page's number at the top of each page but the first."""
    return _paged(
        text, lambda number, _total: f"\n\fMAXIMUS Federal Services   Page {number + 1}\nIMR Final Determination\n\n"
    )


def running_case_number(text: str) -> str:
    """The case number at the top of each page but the first."""
    number = re.search(r"CM\d\d-\d{7}", text)
    line = f"Case Number: {number.group()}" if number else "Independent Medical Review"
    return _paged(text, lambda _number, _total: f"\n\f{line}\n")


def running_footers(text: str) -> str:
    """The letter's name and a number at the foot of each page."""
    case = re.search(r"CM\d\d-\d{7}", text)
    line = f"Final Determination Letter for IMR Case Number {case.group() if case else 'CM00-0000000'}"
    if not case:
        return page_numbers(text)
    return _paged(text, lambda number, _total: f"\n\n{line}  {number}\n\f") + f"\n{line}  {_pages(text)}\n"


def upper_case_labels(text: str) -> str:
    """Labels and decision words in capitals."""
    return _LABELS.sub(lambda match: match.group().upper(), text)


def capitalized_labels(text: str) -> str:
    """Headings and labels with initials."""
    return _LABELS.sub(lambda match: match.group().title().replace("(S)", "(s)").replace("'S", "'s"), text)


def labels_over_lines(text: str) -> str:
    """Every label broken after its first word."""
    return _LABELS.sub(lambda match: match.group().replace(" ", "\n", 1), _plain(text))


def no_blank_lines(text: str) -> str:
    """Blank lines lost, as raw text of a PDF has it."""
    return re.sub(r"\n\s*\n", "\n", _plain(text))


def no_blank_lines_but_soft_ends(text: str) -> str:
    """Blank lines lost; a trailing blank marks the lines that were wrapped."""
    ended = re.sub(r"(?<=\S)\n(?=\S)", " \n", re.sub(r"[ \t]+\n", "\n", _plain(text)))
    return re.sub(r"\n\s*\n", "\n", ended)


def narrow(text: str) -> str:
    """Paragraphs wrapped at 64 characters."""
    return _wrapped(text, 64)


def wide(text: str) -> str:
    """Paragraphs wrapped at 118 characters."""
    return _wrapped(text, 118)


def unwrapped(text: str) -> str:
    """Each paragraph on one line."""
    return _wrapped(text, 100_000)


def _column(cells: list[tuple[str, str]]) -> str:
    return "\n".join([f"{label}:" for label, _ in cells] + [value for _, value in cells])


def headers_by_labels(text: str) -> str:
    """The header table with all labels first, then all values."""
    return _with_header(
        text, lambda cells: "\n".join([f"{label}:" for label, _ in cells] + [value for _, value in cells])
    )


def headers_by_columns(text: str) -> str:
    """The header table as two columns, one after the other, each with its labels before its values."""

    return _with_header(text, lambda cells: f"{_column(cells[::2])}\n{_column(cells[1::2])}")


def headers_by_rows(text: str) -> str:
    """The header table with one cell to a line."""
    return _with_header(text, lambda cells: "\n".join(f"{label}:   {value}" for label, value in cells))


def headers_in_one_line(text: str) -> str:
    """The header table with nothing between its cells but blanks."""
    return _with_header(text, lambda cells: " ".join(f"{label}: {value}" for label, value in cells))


_TABLE = re.compile(
    r"Case Number:\s*(?P<n>CM\d\d-\d{7})\s+Date Assigned:\s*(?P<a>\S+)\s+Date of Injury:\s*(?P<i>\S+)\s+"
    r"Decision Date:\s*(?P<d>\S+)\s+UR Denial Date:\s*(?P<u>\S+)\s+Priority:\s*(?P<p>\S+)\s+"
    r"Application\s+Received:\s*(?P<r>\S+)"
)


def _with_header(text: str, show: Callable[[list[tuple[str, str]]], str]) -> str:
    def shown(table: re.Match[str]) -> str:
        return show([(label, table.group(key)) for key, label in _CELLS.items()])

    return _TABLE.sub(shown, _plain(text))


_CELLS = {
    "n": "Case Number",
    "a": "Date Assigned",
    "i": "Date of Injury",
    "d": "Decision Date",
    "u": "UR Denial Date",
    "p": "Priority",
    "r": "Application Received",
}


def pages_of_seven_lines(text: str) -> str:
    """Enough page breaks to break every part of some letter."""
    return _paged(text, lambda _number, _total: "\f", 7)


def pages_of_three_lines(text: str) -> str:
    """More page breaks still, with blank lines around each."""
    return _paged(text, lambda number, total: f"\n\nPage {number} of {total}\n\f\n", 3)


_LABELS = re.compile(
    r"HOW THE IMR FINAL DETERMINATION WAS MADE|CLINICAL CASE SUMMARY|IMR ISSUES, DECISIONS AND RATIONALES"
    r"|(?:Claims Administrator|MAXIMUS) guideline:|Decision rationale:|Case Summary:|Rationale for the Decision:"
    r"|Date of Injury:|Date Assigned:|UR Denial Date:|Decision Date:|Application Received:"
    r"|Documents Reviewed for Determination:|ISSUE AT DISPUTE:|: (?:Upheld|Overturned)(?=\s*\n)"
)


def _pages(text: str) -> int:
    return len(_split(text))


def _split(text: str, lines_on_page: int = _LINES_ON_PAGE) -> list[list[str]]:
    lines = _plain(text).rstrip().split("\n")
    return [lines[at : at + lines_on_page] for at in range(0, len(lines), lines_on_page)]


def _paged(text: str, between: Callable[[int, int], str], lines_on_page: int = _LINES_ON_PAGE) -> str:
    pages = ["\n".join(lines) for lines in _split(text, lines_on_page)]
    joined = pages[0]
    for number, page in enumerate(pages[1:], 1):
        joined += between(number, len(pages)) + page
    return joined


def _wrapped(text: str, width: int) -> str:
    """Prose wrapped again; tables, lists and headings keep their lines."""
    paragraphs = re.split(r"\n[ \t]*\n", _plain(text))
    return "\n\n".join(paragraph if _is_set(paragraph) else _fill(paragraph, width) for paragraph in paragraphs)


def _is_set(paragraph: str) -> bool:
    """Whether line breaks mean something: a short line that is not the last one ends on purpose."""
    lines = [line.strip() for line in paragraph.strip().split("\n")]
    return "\f" in paragraph or any(len(line) < _SHORT_CHARS for line in lines[:-1])


_SHORT_CHARS = 72


def _fill(paragraph: str, width: int) -> str:
    return textwrap.fill(" ".join(paragraph.split()), width, break_long_words=False, break_on_hyphens=False)


EXACT: tuple[Reading, ...] = (
    crlf,
    carriage_returns,
    trailing_blanks,
    indented,
    double_spaced,
    double_spaced_with_blanks,
    hard_blanks,
    tabs_and_double_blanks,
    soft_hyphens,
    byte_order_mark,
    form_feeds,
    upper_case_labels,
    capitalized_labels,
    labels_over_lines,
    headers_by_labels,
    headers_by_columns,
    headers_by_rows,
    headers_in_one_line,
)
LOOSE: tuple[Reading, ...] = (
    typographic,
    form_feeds_in_lines,
    blank_lines_at_page_breaks,
    page_numbers,
    page_numbers_without_form_feeds,
    running_headers,
    running_case_number,
    running_footers,
    no_blank_lines,
    no_blank_lines_but_soft_ends,
    narrow,
    wide,
    unwrapped,
    pages_of_seven_lines,
    pages_of_three_lines,
)
