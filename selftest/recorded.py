"""Small recorded trees, made from a host that is well by a few edits, and the real checks' verdicts on them.

In: files by path (None: not there), the same after the window, an earlier run's counters, a policy's settings.
Out: `Judged`, as the suite would tell it. Nothing of this machine is seen, and no process is started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selftest import judged
from shipworthy.outcome import Judged
from shipworthy.policy import HostPolicy
from shipworthy.probes.memory import Memory, Request
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

UPTIME = 500_000.0
MOUNTS_V2 = (
    "25 30 0:23 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n24 30 0:22 / /proc rw - proc proc rw\n"
)
SWAPS = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def meminfo(**kib: int | None) -> str:
    """/proc/meminfo of 16 GB, half of it available, without swap."""
    fields: dict[str, int | None] = {
        "MemTotal": 16_000_000,
        "MemFree": 2_000_000,
        "MemAvailable": 8_000_000,
        "Mapped": 400_000,
        "Shmem": 1000,
        "SwapTotal": 0,
        "SwapFree": 0,
        "SwapCached": 0,
        "CommitLimit": 8_000_000,
        "Committed_AS": 3_000_000,
        "HugePages_Total": 0,
        "HugePages_Free": 0,
        "Hugepagesize": 2048,
        "Hugetlb": 0,
        **kib,
    }
    units = {name: "" if name.startswith("HugePages_") else " kB" for name in fields}
    return "".join(f"{name}: {value:8d}{units[name]}\n" for name, value in fields.items() if value is not None)


def vmstat(**counters: int | None) -> str:
    """/proc/vmstat of Linux 6.1, on which nothing ever happened."""
    fields: dict[str, int | None] = {
        "nr_mapped": 100_000,
        "pswpin": 0,
        "pswpout": 0,
        "pgmajfault": 5,
        "allocstall_normal": 0,
        "workingset_refault_anon": 0,
        "oom_kill": 0,
        **counters,
    }
    return "".join(f"{name} {value}\n" for name, value in fields.items() if value is not None)


def pressure(some: int = 0, full: int = 0, *, avg10: float = 0.0) -> str:
    """A PSI file with these microseconds of stall."""
    line = f"avg10={avg10:.2f} avg60=0.00 avg300=0.00 total="
    return f"some {line}{some}\nfull {line}{full}\n"


def events(folder: str, kills: int = 0, limits: int = 0, *, own: tuple[int, int] | None = None) -> dict[str, str]:
    """A version 2 group's kills and hits of a limit, its descendants' with them; `own` are those of it alone."""
    path = f"/sys/fs/cgroup{folder}/memory.events"
    form = "low 0\nhigh 0\nmax 0\noom {1}\noom_kill {0}\n"
    return {path: form.format(kills, limits), f"{path}.local": form.format(*(own or (kills, limits)))}


def process(pid: int, name: str, anonymous_kib: int, *, uid: int = 0, group: str = "/system.slice/x.service") -> Files:
    """A process that holds so much; the capabilities are root's."""
    status = (
        f"Name:\t{name}\nState:\tS (sleeping)\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nVmSize:\t{anonymous_kib * 2} kB\n"
        f"VmRSS:\t{anonymous_kib} kB\nRssAnon:\t{anonymous_kib} kB\nVmData:\t{anonymous_kib} kB\nVmStk:\t132 kB\n"
        f"VmSwap:\t0 kB\nThreads:\t3\nCapEff:\t{'0' if uid else '1'}ffffffffff\n".replace("0ffffffffff", "0")
    )
    limits = (
        "Limit                     Soft Limit           Hard Limit           Units     \nMax processes             "
    )
    return {
        f"/proc/{pid}/status": status,
        f"/proc/{pid}/stat": f"{pid} ({name}) S {'0 ' * 18}4500 {'0 ' * 30}\n",
        f"/proc/{pid}/limits": limits + "62000                62000                processes \n",
        f"/proc/{pid}/cgroup": f"0::{group}\n",
    }


