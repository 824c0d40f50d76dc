"""The parser: from the text of a letter to its determination, or to every violation in it.

Pure and total: no input or output, no clock, no logging. For any string `parse` returns a `Determination` or raises
`LetterError`, in time linear in the length of the text.
"""

from worker.letter.errors import LetterError, Violation
from worker.letter.model import Determination
from worker.letter.parser import PARSER_VERSION, ParseOptions, parse
from worker.letter.text import reflow, source_of
from worker.letter.validation import RULES, Rule

__all__ = [
    "PARSER_VERSION",
    "RULES",
    "Determination",
    "LetterError",
    "ParseOptions",
    "Rule",
    "Violation",
    "parse",
    "reflow",
    "source_of",
]
