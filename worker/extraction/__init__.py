"""Text extraction: from the bytes of a letter to its text.

`TextExtractor.to_text` finds the text in the bytes that `read_file` has read, PDFs in a process of their own. Nothing
here knows Celery, Redis or the environment, nothing is logged, and nothing that leaves here, other than `Text.text`,
holds a name or a word of a letter.
"""

from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import (
    FileContent,
    Signature,
    folders_held_open,
    read_file,
    same_content,
    unchanged,
)
from worker.extraction.errors import ReaderUnavailable
from worker.extraction.limits import ReadLimits
from worker.extraction.text import Text
from worker.extraction.text_extractor import TextExtractor

__all__ = [
    "FileContent",
    "Gone",
    "ReadLimits",
    "ReaderUnavailable",
    "Signature",
    "Text",
    "TextExtractor",
    "Unreadable",
    "folders_held_open",
    "read_file",
    "same_content",
    "unchanged",
]
