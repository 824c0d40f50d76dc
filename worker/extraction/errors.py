"""What reading a letter can end in, besides its text.

Three things can go wrong, and the caller must do something different for each: the letter itself cannot be read
(`Unreadable`: to review, with a sentence for a person), the file is not there any more (`Gone`: nothing to do), or
the machine is in the way (any `OSError`, `ReaderUnavailable` among them: try again later).
"""

from __future__ import annotations


class ReaderUnavailable(OSError):
    """The process that reads PDFs could not be started. Says nothing about the letter: try again later."""
