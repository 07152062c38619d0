"""Faults of the whole machine, real ones: every host of a lab that was made with `prepared=False` must turn.

They run `alone()`, from before the first look at the machine to after the last.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab import cgroups
from lab.build import Lab
from lab.errors import LabError
from lab.faults import fault
from lab.host import LabHost
from lab.swapfile import swapfile
from lab.waiting import wait_until

_MIB = 2**20
_HOLD = f"import time; held = [bytearray(b'x' * {_MIB}) for _ in range(192)]; time.sleep(3600)"
_GROW = f"held = []\nwhile True: held.append(bytearray(b'x' * {_MIB}))"


@fault(turns={"memory.swap_used": "failed"})
def real_swap_in_use(lab: Lab) -> Iterator[None]:
    """The machine swaps to a file, and a process on the first host was pushed out to it."""
    with swapfile(lab.directory.name, 256), _group(lab, "pushed", 48) as group, _held(lab[0], group):
        wait_until(lambda: _meminfo("SwapTotal") - _meminfo("SwapFree") > 96 * 1024, within=30, what="swap to be used")
        wait_until(_Still("pswpin", "pswpout"), within=30, what="swapping to come to rest")
        yield


@fault(turns={"memory.oom_kills": "warned"})
def real_oom_kill(lab: Lab) -> Iterator[None]:
    """A process on the first host outgrew its control group, and the kernel killed it."""
    before = _vmstat("oom_kill")
    with _group(lab, "small", 16) as group:
        lab[0].run(["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec python3 -c "{_GROW}"'], check=False)
        if _vmstat("oom_kill") <= before:
            raise LabError("the kernel counts no kill for want of memory")
        yield


@contextmanager
def _held(host: LabHost, group: Path) -> Iterator[None]:
    with host.background(["sh", "-c", f'echo $$ >{group}/cgroup.procs && exec python3 -c "{_HOLD}"']):
        yield


@contextmanager
def _group(lab: Lab, name: str, mib: int) -> Iterator[Path]:
    """A control group on this machine whose processes have so much memory; swap is not limited."""
    hierarchy = next((each for each in cgroups.hierarchies() if each.controller in {"memory", ""}), None)
    made = [group for group, each in cgroups.make(lab.directory.name, name) if each == hierarchy]
    try:
        if not made:
            raise LabError("this machine gives the lab no memory controller")
        limit = made[0] / ("memory.limit_in_bytes" if hierarchy and hierarchy.kind == "cgroup" else "memory.max")
        limit.write_text(str(mib * _MIB))
        yield made[0]
    finally:
        cgroups.remove(lab.directory.name)


class _Still:
    """True once counters of the machine stood still for as long as the suite will look."""

    def __init__(self, *counters: str) -> None:
        self._counters = counters
        self._last: list[int] = []
        self._since = 0.0

    def __call__(self) -> bool:
        now = [_vmstat(counter) for counter in self._counters]
        if now != self._last:
            self._last, self._since = now, time.monotonic()
        return time.monotonic() - self._since > 1


def _meminfo(name: str) -> int:
    """KiB."""
    return _number(rf"^{name}: +(\d+) kB", "/proc/meminfo")


def _vmstat(name: str) -> int:
    return _number(rf"^{name} (\d+)$", "/proc/vmstat")


def _number(pattern: str, path: str) -> int:
    found = re.search(pattern, Path(path).read_text(), re.MULTILINE)
    if not found:
        raise LabError(f"{path} has no {pattern}")
    return int(found.group(1))
