"""Where a letter ends, and what stands after its end.

The last rationale ends the letter. Mailed copies close with a signature, a list of recipients or a disclaimer: these
belong to no rationale. Anything that comes from another document does not belong in the file.
"""

from __future__ import annotations

import re

from worker.letter.raw import Problem, RawLetter
from worker.letter.text import View

_CLOSING = re.compile(
    r"\n[^\S\n]*(?:sincerely\b|respectfully(?:\s+submitted)?\s*,|very\s+truly\s+yours|cc\s*:|disclaimer\s*:|enclosures?\s*:"
    r"|maximus\s+is\s+providing\s+an\s+independent\s+review\s+service)"
)
_FOREIGN = re.compile(
    r"\n[^\S\n]*(?:-{3,}\s?original\s+message|begin\s+forwarded\s+message|from\s*:[^\n]{1,200}\n\s*(?:sent|to|date|subject)\s*:"
    r"|confidentiality\s+notice|this\s+(?:e-?mail|message|fax|facsimile)\b|explanation\s+of\s+(?:review|benefits)|invoice\b"
    r"|fax\s+cover|dear\s+[a-z]|to\s+whom\s+it\s+may\s+concern|(?:utilization\s+review\s+)?(?:appeal|request\s+for\s+authorization)\s*(?:form|letter)?\s*\n"
    r"|sent\s+from\s+my|memorandum\b|re\s*:\s|notice\s+of\s+(?!independent))"
)
_CLOSING_CHARS = 2500
"""A signature, recipients and the disclaimer together are shorter."""


def letter_end(view: View, start: int, end: int, raw: RawLetter) -> int:
    """Where the last rationale ends; what follows a closing or comes from elsewhere is reported."""
    begin = _last_rationale(view, start, end)
    foreign = _FOREIGN.search(view.folded, begin, end)
    closing = _CLOSING.search(view.folded, begin, foreign.start() if foreign else end)
    if foreign:
        at = view.trimmed(foreign.start(), foreign.end())[0]
        raw.problems.append(Problem("text_after_end", None, (at, end)))
    elif closing and end - closing.start() > _CLOSING_CHARS:
        raw.problems.append(Problem("text_after_end", None, (closing.start() + _CLOSING_CHARS, end)))
    return min(match.start() for match in (foreign, closing) if match) if foreign or closing else end


def _last_rationale(view: View, start: int, end: int) -> int:
    at = view.folded.rfind("rationale", start, end)
    return max(start, at)
