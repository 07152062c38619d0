"""What the checks of busy cores conclude: a recorded host, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded_cpu import IDLE, Case, Files, group, own, running, stat, told

HALF = {"user": 50, "idle": 50}
FULL = {"user": 80, "system": 15, "softirq": 5}
BUSY = "cores busy {} %, warning above 90 %"

BUSY_CASES = {
    "idle": Case("passed", ""),
    "nothing moved: nothing ran": Case("passed", "", {"/proc/stat": stat({}, {})}),
    "half": Case("passed", "", {"/proc/stat": stat(HALF, HALF)}),
    "at the limit": Case("passed", "", {"/proc/stat": stat({"user": 90, "idle": 10}, {"user": 90, "idle": 10})}),
    "full": Case(
        "warned",
        BUSY.format(100),
        {"/proc/stat": stat(FULL, FULL)},
        first="2 cores over 1 s: user 80 %, system 15 %, softirq 5 %",
    ),
    "full of niced work": Case("warned", BUSY.format(100), {"/proc/stat": stat({"nice": 100}, {"nice": 100})}),
    "guests are in user already": Case("passed", "", {"/proc/stat": stat(HALF, HALF).replace(" 0 0\n", " 50 0\n")}),
    "waiting for a disk is idle": Case("passed", "", {"/proc/stat": stat({"iowait": 100}, {"iowait": 100})}),
    "a count of waiting that went back": Case(
        "passed", "", {"/proc/stat": stat({"idle": 100, "iowait": -50}, {"idle": 100})}
    ),
    "what is stolen is no work": Case(
        "passed", "", {"/proc/stat": stat({"steal": 60, "idle": 30, "user": 10}, {"steal": 60, "idle": 30, "user": 10})}
    ),
    "all that the hypervisor left": Case(
        "warned", BUSY.format(100), {"/proc/stat": stat({"steal": 60, "user": 40}, {"steal": 60, "user": 40})}
    ),
    "all was stolen": Case(
        "error",
        "usage.whole.busy_percent: the hypervisor gave no time at all",
        {"/proc/stat": stat({"steal": 100}, {"steal": 100})},
    ),
    "a core that the login may not use": Case(
        "passed",
        "",
        {"/proc/stat": stat(IDLE, FULL)},
        {"/proc/self/status": "Name:\tpython3\nCpus_allowed_list:\t0\n"},
    ),
    "only the core that the login may use": Case(
        "warned",
        BUSY.format(100),
        {"/proc/stat": stat(IDLE, FULL)},
        {"/proc/self/status": "Name:\tpython3\nCpus_allowed_list:\t1\n"},
    ),
    "cores that are numbered anew": Case(
        "passed",
        "",
        {"/proc/stat": stat(IDLE, FULL)},
        {"/proc/self/status": "Name:\tpython3\nCpus_allowed_list:\t8-9\n"},
    ),
    "a core that came": Case("passed", "", {"/proc/stat": stat(HALF, HALF, {"user": 500_000})}),
    "a core that went": Case("passed", "", {"/proc/stat": stat(HALF)}),
    "no core stayed": Case(
        "error",
        "usage.whole.busy_percent: /proc/stat tells of no core at both ends of the window",
        {"/proc/stat": stat(HALF).replace("cpu0", "cpu7")},
    ),
    "a core whose count went back": Case("passed", "", {"/proc/stat": stat(HALF, {"user": -5})}),
    "the sum of all cores alone": Case(
        "warned",
        BUSY.format(100),
        {"/proc/stat": stat(FULL).replace("cpu0", "irq0")},
        {"/proc/stat": stat({}).replace("cpu0", "irq0")},
    ),
    "no account is kept": Case(
        "error",
        "usage.whole.busy_percent: /proc/stat keeps no account of time here",
        {"/proc/stat": "cpu  0 0 0 0 0 0 0 0 0 0\nprocs_running 0\nprocs_blocked 0\n"},
    ),
    "the strict know a limit": Case(
        "failed", "cores busy 100 %, limit 98 %", {"/proc/stat": stat(FULL, FULL)}, extends="strict"
    ),
}

ONE: Files = {"/proc/stat": stat({}), "/proc/self/status": "Name:\tpython3\nCpus_allowed_list:\t0\n"}
ONE_CORE = {
    "the probes' own share is taken off": Case(
        "passed",
        "",
        {"/proc/stat": stat({"nice": 10, "system": 6, "user": 80, "idle": 4}), **own(3, 4)},
        {**ONE, **own(0)},
    ),
    "it is not what keeps the core busy": Case(
        "warned",
        BUSY.format(92),
        {"/proc/stat": stat({"nice": 4, "user": 92, "idle": 4}), **own(4)},
        {**ONE, **own(0)},
    ),
    "niceness is forbidden": Case(
        "passed", "", {"/proc/stat": stat({"user": 92, "idle": 8}), **own(4)}, {**ONE, **own(0)}
    ),
    "more than there is": Case("passed", "", {"/proc/stat": stat({"idle": 100}), **own(4)}, {**ONE, **own(0)}),
}

SOFTIRQ = {"softirq": 70, "irq": 10, "idle": 20}
CORE_CASES = {
    "idle": Case("passed", ""),
    "interrupts": Case(
        "warned",
        "core 1 serving interrupts 80 %, warning above 75 %",
        {"/proc/stat": stat(IDLE, SOFTIRQ)},
        first="core 1: softirq 70 %, irq 10 %",
    ),
    "a thread at work": Case("passed", "", {"/proc/stat": stat(IDLE, {"user": 100})}),
    "a thread at work, and room was asked for": Case(
        "failed",
        "core 1 busy 100 %, limit 95 %",
        {"/proc/stat": stat(IDLE, {"user": 90, "system": 10})},
        policy={"core_busy": {"fail_above": "95 %"}},
        first="core 1: user 90 %, system 10 %",
    ),
    "one core, by interrupts": Case(
        "warned", "core 0 serving interrupts 80 %, warning above 75 %", {"/proc/stat": stat(SOFTIRQ)}, ONE
    ),
}

STOLEN = {"steal": 20, "idle": 80}
STEAL_CASES = {
    "none": Case("passed", ""),
    "some": Case("warned", "time stolen by the hypervisor 10 %, warning above 5 %", {"/proc/stat": stat(STOLEN, IDLE)}),
    "the strict know a limit": Case(
        "failed",
        "time stolen by the hypervisor 20 %, limit 10 %",
        {"/proc/stat": stat(STOLEN, STOLEN)},
        extends="strict",
    ),
    "a count that went back": Case("passed", "", {"/proc/stat": stat({"steal": -20, "idle": 100}, IDLE)}),
}


@pytest.mark.parametrize("name", BUSY_CASES)
def test_how_busy_the_cores_are(name: str, tmp_path: Path) -> None:
    told(BUSY_CASES[name], "test_cores_are_not_busy_all_the_time", tmp_path)


@pytest.mark.parametrize("name", ONE_CORE)
def test_the_probes_own_share_on_one_core(name: str, tmp_path: Path) -> None:
    told(ONE_CORE[name], "test_cores_are_not_busy_all_the_time", tmp_path)


@pytest.mark.parametrize("name", CORE_CASES)
def test_what_binds_one_core(name: str, tmp_path: Path) -> None:
    told(CORE_CASES[name], "test_no_single_core_is_bound", tmp_path)


@pytest.mark.parametrize("name", STEAL_CASES)
def test_what_is_stolen(name: str, tmp_path: Path) -> None:
    told(STEAL_CASES[name], "test_the_hypervisor_steals_no_time", tmp_path)


def test_the_busiest_process_is_named_and_the_probe_is_not(tmp_path: Path) -> None:
    files = {**own(0), **running(77, "burner", 10), **running(78, "idler", 40), **running(9, "python3", 0)}
    case = Case(
        "passed", "", {**files, **running(77, "burner", 90), **running(79, "new", 5), **running(9, "x", 50)}, files
    )
    reading = told(case, "test_cores_are_not_busy_all_the_time", tmp_path)
    assert [(each.pid, each.percent) for each in reading.busiest or ()] == [(77, 80.0), (79, 5.0)]


@pytest.mark.parametrize(
    ("files", "quota", "effective"),
    [
        ({}, None, 2.0),
        ({"/proc/self/status": "Name:\tx\nCpus_allowed_list:\t1\n"}, None, 1.0),
        (group("/user.slice", "50000 100000"), 0.5, 0.5),
        (group("/user.slice", "800000 100000"), 8.0, 2.0),
    ],
)
def test_cores_are_the_least_of_what_is_online_allowed_and_paid_for(
    files: Files, quota: float | None, effective: float, tmp_path: Path
) -> None:
    reading = told(Case("passed", "", files, files), "test_cores_are_not_busy_all_the_time", tmp_path)
    assert reading.cores is not None
    assert (reading.cores.quota, reading.cores.effective) == (quota, effective)
