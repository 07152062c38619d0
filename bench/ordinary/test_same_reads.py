"""The same claims as ordinary testinfra tests that read what Shipworthy's probe reads for them, evidence included.

Each test reads its own files, each file by `host.file(…).content_string`. The two samples of a rate are taken once a
host for all tests, by a fixture: nobody would wait for three windows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import pytest

SAMPLED = ("/proc/pressure/memory", "/proc/swaps", "/proc/vmstat")
SWAP = ("/proc/meminfo", "/proc/swaps", "/proc/sys/vm/swappiness")
GROUP = ("/proc/self/mountinfo", "/proc/self/cgroup")
GROUP_LIMITS = (("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"), ("memory.max", "memory.current"))
LIMITS = tuple(f"/proc/sys/vm/{name}" for name in ("overcommit_memory", "admin_reserve_kbytes", "user_reserve_kbytes"))
TASKS = ("/proc/loadavg", "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")


def _read(host: Any, paths: Sequence[str]) -> dict[str, str]:
    return {path: host.file(path).content_string for path in paths}


def _read_processes(host: Any) -> dict[str, str]:
    """The status of each process, and of the five largest since when it runs. What ended meanwhile is left out."""
    pids = [name for name in host.file("/proc").listdir() if name.isdigit()]
    read: dict[str, str] = {}
    for pid in pids:
        status = host.run(f"cat /proc/{pid}/status")
        if status.succeeded:
            read[pid] = status.stdout
    for pid in sorted(read, key=lambda pid: _kib(read[pid], "VmRSS"), reverse=True)[:5]:
        host.run(f"cat /proc/{pid}/stat")
    host.file("/proc/uptime").content_string  # noqa: B018
    return read


def _group_limit(host: Any) -> tuple[float, float]:
    """(bound, what is used) of the login's control group, of either version."""
    _read(host, GROUP)
    for bound, used in GROUP_LIMITS:
        file = host.file(f"/sys/fs/cgroup/{bound}")
        if file.exists:
            most = file.content_string.strip()
            return float("inf" if most == "max" else most), float(host.file(f"/sys/fs/cgroup/{used}").content_string)
    return float("inf"), 0.0


def _kib(text: str, name: str) -> int:
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def _counter(text: str, name: str) -> int:
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


def _stalled(text: str, kind: str) -> int:
    return next(int(line.rpartition("=")[2]) for line in text.splitlines() if line.startswith(kind))


@pytest.fixture(scope="module")
def samples(host: Any) -> tuple[dict[str, str], dict[str, str]]:
    before = _read(host, SAMPLED)
    time.sleep(1)
    return before, _read(host, SAMPLED)


def _waited(samples: tuple[dict[str, str], dict[str, str]], kind: str) -> float:
    """Percent of the window."""
    before, after = (_stalled(sample["/proc/pressure/memory"], kind) for sample in samples)
    return (after - before) / 10_000


def test_host_is_reachable(host: Any) -> None:
    assert host.run("true").succeeded


def test_swap_is_unused(host: Any) -> None:
    read = _read(host, SWAP)
    processes = _read_processes(host)
    used = sum(int(line.split()[3]) for line in read["/proc/swaps"].splitlines()[1:] if "zram" not in line)
    assert used <= 64 * 1024, sorted(processes, key=lambda pid: -_kib(processes[pid], "VmSwap"))


def test_swap_is_quiet(samples: tuple[dict[str, str], dict[str, str]]) -> None:
    before, after = samples
    for name in ("pswpin", "pswpout"):
        assert _counter(after["/proc/vmstat"], name) - _counter(before["/proc/vmstat"], name) <= 100


def test_memory_is_available(host: Any, samples: tuple[dict[str, str], dict[str, str]]) -> None:
    memory = host.file("/proc/meminfo").content_string
    bound, used = _group_limit(host)
    processes = _read_processes(host)
    left = min(_kib(memory, "MemAvailable") / _kib(memory, "MemTotal"), (bound - used) / bound if bound < 2**62 else 1)
    missed = _waited(samples, "some") > 1
    assert left >= 0.05 or not missed, sorted(processes, key=lambda pid: -_kib(processes[pid], "VmRSS"))


def test_memory_pressure_is_low(samples: tuple[dict[str, str], dict[str, str]]) -> None:
    assert _waited(samples, "some") <= 40
    assert _waited(samples, "full") <= 20


def test_nothing_was_oom_killed(host: Any) -> None:
    read = _read(host, ("/proc/vmstat", "/proc/self/mountinfo"))
    groups = host.run("find /sys/fs/cgroup -name memory.oom_control -o -name memory.events").stdout.split()
    for path in groups[:5]:
        host.run(f"cat {path}")
    log = host.run("dmesg").stdout
    assert not _counter(read["/proc/vmstat"], "oom_kill"), log


def test_largest_process_can_fork(host: Any) -> None:
    memory = host.file("/proc/meminfo").content_string
    read = _read(host, (*LIMITS, *TASKS))
    _read(host, GROUP)
    processes = _read_processes(host)
    total = _kib(memory, "MemTotal")
    for text in processes.values():
        if _kib(text, "RssAnon") > 0.1 * total:
            if read["/proc/sys/vm/overcommit_memory"].strip() == "2":
                room = _kib(memory, "CommitLimit") - _kib(memory, "Committed_AS")
                assert _kib(text, "VmData") <= room
            else:
                assert _kib(text, "RssAnon") <= _kib(memory, "MemAvailable") + _kib(memory, "SwapFree")
    tasks = int(read["/proc/loadavg"].split()[3].partition("/")[2])
    assert min(int(read["/proc/sys/kernel/pid_max"]), int(read["/proc/sys/kernel/threads-max"])) - tasks >= 16
