"""What the checks of services conclude: a recorded host, a policy of the service `job` → outcome and message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selftest.running import DAY, HIDDEN, ORDINARY, UPTIME, Case, Files, process, told
from selftest.test_units_claims import BY_UNIT, JOB, unit

WORKERS = {**process(77, "job"), **process(78, "job", uid=33, parent=77), **process(79, "job", uid=33, parent=77)}
NO_GROUP = {"ControlGroup": "", "ActiveState": "failed", "Result": "start-limit-hit"}


def limits(core: str) -> Files:
    """job's limits."""
    head = "Limit                     Soft Limit           Hard Limit           Units     \n"
    return {"/proc/77/limits": f"{head}Max core file size        {core:20} unlimited            bytes     \n"}


RUNS = {
    "by its name": Case("passed", "", JOB, service={}),
    "missing": Case("failed", "job: processes 0, limit at least 1", service={}),
    "another's name": Case("failed", "job: processes 0, limit at least 1", process(77, "jobs"), service={}),
    "too few": Case(
        "failed", "job: processes 3, limit at least 4", WORKERS, service={"processes": {"fail_below": "4"}}
    ),
    "too many": Case("failed", "job: processes 3, limit 2", WORKERS, service={"processes_most": {"fail_above": "2"}}),
    "dead": Case("failed", "job: processes 0, limit at least 1", process(77, "job", "Z"), service={}),
    "only its first thread is dead": Case("passed", "", process(77, "job", "Z", threads=9), service={}),
    "a long name": Case("passed", "", process(77, "a-very-long-nam"), service={"process": "a-very-long-name"}),
    "by its executable": Case(
        "passed", "", {**JOB, "/proc/77/exe": "link:/opt/job"}, service={"executable": "/opt/job"}
    ),
    "by an executable that was deleted": Case(
        "passed", "", {**JOB, "/proc/77/exe": "link:/opt/job (deleted)"}, service={"executable": "/opt/job"}
    ),
    "by its command": Case(
        "passed", "", {**process(77, "java"), "/proc/77/cmdline": "java\0-jar\0/opt/job.jar\0"},
        service={"command": r"-jar /opt/job\.jar$"},
    ),
    "by a command of another process": Case(
        "failed", "job: processes 0, limit at least 1",
        {**process(77, "vim"), "/proc/77/cmdline": "vim\0/opt/job.jar\0"},
        service={"process": "java", "command": r"/opt/job\.jar$"},
    ),
    "by its unit": Case("passed", "", unit(), service=BY_UNIT),
    "in a group below its unit's": Case(
        "passed", "", {**unit(), "/proc/77/cgroup": "0::/system.slice/job.service/worker\n"}, service=BY_UNIT
    ),
    "in a group of a like name": Case(
        "failed", "job: processes 0, limit at least 1",
        {**unit(), "/proc/77/cgroup": "0::/system.slice/job.service.d\n"}, service=BY_UNIT,
    ),
    "in version 1's groups": Case(
        "passed", "", {**unit(), "/proc/77/cgroup": "1:name=systemd:/system.slice/job.service\n"}, service=BY_UNIT
    ),
    "its unit failed": Case(
        "failed", "job: processes 0, limit at least 1", unit(**NO_GROUP), service=BY_UNIT,
        first="job.service is failed (start-limit-hit)",
    ),
    "its unit is not active": Case(
        "failed", "job: job.service is inactive", unit(ActiveState="inactive"),
        service={**BY_UNIT, "processes": {"fail_below": "0"}},
    ),
    "its unit is unknown": Case(
        "failed", "job: job.service is not-found",
        unit(LoadState="not-found", ActiveState="inactive", ControlGroup="", UnitFileState=""),
        service={**BY_UNIT, "processes": {"fail_below": "0"}},
    ),
    "known by its unit alone, without systemd": Case(
        "error", "processes: policy knows it by its unit alone, and this host was not booted by systemd", JOB,
        service=BY_UNIT,
    ),
    "known by its name as well, without systemd": Case("passed", "", JOB, service={**BY_UNIT, "process": "job"}),
    "it may be hidden": Case("error", "all_seen: /proc is mounted with hidepid: needs root", HIDDEN, service={}),
    "another user's executable": Case("passed", "", {**ORDINARY, **JOB}, service={}),
}  # fmt: skip

