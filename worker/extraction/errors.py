"""What reading a letter can end in, besides its text.

Three things can go wrong, and the caller must do something different for each:

- the letter itself cannot be read (`Unreadable`): it goes to review, with a sentence for a person;
- the file is not there any more (`Gone`): nothing to do;
- the machine is at fault (any `OSError`, `ExtractionUnavailable` among them): retry later.

`Unreadable` and `Gone` are of the share (`worker.adapters.share.errors`), which raises them too.
"""

from __future__ import annotations


class ExtractionUnavailable(OSError):
    """The reading process could not be started. Says nothing about the letter: retry later."""
