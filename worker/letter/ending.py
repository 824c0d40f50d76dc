"""Where a letter ends, and which text after its end belongs to another document.

The letter ends with its last rationale. Mailed copies close with a signature, a list of recipients or a disclaimer:
these are no part of the rationale. Text of another document (an e-mail, a proof of service) is a violation.
"""

from __future__ import annotations

import re

from worker.letter.raw_letter import RawLetter, RawProblem
from worker.letter.text import View

_CLOSING = re.compile(
    r"\n[^\S\n]*(?:effect\s+of\s+the\s+decision\s*:|sincerely\b|respectfully(?:\s+submitted)?\s*,|very\s+truly\s+yours|cc\s*:|disclaimer\s*:|enclosures?\s*:"
    r"|maximus\s+is\s+providing\s+an\s+independent\s+review\s+service)"
)
_FOREIGN = re.compile(
    r"\n[^\S\n]*(?:-{3,}\s?original\s+message|begin\s+forwarded\s+message|from\s*:[^\n]{1,200}\n\s*(?:sent|to|date|subject)\s*:"
    r"|confidentiality\s+notice|this\s+(?:e-?mail|message|fax|facsimile)\b|to\s+whom\s+it\s+may\s+concern|sent\s+from\s+my\b)"
)
_OTHER_DOCUMENT = re.compile(
    r"\b(?:PROOF|REPORT|SERVICE|FAX|TRANSMISSION|NOTICE|INVOICE|AUTHORIZATION|FORM|DECLARATION|CERTIFICATE|MEMORANDUM|"
    r"AFFIDAVIT|EXPLANATION|APPEAL|PETITION|LETTER|COVER|CONFIRMATION|APPLICATION|STATEMENT)\b"
)
# A title in capitals: `PROOF OF SERVICE BY MAIL`, `TRANSMISSION VERIFICATION REPORT`.
_TITLE = re.compile(r"\n[^\S\n]*(?P<title>[A-Z][A-Z'&/-]{2,}(?:[ ][A-Z0-9'&/(),.-]+){1,9})[^\S\n]*(?:\r?\n|\Z)")
_CLOSING_CHARS = 2500
"""A signature, the recipients and the disclaimer together are shorter than this."""


def letter_end(view: View, start: int, end: int, raw: RawLetter) -> int:
    """Where the last rationale ends. Text of another document, or too much text after a closing, is reported."""
    begin = max(start, view.folded.rfind("rationale", start, end))
    folded, clean = (text[begin:end].replace("\f", "\n") for text in (view.folded, view.clean))
    foreign = _FOREIGN.search(folded) or _title(clean)
    stop = foreign.start() if foreign else len(folded)
    if closing := _CLOSING.search(folded, 0, stop):
        stop = closing.start()
    if foreign:
        at = view.trimmed(begin + foreign.start(), begin + foreign.end())[0]
        raw.problems.append(RawProblem("text_after_end", None, (at, end)))
    elif end - begin - stop > _CLOSING_CHARS:
        raw.problems.append(RawProblem("text_after_end", None, (begin + stop + _CLOSING_CHARS, end)))
    return begin + stop


def _title(clean: str) -> re.Match[str] | None:
    """The title of another document, after a finished sentence; none where the whole rationale is in capitals."""
    for match in _TITLE.finditer(clean):
        before = clean[: match.start()].rstrip()
        if not _OTHER_DOCUMENT.search(match.group("title")):
            continue
        if before.endswith((".", '."', ".\u201d")) and not before.isupper():
            return match
    return None
