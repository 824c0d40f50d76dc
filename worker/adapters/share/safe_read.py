"""Safe reading: from a path inside the share to the bytes of one letter.

People and unknown programs write to the share while it is read. So each folder of a path is opened relative to the
one that holds it, and never through a symbolic link: whatever is swapped meanwhile, the path cannot leave the share.
The file is judged by its open descriptor, not by its name. It is read up to a limit, so that a file that grows while
it is read cannot fill the memory.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from worker.adapters.share.errors import Gone, Unreadable
from worker.adapters.share.walk import open_below, open_folder_in

CHUNK_BYTES = 1024 * 1024
"""Bytes per system call: most letters come in one."""

_FOLDER = os.O_RDONLY | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_NOT_A_FILE = {errno.ENXIO, errno.ENODEV, errno.EISDIR}


@dataclass(frozen=True, slots=True)
class Signature:
    """What identifies a file and its content; taken when it is read, compared before it is filed away."""

    device: int
    inode: int
    size_bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(frozen=True, slots=True)
class FileContent:
    """The bytes of one letter."""

    content: bytes
    digest: str
    """SHA-256 of `content` in hexadecimal: the letter's id."""
    signature: Signature


def read_file(root: str, relative: str, *, max_bytes: int) -> FileContent:
    """Read the regular file `relative` below the folder `root`, at most `max_bytes` bytes of it.

    Raises `Unreadable` (`empty`, `too_large`, `symbolic_link`, `hard_link`, `not_a_regular_file`) where the file
    itself is at fault; `Gone` where it is not there any more; `OSError` unchanged where the machine is at fault (no
    permission, too many open files, share not mounted, `root` missing); `ValueError` for a path that cannot be one
    inside the share.
    """
    with _parent(root, relative) as (folder, name):
        _judge(_status(folder, name), max_bytes)  # before it is opened: opening a device can start it
        descriptor = _open(folder, name)
    try:
        status = os.fstat(descriptor)
        _judge(status, max_bytes)
        content, digest = _read(descriptor, max_bytes)
    finally:
        os.close(descriptor)
    return FileContent(content, digest, _signature(status))


def unchanged(root: str, relative: str, signature: Signature, *, renamed: bool = False) -> bool:
    """Whether the file is still the one that was read, and was not written to since. False if it is gone.

    `renamed`: this program has renamed it since, which changes its `ctime`; see `same_content`. Raises `OSError` where
    the file cannot be looked at.
    """
    try:
        with _parent(root, relative) as (folder, name):
            now = _signature(_status(folder, name))
    except (Gone, Unreadable):
        return False
    return same_content(signature, now) if renamed else signature == now


def same_content(before: Signature, now: Signature) -> bool:
    """Whether both are of the same file with the same content, as far as a file system shows it.

    `ctime` is left out: a rename changes it and says nothing about the content. It is the only time that a writer
    cannot set back, so compare whole signatures where the file was not renamed in between.
    """
    return _without_ctime(before) == _without_ctime(now)


def _without_ctime(signature: Signature) -> tuple[int, int, int, int]:
    return signature.device, signature.inode, signature.size_bytes, signature.mtime_ns


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _HeldFolders(threading.local):
    """Folders that this thread keeps open: path -> descriptor. None outside `folders_held_open`."""

    descriptors: dict[str, int] | None = None


_held = _HeldFolders()


@contextmanager
def folders_held_open() -> Iterator[None]:
    """While the block runs this thread opens each folder once: for a batch of files that lie in the same few folders.

    A folder that is held stays the folder that was opened first, whatever happens to its name meanwhile. So this is
    for reading alone: a file is moved by its path, and for that the path is opened again.
    """
    if _held.descriptors is not None:
        yield
        return
    _held.descriptors = {}
    try:
        yield
    finally:
        held, _held.descriptors = _held.descriptors, None
        for descriptor in held.values():
            os.close(descriptor)


@contextmanager
def _parent(root: str, relative: str) -> Iterator[tuple[int, str]]:
    """The open folder that holds the file, and the file's name in it."""
    *folders, name = _components(relative)
    held = _held.descriptors
    if held is not None:
        path = os.path.join(root, *folders)
        if path not in held:
            held[path] = open_below(root, "/".join(folders), _FOLDER, _open_folder)
        yield held[path], name
        return
    folder = open_below(root, "/".join(folders), _FOLDER, _open_folder)
    try:
        yield folder, name
    finally:
        os.close(folder)


def _components(relative: str) -> list[str]:
    components = relative.split("/")
    if "\0" in relative or not {"", ".", ".."}.isdisjoint(components):
        raise ValueError("not a path inside the share")
    return components


def _open_folder(outer: int, name: str, flags: int) -> int:
    try:
        return open_folder_in(outer, name, flags)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and stat.S_ISLNK(_status(outer, name).st_mode):
            raise _symbolic_link() from error
        if error.errno in _NOT_THERE:
            raise Gone from error
        raise


def _status(folder: int, name: str) -> os.stat_result:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError as error:
        if error.errno in _NOT_THERE:
            raise Gone from error
        raise


def _open(folder: int, name: str) -> int:
    try:
        return os.open(name, _FILE, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _symbolic_link() from error
        if error.errno in _NOT_A_FILE:
            raise _not_a_regular_file() from error
        if error.errno in _NOT_THERE:
            raise Gone from error
        raise


def _judge(status: os.stat_result, max_bytes: int) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise _symbolic_link()
    if not stat.S_ISREG(status.st_mode):
        raise _not_a_regular_file()
    if status.st_nlink == 0:
        raise Gone
    if status.st_nlink > 1:
        raise Unreadable(
            "hard_link",
            "This file has a second name elsewhere on the disk, so it was not opened. Put a copy of the letter into "
            "the inbox instead of a link to it.",
        )
    _judge_size(status.st_size, max_bytes)


def _judge_size(size_bytes: int, max_bytes: int) -> None:
    if size_bytes == 0:
        raise Unreadable(
            "empty", "The file is empty. Copying it was probably interrupted: put the letter into the inbox again."
        )
    if size_bytes > max_bytes:
        raise Unreadable(
            "too_large",
            f"The file is larger than the {max_bytes:,} bytes allowed for a letter. If several letters were put into "
            "one file, put each into a file of its own.",
        )


def _read(descriptor: int, max_bytes: int) -> tuple[bytes, str]:
    """Content and digest. The size is judged again: the file may have grown or shrunk since it was opened."""
    digest = hashlib.sha256()
    chunks: list[bytes] = []
    total = 0
    while total <= max_bytes and (chunk := os.read(descriptor, min(CHUNK_BYTES, max_bytes + 1 - total))):
        digest.update(chunk)
        chunks.append(chunk)
        total += len(chunk)
    _judge_size(total, max_bytes)
    return b"".join(chunks), digest.hexdigest()


def _symbolic_link() -> Unreadable:
    return Unreadable(
        "symbolic_link",
        "This is a link to a file, not a file, so it was not followed. Put the letter itself into the inbox.",
    )


def _not_a_regular_file() -> Unreadable:
    return Unreadable(
        "not_a_regular_file",
        "This is not a file with content but a folder, a pipe, a socket or a device, so it was not opened. Put the "
        "letter itself into the inbox.",
    )
