"""Memory that is swapped, waited for, promised, killed for, on a machine that has some of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.waiting import wait_until

_GROUPS = "/sys/fs/cgroup"
_MIB = 2**20
_HOLD = f"""
import sys, time
held = [bytearray(b"x" * {_MIB}) for _ in range(int(sys.argv[1]))]
time.sleep(86400)
"""
_TOUCH = f"""
import sys, time
held = [bytearray(b"x" * {_MIB}) for _ in range(int(sys.argv[1]))]
while True:
    for piece in held:
        for page in range(0, {_MIB}, 4096):
            piece[page] = 1
"""
_GROW = f"""
held = []
while True:
    held.append(bytearray(b"x" * {_MIB}))
"""
_STILL_SECONDS = 2


@fault(turns={"memory.swap_used": "failed"})
def swap_in_use(host: LabHost) -> Iterator[None]:
    """A process that does nothing any more was pushed out to swap."""
    with _group(host, "pushed", "memory.max", 32), _python(host, _HOLD, "pushed", "128"):
        wait_until(lambda: _swapped_mib(host) > 80, within=60, what=f"{host.name}: swap to be used")
        wait_until(lambda: _at_rest(host), within=60, what=f"{host.name}: swapping to come to rest")
        yield


@fault(turns={"memory.swap_used": "failed", "memory.swap_quiet": "failed", "memory.pressure": "failed"})
def thrashing(host: LabHost) -> Iterator[None]:
    """A process needs five times the memory that it may have, all of it again and again."""
    with _group(host, "thrashing", "memory.max", 16), _python(host, _TOUCH, "thrashing", "88"):
        wait_until(lambda: _swapped_mib(host) > 66, within=60, what=f"{host.name}: swap to be used")
        wait_until(lambda: _waiting(host) > 0.1, within=60, what=f"{host.name}: pressure")
        yield


@fault(turns={"memory.pressure": "failed"})
def held_back(host: LabHost) -> Iterator[None]:
    """A process has more than its control group's high mark, without swap: it is held back for wanting memory."""
    with _without_swap(host), _group(host, "held", "memory.high", 16), _python(host, _GROW, "held"):
        wait_until(lambda: _waiting(host) > 0.6, within=60, what=f"{host.name}: pressure")
        yield


@fault(turns={"memory.oom_kills": "warned"})
def killed_at_a_limit(host: LabHost) -> Iterator[None]:
    """A process outgrew its control group; the machine had memory left."""
    with _without_swap(host), _group(host, "small", "memory.max", 16) as group:
        before = _vmstat(host, "oom_kill")
        host.run(_in_group("small", "python3", "-c", _GROW), check=False, seconds=60)
        confirm(_vmstat(host, "oom_kill") == before + 1, host, "no kill was counted")
        confirm("\noom_kill 1\n" in host.read(f"{group}/memory.events"), host, "no kill was counted in the group")
        yield


@fault(turns={"memory.oom_kills": "failed"})
def killed_for_the_machine(host: LabHost) -> Iterator[None]:
    """A process took all memory, and the kernel killed it for the machine's sake."""
    with _without_swap(host):
        before = _vmstat(host, "oom_kill")
        host.run(["python3", "-c", _GROW], check=False, seconds=60)
        confirm(_vmstat(host, "oom_kill") == before + 1, host, "no kill was counted")
        confirm("Out of memory: Killed process" in host.run(["dmesg"]).stdout, host, "the log does not tell of it")
        yield


@fault(turns={"memory.fork": "failed"})
def no_room_to_fork(host: LabHost) -> Iterator[None]:
    """Overcommit is forbidden, and a process of 200 MiB finds nobody who promises it as much again."""
    with _without_swap(host), _python(host, _HOLD, "", "200"):
        wait_until(lambda: _largest_kib(host) > 200 * 1024, within=30, what=f"{host.name}: a large process")
        limit = int(_meminfo(host, "Committed_AS")) + 190 * 1024
        with (
            _setting(host, "vm/overcommit_kbytes", str(limit)),
            _setting(host, "vm/overcommit_memory", "2"),
        ):
            left = int(_meminfo(host, "CommitLimit")) - int(_meminfo(host, "Committed_AS"))
            confirm(128 * 1024 < left < 200 * 1024, host, f"{left} KiB may be promised")
            yield


@contextmanager
def _group(host: LabHost, name: str, mark: str, mib: int) -> Iterator[str]:
    """A control group with a mark on its memory."""
    group = f"{_GROUPS}/{name}"
    host.run(["mkdir", group])
    try:
        host.shell(f"echo {mib * _MIB} >{group}/{mark}")
        yield group
    finally:
        host.shell(f"echo 1 >{group}/cgroup.kill")
        wait_until(lambda: host.run(["rmdir", group], check=False).returncode == 0, within=20, what=f"{group} to end")


def _in_group(name: str, *command: str) -> list[str]:
    return ["sh", "-c", f'echo $$ >{_GROUPS}/{name}/cgroup.procs && exec "$@"', "sh", *command]


@contextmanager
def _python(host: LabHost, program: str, group: str, *arguments: str) -> Iterator[None]:
    command = ["python3", "-c", program, *arguments]
    with host.background(_in_group(group, *command) if group else command):
        yield


@contextmanager
def _without_swap(host: LabHost) -> Iterator[None]:
    host.run(["swapoff", "-a"], seconds=60)
    try:
        yield
    finally:
        host.run(["swapon", "-a"])


@contextmanager
def _setting(host: LabHost, name: str, value: str) -> Iterator[None]:
    before = host.read(f"/proc/sys/{name}").strip()
    host.shell(f"echo {value} >/proc/sys/{name}")
    try:
        yield
    finally:
        host.shell(f"echo {before} >/proc/sys/{name}")


def _at_rest(host: LabHost) -> bool:
    """Whether nothing is swapped for as long as the suite will look."""
    read = "grep -E '^pswp(in|out) ' /proc/vmstat"
    before, after = host.shell(f"{read}; echo --; sleep {_STILL_SECONDS}; {read}").split("--\n")
    return before == after


def _waiting(host: LabHost) -> float:
    """The share of the time that some task waits for memory, over a second."""
    read = "sed -n 's/^some .*total=//p' /proc/pressure/memory"
    before, after = host.shell(f"{read}; sleep 1; {read}").split()
    return (int(after) - int(before)) / 1e6


def _swapped_mib(host: LabHost) -> float:
    return (int(_meminfo(host, "SwapTotal")) - int(_meminfo(host, "SwapFree"))) / 1024


def _largest_kib(host: LabHost) -> int:
    return max(int(line) for line in host.shell("ps -eo rss=").split())


def _meminfo(host: LabHost, name: str) -> str:
    return _field(host, "/proc/meminfo", rf"^{name}: +(\d+) kB$")


def _vmstat(host: LabHost, name: str) -> int:
    return int(_field(host, "/proc/vmstat", rf"^{name} (\d+)$"))


def _field(host: LabHost, path: str, pattern: str) -> str:
    found = re.search(pattern, host.read(path), re.MULTILINE)
    confirm(found is not None, host, f"{path} has no {pattern}")
    return found[1] if found else ""
