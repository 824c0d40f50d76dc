"""The reading process: reads PDFs that come through its socket, one after the other, and answers with their text.

Started by `process`, never imported. It imports all it needs, enters its sandbox, and only then reports that it is
ready. Every failure in here that is not an answer ends the process: the worker sees that, knows why from the exit
status, and starts another. So nothing that a PDF did to it outlives the failure.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

import pypdfium2

import worker
from worker.extraction.limits import ReadLimits
from worker.extraction.pdf.pages import read_pdf
from worker.extraction.pdf.protocol import OUT_OF_MEMORY_EXIT, QUESTION, PdfAnswer, ReadOutcome
from worker.extraction.pdf.sandbox import bound_cpu, confine

_SAMPLE = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>endobj
4 0 obj<</Length 22>>stream
BT/F 9 Tf (Ready) Tj ET
endstream endobj
5 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
trailer<</Root 1 0 R>>
%%EOF"""
_OWN_FOLDERS = [str(Path(str(module.__file__)).parent) for module in (os, worker, pypdfium2)]
"""Python may still import a part of its library that the rehearsal did not load."""


def main(parent: str, limits_json: str) -> None:
    """Answer questions until the worker closes the socket."""
    limits = ReadLimits(**json.loads(limits_json))
    _rehearse()
    confine(parent=int(parent), memory_bytes=limits.memory_bytes, readable=_OWN_FOLDERS)
    with socket.socket(fileno=0) as connection:
        os.dup2(1, 2)  # start errors go to the worker's log; from here on they could quote a letter
        connection.sendall(PdfAnswer(ReadOutcome.READY).encode())
        try:
            while content := _question(connection):
                bound_cpu(limits.timeout_s)
                connection.sendall(read_pdf(content, limits).encode())
                del content
        except MemoryError:
            os._exit(OUT_OF_MEMORY_EXIT)


def _rehearse() -> None:
    """Read a PDF, and refuse an empty file: loads what Python loads when it is first needed.

    An installation that cannot read PDFs ends here, before it blames a letter. Exits the process then.
    """
    if (
        read_pdf(_SAMPLE, ReadLimits()).text != "Ready"
        or read_pdf(b"", ReadLimits()).outcome is not ReadOutcome.DAMAGED
    ):
        sys.exit("the PDF library does not read the sample")


def _question(connection: socket.socket) -> bytes:
    """The next PDF; empty when the worker has closed the socket."""
    head = _receive(connection, QUESTION.size)
    return _receive(connection, QUESTION.unpack(head)[0]) if head else b""


def _receive(connection: socket.socket, length: int) -> bytes:
    """`length` bytes, usually in one piece; empty when the worker has closed the socket."""
    pieces: list[bytes] = []
    while length:
        pieces.append(connection.recv(length, socket.MSG_WAITALL))
        if not pieces[-1]:
            return b""
        length -= len(pieces[-1])
    return b"".join(pieces)


if __name__ == "__main__":
    main(*sys.argv[1:])
