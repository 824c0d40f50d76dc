"""How a folder is watched: mount tables as machines have them, and what comes of each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.adapters.share.mounts import (
    Mount,
    WatchMethod,
    mount_of,
    mounts_below,
    parse_mounts,
    read_mounts,
    watch_method_for,
    watch_methods,
)

TABLE = r"""
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
40 27 0:50 / /srv/share rw,relatime shared:7 master:2 - cifs //server/letters rw,vers=3.1.1
41 40 8:1 / /srv/share/inbox/local rw - xfs /dev/sdb rw
42 27 0:51 / /srv/with\040space\011and\134more rw - nfs4 server:/export rw
43 27 0:52 / /mnt/sshfs rw - fuse.sshfs me@there:/ rw
44 27 8:2 / /srv/hidden/deep rw - ext4 /dev/sdc rw
45 27 0:53 / /srv/hidden rw - cifs //server/other rw
46 27 8:3 / /srv/twice rw - ext4 /dev/sdd rw
47 46 0:54 / /srv/twice rw - 9p host rw
a line of another form
48 27 no dash
49 x 0:54 / /nowhere rw - 9p host rw
"""
MOUNTS = parse_mounts(TABLE)


@pytest.mark.parametrize(
    ("path", "mount_id", "kind"),
    [
        ("/", 27, "ext4"),
        ("/srv", 27, "ext4"),
        ("/srv/share", 40, "cifs"),
        ("/srv/share-of-others/inbox", 27, "ext4"),
        ("/srv/share/inbox", 40, "cifs"),
        ("/srv/share/inbox/local", 41, "xfs"),
        ("/srv/share/inbox/local/2014/june", 41, "xfs"),
        ("/srv/with space\tand\\more/inbox", 42, "nfs4"),
        ("/mnt/sshfs/inbox", 43, "fuse.sshfs"),
        ("/srv/hidden/deep/inbox", 45, "cifs"),
        ("/srv/twice/inbox", 47, "9p"),
    ],
)
def test_a_path_lies_on_the_mount_that_can_be_seen_there(path: str, mount_id: int, kind: str) -> None:
    found = mount_of(path, MOUNTS)
    assert found is not None
    assert (found.mount_id, found.kind) == (mount_id, kind)


def test_lines_of_another_form_are_left_out() -> None:
    assert [mount.mount_id for mount in MOUNTS] == [22, 27, 40, 41, 42, 43, 44, 45, 46, 47]


@pytest.mark.parametrize("table", ["", "garbage", "1 1 0:1 / / rw - rootfs rootfs rw"])
def test_an_odd_table_has_an_answer_too(table: str) -> None:
    """The last has a root that is mounted upon itself."""
    assert mount_of("/srv", parse_mounts(table)) is None


@pytest.mark.parametrize(
    ("folder", "below"),
    [("/srv/share/inbox", [41]), ("/srv/share", [41]), ("/srv/hidden", []), ("/srv/twice", []), ("/tmp", [])],
)
def test_mounts_on_sub_folders_are_found_unless_hidden(folder: str, below: list[int]) -> None:
    assert [mount.mount_id for mount in mounts_below(folder, MOUNTS)] == below


LOCAL = ["ext4", "ext3", "xfs", "btrfs", "zfs", "tmpfs", "overlay", "f2fs", "vfat", "exfat", "ntfs3", "fuseblk"]
REMOTE = ["cifs", "smb3", "smbfs", "nfs", "nfs4", "9p", "vboxsf", "virtiofs", "afs", "ceph", "glusterfs"]
UNKNOWN = ["fuse.sshfs", "fuse.s3fs", "fuse", "fuse.glusterfs", "davfs", "newfs", "", "gfs2", "ocfs2"]


@pytest.mark.parametrize(
    ("kind", "by_events"), [*((kind, True) for kind in LOCAL), *((kind, False) for kind in REMOTE + UNKNOWN)]
)
def test_events_are_trusted_on_file_systems_that_are_known_to_be_local(kind: str, by_events: bool) -> None:
    way = watch_method_for(Mount(1, 0, "/srv", kind), "auto")
    assert way.by_events is by_events
    assert way.reason


def test_a_file_system_that_is_unknown_is_scanned() -> None:
    assert not watch_method_for(None, "auto").by_events


@pytest.mark.parametrize("mount", [None, Mount(1, 0, "/srv", "cifs"), Mount(1, 0, "/srv", "ext4")])
def test_the_setting_has_the_last_word(mount: Mount | None) -> None:
    assert watch_method_for(mount, "events") == WatchMethod(by_events=True, reason="IMR_WATCH=events")
    assert watch_method_for(mount, "scan") == WatchMethod(by_events=False, reason="IMR_WATCH=scan")


def test_a_type_cannot_forge_a_line_of_a_log() -> None:
    assert "\n" not in str(watch_method_for(Mount(1, 0, "/srv", "ne\nwfs\x1b[31m" + "x" * 100), "auto"))


def test_each_mount_of_an_inbox_has_its_own_way() -> None:
    way, inner = watch_methods("/srv/share/inbox", MOUNTS, "auto")
    assert not way.by_events
    assert {folder: its.by_events for folder, its in inner.items()} == {"/srv/share/inbox/local": True}


@pytest.mark.skipif(not os.path.exists("/proc/self/mountinfo"), reason="needs Linux' /proc")
def test_this_machine_has_a_table_that_knows_its_temporary_folder(tmp_path: Path) -> None:
    found = mount_of(os.path.realpath(tmp_path), read_mounts())
    assert found is not None
    assert found.kind
