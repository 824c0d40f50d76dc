"""Walking through a tree of folders: in bounded memory whatever its shape, and never through a link.

Each folder is opened below the one before it (openat, O_NOFOLLOW), so that one that turns into a link in the meantime
leads nowhere. One folder a level is open at a time, and entries are read as they are asked for: a million files in one
folder, or a million folders, take no more memory than ten.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from typing import Final, NamedTuple

from worker.contract.filenames import MAX_DEPTH

_LISTED: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_below(top: str, folder: str, flags: int) -> int:
    """A descriptor of `folder` (relative to `top`, with `/`), no part of which is a link.

    Raises FileNotFoundError or NotADirectoryError if it is gone or is no folder by now, other OSErrors as they come.
    """
    opened = os.open(top, flags | os.O_DIRECTORY)
    for part in folder.split("/") if folder else ():
        outer = opened
        try:
            opened = os.open(part, flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
        finally:
            os.close(outer)
    return opened


class _Level:
    """One open folder."""

    def __init__(self, folder: int, prefix: str, depth: int) -> None:
        self.prefix = prefix
        self.depth = depth
        self._folder = folder
        try:
            self._entries = os.scandir(folder)
        except OSError:
            os.close(folder)
            raise

    def next(self) -> os.DirEntry[str] | None:
        """The next entry, None at the end. Raises OSError if the listing breaks off."""
        return next(self._entries, None)

    def inner(self, entry: os.DirEntry[str]) -> _Level:
        """That folder in this one. Raises OSError if it cannot be listed."""
        folder = os.open(entry.name, _LISTED | os.O_NOFOLLOW, dir_fd=self._folder)
        return _Level(folder, f"{self.prefix}{entry.name}/", self.depth + 1)

    def close(self) -> None:
        self._entries.close()
        os.close(self._folder)


class Met(NamedTuple):
    """A file or folder on the way."""

    path: str
    """Relative to the top of the walk."""
    entry: os.DirEntry[str]
    """May be asked for its looks until the next step of the walk."""
    is_folder: bool


class Walk:
    """One walk through `folder` of `top` and everything below; the figures grow while it is under way."""

    def __init__(self, top: str, folder: str = "", max_depth: int = MAX_DEPTH) -> None:
        self._top, self._folder, self._max_depth = top, folder, max_depth
        self.entries = 0
        """Files and folders met."""
        self.too_deep = 0
        """Folders that were not looked into because they lie too deep."""
        self.unreadable = 0
        """Sub-folders that could not be listed, or not to their end."""

    def steps(self) -> Generator[Met]:
        """Everything there, each folder before what lies in it. Close it to leave early.

        Raises OSError if `folder` itself cannot be listed; a sub-folder that cannot is counted and left out.
        """
        prefix = f"{self._folder}/" if self._folder else ""
        levels = [_Level(open_below(self._top, self._folder, _LISTED), prefix, prefix.count("/"))]
        try:
            while levels:
                entry = self._next(levels)
                if entry is None:
                    levels.pop().close()
                    continue
                met = Met(levels[-1].prefix + entry.name, entry, is_folder(entry))
                if met.is_folder:
                    self._enter(entry, levels)
                yield met
        finally:
            for level in levels:
                level.close()

    def _next(self, levels: list[_Level]) -> os.DirEntry[str] | None:
        try:
            entry = levels[-1].next()
        except OSError:
            if len(levels) == 1:
                raise
            self.unreadable += 1
            return None
        self.entries += entry is not None
        return entry

    def _enter(self, entry: os.DirEntry[str], levels: list[_Level]) -> None:
        if levels[-1].depth >= self._max_depth:
            self.too_deep += 1
            return
        try:
            levels.append(levels[-1].inner(entry))
        except FileNotFoundError:
            pass  # gone since it was listed
        except OSError:
            self.unreadable += 1


def walk(top: str, folder: str = "", max_depth: int = MAX_DEPTH) -> Iterator[tuple[str, str]]:
    """(path relative to `top`, name) of everything in `folder` of `top`, and below, that is no folder itself.

    Raises OSError if `folder` cannot be listed; what else cannot be listed is left out.
    """
    for met in Walk(top, folder, max_depth).steps():
        if not met.is_folder:
            yield met.path, met.entry.name


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, links not followed."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # a file system that does not tell kinds in listings, and does not let us look
        return False
