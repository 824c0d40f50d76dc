"""Looking into the inbox: every file there, found without any event.

The folder is the truth and events are hints, so start-up, a lost event and a share that announces nothing are all the
same case: the next scan. It follows no links and is bounded in depth, so that a loop of links or a runaway tree costs
a bounded walk. Hidden folders and those with a temporary name are as little the users' letters as files of such names:
trash, snapshots, folders that are still being uploaded.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from producer.settling import Sample
from worker.contract.junk import MAX_DEPTH, may_be_letter


def scan(inbox: str, folder: str = "") -> Iterator[tuple[str, Sample | None]]:
    """(path relative to the inbox, its sample) of everything in `folder` that is no folder; None as junk's sample.

    Raises OSError if the folder itself cannot be listed; a sub-folder that cannot is left for the next scan.
    """
    for path, _ in walk(inbox, folder):
        if not may_be_letter(path):
            yield path, None
        elif (sample := sample_of(os.path.join(inbox, path))) is not None:
            yield path, sample


def walk(top: str, folder: str = "", max_depth: int = MAX_DEPTH) -> Iterator[tuple[str, str]]:
    """(path relative to `top`, name) of everything in `folder` of `top`, and below, that is no folder itself.

    Raises OSError if `folder` has no listing; what else cannot be listed is left out.
    """
    waiting = [folder]
    while waiting:
        inner = waiting.pop()
        try:
            with os.scandir(os.path.join(top, inner)) as entries:
                for entry in entries:
                    path = f"{inner}/{entry.name}" if inner else entry.name
                    if not _is_folder(entry):
                        yield path, entry.name
                    elif path.count("/") < max_depth:
                        waiting.append(path)
        except OSError:
            if inner == folder:
                raise


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # a file system that does not tell kinds in listings, and does not let us look
        return False


def sample_of(path: str) -> Sample | None:
    """How the file looks now, links not followed; None for a folder, or if it is gone or cannot be looked at now."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return Sample(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_nlink)
