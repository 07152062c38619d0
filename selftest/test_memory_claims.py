"""What the memory checks conclude: a recorded host, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded import (
    CONTAINER,
    MOUNTS_V2,
    NO_GROUPS,
    SWAPS,
    Case,
    Files,
    meminfo,
    pressure,
    process,
    told,
    vmstat,
)

NO_PSI: Files = {"/proc/pressure/memory": None}
PRESSED = {"/proc/pressure/memory": pressure(100_000)}
SCARCE: Files = {"/proc/meminfo": meminfo(MemAvailable=480_000)}
STALLED: Files = {"/proc/vmstat": vmstat(allocstall_normal=500)}
LEFT = "memory available 3 %, "

AVAILABLE = {
    "enough": Case("passed", ""),
    "little, and nobody misses it": Case("warned", f"{LEFT}warning below 10 %", SCARCE),
    "little, and tasks wait": Case("failed", f"{LEFT}limit at least 5 %", SCARCE, PRESSED),
    "no PSI: allocations stall": Case("failed", f"{LEFT}limit at least 5 %", {**SCARCE, **NO_PSI}, STALLED),
    "no PSI: nothing stalls": Case("warned", f"{LEFT}warning below 10 %", {**SCARCE, **NO_PSI}),
    "no PSI: pages of files come back": Case(
        "warned",
        f"{LEFT}warning below 10 %",
        {**SCARCE, **NO_PSI, "/proc/vmstat": vmstat(workingset_refault_anon=None) + "workingset_refault 0\n"},
        {"/proc/vmstat": vmstat(workingset_refault_anon=None) + "workingset_refault 5000\n"},
    ),
    "no PSI: anonymous pages come back": Case(
        "failed",
        f"{LEFT}limit at least 5 %",
        {**SCARCE, **NO_PSI},
        {"/proc/vmstat": vmstat(workingset_refault_anon=50)},
    ),
    "no witness at all: it is believed": Case(
        "failed", f"{LEFT}limit at least 5 %", {**SCARCE, **NO_PSI, "/proc/vmstat": None}
    ),
    "huge pages are nobody else's": Case(
        "passed", "", {"/proc/meminfo": meminfo(MemAvailable=1_500_000, Hugetlb=12_000_000)}
    ),
    "a group's file pages are available": Case(
        "passed", "", {**CONTAINER, "/sys/fs/cgroup/memory.stat": f"inactive_file 0\nactive_file {200 * 2**20}\n"}
    ),
    "a group, with the machine's witness": Case(
        "failed",
        "memory available in / 2.34 %, limit at least 5 %",
        {**CONTAINER, "/sys/fs/cgroup/memory.current": f"{500 * 2**20}\n"},
        PRESSED,
    ),
    "a group, with a witness of its own": Case(
        "failed",
        "memory available in / 2.34 %, limit at least 5 %",
        {
            **CONTAINER,
            "/sys/fs/cgroup/memory.current": f"{500 * 2**20}\n",
            "/sys/fs/cgroup/memory.pressure": pressure(avg10=7),
        },
    ),
    "a group, whose own witness says no": Case(
        "warned",
        "memory available in / 2.34 %, warning below 10 %",
        {
            **CONTAINER,
            "/sys/fs/cgroup/memory.current": f"{500 * 2**20}\n",
            "/sys/fs/cgroup/memory.pressure": pressure(),
        },
        PRESSED,
    ),
    "groups that cannot be seen": Case(
        "error",
        "limits: the control group /../x lies outside what can be seen here",
        {"/proc/self/cgroup": "0::/../x\n"},
    ),
    "no groups": Case("passed", "", NO_GROUPS),
}

PRESSURE = {
    "none": Case("passed", ""),
    "some wait": Case(
        "warned",
        "some task waiting for memory 30 %, warning above 20 % (limit 40 %)",
        then={"/proc/pressure/memory": pressure(300_000)},
    ),
    "all wait": Case(
        "failed",
        "all tasks waiting for memory 25 %, limit 20 %",
        then={"/proc/pressure/memory": pressure(300_000, 250_000)},
    ),
    "no PSI: stalls": Case("failed", "allocations stalled 500 /s, limit 100 /s", NO_PSI, STALLED),
    "no PSI: anonymous refaults": Case(
        "warned",
        "anonymous pages refaulted 200 /s, warning above 100 /s (limit 1000 /s)",
        NO_PSI,
        {"/proc/vmstat": vmstat(workingset_refault_anon=200)},
    ),
    "no PSI: refaults of files are healthy": Case(
        "passed",
        "",
        {**NO_PSI, "/proc/vmstat": vmstat(workingset_refault_anon=None) + "workingset_refault 0\n"},
        {"/proc/vmstat": vmstat(workingset_refault_anon=None) + "workingset_refault 5000\n"},
    ),
    "no PSI, no refaults: stalls alone": Case(
        "passed", "", {**NO_PSI, "/proc/vmstat": vmstat(workingset_refault_anon=None)}
    ),
}


def zram(pages_in: int, pages_out: int, disk_in: int, disk_out: int) -> Files:
    """A host that swaps to zram only, after so many pages, of which so many went to the disk behind it."""
    return {
        "/proc/meminfo": meminfo(SwapTotal=8_000_000, SwapFree=6_000_000),
        "/proc/swaps": f"{SWAPS}/dev/zram0  partition\t8000000\t2000000\t100\n",
        "/proc/vmstat": vmstat(pswpin=pages_in, pswpout=pages_out),
        "/sys/block/zram0/mm_stat": "2048000000 500000000 520000000 0 520000000 100 0 0 0\n",
        "/sys/block/zram0/bd_stat": f"0 {disk_in} {disk_out}\n",
        "/sys/block/zram0/stat": "1 0 0 0 1 0 0 0 0 0 0\n",
    }


QUIET = {
    "no swap": Case("skipped", "this host has no swap"),
    "zram keeps to itself": Case("passed", "", zram(0, 0, 0, 0), zram(2000, 3000, 0, 0)),
    "zram writes back to its disk": Case(
        "warned", "pages swapped out 500 /s, warning above 0 /s", zram(0, 0, 0, 0), zram(0, 0, 0, 500)
    ),
    "zram goes meanwhile": Case(
        "error",
        "traffic.disk_in_pages_per_second: zram was swapped on or off meanwhile",
        zram(0, 0, 0, 0),
        {"/proc/swaps": SWAPS + "/dev/sda2  partition\t4000000\t0\t-2\n", "/proc/vmstat": vmstat(pswpin=100)},
    ),
    "zram reads from its disk": Case(
        "warned", "pages swapped in 40 /s, warning above 0 /s", zram(0, 0, 0, 0), zram(90, 0, 40, 0)
    ),
}

SWAPPED = {"SwapTotal": 8_000_000, "SwapFree": 5_900_000}
ZRAM_AREA = "/dev/zram0  partition\t4000000\t1048576\t100\n"
DISK_AREA = "/dev/sda2  partition\t4000000\t1048576\t-2\n"
MM_STAT = {"/sys/block/zram0/mm_stat": "1073741824 500 600 0 600 1 0 0 0\n"}
MIB_1024 = "swap used 1 GiB, limit 64 MiB"

USED = {
    "zram alone, and meminfo a moment later": Case(
        "passed", "", {"/proc/meminfo": meminfo(**SWAPPED), "/proc/swaps": SWAPS + ZRAM_AREA, **MM_STAT}
    ),
    "zram and disk": Case(
        "failed",
        MIB_1024,
        {"/proc/meminfo": meminfo(**SWAPPED), "/proc/swaps": SWAPS + ZRAM_AREA + DISK_AREA, **MM_STAT},
    ),
    "zswap may stand before zram as well": Case(
        "failed",
        MIB_1024,
        {
            "/proc/meminfo": meminfo(**SWAPPED, Zswap=300_000, Zswapped=1_048_576),
            "/proc/swaps": SWAPS + ZRAM_AREA + DISK_AREA,
            **MM_STAT,
        },
    ),
    "zswap before a disk": Case(
        "passed",
        "",
        {"/proc/meminfo": meminfo(**SWAPPED, Zswap=300_000, Zswapped=1_048_576), "/proc/swaps": SWAPS + DISK_AREA},
    ),
    "a file called zram0": Case(
        "failed",
        MIB_1024,
        {"/proc/meminfo": meminfo(**SWAPPED), "/proc/swaps": f"{SWAPS}/var/zram0  file\t4000000\t1048576\t-2\n"},
    ),
}

REDIS = process(77, "redis", 450_560, uid=5, group="/")
LARGE = process(77, "redis", 9_000_000, uid=5)
SHORT = "redis[77]: memory short for a forked copy {}, warning above 0 B"

FORK = {
    "nothing large": Case("skipped", "no process holds more than 10 % of the memory"),
    "a copy finds no room": Case("warned", SHORT.format("977 MiB"), LARGE),
    "a copy finds room": Case("passed", "", {**LARGE, "/proc/meminfo": meminfo(MemAvailable=9_500_000)}),
    "large in its container": Case("warned", SHORT.format("378 MiB"), {**CONTAINER, **REDIS}),
    "not large on the machine": Case("skipped", "no process holds more than 10 % of the memory", REDIS),
    "processes are hidden": Case(
        "error",
        "large processes: /proc is mounted with hidepid: needs root",
        {
            "/proc/self/mountinfo": MOUNTS_V2.replace("proc rw", "proc rw,hidepid=2"),
            "/proc/self/status": "Name:\tx\nUid:\t5\t5\t5\t5\n",
        },
    ),
    "a container's own processes are all": Case(
        "skipped",
        "no process holds more than 10 % of the memory",
        {**CONTAINER, "/proc/self/ns/pid": "link:pid:[4026532998]"},
    ),
    "a tree of a process that ended meanwhile": Case(
        "error",
        "redis[77]: user threads limit: /proc/77/limits is empty: the process ended while it was copied",
        {**LARGE, "/proc/77/limits": "", "/proc/77/stat": "", "/proc/meminfo": meminfo(MemAvailable=9_500_000)},
    ),
    "limits that cannot be read": Case(
        "error",
        "redis[77]: user threads limit: no /proc/77/limits",
        {**LARGE, "/proc/77/limits": None, "/proc/meminfo": meminfo(MemAvailable=9_500_000)},
    ),
    "asked for larger ones": Case(
        "error",
        "the host was asked for processes above 10 % of the memory, not 5 %",
        policy={"fork_process_share": 5.0},
    ),
    "asked for smaller ones": Case(
        "skipped", "no process holds more than 60 % of the memory", LARGE, policy={"fork_process_share": 60.0}
    ),
    "overcommit 2": Case(
        "failed",
        "redis[77]: commit short for a fork 3.95 GiB, limit 0 B",
        {**LARGE, "/proc/sys/vm/overcommit_memory": "2\n"},
    ),
    "no task left": Case(
        "failed",
        "redis[77]: tasks left 0, limit at least 1",
        {
            **LARGE,
            "/proc/meminfo": meminfo(MemAvailable=9_500_000),
            "/proc/77/limits": "Max processes             3                3                processes \n",
        },
    ),
}


@pytest.mark.parametrize("name", AVAILABLE)
def test_enough_is_left(name: str, tmp_path: Path) -> None:
    told(AVAILABLE[name], "test_memory_is_available", tmp_path)


@pytest.mark.parametrize("name", PRESSURE)
def test_who_waits(name: str, tmp_path: Path) -> None:
    told(PRESSURE[name], "test_memory_pressure_is_low", tmp_path)


@pytest.mark.parametrize("name", USED)
def test_what_lies_on_disk(name: str, tmp_path: Path) -> None:
    told(USED[name], "test_swap_is_unused", tmp_path)


@pytest.mark.parametrize("name", QUIET)
def test_what_moves_in_and_out(name: str, tmp_path: Path) -> None:
    told(QUIET[name], "test_swap_is_quiet", tmp_path)


@pytest.mark.parametrize("name", FORK)
def test_who_can_fork(name: str, tmp_path: Path) -> None:
    told(FORK[name], "test_largest_process_can_fork", tmp_path)
