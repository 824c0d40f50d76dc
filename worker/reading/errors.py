"""What reading a letter can end in, besides its text.

Three things can go wrong, and the caller must do something different for each: the letter itself cannot be read
(`Unreadable`: to review, with a sentence for a person), the file is not there any more (`Gone`: nothing to do), or
the machine is in the way (any `OSError`, `ReaderUnavailable` among them: try again later).
"""

from __future__ import annotations


class Unreadable(Exception):
    """The letter cannot be read, and reading the same bytes again would end the same way.

    `code` is stable; `message` tells a claims examiner what happened and what to do. Neither ever holds a name or a
    word of the letter. Safe to pickle.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Gone(Exception):
    """The file, or a folder on the way to it, is no longer there: someone else has taken it."""


class ReaderUnavailable(OSError):
    """The process that reads PDFs could not be started. Says nothing about the letter: try again later."""
