"""The worker's end of one reading process: start it, ask it, end it.

It is a process id and a socket, without `subprocess` or `multiprocessing`: Celery's pool processes are daemons, which
must not have children made by `multiprocessing`, and a `subprocess.Popen` complains when a fork copies it.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.extraction.errors import ExtractionUnavailable
from worker.extraction.limits import MIB, ReadLimits
from worker.extraction.pdf.protocol import ANSWER, QUESTION, Head, PdfAnswer

_PACKAGES = str(Path(__file__).resolve().parents[3])
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(64 * MIB), "MALLOC_MMAP_THRESHOLD_": str(32 * MIB)}
"""The C library keeps the memory of a letter for the next instead of giving it back, which saves a tenth of the time.
`resident_bytes` bounds it."""
_DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXCPU, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)


class ProcessEnded(Exception):
    """The process closed its socket, or sent something that is no valid answer."""


@dataclass(frozen=True, slots=True)
class ProcessExit:
    """How a process ended."""

    code: int
    """Exit status, or minus the number of the signal, as in `subprocess`."""
    peak_bytes: int
    """Most memory that it had in use, in bytes; 0 where that is unknown."""


class ReadingProcess:
    """A running reading process; belongs to the worker process that started it."""

    def __init__(self, limits: ReadLimits) -> None:
        """Start the process and wait until it is ready. `OSError` where the machine has no room for it."""
        self._limits = limits
        self._owner = os.getpid()
        self._exit: ProcessExit | None = None
        self._asking = True
        self._begun: tuple[bytes, float] | None = None
        self.letters = 0
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._inherited_bytes = _own_peak_bytes()
                self._pid = _spawn(theirs.fileno(), limits)
        except BaseException:
            self._socket.close()
            raise
        self._await_ready()

    @property
    def is_usable(self) -> bool:
        """Whether it can be asked: of this worker process, alive, no answer pending, limits not reached."""
        return (
            self._owner == os.getpid()
            and not self._asking
            and self.letters < self._limits.letters_per_process
            and self._is_quiet()
            and self._resident_bytes() <= self._limits.resident_bytes
        )

    def ask(self, content: bytes) -> PdfAnswer:
        """Its answer for a PDF. `TimeoutError` when `timeout_s` is over, `ProcessEnded` when the process has ended.

        After these, and after any exception that a signal handler raises meanwhile, `is_usable` is False: a late answer
        can never be taken for that of the next letter.
        """
        deadline_s = time.monotonic() + self._limits.timeout_s
        self._send(content, deadline_s)
        return self._answer(deadline_s)

    def begin(self, content: bytes) -> None:
        """Have it read a PDF whose answer `finish` returns later; raises as `ask`, but within a tenth of the time.

        Until `finish` has returned, `is_usable` is False.
        """
        begun_s = time.monotonic()
        self._send(content, begun_s + self._transfer_s)
        self._begun = content, begun_s

    def has_begun(self, content: bytes) -> bool:
        """Whether it has begun this very object (not an equal one), and the answer was not fetched yet."""
        return self._begun is not None and self._begun[0] is content and self._owner == os.getpid()

    def finish(self) -> PdfAnswer:
        """Its answer for the PDF that it has begun; raises as `ask`.

        The time counts from `begin`. An answer that is ready is still received after that, within a tenth of the time.
        """
        if self._begun is None:
            raise ProcessEnded
        (_, begun_s), self._begun = self._begun, None
        return self._answer(max(begun_s + self._limits.timeout_s, time.monotonic() + self._transfer_s))

    def end(self) -> ProcessExit:
        """Kill it with all that it started, collect its exit status, and return how it ended."""
        self._socket.close()
        if self._exit is None and self._owner == os.getpid():
            with suppress(ProcessLookupError):
                os.killpg(self._pid, signal.SIGKILL)
            self._exit = _reap(self._pid, self._inherited_bytes)
        return self._exit or ProcessExit(0, 0)

    def _await_ready(self) -> None:
        try:
            self._receive_answer(time.monotonic() + self._limits.start_timeout_s)
        except (ProcessEnded, TimeoutError) as error:
            code = self.end().code
            raise ExtractionUnavailable(f"the process that reads PDFs did not start (exit status {code})") from error
        except BaseException:
            self.end()
            raise
        self._asking = False

    def _is_quiet(self) -> bool:
        try:
            self._socket.settimeout(0)
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:  # also where an earlier `end` was interrupted halfway
            return False
        return False

    def _resident_bytes(self) -> int:
        try:
            with open(f"/proc/{self._pid}/statm", "rb") as statm:
                return int(statm.read().split()[1]) * _PAGE_BYTES
        except OSError:  # no /proc here: the number of letters bounds it alone
            return 0

    @property
    def _transfer_s(self) -> float:
        """How long sending or receiving alone may take."""
        return self._limits.timeout_s / 10

    def _send(self, content: bytes, deadline_s: float) -> None:
        self._asking = True
        self._socket.settimeout(_left(deadline_s))
        try:
            self._socket.sendall(QUESTION.pack(len(content)) + content, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ProcessEnded from error

    def _answer(self, deadline_s: float) -> PdfAnswer:
        answer = self._receive_answer(deadline_s)
        self.letters += 1
        self._asking = False
        return answer

    def _receive_answer(self, deadline_s: float) -> PdfAnswer:
        try:
            head = Head.decode(self._receive(ANSWER.size, deadline_s))
            if head.pictures_bytes > 4 * self._limits.max_pages or head.text_bytes > 8 * self._limits.max_text_chars:
                raise ProcessEnded
            return head.body(self._receive(head.pictures_bytes + head.text_bytes, deadline_s))
        except (ValueError, ConnectionResetError) as error:
            raise ProcessEnded from error

    def _receive(self, length: int, deadline_s: float) -> bytes:
        frame = bytearray(length)
        rest = memoryview(frame)
        while rest:
            self._socket.settimeout(_left(deadline_s))
            received = self._socket.recv_into(rest)
            if not received:
                raise ProcessEnded
            rest = rest[received:]
        return bytes(frame)


def _left(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _spawn(theirs: int, limits: ReadLimits) -> int:
    """Its standard input is the socket, its output is discarded, and it gets nothing of the environment."""
    command = [
        sys.executable,
        "-P",
        "-B",
        "-m",
        "worker.extraction.pdf.child",
        str(os.getpid()),
        json.dumps(asdict(limits)),
    ]
    actions = [
        (os.POSIX_SPAWN_DUP2, theirs, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    ]
    paths = [*filter(None, sys.path), _PACKAGES]
    return os.posix_spawn(
        sys.executable,
        command,
        {"PYTHONPATH": os.pathsep.join(paths), **_KEEP_MEMORY},
        file_actions=actions,
        setsid=True,
        setsigmask=(),
        setsigdef=_DEFAULT_SIGNALS,
    )


def _reap(pid: int, inherited_bytes: int) -> ProcessExit:
    try:
        _, status, usage = os.wait4(pid, 0)
    except ChildProcessError:  # other code waits for all children of this process, or ignores SIGCHLD
        return ProcessExit(-signal.SIGKILL, 0)
    peak_bytes = usage.ru_maxrss * 1024
    # Until it executes its program the process is a copy of this process, and Linux counts that for its peak.
    return ProcessExit(os.waitstatus_to_exitcode(status), peak_bytes if peak_bytes > inherited_bytes else 0)


def _own_peak_bytes() -> int:
    """The most memory of this program so far, in bytes; `getrusage` would include the program that started it."""
    try:
        with open("/proc/self/status", "rb") as status:
            (peak,) = (line.split()[1] for line in status if line.startswith(b"VmHWM:"))
        return int(peak) * 1024
    except (OSError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
