"""The reading process: one PDF after the other, from its socket to its socket.

Started by `process`, never imported. It imports all it needs, locks itself in, and only then says that it is ready.
Every failure in here that is not an answer ends the process: the worker sees that, knows why from the exit status,
and starts another. So nothing that a PDF did to it outlives the failure.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys

from worker.reading.frames import OUT_OF_MEMORY_EXIT, QUESTION, Answer, Outcome
from worker.reading.limits import ReadLimits
from worker.reading.pdf_text import read_pdf
from worker.reading.sandbox import bound_cpu, confine


def main(parent: str, limits_json: str) -> None:
    """Answer questions until the worker closes the socket."""
    limits = ReadLimits(**json.loads(limits_json))
    confine(parent=int(parent), memory_bytes=limits.memory_bytes)
    with socket.socket(fileno=0) as worker:
        os.dup2(1, 2)  # errors of the start were for the worker's log; from here on they could quote a letter
        worker.sendall(Answer(Outcome.READY).encode())
        try:
            while content := _question(worker):
                bound_cpu(limits.timeout_s)
                worker.sendall(read_pdf(content, limits).encode())
                del content
        except MemoryError:
            os._exit(OUT_OF_MEMORY_EXIT)


def _question(worker: socket.socket) -> ctypes.Array[ctypes.c_char] | None:
    """The next PDF, without copying it; None at the end."""
    head = bytearray(QUESTION.size)
    if not _fill(worker, memoryview(head)):
        return None
    content = (ctypes.c_char * QUESTION.unpack(head)[0])()
    return content if _fill(worker, memoryview(content).cast("B")) else None


def _fill(worker: socket.socket, buffer: memoryview) -> bool:
    while buffer:
        received = worker.recv_into(buffer)
        if not received:
            return False
        buffer = buffer[received:]
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
