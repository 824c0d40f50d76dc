"""Text extraction: from the bytes of a letter to its text.

`TextExtractor.to_text` finds the text in the bytes of a file; PDFs are read by a process of their own. Nothing here
knows Celery, Redis or the environment, and nothing is logged. Nothing that leaves here holds a name or a word of a
letter, except `Text.text`.
"""

from worker.extraction.errors import ExtractionUnavailable
from worker.extraction.limits import ReadLimits
from worker.extraction.text import Text
from worker.extraction.text_extractor import TextExtractor

__all__ = ["ExtractionUnavailable", "ReadLimits", "Text", "TextExtractor"]
