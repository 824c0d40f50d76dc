"""How a folder is watched: decided by the table of mounts (proc_pid_mountinfo(5)).

inotify reports what this machine's kernel does. Other machines write to a network share past this kernel, and inotify
reports none of it: such a folder is only scanned. A file system that is not known to be local counts as a network
share, because a scan finds every file everywhere, and a watch without events finds none.
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
"""Written through this machine's kernel alone, which therefore reports every change."""
_REMOTE: Final = frozenset(
    {
        "9p", "afs", "ceph", "cifs", "coda", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "smb3", "smbfs",
        "vboxsf", "virtiofs",
    }
)  # fmt: skip
"""Known to be written by other machines. A file system on neither list is scanned too, with another reason."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of the table."""

    mount_id: int
    parent_id: int
    point: str
    """Where it is mounted, absolute."""
    kind: str
    """Type of its file system, with its subtype: `fuse.sshfs`."""


@dataclass(frozen=True, slots=True)
class WatchMethod:
    """How a folder is watched."""

    by_events: bool
    """True: file events and scans; False: scans alone."""
    reason: str
    """Why, in words that hold no name of a file or folder."""

    def __str__(self) -> str:
        return f"{'events and scan' if self.by_events else 'scan'} ({self.reason})"


def read_mounts() -> tuple[Mount, ...]:
    """The table as it is now; empty if it cannot be read (not Linux)."""
    try:
        with open(MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            return parse_mounts(table.read())
    except OSError:
        return ()


def parse_mounts(table: str) -> tuple[Mount, ...]:
    """The mounts of a table, in its order; lines of an unknown format are left out."""
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
    """The mount on which an absolute path without links lies; None if it is not in the table.

    Found as the kernel finds it, from the root down: a mount can hide others, also deeper ones.
    """
    known = {mount.mount_id for mount in mounts}
    upon = {(mount.parent_id, mount.point): mount for mount in mounts if mount.parent_id != mount.mount_id}
    here = next((mount for mount in mounts if mount.parent_id not in known and mount.point == "/"), None)
    for point in _points(path):
        while here is not None and (mounted := upon.get((here.mount_id, point))) is not None:
            here = mounted
    return here


def _points(path: str) -> list[str]:
    """`/`, `/a`, `/a/b` of `/a/b`."""
    parts = [part for part in path.split("/") if part]
    return ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]


def mounts_below(folder: str, mounts: Sequence[Mount]) -> list[Mount]:
    """Mounts on sub-folders of an absolute path without links, except those that another mount hides."""
    below = {mount.point for mount in mounts if mount.point.startswith(folder.rstrip("/") + "/")}
    seen = [mount_of(point, mounts) for point in sorted(below)]
    return [mount for mount in seen if mount is not None and mount.point in below]


def watch_method_for(mount: Mount | None, wanted: Watch) -> WatchMethod:
    """How a folder on that mount is watched."""
    if wanted != "auto":
        return WatchMethod(wanted == "events", f"IMR_WATCH={wanted}")
    if mount is None:
        return WatchMethod(by_events=False, reason="its file system is not in the table of mounts")
    kind = _printable(mount.kind)
    if mount.kind in _LOCAL:
        return WatchMethod(by_events=True, reason=f"{kind} is local")
    if mount.kind in _REMOTE:
        return WatchMethod(by_events=False, reason=f"{kind} does not report what other machines write")
    return WatchMethod(by_events=False, reason=f"{kind} is not known to report every change")


def _printable(kind: str) -> str:
    return "".join(char for char in kind[:32] if char.isalnum() or char in "._-") or "it"


def watch_methods(inbox: str, mounts: Sequence[Mount], wanted: Watch) -> tuple[WatchMethod, dict[str, WatchMethod]]:
    """How an inbox is watched, and each of its sub-folders that is a mount of its own (absolute path -> method)."""
    real = os.path.realpath(inbox)
    inner = {mount.point: watch_method_for(mount, wanted) for mount in mounts_below(real, mounts)}
    return watch_method_for(mount_of(real, mounts), wanted), inner
