"""Errors about a letter itself, not about the machine: why a file of the share has no bytes, or no text."""

from __future__ import annotations


class Unreadable(Exception):
    """The letter cannot be read, and reading the same bytes again would give the same error.

    `code` is stable; `message` says to a claims examiner what happened and what to do. Neither ever holds a name or a
    word of the letter. Safe to pickle.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Gone(Exception):
    """The file, or a folder of its path, is no longer there: another process or a person has moved it."""
