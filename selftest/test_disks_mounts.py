"""What the checks of mounts conclude: read-only ones, deleted files that are held open, what a policy expects."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.disks import MOUNTINFO, Case, Files, connected, deleted, mount, mounts, room, told

USER: Files = {"/proc/self/status": "Name:\tx\nUid:\t1000\t1000\t1000\t1000\n"}
DATA = mounts(mount("/data"))
SNAPS = mounts(
    mount("/snap/core/1", "squashfs", "/dev/loop0", options="ro,nodev", inner="ro", device="7:0", id=41),
    mount("/media/cd", "iso9660", "/dev/sr0", inner="ro", device="11:0", id=42),
    mount("/mnt/erofs", "erofs", "/dev/loop1", inner="ro", device="7:1", id=43),
)

FSTAB = "# static\nUUID=1 / ext4 errors=remount-ro 0 1\n/dev/vdb1 /data ext4 defaults,noatime 0 2\nproc\n"
WRITABLE = {
    "no fstab": Case("passed", ""),
    "as in fstab": Case("passed", "", {**DATA, "/etc/fstab": FSTAB}),
    "read-only against fstab": Case(
        "failed",
        "/data is read-only: /etc/fstab has it as defaults,noatime",
        {**mounts(mount("/data", options="ro", inner="ro")), "/etc/fstab": FSTAB},
        first="/dev/vdb1 (ext4)",
    ),
    "read-only as in fstab": Case(
        "passed", "", {**mounts(mount("/data", options="ro")), "/etc/fstab": "/dev/vdb1 /data ext4 ro,nofail 0 2\n"}
    ),
    "an image's fstab speaks of another file system": Case(
        "passed", "", {MOUNTINFO: "500 400 0:60 / / ro - overlay overlay ro,lowerdir=/l\n", "/etc/fstab": FSTAB}
    ),
    "by an error": Case(
        "failed",
        "/data is read-only: turned read-only by an error (mounted rw, and its file system is ro)",
        {**mounts(mount("/data", inner="ro,errors=remount-ro")), "/etc/fstab": FSTAB},
    ),
    "by an error, since Linux 6.15": Case(
        "failed",
        "/data is read-only: turned read-only by an error (emergency_ro)",
        mounts(mount("/data", inner="rw,errors=remount-ro,emergency_ro")),
    ),
    "images": Case("passed", "", SNAPS),
    "a read-only bind mount": Case("passed", "", mounts(mount("/data"), mount("/jail", options="ro", id=41))),
    "an overlay without an upper layer": Case(
        "passed", "", mounts(mount("/o", "overlay", "overlay", inner="ro,lowerdir=/l", device="0:60"))
    ),
}

BIG = deleted(100, "/var/log/app.log", 5000)
AMONG = {**connected(100, 2000), **deleted(100, "/var/log/app.log", 5000, descriptor=1001)}
DELETED = {
    "none": Case("passed", ""),
    "much": Case(
        "warned",
        "/: in deleted files 4.88 GiB, warning above 1 GiB",
        BIG,
        first="4.88 GiB in /var/log/app.log, held by java[100]",
    ),
    "held twice counts once": Case(
        "warned", "/: in deleted files 4.88 GiB, warning above 1 GiB", {**BIG, **deleted(101, "/var/log/app.log", 5000)}
    ),
    "less than a tenth": Case("passed", "", deleted(100, "/var/log/app.log", 4000)),
    "a tenth, and less than 1 GiB": Case("passed", "", {**room("/", 5, 50), **deleted(100, "/x", 1000)}),
    "it has another name": Case("passed", "", deleted(100, "/var/log/app.log", 5000, nlink=1)),
    "memory with a name": Case("passed", "", deleted(100, "/memfd:x", 5000, device="0 1")),
    "on no mount that is seen": Case("passed", "", deleted(100, "/SYSV00000000", 5000, device="0 1")),
    "on a subvolume, whose device is another": Case(
        "warned",
        "/data: in deleted files 4.88 GiB, warning above 1 GiB",
        {
            **mounts(mount("/data", "btrfs", "/dev/vdb", device="0:33")),
            **room("/data", 40, 50, inodes=0),
            **deleted(100, "/data/log", 5000, device="0 44"),
        },
    ),
    "strict": Case("failed", "/: in deleted files 4.88 GiB, limit 1 GiB", BIG, extends="strict"),
    "among very many sockets, and there is room": Case("passed", "", AMONG),
    "among very many sockets, and little room": Case(
        "warned", "/: in deleted files 4.88 GiB, warning above 1 GiB", {**AMONG, **room("/", 40, 15)}
    ),
    "an image is full by nature": Case(
        "passed", "", {**AMONG, **mounts(mount("/cd", "iso9660", "/dev/sr0", device="11:0")), **room("/cd", 4, 0)}
    ),
    "among very many sockets, which are all to be read": Case(
        "warned",
        "/: in deleted files 4.88 GiB, warning above 1 GiB",
        AMONG,
        policy={"deleted_whole": "0 %"},
    ),
    "what is not read may be limited": Case(
        "warned",
        "descriptors taken for sockets, and not read 1634, warning above 0",
        AMONG,
        policy={"deleted_unread": {"warn_above": 0}},
        first="disks.deleted_whole: 0 % has them all read",
    ),
    "among many sockets, which are all read": Case(
        "warned",
        "/: in deleted files 4.88 GiB, warning above 1 GiB",
        {**connected(100, 1024), **deleted(100, "/var/log/app.log", 5000, descriptor=1001)},
    ),
    "beside what is read of very many": Case(
        "warned",
        "/: in deleted files 4.88 GiB, warning above 1 GiB",
        {**AMONG, "/proc/100/fd/1008": "link:/dev/null"},
    ),
}


def pool(said: str) -> Files:
    line = f"vg-pool-tpool: 0 2097152 thin-pool {said}\n"
    return {
        "/sys/block/dm-4/dm/uuid": "LVM-abc-tpool\n",
        "/commands/%2Fsbin%2Fdmsetup status --target thin-pool": line,
    }


THIN = {
    "none": Case("skipped", "there is no thin pool here", {"/sys/block/dm-4/dm/uuid": "LVM-abc\n"}),
    "room enough": Case("passed", "", pool("1 26/1024 11/8192 - rw discard_passdown queue_if_no_space - 1024")),
    "little": Case(
        "warned",
        "vg-pool-tpool: data used 85 %, warning above 80 % (limit 90 %)",
        pool("1 26/1024 850/1000 - rw discard_passdown queue_if_no_space - 1024"),
    ),
    "no metadata": Case(
        "failed",
        "vg-pool-tpool: metadata used 95 %, limit 90 %",
        pool("1 95/100 11/8192 - rw discard_passdown queue_if_no_space - 1024"),
    ),
    "full": Case("failed", "vg-pool-tpool: data used 100 %, limit 90 %", pool("1 1/9 9/9 - out_of_data_space - - 1")),
    "read-only": Case("failed", "vg-pool-tpool is ro", pool("1 1/9 1/9 - ro - - 1")),
    "failed": Case("failed", "vg-pool-tpool is Fail", pool("Fail")),
    "for root's eyes": Case("error", "thin: thin pools: needs root", {**pool("Fail"), **USER}),
}

WANTED = {"source": "UUID=77", "type": "ext4", "options": ["rw", "nodev"], "without": ["discard"]}
LINKS: Files = {"/dev/disk/by-uuid/77": "link:../../vdb1", "/dev/vdb1": ""}
RIGHT = mounts(mount("/data", options="rw,nodev"))
EXPECTED = {
    "as expected": Case("passed", "", {**RIGHT, **LINKS}),
    "not mounted": Case("failed", "/data is not mounted", LINKS),
    "by a link of the device mapper": Case(
        "passed",
        "",
        {
            **mounts(mount("/data", source="/dev/mapper/vg-data", options="rw,nodev")),
            "/dev/disk/by-uuid/77": "link:../../dm-0",
            "/dev/mapper/vg-data": "link:../dm-0",
            "/dev/dm-0": "",
        },
    ),
    "from elsewhere": Case(
        "failed",
        "/data comes from /dev/vdc1, not UUID=77",
        {**mounts(mount("/data", source="/dev/vdc1", options="rw,nodev")), **LINKS},
    ),
    "otherwise in every way": Case(
        "failed",
        "/data comes from tmpfs, not UUID=77; is of type tmpfs, not ext4; is mounted without rw, nodev;"
        " is mounted with discard",
        {**mounts(mount("/data", "tmpfs", "tmpfs", options="ro,discard", device="0:9")), **LINKS},
    ),
    "on demand": Case(
        "error",
        "/data is mounted on demand, and nobody has asked for it",
        {**mounts(mount("/data", "autofs", "systemd-1", device="0:9")), **LINKS},
    ),
}


@pytest.mark.parametrize("name", WRITABLE)
def test_what_is_read_only(name: str, tmp_path: Path) -> None:
    told(WRITABLE[name], "test_nothing_is_read_only_by_mistake", tmp_path)


@pytest.mark.parametrize("name", THIN)
def test_thin_pools(name: str, tmp_path: Path) -> None:
    told(THIN[name], "test_thin_pools_have_room", tmp_path)


@pytest.mark.parametrize("name", DELETED)
def test_deleted_files(name: str, tmp_path: Path) -> None:
    told(DELETED[name], "test_deleted_files_hold_little", tmp_path)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_a_policy_expects(name: str, tmp_path: Path) -> None:
    case = EXPECTED[name]
    said = Case(case.outcome, case.message, case.files, policy={"mounts": {"/data": WANTED}})
    told(said, "test_mount_is_as_expected", tmp_path, ("mounts", "/data"))