WELL: Files = {
    "/proc/meminfo": meminfo(),
    "/proc/vmstat": vmstat(),
    "/proc/pressure/memory": pressure(),
    "/proc/swaps": SWAPS,
    "/proc/loadavg": "0.1 0.2 0.3 2/500 1234\n",
    "/proc/uptime": f"{UPTIME:.2f} 1000.00\n",
    "/proc/sys/vm/overcommit_memory": "0\n",
    "/proc/sys/vm/admin_reserve_kbytes": "8192\n",
    "/proc/sys/vm/user_reserve_kbytes": "131072\n",
    "/proc/sys/vm/swappiness": "60\n",
    "/proc/sys/kernel/pid_max": "4194304\n",
    "/proc/sys/kernel/threads-max": "126000\n",
    "/proc/self/cgroup": "0::/user.slice\n",
    "/proc/self/mountinfo": MOUNTS_V2,
    "/sys/fs/cgroup/cgroup.controllers": "memory pids\n",
    **events("/system.slice"),
    **events("/user.slice"),
    "/sys/module/kernel/x": "",
    **process(1, "systemd", 9000),
}
"""A host that is well: Linux 6.1, version 2 control groups, no /dev/kmsg that this user may read."""


NO_GROUPS: Files = {"/proc/self/cgroup": None, "/proc/self/mountinfo": "24 30 0:22 / /proc rw - proc proc rw\n"}
CONTAINER: Files = {
    "/proc/self/ns/cgroup": "link:cgroup:[4026532999]",
    "/proc/self/cgroup": "0::/\n",
    "/sys/fs/cgroup/memory.max": f"{512 * 2**20}\n",
    "/sys/fs/cgroup/memory.current": f"{450 * 2**20}\n",
    "/sys/fs/cgroup/memory.high": "max\n",
    "/sys/fs/cgroup/memory.stat": f"anon {440 * 2**20}\ninactive_file 0\nactive_file 0\n",
    **events(""),
    **{path: None for folder in ("/system.slice", "/user.slice") for path in events(folder)},
}


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    outcome: str
    message: str
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    previous: Previous = NOTHING_BEFORE
    uptime: float | None = 500_000.0
    policy: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    first: str = ""
    """How the evidence begins."""


def write(root: Path, files: Files) -> Path:
    """Make a tree of `files` over those of a host that is well; a text of `link:…` makes a symbolic link."""
    return judged.write(root, {**WELL, **files})


def policy(*, extends: str = "baseline", **memory: Any) -> HostPolicy:
    """The defaults, with these settings of memory's, in base units."""
    made = judged.policy(extends=extends)
    subjects = {**made.subjects, "memory": made.memory.model_copy(update=memory)}
    return HostPolicy(**{**vars(made), "subjects": subjects})


def read(root: Path, then: Path, request: Request, seconds: float = 1.0) -> Memory:
    """The probe's reading of a tree that is `then` after the window."""
    reading: Memory = judged.read("memory", root, then, request, seconds)
    return reading


def judge(
    name: str, memory: Memory, by: HostPolicy, previous: Previous = NOTHING_BEFORE, uptime: float | None = UPTIME
) -> Judged:
    """What the check called `name` concludes."""
    arguments = {"memory": memory, "policy": by, "previous": previous, "facts": judged.facts(uptime)}
    return judged.judge("memory", name, **arguments)


def told(case: Case, check: str, tmp_path: Path) -> None:
    before = write(tmp_path / "before", case.files)
    then = write(tmp_path / "then", {**case.files, **case.then})
    said = judge(check, read(before, then, Request(**case.asked)), policy(**case.policy), case.previous, case.uptime)
    assert (said.outcome, said.message) == (case.outcome, case.message)
    assert not case.first or said.evidence[0].startswith(case.first)
