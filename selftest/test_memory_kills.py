"""Who was killed for whose want of memory: recorded host, earlier run → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded import CONTAINER, NO_GROUPS, Case, Files, events, told, vmstat
from shipworthy.snapshot import Previous

DAY = 86400.0
BOOT = "6,1,0,-;Linux version 6.1\n"
UNKNOWN = "kills for want of memory of unknown kind {}, warning above 0"
GLOBAL = "processes killed for want of memory {}, limit 0"
LIMITED = "processes killed at their cgroup's limit {}, warning above 0"
V1: Files = {
    "/proc/self/cgroup": "3:memory:/\n",
    "/proc/self/mountinfo": "31 30 0:41 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
    "/sys/fs/cgroup/memory/memory.failcnt": "0\n",
    "/sys/fs/cgroup/memory/memory.use_hierarchy": "1\n",
}


def counted(kills: int) -> Files:
    return {"/proc/vmstat": vmstat(oom_kill=kills)}


def before(ago: float, kills: int, **others: int) -> Previous:
    return Previous("then", ago, "boot", {"memory": {"oom_kill": kills, **others}})


def log(*kills: tuple[str, float], begins: float = 0.0) -> Files:
    """A kernel's log of kills so many seconds ago, whose first line is of `begins` after boot."""
    kinds = {
        "global": ("CONSTRAINT_NONE,nodemask=(null),global_oom", "Out of memory"),
        "limit": ("CONSTRAINT_MEMCG,nodemask=(null),oom_memcg=/a", "Memory cgroup out of memory"),
    }
    text = f"6,1,{begins * 1e6:.0f},-;a line\n"
    for number, (kind, ago) in enumerate(sorted(kills, key=lambda kill: -kill[1])):
        at = round((500_000 - ago) * 1e6)
        constraint, words = kinds.get(kind, ("", ""))
        text += f"4,5,{at},-;app invoked oom-killer: gfp\n"
        if words:
            text += f"6,6,{at},-;oom-kill:constraint={constraint},task_memcg=/a,task=app,pid={number},uid=0\n"
        text += f"3,7,{at},-;{words + ': ' if words else ''}Killed process {number} (app) total-vm:1kB\n"
    return {"/dev/kmsg": text}


def v1_group(kills: int, failures: int) -> Files:
    folder = "/sys/fs/cgroup/memory/app"
    told = f"oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n"
    return {f"{folder}/memory.oom_control": told, f"{folder}/memory.failcnt": f"{failures}\n"}


NOT_KNOWN_WHEN = "3 kills since boot; when is not known: "