USERS = {
    "policy does not say": Case("skipped", "policy does not say who may run it", JOB, service={}),
    "as it says": Case("passed", "", WORKERS, service={"users": ["root", "www-data"]}),
    "by number": Case("passed", "", process(77, "job", uid=4711), service={"users": [4711]}),
    "another": Case("failed", "job: 1 as root, not as www-data", WORKERS, service={"users": ["www-data"]}),
    "nobody's name": Case(
        "failed", "job: 1 as 4711, not as root", process(77, "job", uid=4711), service={"users": ["root"]}
    ),
    "of a directory": Case(
        "passed", "",
        {**process(77, "job", uid=4711), "/commands/getent passwd 4711": "ada:x:4711:4711::/home/ada:/bin/sh\n"},
        service={"users": ["ada"]},
    ),
    "it does not run": Case("skipped", "it does not run", service={"users": ["root"]}),
}  # fmt: skip

MEBIBYTE = 2**20
LARGE = {**process(77, "job", rss=200 * 1024), **process(78, "job", rss=9000)}
BOUND: dict[str, Any] = {"resident": {"warn_above": "100 MiB", "fail_above": "150 MiB"}}
GROWING: dict[str, Any] = {"resident_grown": {"fail_above": "50 MiB"}}

MEMORY = {
    "no size": Case("skipped", "policy says no size of it", LARGE, service={}),
    "within": Case("passed", "", JOB, service=BOUND),
    "too large": Case(
        "failed", "job: job[77]: resident memory 200 MiB, limit 150 MiB", LARGE, service=BOUND,
        first="job[77] 200 MiB resident",
    ),
    "it does not run": Case("skipped", "it does not run", service=BOUND),
    "no earlier run": Case("skipped", "there is no earlier run to compare its size with", LARGE, service=GROWING),
    "grown": Case(
        "failed", "job: process 77: resident memory grown since the earlier run by 100 MiB, limit 50 MiB", LARGE,
        service=GROWING, before={"resident job 77@5000": 100 * MEBIBYTE, "resident job 78@5000": 9000 * 1024},
    ),
    "grown a little": Case(
        "passed", "", LARGE, service=GROWING, before={"resident job 77@5000": 180 * MEBIBYTE}
    ),
    "shrunk": Case("passed", "", LARGE, service=GROWING, before={"resident job 77@5000": 300 * MEBIBYTE}),
    "started anew": Case(
        "skipped", "there is no earlier run to compare its size with", LARGE, service=GROWING,
        before={"resident job 77@4000": 1},
    ),
}  # fmt: skip

MAPS = (
    "55d0-55d1 r-xp 00001000 fe:00 393222                     /usr/bin/job\n"
    "7f10-7f20 r-xp 00028000 fe:00 393223                     {}\n"
    "7f20-7f30 rw-p 00000000 00:00 0 \n"
)
NEW = round((UPTIME - DAY) * 100)


def mapping(library: str, start: int = 5000) -> Files:
    return {**process(77, "job", start=start), "/proc/77/maps": MAPS.format(library)}


GONE = "/usr/lib/libssl.so.3 (deleted)"

CURRENT = {
    "its unit is": Case("passed", "", unit(), service=BY_UNIT),
    "its unit was changed": Case(
        "warned", "job: unit changed and not loaded 1, warning above 0", unit(NeedDaemonReload="yes"), service=BY_UNIT
    ),
    "it is": Case("passed", "", mapping("/usr/lib/libssl.so.3"), service={}),
    "a library that was deleted no longer ago than it runs": Case("passed", "", mapping(GONE, NEW), service={}),
    "since when is not known": Case(
        "error", "job: job[77]: since when /usr/lib/libssl.so.3 is deleted cannot be told", mapping(GONE), service={}
    ),
    "shared memory and code made on the way": Case(
        "passed", "", mapping("/memfd:doublemapper.so (deleted)"), service={}
    ),
    "what is no library": Case("passed", "", mapping("/tmp/ffiXy12 (deleted)"), service={}),
    "its executable": Case(
        "error", "job: job[77]: since when /usr/bin/job is deleted cannot be told",
        {**mapping("/usr/lib/libssl.so.3"), "/proc/77/exe": "link:/usr/bin/job (deleted)"}, service={},
    ),
    "it does not run": Case("skipped", "it does not run", service={}),
}  # fmt: skip

