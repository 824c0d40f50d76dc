"""Why a file of the share has no bytes to give, or no text: errors about the letter itself, not about the machine."""

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