KILLS = {
    "none": Case("passed", ""),
    "v2: no group counts them, so they were for the machine": Case(
        "failed", GLOBAL.format(2), counted(3), previous=before(60, 1)
    ),
    "v2: a group without a limit": Case(
        "failed", GLOBAL.format(3), {**counted(3), **events("/system.slice", 3)}, previous=before(60, 0)
    ),
    "v2: at a limit": Case(
        "warned", LIMITED.format(3), {**counted(3), **events("/system.slice", 3, 1)}, previous=before(60, 0)
    ),
    "v2: at the limit of a group that is gone": Case(
        "warned",
        LIMITED.format(1),
        {**counted(1), **events("/system.slice", 1, 1, own=(0, 0))},
        previous=before(60, 0),
    ),
    "v2: one of each": Case(
        "failed",
        GLOBAL.format(1),
        {**counted(2), **events("/system.slice", 1, 1), **events("/user.slice", 1)},
        previous=before(60, 0),
    ),
    "v2: those at limits were there before": Case(
        "failed",
        GLOBAL.format(1),
        {**counted(4), **events("/system.slice", 3, 1)},
        previous=before(60, 3, oom_kill_cgroup=3),
    ),
    "v2 before 5.2: groups take their counts along": Case(
        "warned",
        UNKNOWN.format(1),
        {**counted(1), "/sys/fs/cgroup/system.slice/memory.events.local": None},
        previous=before(60, 0),
    ),
    "v1: groups take their counts along": Case(
        "warned", UNKNOWN.format(2), {**V1, **counted(2)}, previous=before(60, 0), first="neither the kernel's log"
    ),
    "v1: the log knows one": Case(
        "failed",
        GLOBAL.format(1),
        {**V1, **counted(2), **log(("global", 30), begins=499_900)},
        previous=before(60, 0),
    ),
    "v1: the log knows all": Case(
        "warned", LIMITED.format(1), {**V1, **counted(1), **log(("limit", 30))}, previous=before(60, 0)
    ),
    "v1: reclaim at a limit proves nothing": Case(
        "warned", UNKNOWN.format(1), {**V1, **counted(1), **v1_group(1, 33)}, previous=before(60, 0)
    ),
    "v1: no limit was ever hit": Case(
        "failed", GLOBAL.format(1), {**V1, **counted(1), **v1_group(1, 0)}, previous=before(60, 0)
    ),
    "no groups: the counter decides": Case(
        "failed", GLOBAL.format(2), {**NO_GROUPS, **counted(3)}, previous=before(60, 1)
    ),
    "booted today: all since boot": Case("failed", GLOBAL.format(3), counted(3), previous=before(60, 3), uptime=DAY),
    "within a day by the log, before the run": Case(
        "failed", GLOBAL.format(1), {**counted(3), **log(("global", 7200))}, previous=before(60, 3)
    ),
    "longer ago than a day, since the last run": Case(
        "failed", GLOBAL.format(1), {**counted(3), **log(("global", 2 * DAY))}, previous=before(3 * DAY, 2)
    ),
    "longer ago than a day and the last run": Case(
        "passed", "", {**counted(1), **log(("global", 2 * DAY))}, previous=before(60, 1)
    ),
    "no earlier run, the log has all of them": Case(
        "passed", "", {**counted(1), **log(("global", 2 * DAY), begins=300_000)}
    ),
    "no earlier run, the log reaches a day back": Case(
        "warned", LIMITED.format(1), {**counted(3), **log(("limit", 60), begins=400_000)}
    ),
    "no earlier run, the log is too short": Case(
        "error", f"{NOT_KNOWN_WHEN}the kernel's log goes back 1.67 min only", {**counted(3), **log(begins=499_900)}
    ),
    "no earlier run, the log is too short but tells enough": Case(
        "failed", GLOBAL.format(1), {**counted(3), **log(("global", 60), begins=499_900)}
    ),
    "no earlier run, no log": Case("error", f"{NOT_KNOWN_WHEN}no /dev/kmsg", counted(3)),
    "no counter, the log reaches to the boot": Case(
        "passed", "", {**V1, "/proc/vmstat": vmstat(oom_kill=None), **log()}
    ),
    "no counter, the log tells": Case(
        "failed", GLOBAL.format(1), {**V1, "/proc/vmstat": vmstat(oom_kill=None), **log(("global", 60))}
    ),
    "no counter, the log does not say which": Case(
        "warned", UNKNOWN.format(1), {**V1, "/proc/vmstat": vmstat(oom_kill=None), **log(("?", 60))}
    ),
    "no counter, no log": Case(
        "error",
        "kills: /proc/vmstat has no oom_kill; when is not known: no /dev/kmsg",
        {**V1, "/proc/vmstat": vmstat(oom_kill=None)},
    ),
    "25 at limits do not hide one": Case(
        "failed",
        GLOBAL.format(1),
        {**counted(26), **log(("global", 30_000), *[("limit", 60.0 + at) for at in range(25)])},
        first="app[0] killed 8.33 h ago",
    ),
    "a container: others' kills": Case("passed", "", {**CONTAINER, **counted(50)}, previous=before(60, 0)),
    "a container: others' log": Case(
        "passed", "", {**CONTAINER, **counted(50), **log(("global", 60))}, previous=before(60, 0)
    ),
    "a container: at its limit": Case(
        "warned", LIMITED.format(2), {**CONTAINER, **counted(50), **events("", 2, 1)}, previous=before(60, 0)
    ),
    "a container: at no limit of its own": Case(
        "warned", UNKNOWN.format(2), {**CONTAINER, **counted(50), **events("", 2)}, previous=before(60, 0)
    ),
    "a container whose groups are not mounted": Case(
        "error",
        "kills: in a container the kernel counts others' kills too, and no control group here tells of kills; "
        "when is not known: the kernel's log tells of other containers too",
        {**NO_GROUPS, "/proc/self/ns/cgroup": "link:cgroup:[4026532999]", **counted(50)},
    ),
    "strict: what is not known fails": Case(
        "failed",
        "kills for want of memory of unknown kind 2, limit 0",
        {**V1, **counted(2)},
        previous=before(60, 0),
        policy={"extends": "strict"},
    ),
}


@pytest.mark.parametrize("name", KILLS)
def test_who_was_killed_for_whose_want(name: str, tmp_path: Path) -> None:
    told(KILLS[name], "test_nothing_was_oom_killed", tmp_path)
