"""The system call filter (seccomp): refuses the reading process all calls that start programs or reach others.

It is a program for the kernel's packet filter, run at each system call: it loads the call's number, compares it with
those below, and answers "not permitted" or "go on". It works without privileges and inside containers, where a
network namespace is usually refused. It lists what is refused, not what is allowed, so that a new C library, which
may use new calls for old things, still works.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from dataclasses import dataclass

_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
"""Offsets in what the kernel shows the filter (`struct seccomp_data`); the argument's lower half, little-endian."""


@dataclass(frozen=True, slots=True)
class _Machine:
    """System call numbers of one architecture."""

    audit: int
    refused: dict[str, int]
    tgkill: int
    """The call by which `abort` ends a process; allowed for the process itself."""
    numbers_end: int
    """Numbers from here on belong to another calling convention, in which the same calls go by other numbers."""


_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425, "clone3": 435, "pidfd_getfd": 438}
_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        refused=_EVERYWHERE
        | {"socket": 41, "connect": 42, "bind": 49, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62}
        | {"ptrace": 101, "tkill": 200, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321, "execveat": 322},
        tgkill=234,
        numbers_end=0x40000000,
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        refused=_EVERYWHERE
        | {"ptrace": 117, "kill": 129, "tkill": 130, "socket": 198, "bind": 200, "connect": 203, "clone": 220}
        | {"execve": 221, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280, "execveat": 281},
        tgkill=131,
        numbers_end=0x40000000,
    ),
}


def refuse_processes_and_network(libc: ctypes.CDLL, own_pid: int) -> None:
    """Install the filter, irrevocably. Does nothing on an architecture whose call numbers are not listed here."""
    machine = _MACHINES.get(os.uname().machine)
    if machine is None or struct.calcsize("P") != 8:
        return
    program = _program(machine, own_pid)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("H6xP", len(program) // 8, ctypes.addressof(code))
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0)


def _program(machine: _Machine, own_pid: int) -> bytes:
    """Jumps count instructions from the next one; both answers stand at the end."""
    refused = sorted(machine.refused.values())
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 0, len(refused) + 5, machine.audit),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_IF_AT_LEAST, len(refused) + 3, 0, machine.numbers_end),
        *((_JUMP_IF_EQUAL, len(refused) - index + 2, 0, number) for index, number in enumerate(refused)),
        (_JUMP_IF_EQUAL, 0, 3, machine.tgkill),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_IF_EQUAL, 1, 0, own_pid),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)
