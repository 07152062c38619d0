"""What the checks of file systems conclude: a recorded host, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.disks import MOUNTINFO, Case, Files, ago, mount, mounts, room, silent, told

DATA = mounts(mount("/data"))
USER: Files = {"/proc/self/status": "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n"}
SNAPS = mounts(
    mount("/snap/core/1", "squashfs", "/dev/loop0", options="ro,nodev", inner="ro", device="7:0", id=41),
    mount("/media/cd", "iso9660", "/dev/sr0", inner="ro", device="11:0", id=42),
    mount("/mnt/erofs", "erofs", "/dev/loop1", inner="ro", device="7:1", id=43),
)
FULL_IMAGES = {**room("/snap/core/1", 0.1, 0), **room("/media/cd", 4, 0), **room("/mnt/erofs", 1, 0)}
MERGED = "/var/lib/docker/overlay2/a/merged"
LAYERS = "rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w"

SPACE = {
    "enough": Case("passed", ""),
    "little": Case(
        "warned",
        "/: space left 4.9 %, warning below 5 % (limit at least 3 %)",
        room("/", 40, 4.9),
        first="1.96 GiB of 40 GiB left on /dev/vda1 (ext4)",
    ),
    "very little": Case("failed", "/: space left 2.9 %, limit at least 3 %", room("/", 40, 2.9)),
    "just enough": Case("passed", "", room("/", 40, 5)),
    "what root keeps is not left": Case("failed", "/: space left 0 %, limit at least 3 %", room("/", 40, 0, kept=5)),
    "little of an array is plenty": Case("passed", "", {**DATA, **room("/data", 10_000, 0.5)}),
    "little of an array, and fewer than 20 GiB": Case(
        "failed", "/data: space left 0.19 %, limit at least 3 %", {**DATA, **room("/data", 10_000, 0.19)}
    ),
    "images are full by nature": Case("passed", "", {**SNAPS, **FULL_IMAGES}),
    "what is mounted read-only does not fill": Case(
        "passed", "", {**mounts(mount("/data", options="ro")), **room("/data", 40, 1)}
    ),
    "what an error turned read-only is told elsewhere": Case(
        "passed", "", {**mounts(mount("/data", inner="ro")), **room("/data", 40, 1)}
    ),
    "tmpfs fills": Case(
        "failed",
        "/tmp: space left 1 %, limit at least 3 %",
        {**mounts(mount("/tmp", "tmpfs", "tmpfs", device="0:40")), **room("/tmp", 2, 1)},
    ),
    "the kernel's own are no disks, and autofs is not asked": Case(
        "passed",
        "",
        mounts(
            mount("/proc", "proc", "proc", device="0:21", id=41),
            mount("/sys/fs/cgroup", "cgroup2", "cgroup2", device="0:23", id=42),
            mount("/misc", "autofs", "auto.misc", device="0:50", id=43),
            mount("/run/credentials/a.service", "ramfs", "none", device="0:51", id=44),
            mount("/run/docker/netns/default", "nsfs", "nsfs", device="0:4", id=45, root="net:[4026531840]"),
        ),
    ),
    "bind mounts are one": Case(
        "failed",
        "/data: space left 1 %, limit at least 3 %",
        {
            **mounts(mount("/srv/a", root="/a", id=41), mount("/data", id=42), mount("/data/ro", options="ro", id=43)),
            **room("/data", 40, 1),
        },
    ),
    "overlays are what they lie on": Case(
        "failed",
        "/: space left 1 %, limit at least 3 %",
        {
            **mounts(mount(MERGED, "overlay", "overlay", inner=LAYERS, device="0:60")),
            **room("/", 40, 1),
            **room(MERGED, 40, 1),
        },
    ),
    "a container's root is told, not its /etc/hosts": Case(
        "failed",
        "/: space left 1 %, limit at least 3 %",
        {
            MOUNTINFO: f"500 400 0:60 / / rw - overlay overlay {LAYERS}\n"
            + mount("/etc/hosts", root="/var/lib/docker/hosts", device="254:1", parent=500),
            **room("/", 40, 1),
            **room("/etc/hosts", 40, 1),
        },
    ),
    "two file systems of the same size are two": Case(
        "failed",
        "/: space left 1 %, limit at least 3 %; /data: space left 1 %, limit at least 3 %",
        {**DATA, **room("/", 40, 1), **room("/data", 40, 1)},
    ),
    "what lies under a later mount cannot be reached": Case(
        "passed",
        "",
        {
            **mounts(
                mount("/data", device="254:33", id=41),
                mount("/data/x", device="254:34", id=42, parent=41),
                mount("/data", id=43, parent=41),
            ),
            **room("/data", 40, 50),
        },
    ),
    "a path with a blank": Case(
        "failed",
        "/my data: space left 1 %, limit at least 3 %",
        {**mounts(mount("/my\\040data")), **room("/my data", 40, 1)},
    ),
    "of its own: a share, however much it is": Case(
        "warned",
        "/data: space left 20 %, warning below 30 % (limit at least 10 %)",
        {**DATA, **room("/data", 1000, 20)},
        policy={"mounts": {"/data": {"space": {"warn_below": "30 %", "fail_below": "10 %"}}}},
    ),
    "of its own: bytes": Case(
        "failed",
        "/data: space left 200 GiB, limit at least 500 GiB",
        {**DATA, **room("/data", 1000, 20)},
        policy={"mounts": {"/data": {"space_bytes": {"fail_below": "500 GiB"}}}},
    ),
    "of its own, instead of the general one": Case(
        "passed",
        "",
        {**DATA, **room("/data", 10, 2)},
        policy={"mounts": {"/data": {"space": {"fail_below": "1 %"}}}},
    ),
    "of its own: of a bind mount, beside what it is bound from": Case(
        "failed",
        "/data: space left 2 %, limit at least 3 %; /srv/a: space left 2 %, limit at least 10 %",
        {
            **mounts(mount("/data", id=41), mount("/srv/a", root="/a", id=42)),
            **room("/data", 40, 2),
            **room("/srv/a", 40, 2),
        },
        policy={"mounts": {"/srv/a/": {"space": {"fail_below": "10 %"}}, "/data": {}}},
    ),
    "no answer: told elsewhere": Case("passed", "", {**DATA, **silent("/data")}),
    "not for this user's eyes": Case(
        "error", "the recorded tree does not tell what statvfs says of /data", {**DATA, **USER}
    ),
    "no table of mounts": Case("error", f"file_systems: no {MOUNTINFO}", {MOUNTINFO: None}),
    "strict": Case("failed", "/: space left 4.9 %, limit at least 5 %", room("/", 40, 4.9), extends="strict"),
}

INODES = {
    "enough": Case("passed", ""),
    "few": Case(
        "warned",
        "/: inodes left 4 %, warning below 5 % (limit at least 3 %)",
        room("/", 40, 50, inodes=1_000_000, inodes_percent=4),
        first="40000 of 1000000 inodes left on /dev/vda1 (ext4)",
    ),
    "very few": Case("failed", "/: inodes left 1 %, limit at least 3 %", room("/", 40, 50, inodes_percent=1)),
    "few, but many": Case("passed", "", room("/", 40, 50, inodes=60_000_000, inodes_percent=1)),
    "made as they are wanted": Case(
        "skipped", "no file system here has a fixed number of inodes", room("/", 40, 50, inodes=0)
    ),
}

HOUR = 3600
WAS = "available / 254:1"


def filling(outcome: str, message: str, gone: float, hours: float = 10, total: str = WAS, first: str = "") -> Case:
    """10 % are left, and an earlier run found so many GiB more."""
    before = ago(hours * HOUR, **{total: int((4 + gone) * 2**30)})
    return Case(outcome, message, room("/", 40, 10), previous=before, first=first)


FULL_SOON = {
    "no earlier run": Case("skipped", "there was no earlier run of this boot to compare with"),
    "minutes ago": filling("skipped", "the earlier run was only 10 min ago", 1, 1 / 6),
    "it empties": filling("passed", "", -1),
    "it stands still": filling("passed", "", 0),
    "slowly": filling("passed", "", 1),
    "within a day": filling(
        "warned",
        "/: time until it is full 20 h, warning below 1 d (limit at least 4 h)",
        2,
        first="2 GiB went within 10 h; 4 GiB of 40 GiB left on /dev/vda1 (ext4)",
    ),
    "within hours": filling("failed", "/: time until it is full 3.33 h, limit at least 4 h", 12),
    "another file system was there": filling("passed", "", 12, total="available / 254:9"),
    "more than 40 % left": Case("passed", "", room("/", 40, 41), previous=ago(HOUR, **{WAS: 40 * 2**30})),
    "full already: told elsewhere": Case("passed", "", room("/", 40, 0), previous=ago(HOUR, **{WAS: 40 * 2**30})),
}

NFS_A = mount("/mnt/a", "nfs4", "files:/a", inner="rw,hard,addr=192.0.2.9", device="0:71", id=41)
NFS_B = mount("/mnt/b", "nfs4", "files:/b", inner="rw,hard,addr=192.0.2.9", device="0:72", id=42)
ANSWERS = {
    "all": Case("passed", ""),
    "one does not": Case(
        "failed",
        "/data (ext4 of /dev/vdb1): no answer within 5 s: state D, in rpc_wait_bit_killable",
        {**DATA, **silent("/data")},
    ),
    "none of a server that is dead is asked after the first": Case(
        "failed",
        "2 mounts do not answer: /mnt/a, /mnt/b",
        {**mounts(NFS_A, NFS_B), **silent("/mnt/a"), **room("/mnt/b", 40, 50)},
        first="/mnt/a (nfs4 of files:/a): no answer within 5 s",
    ),
    "no size": Case("passed", "", {**mounts(mount("/x", "fuse.lxcfs", "lxcfs", device="0:80")), **room("/x", 0, 0)}),
    "not for this user's eyes: told elsewhere": Case("passed", "", {**DATA, **USER}),
}


@pytest.mark.parametrize("name", SPACE)
def test_space(name: str, tmp_path: Path) -> None:
    told(SPACE[name], "test_space_is_left", tmp_path)


@pytest.mark.parametrize("name", INODES)
def test_inodes(name: str, tmp_path: Path) -> None:
    told(INODES[name], "test_inodes_are_left", tmp_path)


@pytest.mark.parametrize("name", FULL_SOON)
def test_full_soon(name: str, tmp_path: Path) -> None:
    told(FULL_SOON[name], "test_no_file_system_is_full_soon", tmp_path)


@pytest.mark.parametrize("name", ANSWERS)
def test_who_answers(name: str, tmp_path: Path) -> None:
    told(ANSWERS[name], "test_every_mount_answers", tmp_path)
