"""When a file in the inbox is complete: one rule, by which the producer claims and `imr explain` explains.

There are three modes, of which an installation chooses one (`IMR_COMPLETE`):

- `quiet`: a file is complete at once if it was renamed in, else after it was unchanged for `IMR_SETTLE_SECONDS`.
- `renamed`: the same, but any other file must be unchanged for `IMR_RENAMED_QUIET_SECONDS`, which is longer.
- `done-file`: `x.pdf` is a letter once `x.pdf.done` lies beside it. If an event announced the done-file, the letter is
  complete at once. A done-file that only a scan found may be left over from an earlier letter of that name, so `x.pdf`
  must then be unchanged for `IMR_SETTLE_SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from worker.contract.filenames import DONE_SUFFIX, may_be_letter
from worker.contract.settings import Complete


@dataclass(frozen=True, slots=True)
class CompletionRule:
    """The rule of one installation."""

    mode: Complete
    quiet_s: float
    """How long a file that is not known to be complete must stay unchanged, in seconds."""

    @classmethod
    def choose(cls, mode: Complete, *, settle_s: float, renamed_quiet_s: float) -> Self:
        """The rule of that mode, with the quiet time that belongs to it; see the settings of the same names."""
        return cls(mode, renamed_quiet_s if mode == "renamed" else settle_s)

    @property
    def quiet_setting(self) -> str:
        """The name of the setting that gives `quiet_s`."""
        return "IMR_RENAMED_QUIET_SECONDS" if self.mode == "renamed" else "IMR_SETTLE_SECONDS"

    def done_file_of(self, letter: str) -> str | None:
        """The file that must lie beside that letter; None if it needs none."""
        return letter + DONE_SUFFIX if self.mode == "done-file" else None

    def letter_at(self, path: str) -> str | None:
        """The letter that the file at `path` (relative to the inbox) announces; None if it announces none.

        In mode `done-file` only a done-file announces a letter; in the others each letter announces itself.
        """
        if self.mode != "done-file":
            return path if may_be_letter(path) else None
        letter = path.removesuffix(DONE_SUFFIX)
        is_named = letter != path and not letter.endswith("/") and letter != ""
        return letter if is_named and may_be_letter(letter) else None

    def is_complete_at_once(self, *, renamed_in: bool) -> bool:
        """Whether an event of the file that announces a letter shows that the letter is complete.

        `renamed_in`: whether that file itself came by a rename.
        """
        return renamed_in or self.mode == "done-file"
