"""How a folder is best watched: decided from the table of mounts (proc_pid_mountinfo(5)).

inotify tells of what this machine's kernel does. On a network share other machines write past it, and nothing is told:
such a folder is scanned alone. A file system that is not known to be local is taken for one of those, because a scan
finds every file everywhere and a silent watch finds none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from worker.contract.settings import Watch

MOUNT_TABLE: Final = "/proc/self/mountinfo"

_LOCAL: Final = frozenset(
    {
        "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus", "jfs", "msdos",
        "nilfs2", "ntfs3", "overlay", "ramfs", "reiserfs", "rootfs", "tmpfs", "udf", "vfat", "xfs", "zfs",
    }
)  # fmt: skip
"""Written through this machine's kernel alone, which therefore tells of every change."""
_REMOTE: Final = frozenset(
    {
        "9p", "afs", "ceph", "cifs", "coda", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
        "vboxsf", "virtiofs",
    }
)  # fmt: skip
"""Known to be written by other machines; what stands on neither list is scanned as well, for another reason."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table."""

    mount_id: int
    parent_id: int
    point: str
    """Where it is mounted, absolute."""
    kind: str
    """Type of its file system, with its sub-type: `fuse.sshfs`."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a folder is watched."""

    by_events: bool
    """Events and scan, or scan alone."""
    reason: str
    """Why, in words that hold no name of a file or folder."""

    def __str__(self) -> str:
        return f"{'events and scan' if self.by_events else 'scan'} ({self.reason})"


def read_mounts() -> tuple[Mount, ...]:
    """The table as it is now; empty where there is none to read."""
    try:
        with open(MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            return parse_mounts(table.read())
    except OSError:
        return ()


def parse_mounts(table: str) -> tuple[Mount, ...]:
    """The mounts of a table, in its order; lines of an unknown form are left out."""
    return tuple(mount for line in table.splitlines() if (mount := _parse_line(line)) is not None)


def _parse_line(line: str) -> Mount | None:
    # 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
    # The fields between the options and the dash are optional.
    before, dash, after = line.partition(" - ")
    fields, kind = before.split(" "), after.split(" ")[0]
    if not dash or len(fields) < 6 or not (fields[0].isdigit() and fields[1].isdigit()):
        return None
    return Mount(int(fields[0]), int(fields[1]), _unescaped(fields[4]), kind)


def _unescaped(path: str) -> str:
    r"""Spaces, tabs, newlines and backslashes stand as `\040` and so on."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path)


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """The mount that an absolute path without links lies on; None if the table does not say.

    Found the way the kernel finds it, from the root down: a mount can hide others, also deeper ones.
    """
    known = {mount.mount_id for mount in mounts}
    upon = {(mount.parent_id, mount.point): mount for mount in mounts if mount.parent_id != mount.mount_id}
    here = next((mount for mount in mounts if mount.parent_id not in known and mount.point == "/"), None)
    for point in _points(path):
        while here is not None and (next_one := upon.get((here.mount_id, point))) is not None:
            here = next_one
    return here


def _points(path: str) -> list[str]:
    """`/`, `/a`, `/a/b` of `/a/b`."""
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]


def mounts_below(folder: str, mounts: Sequence[Mount]) -> list[Mount]:
    """Mounts on sub-folders of an absolute path without links, as far as they can be seen from there."""
    below = {mount.point for mount in mounts if mount.point.startswith(folder.rstrip("/") + "/")}
    seen = [mount_of(point, mounts) for point in sorted(below)]
    return [mount for mount in seen if mount is not None and mount.point in below]


def way_for(mount: Mount | None, wanted: Watch) -> Way:
    """How a folder on that mount is watched."""
    if wanted != "auto":
        return Way(wanted == "events", f"IMR_WATCH={wanted}")
    if mount is None:
        return Way(by_events=False, reason="its file system is not in the table of mounts")
    kind = _printable(mount.kind)
    if mount.kind in _LOCAL:
        return Way(by_events=True, reason=f"{kind} is local")
    if mount.kind in _REMOTE:
        return Way(by_events=False, reason=f"{kind} does not tell what other machines write")
    return Way(by_events=False, reason=f"{kind} is not known to tell of every change")


def _printable(kind: str) -> str:
    return "".join(char for char in kind[:32] if char.isalnum() or char in "._-") or "it"


def ways_of(inbox: str, mounts: Sequence[Mount], wanted: Watch) -> tuple[Way, dict[str, Way]]:
    """How an inbox is watched, and each of its sub-folders that is a mount of its own (absolute path -> way)."""
    real = os.path.realpath(inbox)
    inner = {mount.point: way_for(mount, wanted) for mount in mounts_below(real, mounts)}
    return way_for(mount_of(real, mounts), wanted), inner
