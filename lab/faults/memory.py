"""Memory that is short, swapped, waited for; told by one host's prepared /proc files, but for the real OOM kill."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from lab.alone import alone
from lab.faults import confirm, fault
from lab.host import LabHost
from lab.proc import MEMORY_KIB, SWAP_KIB, SWAPS_HEADER, prepared, swaps_line, with_fields
from lab.rising import rising
from lab.waiting import wait_until

_GIB = 2**20
"""In KiB, the unit of /proc/meminfo."""
_SOME = r"^some .*total=(\d+)"
_FULL = r"^full .*total=(\d+)"
_PRESSURE = "/proc/pressure/memory"


@fault(turns={"memory.swap_used": "failed"})
def swap_in_use(host: LabHost, kib: int = 512 * 1024) -> Iterator[None]:
    """Much of the host lies in swap; most of it belongs to a process called java."""
    with _swap_used(host, kib), _process(host, "java", {"VmSwap": kib * 3 // 4}):
        yield


@fault(turns={"memory.swap_used": "warned"})
def little_swap_in_use(host: LabHost) -> Iterator[None]:
    """A few idle pages were pushed out."""
    with _swap_used(host, 4 * 1024):
        yield


@fault(turns={"memory.swap_quiet": "failed"})
def swap_thrashing(host: LabHost) -> Iterator[None]:
    """Pages go out to swap while others come back."""
    with rising(host, "/proc/vmstat", {r"^pswpin (\d+)": 500, r"^pswpout (\d+)": 500}):
        yield


@fault(turns={"memory.swap_quiet": "warned"})
def swap_coming_back(host: LabHost) -> Iterator[None]:
    """Pages come back from swap, and none goes out."""
    with rising(host, "/proc/vmstat", {r"^pswpin (\d+)": 500}):
        yield


@fault(turns={"memory.available": "failed"})
def low_memory(host: LabHost) -> Iterator[None]:
    """Next to nothing is available, and tasks have begun to wait for it."""
    with _available(host, MEMORY_KIB * 2 // 100), rising(host, _PRESSURE, {_SOME: _microseconds(10)}):
        yield


@fault(turns={"memory.available": "warned"})
def low_memory_that_nobody_misses(host: LabHost) -> Iterator[None]:
    """Next to nothing is available, and there is no second witness that anybody wants more."""
    with _available(host, MEMORY_KIB * 2 // 100):
        yield


@fault(turns={"memory.pressure": "failed"})
def memory_pressure(host: LabHost) -> Iterator[None]:
    """Most tasks wait for memory most of the time."""
    with rising(host, _PRESSURE, {_SOME: _microseconds(60), _FULL: _microseconds(30)}):
        yield


@fault(turns={"memory.oom_kills": "warned"})
def oom_killed(host: LabHost) -> Iterator[None]:
    """The kernel killed a process though none of its groups had run into a limit.

    A host of the lab is a container, in which nobody can tell whether the machine or a group around was out of memory.
    """
    with kills_counted(host, 1):
        yield


@fault(turns={"memory.oom_kills": "warned"})
def oom_killed_in_a_cgroup(host: LabHost) -> Iterator[None]:
    """A process really outgrew its control group on the host, and the kernel killed it.

    The group is the host's own; vmstat's counter, which hosts share, is prepared to say the same.
    """
    with _small_group(host) as (group, events):
        with alone():
            host.run(["sh", "-c", f"echo $$ >{group}/cgroup.procs && exec python3 -c '{_GROW}'"], check=False)
        confirm(bool(re.search(r"^oom_kill [1-9]", host.read(events), re.MULTILINE)), host, f"a kill in {events}")
        with prepared(host, "/proc/vmstat", lambda text: with_fields(text, {"oom_kill": 1}, "{name} {value}")):
            yield


@contextmanager
def kills_counted(host: LabHost, times: int) -> Iterator[None]:
    """The counters of the machine, and of the host's own control group, tell of so many kills."""
    kills = {"oom_kill": times}
    with ExitStack() as stack:
        for path in ("/proc/vmstat", *_counters(host)):
            stack.enter_context(prepared(host, path, lambda text: with_fields(text, kills, "{name} {value}")))
        yield


def _counters(host: LabHost) -> list[str]:
    top = "/sys/fs/cgroup"
    counters = [f"{top}/memory/memory.oom_control", f"{top}/memory.events", f"{top}/memory.events.local"]
    there = [path for path in counters if host.exists(path)]
    confirm(bool(there), host, "no counter of kills: this machine gives the lab no memory controller")
    return there


