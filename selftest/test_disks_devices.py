"""What the checks of block devices conclude: a recorded host, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.disks import DISKSTATS, Case, Files, ago, disk, told

NO_DISKS: Files = {DISKSTATS: "   7 0 loop0 1 0 0 0 0 0 0 0 0 0 0\n 253 0 zram0 1 0 0 0 0 0 0 0 0 0 0\n"}
MAPPED: Files = {"/sys/block/dm-0/dm/name": "vg-data", "/sys/block/dm-0/slaves/vda2/x": "", "/sys/block/loop0/x": ""}


def moved(name: str = "vda", **moves: int) -> Files:
    return {DISKSTATS: disk(name, **moves)}


def both(vda: dict[str, int], dm: dict[str, int]) -> Files:
    return {**MAPPED, DISKSTATS: disk("vda", **vda) + disk("dm-0", **dm)}


WAIT = {
    "quick": Case("passed", "", then=moved(reads=100, ms=500)),
    "slow": Case(
        "warned",
        "vda: mean wait for a read or write 150 ms, warning above 100 ms",
        then=moved(reads=100, ms=15_000),
        first="100 reads, 0 writes in 1 s",
    ),
    "too few to have a mean": Case("passed", "", then=moved(reads=49, ms=49_000)),
    "idle": Case("passed", ""),
    "counted once: what lies on a disk is that disk's": Case(
        "warned",
        "vda: mean wait for a read or write 150 ms, warning above 100 ms",
        both({}, {}),
        both({"reads": 100, "ms": 15_000}, {"reads": 100, "ms": 15_000}),
    ),
    "a counter that has come round": Case("passed", "", moved(reads=100, ms=9000), moved(reads=200, ms=10)),
    "a disk that came meanwhile": Case(
        "passed",
        "",
        {"/sys/block/vdb/x": ""},
        {DISKSTATS: disk() + disk("vdb", reads=100, ms=15_000)},
    ),
    "nothing but loop devices": Case(
        "skipped", "there is no block device here", {**NO_DISKS, "/sys/block/loop0/x": ""}
    ),
    "no diskstats": Case("error", f"devices: no {DISKSTATS}", {DISKSTATS: None}),
    "strict": Case(
        "failed",
        "vda: mean wait for a read or write 150 ms, limit 100 ms",
        then=moved(reads=100, ms=15_000),
        extends="strict",
    ),
}

STUCK = "vda: 3 requests on their way, and none came back in 10 s"
MOVES = {
    "they come back": Case("passed", "", moved(in_flight=3), moved(in_flight=3, reads=1)),
    "none does": Case("failed", STUCK, moved(in_flight=3), moved(in_flight=3), seconds=10),
    "they began within the window": Case("passed", "", moved(), moved(in_flight=3)),
    "they are through": Case("passed", "", moved(in_flight=3), moved()),
    "what lies on it waits along": Case(
        "failed", STUCK, both({"in_flight": 3}, {"in_flight": 9}), both({"in_flight": 3}, {"in_flight": 9}), seconds=10
    ),
    "what lies on it waits alone": Case(
        "failed",
        "dm-0: 9 requests on their way, and none came back in 10 s",
        both({}, {"in_flight": 9}),
        both({}, {"in_flight": 9}),
        seconds=10,
    ),
    "a gauge that slipped below zero": Case("passed", "", moved(in_flight=2**32 - 1), moved(in_flight=2**32 - 1)),
}

CAPS = {"operations": {"fail_above": "1000 /s"}, "throughput": {"warn_above": "100 MiB/s"}}
BUSY = moved(reads=1500, ms=1500, sectors=409_600)
LOAD = {
    "idle": Case("passed", "", policy={"devices": {"vda": CAPS}}),
    "beyond both": Case(
        "failed", "vda: reads and writes 1500 /s, limit 1000 /s", then=BUSY, policy={"devices": {"vda": CAPS}}
    ),
    "beyond one": Case(
        "warned",
        "vda: throughput 200 MiB/s, warning above 100 MiB/s",
        then=moved(reads=900, ms=1, sectors=409_600),
        policy={"devices": {"vda": CAPS}},
    ),
    "no bound": Case("passed", "", then=BUSY, policy={"devices": {"vda": {}}}),
    "no such device": Case("error", "sdq: there is no such device", policy={"devices": {"sdq": CAPS}}),
    "by the mapper's name": Case(
        "failed",
        "vg-data: reads and writes 1500 /s, limit 1000 /s",
        both({}, {}),
        both({}, {"reads": 1500}),
        policy={"devices": {"vg-data": CAPS}},
    ),
}


def scsi(errors: int = 0, timeouts: int = 0, state: str = "running") -> Files:
    folder = "/sys/block/vda/device/"
    return {
        f"{folder}ioerr_cnt": f"{errors:#x}\n",
        f"{folder}iotmo_cnt": f"{timeouts:#x}\n",
        f"{folder}state": f"{state}\n",
    }


ERRORS = {
    "nobody counts": Case("skipped", "no device here counts its errors"),
    "old ones": Case("passed", "", scsi(5000, 3)),
    "in the window": Case(
        "warned", "vda: I/O errors in the window 11, warning above 10", scsi(10), scsi(21), first="21 since boot"
    ),
    "timeouts in the window": Case("failed", "vda: I/O timeouts in the window 11, limit 10", scsi(), scsi(0, 11)),
    "since an earlier run": Case(
        "warned",
        "vda: I/O timeouts within 1 d 1, warning above 0 (limit 10)",
        scsi(0, 4),
        previous=ago(86_400, **{"timeouts vda": 3}),
    ),
    "none since an earlier run": Case("passed", "", scsi(0, 4), previous=ago(86_400, **{"timeouts vda": 4})),
    "a driver that was loaded anew": Case("passed", "", scsi(2), previous=ago(86_400, **{"io_errors vda": 900})),
}

RUN = {
    "nobody tells": Case("skipped", "no driver here tells the state of its devices"),
    "SCSI": Case("passed", "", scsi()),
    "NVMe": Case("passed", "", scsi(state="live")),
    "offline": Case("failed", "vda is offline", scsi(state="offline")),
}

EXT4 = "/sys/fs/ext4/vda1/"
BTRFS = "/sys/fs/btrfs/11-22/devinfo/1/error_stats"
KINDS = "write_errs {}\nread_errs 0\nflush_errs 0\ncorruption_errs {}\ngeneration_errs 0\n"
CORRUPTION = {
    "nobody counts": Case("skipped", "no file system here keeps count of its errors", {"/sys/fs/ext4/features/x": ""}),
    "none": Case("passed", "", {f"{EXT4}errors_count": "0\n", BTRFS: KINDS.format(0, 0)}),
    "ext4": Case(
        "failed",
        "vda1 (ext4): errors recorded 2, limit 0",
        {
            f"{EXT4}errors_count": "2\n",
            f"{EXT4}last_error_func": "ext4_find_entry\n",
            f"{EXT4}last_error_time": "0\n",
        },
        first="the last one: ext4_find_entry",
    ),
    "btrfs": Case(
        "failed",
        "11-22 device 1 (btrfs): errors recorded 5, limit 0",
        {BTRFS: KINDS.format(2, 3)},
        first="the last one: write 2, corruption 3",
    ),
}

TABLES = {
    "test_devices_are_quick": WAIT,
    "test_io_moves": MOVES,
    "test_devices_make_no_errors": ERRORS,
    "test_devices_run": RUN,
    "test_file_systems_recorded_no_errors": CORRUPTION,
}


@pytest.mark.parametrize(("test", "name"), [(test, name) for test, table in TABLES.items() for name in table])
def test_what_is_concluded(test: str, name: str, tmp_path: Path) -> None:
    told(TABLES[test][name], test, tmp_path)


@pytest.mark.parametrize("name", LOAD)
def test_caps(name: str, tmp_path: Path) -> None:
    (device,) = LOAD[name].policy["devices"]
    told(LOAD[name], "test_device_is_within_its_caps", tmp_path, ("devices", device))
