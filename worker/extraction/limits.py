"""How much time, memory and text one letter may cost."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """Bounds for reading one letter, each with its unit and its reason.

    A letter is read in 5 to 20 milliseconds in a process of 36 MiB; the longest seen has 6 pages and 17,000 characters.
    """

    timeout_s: float = 8.0
    """Wall-clock seconds for one PDF: four hundred times the usual, so that even on a busy machine only a stuck PDF
    meets it. A letter may take twice as long (if the process dies, a new one tries once more), which must fit the lease
    under which a worker holds it."""
    start_timeout_s: float = 60.0
    """Wall-clock seconds until the reading process is ready: it starts in 0.2 s, but dozens of workers may start
    theirs at once on a machine that has just booted."""
    memory_bytes: int = 512 * MIB
    """Address space of the reading process, in bytes. It maps 34 MiB before the first letter; the rest is room for
    the file and for what unpacks from it. Multiplied by a worker's concurrency this must still fit a small machine."""
    max_pages: int = 200
    """Pages of one PDF: letters have 2 to 6, with every enclosure a few dozen; beyond this it is a medical file."""
    max_text_chars: int = 1_000_000
    """Characters of text, PDF or plain: sixty times the longest letter seen."""
    letters_per_process: int = 1_000
    """PDFs after which the reading process is replaced, so that what a PDF did to it cannot last. Costs 0.2 s each
    time, 2 percent of the work."""
    resident_bytes: int = 256 * MIB
    """Resident memory, in bytes, above which the reading process is replaced between two letters: memory that one
    large PDF left behind is given back to the machine."""
