"""From a path inside the share to the bytes of one letter.

People and programs we do not know write into the share, while we read it. So a path is walked one folder at a time,
each opened relative to the one before and never through a symbolic link: whatever is swapped while we walk, the walk
cannot leave the share. The file is judged by its open descriptor, not by its name, and read up to a budget, so one
that grows while it is read ends at the budget.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from worker.adapters.share.errors import Gone, Unreadable

CHUNK_BYTES = 1024 * 1024
"""Bytes per system call: most letters come in one."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_NOT_THERE = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG}
_NOT_A_FILE = {errno.ENXIO, errno.ENODEV, errno.EISDIR}


@dataclass(frozen=True, slots=True)
class Signature:
    """How a file looked when it was read; compared before it is filed away."""

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
    itself is at fault, `Gone` where it is not there any more, and `OSError` untouched where the machine is (no
    permission, too many open files, a share that is away, `root` missing). `ValueError` for a path that could not
    be one inside the share.
    """
    with _parent(root, relative) as (folder, name):
        _judge(_status(folder, name), max_bytes)  # before opening: opening a device can set it in motion
        descriptor = _open(folder, name)
    try:
        status = os.fstat(descriptor)
        _judge(status, max_bytes)
        content, digest = _read(descriptor, max_bytes)
    finally:
        os.close(descriptor)
    return FileContent(content, digest, _signature(status))


def unchanged(root: str, relative: str, signature: Signature, *, renamed: bool = False) -> bool:
    """Whether the file is still the one that was read, and untouched since.

    With `renamed`, we have renamed it ourselves in between, which changes its `ctime`: see `same_content`. False too
    where the file is gone. Raises `OSError` where that cannot be told.
    """
    try:
        with _parent(root, relative) as (folder, name):
            now = _signature(_status(folder, name))
    except (Gone, Unreadable):
        return False
    return same_content(signature, now) if renamed else signature == now


def same_content(before: Signature, now: Signature) -> bool:
    """Whether both belong to the same content, as far as a file system can tell.

    `ctime` is left out. It is the one time that a writer cannot set back, so it counts where we did nothing to the
    file in between; but a rename, ours included, changes it and says nothing about the content.
    """
    return _without_ctime(before) == _without_ctime(now)


def _without_ctime(signature: Signature) -> tuple[int, int, int, int]:
    return signature.device, signature.inode, signature.size_bytes, signature.mtime_ns


def _signature(status: os.stat_result) -> Signature:
    return Signature(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class _Held(threading.local):
    """Folders that this thread keeps open: path -> descriptor; None while it keeps none."""

    folders: dict[str, int] | None = None


_held = _Held()


@contextmanager
def folders_held_open() -> Iterator[None]:
    """While the block runs this thread opens each folder once: for a batch of files that lie in the same few folders.

    Whatever happens to a folder's name meanwhile, what was opened is the folder that the walk came to. So this is for
    reading alone: before a file is moved, by its path, the path is walked anew.
    """
    if _held.folders is not None:
        yield
        return
    _held.folders = {}
    try:
        yield
    finally:
        held, _held.folders = _held.folders, None
        for descriptor in held.values():
            os.close(descriptor)


@contextmanager
def _parent(root: str, relative: str) -> Iterator[tuple[int, str]]:
    """The open folder that holds the file, and the file's name in it."""
    *folders, name = _components(relative)
    held = _held.folders
    if held is not None:
        path = os.path.join(root, *folders)
        if path not in held:
            held[path] = _walk(root, folders)
        yield held[path], name
        return
    folder = _walk(root, folders)
    try:
        yield folder, name
    finally:
        os.close(folder)


def _walk(root: str, folders: Sequence[str]) -> int:
    """A descriptor of the folder, which is the caller's to close."""
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for component in folders:
        outer = folder
        try:
            folder = _open_folder(outer, component)
        finally:
            os.close(outer)
    return folder


def _components(relative: str) -> list[str]:
    components = relative.split("/")
    if "\0" in relative or not {"", ".", ".."}.isdisjoint(components):
        raise ValueError("not a path inside the share")
    return components


def _open_folder(parent: int, name: str) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENOTDIR} and stat.S_ISLNK(_status(parent, name).st_mode):
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
    """Content and digest; the size is judged again, since the file may have grown or shrunk since it was opened."""
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
