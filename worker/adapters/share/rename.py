"""rename(2) that never replaces a file: `os` has no call for it."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

_RENAME_NOREPLACE = 1
"""linux/fs.h"""
_AT_FDCWD = -100
"""linux/fcntl.h: paths are relative to the working directory."""
_NOT_SUPPORTED: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
"""How a kernel or a file system refuses the flag: NFS, for example."""


def _load_renameat2() -> ctypes._NamedFuncPointer | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is not None:
        function.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint]
    return function


_renameat2: Final = _load_renameat2()


def rename_no_replace(old: str, new: str) -> None:
    """Rename, or raise FileExistsError if anything has the name `new`. Raises OSError as `os.rename`.

    Where kernel or file system cannot do it in one step, it looks first: a file that appears in between is replaced.
    """
    if _renameat2 is not None:
        if _renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), _RENAME_NOREPLACE) == 0:
            return
        code = ctypes.get_errno()
        if code not in _NOT_SUPPORTED:
            raise OSError(code, os.strerror(code))
    _look_and_rename(old, new)


def _look_and_rename(old: str, new: str) -> None:
    if not os.path.lexists(old):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    if os.path.lexists(new):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    os.rename(old, new)
