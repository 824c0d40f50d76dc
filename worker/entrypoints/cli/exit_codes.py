"""Exit codes of `imr`: `imr --help` lists them, docs/cli.md says what each means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit status of a command."""

    OK = 0
    """Everything asked for was done."""
    FAILED = 1
    """Done, but not all is well: a letter could not be parsed, a check found a problem, figures do not add up."""
    USAGE = 2
    """The command line was not understood."""
    REFUSED = 3
    """A service may not start as things are; each problem is named with its remedy."""
    UNAVAILABLE = 4
    """Redis, the broker or the share cannot be reached."""
    NOT_FOUND = 5
    """No letter has that id or name, or several have."""
    CONFLICT = 6
    """Somebody decided differently meanwhile; nothing was changed."""
    RUNNING = 7
    """`imr up` runs on this share already."""
