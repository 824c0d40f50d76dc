"""When a file is complete: the three ways to tell, of which an installation chooses one (`IMR_COMPLETE`).

`quiet`: renamed in, or unchanged for the quiet time. `renamed`: the same, with a quiet time of its own that is long,
for whatever is not known to have been renamed. `done-file`: `x.pdf` is a letter once `x.pdf.done` lies beside it; one
that was there before we looked, or came unheard, is not trusted further than the quiet time: it can be left over from
an earlier letter of that name.
"""

from __future__ import annotations

from dataclasses import dataclass

from worker.contract.filenames import DONE_SUFFIX, may_be_letter
from worker.contract.settings import Complete


@dataclass(frozen=True, slots=True)
class Completion:
    """The way of one installation."""

    mode: Complete
    quiet_s: float
    """How long a file that is not known to be complete must stay unchanged, in seconds."""

    def letter_at(self, path: str) -> str | None:
        """The letter that a file at that path speaks for; None if it says nothing of any."""
        if self.mode == "done-file":
            letter = path.removesuffix(DONE_SUFFIX)
            is_named = letter != path and not letter.endswith("/") and letter != ""
            return letter if is_named and may_be_letter(letter) else None
        return path if may_be_letter(path) else None

    def is_told_by(self, *, renamed_in: bool) -> bool:
        """Whether an event of the file that speaks for a letter says that the letter is complete."""
        return renamed_in or self.mode == "done-file"