@fault(turns={"memory.fork": "failed"})
def no_room_to_fork(host: LabHost) -> Iterator[None]:
    """Overcommit is forbidden, nearly all is promised, and a database of 2 GiB would have to fork."""
    sizes = {"VmRSS": 2 * _GIB, "RssAnon": 2 * _GIB, "VmData": 2 * _GIB, "VmSize": 2 * _GIB + 4096}
    committed = {"CommitLimit": 6 * _GIB, "Committed_AS": 5 * _GIB}
    with (
        prepared(host, "/proc/sys/vm/overcommit_memory", lambda _: "2\n"),
        prepared(host, "/proc/meminfo", lambda text: _meminfo(text, committed)),
        _process(host, "postgres", sizes),
    ):
        yield


@fault(turns={"memory.fork": "warned"})
def no_room_for_a_forked_copy(host: LabHost) -> Iterator[None]:
    """A database of 4 GiB may fork, but there is no room for what its child would then write to."""
    sizes = {"VmRSS": 4 * _GIB, "RssAnon": 4 * _GIB, "VmData": 4 * _GIB, "VmSize": 4 * _GIB + 4096}
    with (
        prepared(
            host, "/proc/meminfo", lambda text: _meminfo(text, {"MemAvailable": _GIB, "SwapTotal": 0, "SwapFree": 0})
        ),
        prepared(host, "/proc/swaps", lambda _: SWAPS_HEADER),
        _process(host, "redis-server", sizes),
    ):
        yield


_GROW = 'held = []\nwhile True: held.append(bytearray(b"x" * 1048576))'


def _meminfo(text: str, kib: Mapping[str, int]) -> str:
    return with_fields(text, kib, "{name}:{value:>15} kB")


def _microseconds(percent: float) -> float:
    """PSI's `total` rises by so much a second when `percent` of the time is spent waiting."""
    return percent * 1e4


@contextmanager
def _available(host: LabHost, kib: int) -> Iterator[None]:
    fields = {"MemAvailable": kib, "MemFree": kib // 2, "Cached": kib // 4, "Buffers": kib // 8}
    with prepared(host, "/proc/meminfo", lambda text: _meminfo(text, fields)):
        yield


@contextmanager
def _swap_used(host: LabHost, kib: int) -> Iterator[None]:
    with (
        prepared(host, "/proc/meminfo", lambda text: _meminfo(text, {"SwapFree": SWAP_KIB - kib})),
        prepared(host, "/proc/swaps", lambda _: SWAPS_HEADER + swaps_line("/dev/vdb", "partition", SWAP_KIB, kib)),
    ):
        yield


@contextmanager
def _process(host: LabHost, name: str, kib: Mapping[str, int]) -> Iterator[int]:
    """A process of this name whose /proc/PID/status tells these sizes; its number."""
    program = f"/run/{name}"
    with ExitStack() as stack:
        host.run(["cp", "/bin/sleep", program])
        stack.callback(host.run, ["rm", program])
        stack.enter_context(host.background([program, "infinity"]))
        pid = wait_until(lambda: _running(host, program), within=5, what=f"{host.name}: {name}")
        sizes = {field: f"{value:>8} kB" for field, value in kib.items()}
        stack.enter_context(prepared(host, f"/proc/{pid}/status", lambda text: _status(text, sizes)))
        yield pid


def _running(host: LabHost, program: str) -> int:
    return next((pid for pid, command in host.processes().items() if command.split()[0] == program), 0)


def _status(text: str, sizes: Mapping[str, str]) -> str:
    for field, value in sizes.items():
        text = re.sub(rf"^{field}:.*$", f"{field}:\t{value}", text, flags=re.MULTILINE)
    return text


@contextmanager
def _small_group(host: LabHost) -> Iterator[tuple[str, str]]:
    """A control group of 16 MiB on the host, v1 or v2; its directory and the file that counts its kills."""
    v1 = host.exists("/sys/fs/cgroup/memory/memory.limit_in_bytes") or host.exists("/sys/fs/cgroup/memory/tasks")
    top = "/sys/fs/cgroup/memory" if v1 else "/sys/fs/cgroup"
    group, limit = f"{top}/lab-job", "memory.limit_in_bytes" if v1 else "memory.max"
    host.run(["mkdir", group])
    try:
        confirm(host.exists(f"{group}/{limit}"), host, f"no {limit}: this machine gives the lab no memory controller")
        host.write(f"{group}/{limit}", str(16 * 2**20))
        yield group, f"{group}/memory.oom_control" if v1 else f"{group}/memory.events"
    finally:
        wait_until(lambda: host.run(["rmdir", group], check=False).returncode == 0, within=5, what=f"{group} to end")
