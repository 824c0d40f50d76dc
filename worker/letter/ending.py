"""Where a letter ends, and what stands after its end.

The last rationale ends the letter. Mailed copies close with a signature, a list of recipients or a disclaimer: these
belong to no rationale. Anything that comes from another document does not belong in the file.
"""

from __future__ import annotations

import re

from worker.letter.raw import Problem, RawLetter
from worker.letter.text import View

_CLOSING = re.compile(
    r"\n[^\S\n]*(?:effect\s+of\s+the\s+decision\s*:|sincerely\b|respectfully(?:\s+submitted)?\s*,|very\s+truly\s+yours|cc\s*:|disclaimer\s*:|enclosures?\s*:"
    r"|maximus\s+is\s+providing\s+an\s+independent\s+review\s+service)"
)
_FOREIGN = re.compile(
    r"\n[^\S\n]*(?:-{3,}\s?original\s+message|begin\s+forwarded\s+message|from\s*:[^\n]{1,200}\n\s*(?:sent|to|date|subject)\s*:"
    r"|confidentiality\s+notice|this\s+(?:e-?mail|message|fax|facsimile)\b|to\s+whom\s+it\s+may\s+concern|sent\s+from\s+my\b)"
)
# A title in capitals: `PROOF OF SERVICE BY MAIL`, `TRANSMISSION VERIFICATION REPORT`.
_TITLE = re.compile(r"\n[^\S\n]*(?P<title>[A-Z][A-Z'&/-]{2,}(?:[ ][A-Z0-9'&/(),.-]+){1,9})[^\S\n]*(?:\r?\n|\Z)")
_CLOSING_CHARS = 2500
"""A signature, recipients and the disclaimer together are shorter."""


def letter_end(view: View, start: int, end: int, raw: RawLetter) -> int:
    """Where the last rationale ends; what follows a closing or comes from elsewhere is reported."""
    begin = _last_rationale(view, start, end)
    foreign = _FOREIGN.search(view.folded, begin, end) or _title(view, begin, end)
    closing = _CLOSING.search(view.folded, begin, foreign.start() if foreign else end)
    if foreign:
        at = view.trimmed(foreign.start(), foreign.end())[0]
        raw.problems.append(Problem("text_after_end", None, (at, end)))
    elif closing and end - closing.start() > _CLOSING_CHARS:
        raw.problems.append(Problem("text_after_end", None, (closing.start() + _CLOSING_CHARS, end)))
    return min(match.start() for match in (foreign, closing) if match) if foreign or closing else end


def _title(view: View, start: int, end: int) -> re.Match[str] | None:
    """A title after a finished sentence, unless the whole rationale is in capitals."""
    for match in _TITLE.finditer(view.clean, start, end):
        before = view.clean[start : match.start()].rstrip()
        if before.endswith((".", '."', ".\u201d")) and not before.isupper():
            return match
    return None


def _last_rationale(view: View, start: int, end: int) -> int:
    at = view.folded.rfind("rationale", start, end)
    return max(start, at)
