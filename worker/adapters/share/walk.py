"""The directory walker: every file below a folder, in bounded memory whatever the shape, and never through a link.

Each folder is opened relative to the one that holds it (openat, O_NOFOLLOW), so that a folder that is swapped for a
link during the walk leads nowhere. One folder a level is open at a time, and entries are read as they are asked for: a
million files in one folder, or a million folders, take no more memory than ten.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import Final, Literal, NamedTuple, TypeAlias

from worker.contract.filenames import MAX_DEPTH

OnUnreadable: TypeAlias = Literal["raise", "count"]
"""What a walk does about a sub-folder that cannot be listed: raise the OSError, or count it and go on without it."""

_LISTED: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def open_folder_in(outer: int, name: str, flags: int) -> int:
    """A descriptor of the folder `name` in the open folder `outer`. Raises OSError, NotADirectoryError for a link."""
    return os.open(name, flags | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)


def open_below(top: str, folder: str, flags: int, open_inner: Callable[[int, str, int], int] = open_folder_in) -> int:
    """A descriptor of `folder` (relative to `top`, with `/`; `""` for `top` itself), no part of which is a link.

    `top` itself may be a link. `open_inner` opens each folder in the one before it, for callers with errors of their
    own. Raises FileNotFoundError or NotADirectoryError if `folder` is gone or is no folder any more, other OSErrors
    unchanged.
    """
    opened = os.open(top, flags | os.O_DIRECTORY)
    for name in folder.split("/") if folder else ():
        outer = opened
        try:
            opened = open_inner(outer, name, flags)
        finally:
            os.close(outer)
    return opened


class _Level:
    """One open folder; `folder` is its path, relative to the top of the walk."""

    def __init__(self, descriptor: int, folder: str) -> None:
        self.folder = folder
        self.prefix = f"{folder}/" if folder else ""
        self._descriptor = descriptor
        try:
            self.entries = os.scandir(descriptor)
        except OSError:
            os.close(descriptor)
            raise

    @property
    def depth(self) -> int:
        """How many folders above it, down from the top of the walk."""
        return self.prefix.count("/")

    def inner(self, entry: os.DirEntry[str]) -> _Level:
        """The folder `entry` of this folder. Raises OSError if it cannot be listed."""
        return _Level(open_folder_in(self._descriptor, entry.name, _LISTED), self.prefix + entry.name)

    def close(self) -> None:
        self.entries.close()
        os.close(self._descriptor)


class Met(NamedTuple):
    """A file or folder on the way."""

    path: str
    """Relative to the top of the walk."""
    entry: os.DirEntry[str]
    """Can be asked for its `stat` until the next step of the walk."""
    is_folder: bool


class Walk:
    """One walk through `folder` of `top` and everything below; the figures grow while it is under way."""

    def __init__(
        self, top: str, folder: str = "", max_depth: int = MAX_DEPTH, on_unreadable: OnUnreadable = "count"
    ) -> None:
        self._top, self._folder, self._max_depth = top, folder, max_depth
        self._raises = on_unreadable == "raise"
        self.entries = 0
        """Files and folders met."""
        self.too_deep = 0
        """Folders that were not listed because they lie too deep."""
        self.unreadable = 0
        """Sub-folders that could not be listed, or not to their end."""

    def steps(self) -> Generator[Met]:
        """Everything there, each folder before what lies in it. Close it to leave early.

        Raises OSError if `folder` itself cannot be listed. A sub-folder that cannot be listed is counted and left out,
        or raises too, as `on_unreadable` says; one that was removed or replaced during the walk never raises.
        """
        with closing(self._entries()) as entries:
            for level, entry, is_a_folder in entries:
                yield Met(level.prefix + entry.name, entry, is_a_folder)

    def files(self) -> Generator[tuple[str, str]]:
        """(folder relative to the top of the walk, name) of everything that is no folder. Raises as `steps`."""
        with closing(self._entries()) as entries:
            for level, entry, is_a_folder in entries:
                if not is_a_folder:
                    yield level.folder, entry.name

    def _entries(self) -> Generator[tuple[_Level, os.DirEntry[str], bool]]:
        levels = [_Level(open_below(self._top, self._folder, _LISTED), self._folder)]
        try:
            while levels:
                yield from self._list(levels)
        finally:
            for level in levels:
                level.close()

    def _list(self, levels: list[_Level]) -> Iterator[tuple[_Level, os.DirEntry[str], bool]]:
        """Entries of the innermost open folder, up to the first folder that is opened in it, or to the end."""
        level = levels[-1]
        try:
            for entry in level.entries:
                self.entries += 1
                is_inner = self._is_folder(entry)
                if is_inner:
                    self._enter(entry, levels)
                yield level, entry, is_inner
                if levels[-1] is not level:
                    return
        except OSError:
            if self._raises or len(levels) == 1:
                raise
            self.unreadable += 1
        levels.pop().close()

    def _is_folder(self, entry: os.DirEntry[str]) -> bool:
        return entry.is_dir(follow_symlinks=False) if self._raises else is_folder(entry)

    def _enter(self, entry: os.DirEntry[str], levels: list[_Level]) -> None:
        if levels[-1].depth >= self._max_depth:
            self.too_deep += 1
            return
        try:
            levels.append(levels[-1].inner(entry))
        except FileNotFoundError:
            pass  # removed since it was listed
        except NotADirectoryError:
            self.unreadable += 1  # replaced by a file or a link since it was listed
        except OSError:
            if self._raises:
                raise
            self.unreadable += 1


def files_below(top: str) -> Iterator[tuple[str, str]]:
    """(folder relative to `top`, name) of everything below that is no folder.

    Raises OSError if `top`, or any folder below it, cannot be listed: a file that is not yielded is not there.
    """
    return Walk(top, on_unreadable="raise").files()


def readable_files_below(top: str) -> Iterator[tuple[str, str]]:
    """The same, sub-folders that cannot be listed left out. Raises OSError if `top` itself cannot be listed."""
    return Walk(top, on_unreadable="count").files()


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder, links not followed; False if the file system does not say."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # the listing names no kinds, and the entry cannot be looked at
        return False
