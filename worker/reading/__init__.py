"""Reading a letter: from a path inside the share to bytes, from bytes to text.

`take` reads the bytes of one file without ever leaving the share; `Reader.to_text` finds the text in them, PDFs in a
process of their own. Nothing here knows Celery, Redis or the environment, nothing is logged, and nothing that leaves
here, other than `Taken.content` and `Text.text`, holds a name or a word of a letter.
"""

from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.safe_read import Signature, Taken, folders_held_open, same_content, take, unchanged
from worker.reading.errors import ReaderUnavailable
from worker.reading.limits import ReadLimits
from worker.reading.reader import Reader
from worker.reading.text import Text

__all__ = [
    "Gone",
    "ReadLimits",
    "Reader",
    "ReaderUnavailable",
    "Signature",
    "Taken",
    "Text",
    "Unreadable",
    "folders_held_open",
    "same_content",
    "take",
    "unchanged",
]
