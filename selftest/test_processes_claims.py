"""What the checks of processes conclude: a recorded host, an earlier run, a policy → outcome and message."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest import judged
from selftest.running import DAY, HIDDEN, KERNEL_THREAD, ORDINARY, UPTIME, Case, Files, process, stat, status, tcp, told
from shipworthy.errors import NotMeasured
from shipworthy.judging.processes import not_stale
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts.stale import Stale

IO = "rchar: {0}\nwchar: 5\nsyscr: {0}\nsyscw: 2\n"


def burning(ticks: int, *, tid: int = 77, ran: int | None = 5, faults: int = 9, io: int | None = 3) -> Files:
    """A process `app[77]` of one thread, or its thread called worker."""
    name = "app" if tid == 77 else "worker"
    folder = f"/proc/77/task/{tid}"
    return {
        "/proc/77/stat": stat(77, "app", "R", ticks=ticks, faults=faults),
        f"{folder}/stat": stat(tid, name, "R", ticks=ticks, faults=faults),
        f"{folder}/status": status(name, ran=ran),
        f"{folder}/io": None if io is None else IO.format(io),
    }


SHARE = "app[77]: share of a core {}, warning above 95 %"

PEGGED = {
    "idle": Case("passed", ""),
    "half a core": Case("passed", "", burning(1000), burning(1050)),
    "a core for a moment": Case("passed", "", burning(1000), burning(1100), burning(1500)),
    "a core for long": Case(
        "warned",
        SHARE.format("100 %"),
        burning(1000),
        burning(1100),
        burning(2000),
        first="app[77] had 100.0 % of a core for 9 s",
    ),
    "its thread": Case(
        "warned",
        "app[77] thread worker[78]: share of a core 98 %, warning above 95 %",
        burning(1000, tid=78),
        burning(1100, tid=78),
        burning(1982, tid=78),
    ),
    "several threads that share the work": Case(
        "passed",
        "",
        {"/proc/77/stat": stat(77, "app", ticks=1000)},
        {
            "/proc/77/stat": stat(77, "app", ticks=1200),
            "/proc/77/task/77/stat": stat(77, "app", ticks=600),
            "/proc/77/task/78/stat": stat(78, "app", ticks=600),
        },
        {
            "/proc/77/stat": stat(77, "app", ticks=2000),
            "/proc/77/task/77/stat": stat(77, "app", ticks=1000),
            "/proc/77/task/78/stat": stat(78, "app", ticks=1000),
        },
    ),
    "a thread that ended": Case(
        "passed", "", burning(1000), burning(1100), {"/proc/77/stat": None, "/proc/77/task/77/stat": None}
    ),
    "another process of the same number": Case(
        "passed",
        "",
        {"/proc/77/stat": stat(77, "app", ticks=0)},
        {"/proc/77/stat": stat(77, "app", ticks=900, start=99999)},
    ),
    "a kernel thread": Case(
        "passed",
        "",
        {"/proc/77/stat": stat(77, "md0_raid6", ticks=0, flags=KERNEL_THREAD)},
        {"/proc/77/stat": stat(77, "md0_raid6", ticks=100, flags=KERNEL_THREAD)},
    ),
    "processes are hidden": Case("error", "all_seen: /proc is mounted with hidepid: needs root", HIDDEN),
    "whoever is seen is judged": Case(
        "warned",
        SHARE.format("100 %"),
        burning(1000),
        burning(1100),
        burning(2000),
    ),
}

SPINS = "app[77]: threads that spin 1, warning above 0"

LIVELOCK = {
    "nothing moves": Case("warned", SPINS, burning(1000), burning(1100), burning(2000)),
    "it rests sometimes": Case("passed", "", burning(1000), burning(1100), burning(2000, ran=6)),
    "it reads": Case("passed", "", burning(1000), burning(1100), burning(2000, io=90)),
    "it takes memory": Case("passed", "", burning(1000), burning(1100), burning(2000, faults=10)),
    "it is not pegged": Case("passed", "", burning(1000), burning(1100), burning(1500)),
    "what it reads and writes is not to be seen": Case(
        "error",
        "what app[77] reads and writes: this kernel does not tell it",
        burning(1000, io=None),
        burning(1100, io=None),
        burning(2000, io=None),
    ),
    "but it rests": Case("passed", "", burning(1000, io=None), burning(1100, io=None), burning(2000, io=None, ran=9)),
    "a kernel without switches": Case(
        "error",
        "what app[77] reads and writes: this kernel does not tell it",
        burning(1000, ran=None),
        burning(1100, ran=None),
        burning(2000, ran=None),
    ),
}


def dead(parent: int, count: int, first: int = 5000) -> Files:
    return {f"/proc/{n}/stat": stat(n, "sh", "Z", parent=parent, size=0, rss=0) for n in range(first, first + count)}


APP = process(77, "app")

ZOMBIES = {
    "none": Case("passed", ""),
    "a few": Case("passed", "", {**APP, **dead(77, 9)}),
    "ten": Case("warned", "app[77]: dead children 10, warning above 9 (limit 99)", {**APP, **dead(77, 10)}),
    "a hundred": Case("failed", "app[77]: dead children 100, limit 99", {**APP, **dead(77, 100)}),
    "ten of two parents": Case("passed", "", {**APP, **dead(77, 5), **dead(800, 5, 6000)}),
    "short-lived": Case("passed", "", APP, dead(77, 20)),
    "only the first threads of living processes": Case(
        "passed", "", {**APP, **{f"/proc/{n}/stat": stat(n, "go", "Z", parent=77, threads=4) for n in range(90, 110)}}
    ),
    "asked for meanwhile": Case("passed", "", {**APP, **dead(77, 20)}, dict.fromkeys(dead(77, 20))),
    "more than before": Case(
        "warned",
        "app[77]: dead children more than at the earlier run 2, warning above 0",
        {**APP, **dead(77, 5)},
        before={"zombies 77@5000": 3},
    ),
    "as many as before": Case("passed", "", {**APP, **dead(77, 5)}, before={"zombies 77@5000": 5}),
    "fewer than before": Case("passed", "", {**APP, **dead(77, 2)}, before={"zombies 77@5000": 5}),
    "of a parent that was started anew": Case("passed", "", {**APP, **dead(77, 5)}, before={"zombies 77@4000": 3}),
    "the first ones": Case("passed", "", {**APP, **dead(77, 3)}, before={}),
    "strict": Case(
        "warned", "app[77]: dead children 1, warning above 0 (limit 9)", {**APP, **dead(77, 1)}, extends="strict"
    ),
}

STUCK = "cp[77]: processes stuck in the kernel 1, warning above 0"
IN_D = process(77, "cp", "D")

UNINTERRUPTIBLE = {
    "none": Case("passed", ""),
    "it did not run once": Case("warned", STUCK, IN_D, first="cp[77] did not run once in 1 s"),
    "in a place that root sees": Case(
        "warned",
        STUCK,
        {**IN_D, "/proc/77/wchan": "nfs_wait_bit_killable"},
        first="cp[77] did not run once in 1 s, in nfs_wait_bit_killable",
    ),
    "it ran in between": Case("passed", "", IN_D, process(77, "cp", "D", ran=6)),
    "it ran in the long window": Case("passed", "", IN_D, {}, process(77, "cp", "D", ran=6)),
    "through the long window": Case("warned", STUCK, IN_D, {}, {}, first="cp[77] did not run once in 10 s"),
    "it came out": Case("passed", "", IN_D, process(77, "cp", "S")),
    "it went in": Case("passed", "", process(77, "cp", "S"), IN_D),
    "another of the same number": Case("passed", "", IN_D, process(77, "cp", "D", start=99999)),
    "a kernel thread": Case("passed", "", process(77, "txg_sync", "D", flags=KERNEL_THREAD)),
    "a kernel that does not tell whether it ran": Case("warned", STUCK, process(77, "cp", "D", ran=None)),
    "it waits for vfork, says root's view": Case("passed", "", {**IN_D, "/proc/77/wchan": "kernel_clone"}),
    "its child runs in its memory": Case("passed", "", {**IN_D, **process(78, "cp", parent=77)}),
    "its child has other memory": Case("warned", STUCK, {**IN_D, **process(78, "cp", parent=77, size=9_000_000)}),
    "root sees that it is no vfork": Case(
        "warned", STUCK, {**IN_D, **process(78, "cp", parent=77), "/proc/77/wchan": "io_schedule"}
    ),
    "wchan tells an ordinary user nothing": Case("warned", STUCK, {**ORDINARY, **IN_D, "/proc/77/wchan": "0"}),
    "a paused container": Case("passed", "", {**IN_D, "/proc/77/wchan": "__refrigerator"}),
    "strict": Case("failed", "cp[77]: processes stuck in the kernel 1, limit 0", IN_D, extends="strict"),
    "two": Case(
        "warned",
        "cp[77] and others: processes stuck in the kernel 2, warning above 0",
        {**IN_D, **process(78, "dd", "D")},
    ),
}

STOPPED = {
    "none": Case("passed", ""),
    "by a signal": Case("warned", "app[77]: processes stopped 1, warning above 0", process(77, "app", "T")),
    "by a debugger": Case(
        "warned",
        "app[77]: processes stopped 1, warning above 0",
        process(77, "app", "t"),
        first="app[77] stopped by a debugger",
    ),
    "an editor in the background of a shell": Case("passed", "", process(77, "vim", "T", tty=34816)),
    "one that is traced, and runs": Case("passed", "", process(77, "app", "t"), process(77, "app", "t", ticks=105)),
    "for a moment": Case("passed", "", process(77, "app", "T"), process(77, "app", "S")),
}


def program(start: int, pid: int = 77, path: str = "/usr/bin/app (deleted)") -> Files:
    return {**process(pid, "app", start=start), f"/proc/{pid}/exe": f"link:{path}"}


OLD, NEW = 5000, round((UPTIME - DAY) * 100)

DELETED = {
    "none": Case("passed", "", program(OLD, path="/usr/bin/app")),
    "of a process younger than the limit": Case("passed", "", program(NEW)),
    "since when is not known": Case(
        "error", "app[77]: since when /usr/bin/app is deleted cannot be told", program(OLD)
    ),
    "longer than the limit for certain": Case(
        "error", "app[77]: since when /usr/bin/app is deleted cannot be told", program(NEW),
        policy={"deleted": {"warn_above": "1 h"}},
    ),
    "what never had a name": Case("passed", "", program(OLD, path="/memfd:runc_cloned:/proc/self/exe (deleted)")),
    "dead": Case("passed", "", {**program(OLD), "/proc/77/stat": stat(77, "app", "Z")}),
}  # fmt: skip


def held(*inodes: int) -> Files:
    return {**APP, **{f"/proc/77/fd/{n}": f"link:socket:[{inode}]" for n, inode in enumerate(inodes)}}


def closing(count: int, *, owned: bool = True) -> Files:
    inodes = range(9000, 9000 + count)
    return {**tcp(*(("08", inode) for inode in inodes)), **(held(*inodes) if owned else {})}


CLOSE_WAIT = {
    "none": Case("passed", ""),
    "99": Case("passed", "", closing(99)),
    "100": Case(
        "warned", "app[77]: connections in CLOSE_WAIT 100, warning above 99 (limit 999)", closing(100),
        first="app[77] has 100",
    ),
    "1000": Case("failed", "app[77]: connections in CLOSE_WAIT 1000, limit 999", closing(1000)),
    "of nobody that is seen": Case(
        "warned", "connections in CLOSE_WAIT 100, warning above 99 (limit 999)", closing(100, owned=False)
    ),
    "the same one again": Case(
        "warned", "app[77]: connections still in CLOSE_WAIT 1, warning above 0", closing(2),
        before={"close_wait 9001": 1}, first="app[77] has not closed 10.0.2.11:443",
    ),
    "the same one a moment later": Case("passed", "", closing(2), before={"close_wait 9001": 1}, ago=5.0),
    "others than before": Case("passed", "", closing(2), before={"close_wait 8000": 1}),
    "not accepted yet": Case("passed", "", tcp(("08", 0), ("08", 0))),
    "no table": Case("error", "leaks: /proc/net/tcp: No such file or directory", {"/proc/net/tcp": None}),
}  # fmt: skip

TABLES = {
    "test_no_thread_keeps_a_core_to_itself": PEGGED,
    "test_no_thread_goes_in_circles": LIVELOCK,
    "test_no_process_leaves_its_dead_lying": ZOMBIES,
    "test_no_process_is_stuck_in_the_kernel": UNINTERRUPTIBLE,
    "test_no_process_is_stopped": STOPPED,
    "test_no_program_outlives_its_file": DELETED,
    "test_connections_are_closed": CLOSE_WAIT,
}


@pytest.mark.parametrize(("test", "name"), [(test, name) for test, table in TABLES.items() for name in table])
def test_what_is_concluded(test: str, name: str, tmp_path: Path) -> None:
    told(TABLES[test][name], test, tmp_path)


SINCE = {
    "a day": Stale(77, "app", "/bin/app", DAY, 30 * DAY),
    "eight days": Stale(77, "app", "/bin/app", 8 * DAY, 30 * DAY),
    "eight days, but the process is of today": Stale(77, "app", "/bin/app", 8 * DAY, DAY),
    "nobody knows": Stale(77, "app", "/bin/app", None, 30 * DAY),
}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "deleted program in use for 0 µs, warning above 7 d"),
        (("a day",), "app[77]: deleted /bin/app in use for 1 d, warning above 7 d"),
        (("eight days", "a day"), "app[77]: deleted /bin/app in use for 8 d, warning above 7 d"),
        (("eight days, but the process is of today",), "app[77]: deleted /bin/app in use for 1 d, warning above 7 d"),
    ],
)
def test_for_how_long_a_deleted_file_is_in_use(names: tuple[str, ...], message: str) -> None:
    limit = judged.policy().processes.deleted
    verdict = not_stale(limit, [SINCE[name] for name in names])
    assert verdict.warned == ("eight days" in names)
    assert f"{verdict.what or limit.words} {SECONDS.format(verdict.value)}, warning above 7 d" == message


def test_what_may_be_too_old_is_not_passed() -> None:
    with pytest.raises(NotMeasured, match=r"^app\[77\]: since when /bin/app is deleted cannot be told$"):
        not_stale(judged.policy().processes.deleted, [SINCE["nobody knows"]])
