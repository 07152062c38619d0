"""The memory claims and reachability as ordinary testinfra tests: what an engineer writes without Shipworthy.

Each test reads what it judges by, and no more: no evidence, no second witness but the pressure, one window a host.
"""

from __future__ import annotations

import time
from typing import Any

MIB = 2**20


def _meminfo(host: Any) -> dict[str, int]:
    lines = host.file("/proc/meminfo").content_string.splitlines()
    return {name.rstrip(":"): int(value) * 1024 for name, value, *_ in map(str.split, lines)}


def _vmstat(host: Any) -> dict[str, int]:
    lines = host.file("/proc/vmstat").content_string.splitlines()
    return {name: int(value) for name, value in map(str.split, lines)}


def _pressure(host: Any) -> dict[str, float]:
    lines = host.file("/proc/pressure/memory").content_string.splitlines()
    return {line.split()[0]: float(line.split()[1].removeprefix("avg10=")) for line in lines}


def _setting(host: Any, name: str) -> int:
    return int(host.file(f"/proc/sys/{name}").content_string)


def test_host_is_reachable(host: Any) -> None:
    assert host.run("true").succeeded


def test_swap_is_unused(host: Any) -> None:
    used = {}
    for line in host.file("/proc/swaps").content_string.splitlines()[1:]:
        path, _, _, size, _ = line.split()
        used[path] = int(size) * 1024
    assert sum(size for path, size in used.items() if "zram" not in path) <= 64 * MIB


def test_swap_is_quiet(host: Any) -> None:
    before = _vmstat(host)
    time.sleep(1)
    after = _vmstat(host)
    assert after["pswpin"] - before["pswpin"] <= 100
    assert after["pswpout"] - before["pswpout"] <= 100


def test_memory_is_available(host: Any) -> None:
    memory = _meminfo(host)
    if memory["MemAvailable"] < 0.05 * memory["MemTotal"]:
        assert _pressure(host)["some"] <= 1
    limit = host.file("/sys/fs/cgroup/memory.max")
    if limit.exists and (most := limit.content_string.strip()) != "max":
        current = int(host.file("/sys/fs/cgroup/memory.current").content_string)
        assert int(most) - current >= 0.05 * int(most)


def test_memory_pressure_is_low(host: Any) -> None:
    pressure = _pressure(host)
    assert pressure["some"] <= 40
    assert pressure["full"] <= 20


def test_nothing_was_oom_killed(host: Any) -> None:
    if _vmstat(host)["oom_kill"]:
        assert "Killed process" not in host.check_output("dmesg")


def test_largest_process_can_fork(host: Any) -> None:
    memory = _meminfo(host)
    listed = host.check_output("ps -eo rss=,pid=,comm= --sort=-rss").splitlines()
    for line in listed:
        rss, pid, _ = line.split(None, 2)
        if int(rss) * 1024 <= 0.1 * memory["MemTotal"]:
            break
        if _setting(host, "vm/overcommit_memory") == 2:
            status = host.file(f"/proc/{pid}/status").content_string
            size = next(int(word.split()[1]) * 1024 for word in status.splitlines() if word.startswith("VmData"))
            assert size <= memory["CommitLimit"] - memory["Committed_AS"]
        else:
            assert int(rss) * 1024 <= memory["MemAvailable"] + memory["SwapFree"]
    assert len(listed) < _setting(host, "kernel/pid_max") - 16
    assert len(listed) < _setting(host, "kernel/threads-max") - 16
