"""Looking into the inbox: every file there, found without any event.

The folder is the truth and events are hints, so start-up, a lost event and a share that announces nothing are all the
same case: the next scan. It follows no links and is bounded in depth, so that a loop of links or a runaway tree costs
a bounded walk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from producer.settling import Sample
from worker.contract.junk import is_junk

MAX_DEPTH: Final = 64
"""Sub-folders deeper than this are not looked into; people's folders have three or four levels."""


def scan(inbox: str) -> Iterator[tuple[str, Sample | None]]:
    """(path relative to the inbox, its sample) of every entry that is no folder; None in place of junk's sample.

    Raises OSError if the inbox itself cannot be listed; a sub-folder that cannot is left for the next scan.
    """
    for path, name in walk(inbox):
        if is_junk(name):
            yield path, None
        elif (sample := sample_of(os.path.join(inbox, path))) is not None:
            yield path, sample


def walk(top: str, max_depth: int = MAX_DEPTH) -> Iterator[tuple[str, str]]:
    """(path relative to `top`, name) of everything below that is no folder. Raises OSError if `top` has no listing."""
    waiting = [("", 0)]
    while waiting:
        folder, depth = waiting.pop()
        try:
            entries = os.scandir(os.path.join(top, folder))
        except OSError:
            if depth == 0:
                raise
            continue
        with entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if not entry.is_dir(follow_symlinks=False):
                    yield path, entry.name
                elif depth < max_depth:
                    waiting.append((path, depth + 1))


def sample_of(path: str) -> Sample | None:
    """How the file looks now, links not followed; None if it is gone or cannot be looked at, for now."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return Sample(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, found.st_nlink)
