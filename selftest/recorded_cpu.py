"""Small recorded hosts for the CPU checks, made from one that is well by a few edits, and the verdicts on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selftest import judged
from shipworthy.probes.cpu import Cpu, Request

Files = Mapping[str, "str | None"]

IDLE = {"idle": 100}
MOUNTS = "25 30 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n24 30 0:22 / /proc rw - proc proc rw\n"
V1 = "25 30 0:23 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n24 30 0:22 / /proc rw - proc proc rw\n"
_NAMES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


def stat(*cores: Mapping[str, int], running: int = 1, blocked: int = 0) -> str:
    """/proc/stat after each core spent so many ticks more than a million of each kind."""
    lines = [[1_000_000 + core.get(name, 0) for name in _NAMES] for core in cores]
    texts = ["cpu  " + " ".join(str(sum(column)) for column in zip(*lines, strict=True)) + " 0 0"]
    texts += [f"cpu{n} {' '.join(map(str, line))} 0 0" for n, line in enumerate(lines)]
    return "\n".join([*texts, "intr 5 1 2", "ctxt 7", f"procs_running {running}", f"procs_blocked {blocked}", ""])


def load(one: float, five: float) -> Files:
    return {"/proc/loadavg": f"{one:.2f} {five:.2f} 0.10 2/500 1234\n"}


def psi(total: int) -> Files:
    return {"/proc/pressure/cpu": f"some avg10=0.00 avg60=1.50 avg300=0.50 total={total}\n"}


def own(ticks: int, children: int = 0) -> Files:
    """What the probe itself has used: its own and its children's time, user and system alike."""
    return {"/proc/self/stat": f"9 (python3) R {'0 ' * 10}{ticks} {ticks} {children} {children} 30 10 1 0 400 1 1\n"}


def running(pid: int, name: str, ticks: int) -> Files:
    return {f"/proc/{pid}/stat": f"{pid} ({name}) R 1 {'0 ' * 9}{ticks} 0 0 0 20 0 1 0 400 1 1\n"}


def group(folder: str, quota: str, periods: int = 0, throttled: int = 0, used: int = 0) -> Files:
    top = f"/sys/fs/cgroup{folder}"
    stat = f"usage_usec {used}\nnr_periods {periods}\nnr_throttled {throttled}\nthrottled_usec {throttled * 50_000}\n"
    return {f"{top}/cpu.max": f"{quota}\n", f"{top}/cpu.stat": stat}


def group_v1(quota: str, periods: int = 0, throttled: int = 0) -> Files:
    top = "/sys/fs/cgroup/cpu,cpuacct/docker"
    return {
        "/proc/self/mountinfo": V1,
        "/proc/self/cgroup": "3:cpu,cpuacct:/docker\n",
        "/sys/fs/cgroup/cgroup.controllers": None,
        f"{top}/cpu.cfs_quota_us": f"{quota}\n",
        f"{top}/cpu.cfs_period_us": "100000\n",
        f"{top}/cpu.stat": f"nr_periods {periods}\nnr_throttled {throttled}\nthrottled_time 0\n",
        f"{top}/cpuacct.usage": "5000\n",
    }


WELL: Files = {
    "/proc/stat": stat({}, {}),
    "/proc/loadavg": "0.10 0.20 0.30 2/500 1234\n",
    "/proc/self/status": "Name:\tpython3\nUid:\t0\t0\t0\t0\nCpus_allowed_list:\t0-1\n",
    "/proc/self/cgroup": "0::/user.slice\n",
    "/proc/self/mountinfo": MOUNTS,
    "/sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    **group("/user.slice", "max 100000"),
    **psi(0),
}
"""Two cores, version 2 control groups without a quota; for its second sample, see `told`."""


@dataclass(frozen=True)
class Case:
    """One line of a table; `then` is what is otherwise after the window."""

    outcome: str
    message: str
    then: Files = field(default_factory=dict)
    files: Files = field(default_factory=dict)
    seconds: float = 1.0
    policy: dict[str, Any] = field(default_factory=dict)
    extends: str = "baseline"
    first: str = ""
    """How the evidence begins."""


def told(case: Case, check: str, tmp_path: Path) -> Cpu:
    before = judged.write(tmp_path / "before", {**WELL, **case.files})
    after = {**WELL, "/proc/stat": stat(IDLE, IDLE), **case.files, **case.then}
    then = judged.write(tmp_path / "then", after)
    reading: Cpu = judged.read("cpu", before, then, Request(), case.seconds)
    said = judged.judge("cpu", check, cpu=reading, policy=judged.policy(extends=case.extends, cpu=case.policy))
    assert (said.outcome, said.message) == (case.outcome, case.message)
    assert not case.first or said.evidence[0].startswith(case.first)
    return reading
