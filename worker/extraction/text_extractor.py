"""The text extractor: from the bytes of a letter to its text."""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from worker.adapters.share.errors import Unreadable
from worker.extraction import file_types, plain_text, refusals
from worker.extraction.completeness import is_unfinished
from worker.extraction.limits import ReadLimits
from worker.extraction.pdf.process import ProcessEnded, ProcessExit, ReadingProcess
from worker.extraction.pdf.protocol import PdfAnswer, ReadOutcome
from worker.extraction.text import Text

_CODES_OF_UNFINISHED: Final = ("damaged_pdf", "not_text", "reader_crashed")
"""The codes with which a file is refused that is not written to its end."""


class TextExtractor:
    """Reads letters; keeps one reading process, which does nothing but PDFs.

    Each worker process has a text extractor of its own, used by one thread at a time. The reading process is started
    with the first PDF. It is replaced when a letter killed it, hung it or wore it out, and in a worker that was forked
    off. Whatever a PDF does, `to_text` returns a `Text` or raises, and works for the next letter.
    """

    def __init__(self, limits: ReadLimits | None = None) -> None:
        self._limits = limits or ReadLimits()
        self._process: ReadingProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """End the reading process. The text extractor can still be used: it starts another process."""
        self._end()

    def to_text(self, content: bytes, following: bytes | None = None) -> Text:
        """The text of a letter, a PDF or a text file.

        `following` is the content of the next call, where it is known: if it is a PDF, the process reads it while the
        caller works on this text. Its text, or the error of reading it, comes with that next call.

        Raises `Unreadable` where the letter is at fault, and `OSError` (`ExtractionUnavailable`) where the reading
        process could not be started.
        """
        try:
            text = self._read(content)
        except Unreadable:
            self._read_ahead(following)
            raise
        self._read_ahead(following)
        return text

    def _read(self, content: bytes) -> Text:
        is_pdf = file_types.is_pdf(content)
        try:
            if is_pdf:
                return self._text(self._ask(content))
            return plain_text.to_text(content, max_text_chars=self._limits.max_text_chars)
        except Unreadable as refusal:
            if refusal.code in _CODES_OF_UNFINISHED and is_unfinished(content, pdf=is_pdf):
                raise refusals.incomplete() from refusal
            raise

    def _read_ahead(self, content: bytes | None) -> None:
        """Only with a process that is running: starting a process takes longer than reading ahead saves."""
        if self._process is None or content is None or not file_types.starts_as_pdf(content):
            return
        if self._process.is_usable:
            with suppress(OSError, ProcessEnded):
                self._process.begin(content)

    def _ask(self, content: bytes) -> PdfAnswer:
        process = self._process_for(content)
        was_new = process.letters == 0
        try:
            return process.finish() if process.has_begun(content) else process.ask(content)
        except TimeoutError:
            self._end()
            raise refusals.timed_out(self._limits) from None
        except ProcessEnded:
            death = refusals.died(self._end(), self._limits)
        if was_new:
            raise death
        return self._ask(content)  # the process may have died of an earlier letter: ask a new one

    def _process_for(self, content: bytes) -> ReadingProcess:
        if self._process is not None and (self._process.has_begun(content) or self._process.is_usable):
            return self._process
        self._end()
        self._process = ReadingProcess(self._limits)
        return self._process

    def _end(self) -> ProcessExit:
        end = self._process.end() if self._process else ProcessExit(0, 0)
        self._process = None
        return end

    def _text(self, answer: PdfAnswer) -> Text:
        if answer.outcome is not ReadOutcome.TEXT:
            raise refusals.refused(answer, self._limits)
        return Text(answer.text, paged=True, page_count=answer.pages, kind="pdf", picture_pages=answer.picture_pages)
