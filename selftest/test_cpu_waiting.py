"""What waiting and quotas are judged to be: a recorded host, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selftest import judged
from selftest.recorded_cpu import IDLE, WELL, Case, Files, group, group_v1, load, psi, stat, told
from shipworthy.probes import cpu
from shipworthy.probes.cpu import Request
from shipworthy.probes.runtime.machine import Machine

WANTED = stat({"user": 100}, {"user": 100}, running=9)
LOAD_CASES = {
    "low": Case("passed", ""),
    "high, and cores are wanted": Case(
        "warned", "load per core 4, warning above 2", {"/proc/stat": WANTED, **load(8, 9)}, {"/proc/stat": WANTED}
    ),
    "high for a minute": Case("passed", "", load(30, 2)),
    "high until a minute ago": Case("passed", "", load(1, 30)),
    "a limit, and tasks wait for a core": Case(
        "failed", "load per core 5, limit 4", {**load(10, 11), **psi(400_000)}, extends="strict"
    ),
    "a limit, and tasks run": Case(
        "failed",
        "load per core 5, limit 4",
        {"/proc/stat": WANTED, **load(10, 11)},
        {"/proc/stat": WANTED},
        extends="strict",
    ),
    "a limit, and tasks wait for disks": Case(
        "warned",
        "load per core 5, warning above 2",
        {"/proc/stat": stat(IDLE, IDLE, blocked=10), **load(10, 11)},
        {"/proc/stat": stat({}, {}, blocked=10)},
        extends="strict",
    ),
    "tasks ran at one end alone": Case(
        "warned", "load per core 5, warning above 2", {"/proc/stat": WANTED, **load(10, 11)}, extends="strict"
    ),
    "the probe itself runs": Case(
        "warned",
        "load per core 5, warning above 2",
        {"/proc/stat": stat(IDLE, IDLE, running=3), **load(10, 11)},
        {"/proc/stat": stat({}, {}, running=3)},
        extends="strict",
    ),
    "a quota does not make the machine's load larger": Case(
        "passed", "", {**load(3, 3), **group("/user.slice", "50000 100000")}, group("/user.slice", "50000 100000")
    ),
    "not there": Case("error", "load.per_core: no /proc/loadavg", {"/proc/loadavg": None}),
}

CONTAINER: Files = {"/proc/self/ns/cgroup": "link:cgroup:[4026532999]", "/proc/self/cgroup": "0::/\n"}
OWN = "/sys/fs/cgroup/cpu.pressure"
PRESSURE_CASES = {
    "none": Case("passed", ""),
    "some": Case(
        "warned",
        "some task waiting for a core 40 %, warning above 30 %",
        psi(400_000),
        first="in the machine some task waited 1.5 % of 60 s, 0.5 % of 300 s",
    ),
    "over a long window": Case("passed", "", psi(2_900_000), seconds=10.0),
    "no PSI": Case(
        "skipped",
        "this kernel does not tell how long tasks wait for a core (PSI); see cpu.load",
        files={"/proc/pressure/cpu": None},
    ),
    "a container's machine": Case(
        "warned", "some task waiting for a core 40 %, warning above 30 %", psi(400_000), CONTAINER
    ),
    "a container's own": Case(
        "passed",
        "",
        {**psi(900_000), OWN: psi(10_000)["/proc/pressure/cpu"]},
        {**CONTAINER, OWN: psi(0)["/proc/pressure/cpu"]},
    ),
    "a container that waits": Case(
        "warned",
        "some task waiting for a core 50 %, warning above 30 %",
        {OWN: psi(500_000)["/proc/pressure/cpu"]},
        {**CONTAINER, OWN: psi(0)["/proc/pressure/cpu"]},
        first="in the container some task waited",
    ),
    "it went back": Case(
        "error",
        "pressure: /proc/pressure/cpu: some: total went back from 5000 to 0",
        psi(0),
        psi(5000),
    ),
}

LIMITED = "200000 100000"
CUT = "periods cut short by the quota of 2 cores in /user.slice {}"
THROTTLED_CASES = {
    "no quota": Case("skipped", "no control group around the login has a CPU quota"),
    "no groups": Case(
        "skipped", "no control group around the login has a CPU quota", files={"/proc/self/cgroup": None}
    ),
    "never stopped": Case("passed", "", group("/user.slice", LIMITED, 100), group("/user.slice", LIMITED)),
    "stopped before": Case(
        "passed", "", group("/user.slice", LIMITED, 200, 90), group("/user.slice", LIMITED, 100, 90), seconds=10
    ),
    "sometimes": Case(
        "warned",
        CUT.format("10 %, warning above 5 % (limit 25 %)"),
        group("/user.slice", LIMITED, 100, 10, 15_000_000),
        group("/user.slice", LIMITED),
        seconds=10,
        first="/user.slice: stopped in 10 of 100 periods, for 500 ms in all, 1.5 cores used",
    ),
    "mostly": Case(
        "failed",
        CUT.format("60 %, limit 25 %"),
        group("/user.slice", LIMITED, 100, 60),
        group("/user.slice", LIMITED),
        seconds=10,
    ),
    "one of three periods": Case("passed", "", group("/user.slice", LIMITED, 3, 1), group("/user.slice", LIMITED)),
    "three of three periods": Case(
        "warned",
        CUT.format("15 %, warning above 5 % (limit 25 %)"),
        group("/user.slice", LIMITED, 3, 3),
        group("/user.slice", LIMITED),
    ),
    "a quota that was set meanwhile": Case(
        "skipped", "no control group around the login has a CPU quota", group("/user.slice", LIMITED, 3, 3)
    ),
    "a group made anew": Case(
        "error",
        "groups: /user.slice: nr_periods went back from 9 to 3",
        group("/user.slice", LIMITED, 3),
        group("/user.slice", LIMITED, 9),
    ),
    "a group around it": Case(
        "failed",
        "periods cut short by the quota of 1 core in /a 50 %, limit 25 %",
        group("/a", "100000 100000", 100, 50),
        {"/proc/self/cgroup": "0::/a/b\n", **group("/a/b", "max 100000"), **group("/a", "100000 100000")},
    ),
    "version 1": Case(
        "failed",
        "periods cut short by the quota of 0.5 cores in /docker 40 %, limit 25 %",
        group_v1("50000", 100, 40),
        group_v1("50000"),
    ),
    "version 1 without a quota": Case(
        "skipped", "no control group around the login has a CPU quota", group_v1("-1", 9, 9), group_v1("-1")
    ),
    "outside of what can be seen": Case(
        "error",
        "groups: the control group /../x lies outside what can be seen here",
        files={"/proc/self/cgroup": "0::/../x\n"},
    ),
}


@pytest.mark.parametrize("name", LOAD_CASES)
def test_the_load_with_its_witnesses(name: str, tmp_path: Path) -> None:
    told(LOAD_CASES[name], "test_load_is_bearable", tmp_path)


@pytest.mark.parametrize("name", PRESSURE_CASES)
def test_who_waits_for_a_core(name: str, tmp_path: Path) -> None:
    told(PRESSURE_CASES[name], "test_tasks_do_not_wait_for_a_core", tmp_path)


@pytest.mark.parametrize("name", THROTTLED_CASES)
def test_what_a_quota_stops(name: str, tmp_path: Path) -> None:
    told(THROTTLED_CASES[name], "test_no_quota_cuts_work_short", tmp_path)


@pytest.mark.parametrize(
    ("check", "then"),
    [
        ("busy", {"/proc/stat": stat({"user": 100}, {"user": 100})}),
        ("core", {"/proc/stat": stat({"softirq": 100}, IDLE)}),
        ("steal", {"/proc/stat": stat({"steal": 50, "idle": 50}, IDLE)}),
        ("pressure", psi(500_000)),
        ("throttled", group("/user.slice", LIMITED, 10, 9)),
    ],
)
def test_doubt_takes_the_long_window(check: str, then: Files, tmp_path: Path) -> None:
    """A host that is at its limit for a second and not for ten is within it."""
    files = {**WELL, **group("/user.slice", LIMITED)}
    request = judged.policy().subjects["cpu"].request(frozenset({f"cpu.{check}"}))
    for asked, looks in ((request, 3), (Request(), 2)):
        machine = judged.write(tmp_path / f"before{looks}", files)
        after = judged.write(tmp_path / f"after{looks}", {**files, "/proc/stat": stat(IDLE, IDLE), **then})
        assert _looks(machine, after, asked) == looks


def _looks(before: Path, after: Path, request: Any) -> int:
    """How many samples the probe takes."""
    machine = Machine(str(before))
    steps = cpu.probe(machine, request)
    next(steps)
    machine.root = str(after)
    looks = 1
    try:
        while True:
            looks += 1
            steps.send(1.0)
    except StopIteration:
        return looks