CORES = {"cores": "true"}


def pattern(text: str) -> Files:
    return {"/proc/sys/kernel/core_pattern": text + "\n"}


def room(folder: str, kib: int = 5_000_000) -> Files:
    """As df tells it."""
    head = "Filesystem     1024-blocks     Used Available Capacity Mounted on\n"
    line = f"/dev/vda1         20480000 14000000   {kib}      72% /\n"
    return {f"/commands/df -Pk {folder.replace('/', '%2F')}": head + line}


IN_SRV = {**JOB, **room("/srv"), "/proc/77/cwd": "link:/srv"}
COREDUMP = {**pattern("|/usr/lib/systemd/systemd-coredump %P %u"), "/usr/lib/systemd/systemd-coredump": ""}
OFF = "job: cores are switched off (Max core file size {})"

TRACE = {
    "policy wants none": Case("skipped", "policy wants no core of it", JOB, service={}),
    "it would": Case("passed", "", {**IN_SRV, **limits("unlimited")}, service=CORES),
    "switched off": Case("failed", OFF.format(0), {**IN_SRV, **limits("0")}, service=CORES),
    "cut": Case(
        "failed", "job: cores are cut at 1 MiB (Max core file size)",
        {**JOB, **limits("1048576"), **pattern("/var/cores/%e.%p"), **room("/var/cores")}, service=CORES,
    ),
    "no room": Case(
        "failed", "job: /var/cores has room for 4 MiB, a core may take 8.79 MiB",
        {**JOB, **limits("unlimited"), **pattern("/var/cores/%e.%p"), **room("/var/cores", 4096)}, service=CORES,
    ),
    "room that nobody tells": Case(
        "error", "trace: the recorded tree does not tell what `df -Pk /var/cores` said",
        {**JOB, **limits("unlimited"), **pattern("/var/cores/%e.%p")}, service=CORES,
    ),
    "no pattern": Case(
        "failed", "job: kernel.core_pattern is empty: no core is kept", {**JOB, **limits("unlimited"), **pattern("")},
        service=CORES,
    ),
    "no pattern but the number": Case(
        "passed", "",
        {**IN_SRV, **limits("unlimited"), **pattern(""), "/proc/sys/kernel/core_uses_pid": "1\n"},
        service=CORES,
    ),
    "a handler": Case("passed", "", {**JOB, **limits("unlimited"), **COREDUMP}, service=CORES),
    "a handler that is not there": Case(
        "failed", "job: kernel.core_pattern pipes cores to /usr/share/apport/apport, which is not there",
        {**JOB, **limits("unlimited"), **pattern("|/usr/share/apport/apport -p%p")}, service=CORES,
    ),
    "a handler that keeps to limits": Case("failed", OFF.format(0), {**JOB, **limits("0"), **COREDUMP}, service=CORES),
    "a handler that does not": Case(
        "passed", "", {**JOB, **limits("0"), **pattern("|/opt/crash %p"), "/opt/crash": ""}, service=CORES
    ),
    "a limit that the kernel keeps to": Case(
        "failed", OFF.format(1), {**JOB, **limits("1"), **pattern("|/opt/crash %p"), "/opt/crash": ""}, service=CORES
    ),
    "a container's handler is its host's": Case(
        "passed", "",
        {
            **JOB, **limits("unlimited"), **pattern("|/usr/share/apport/apport -p%p"),
            "/proc/self/ns/cgroup": "link:cgroup:[4026532999]",
        },
        service=CORES,
    ),
    "it does not run": Case("skipped", "it does not run", service=CORES),
}  # fmt: skip

TABLES = {
    "test_service_runs": RUNS,
    "test_service_runs_as_its_user": USERS,
    "test_service_keeps_its_size": MEMORY,
    "test_service_runs_what_is_installed": CURRENT,
    "test_service_would_leave_a_core": TRACE,
}


@pytest.mark.parametrize(("test", "name"), [(test, name) for test, table in TABLES.items() for name in table])
def test_what_is_concluded(test: str, name: str, tmp_path: Path) -> None:
    told(TABLES[test][name], test, tmp_path)
