"""Cores that are busy, stolen, waited for; told by one host's prepared /proc files, but for the real quota."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.proc import prepared, with_fields
from lab.rising import rising
from lab.waiting import wait_until

_PERIOD = 100_000
"""Microseconds."""
_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")


@fault(turns={"cpu.busy": "warned"})
def cores_busy(host: LabHost) -> Iterator[None]:
    """Every core works nearly all the time."""
    with _spending(host, {core: {"user": 80, "system": 16, "idle": 4} for core in _cores(host)}):
        yield


@fault(turns={"cpu.core": "warned"})
def core_bound_by_interrupts(host: LabHost) -> Iterator[None]:
    """One core does nothing but receive packets; the others, if there are any, are idle."""
    spent = {core: {"idle": 100.0} for core in _cores(host)}
    spent[_cores(host)[0]] = {"softirq": 84, "system": 2, "idle": 14}
    with _spending(host, spent):
        yield


@fault(turns={"cpu.steal": "warned"})
def time_stolen(host: LabHost) -> Iterator[None]:
    """The hypervisor runs somebody else for a fifth of the time."""
    with _spending(host, {core: {"user": 30, "steal": 20, "idle": 50} for core in _cores(host)}):
        yield


@fault(turns={"cpu.load": "warned"})
def overloaded(host: LabHost) -> Iterator[None]:
    """Far more tasks want a core than there are, and have done so for minutes."""
    many = 5 * len(_cores(host))
    running = {"procs_running": many}
    with (
        prepared(host, "/proc/loadavg", lambda _: f"{many}.10 {many}.30 3.00 {many}/100 100\n"),
        prepared(host, "/proc/stat", lambda text: with_fields(text, running, "{name} {value}")),
    ):
        yield


@fault(turns={"cpu.pressure": "warned"})
def cores_waited_for(host: LabHost) -> Iterator[None]:
    """Some task waits for a core nearly half the time."""
    with rising(host, "/proc/pressure/cpu", {r"^some .*total=(\d+)": 45e4}):
        yield


@fault(turns={"cpu.throttled": "failed"})
def stopped_at_a_quota(host: LabHost) -> Iterator[None]:
    """Logins share a fifth of a core with a job that never has enough: the kernel stops them again and again.

    The job is as nice as can be, so that the login has its share of what there is, and busy in short-lived processes,
    none of which would be told to keep a core busy.
    """
    with _quota(host, 0.2) as group:
        job = "while :; do head -c 8000000 /dev/zero >/dev/null; done"
        enter = f'echo $$ >{group}/cgroup.procs && exec nice -n 19 sh -c "$0"'
        with host.background(["sh", "-c", enter, job]):
            wait_until(lambda: _throttled(host, group) > 3, within=20, what=f"{host.name}: {group} to be stopped")
            yield


@contextmanager
def _quota(host: LabHost, cores: float) -> Iterator[str]:
    """A control group of so many cores' time, in which sshd is, and so whoever logs in; its directory.

    Where the machine has version 1, the host gets to see its hierarchy of this controller meanwhile.
    """
    with ExitStack() as stack:
        top, before, group = "/sys/fs/cgroup", "/sys/fs/cgroup/init", "/sys/fs/cgroup/lab-job"
        v1 = not host.exists(f"{top}/cgroup.controllers")
        if v1:
            top = before = f"{top}/cpu"
            host.run(["mkdir", top])
            stack.callback(host.run, ["rmdir", top])
            host.run(["mount", "-t", "cgroup", "-o", _controllers(host), "cgroup", top])
            stack.callback(host.run, ["umount", top])
            # All of the machine's hierarchy is seen here: the group has the name by which what is left is removed.
            group = f"{top}/{host.directory.name}/{host.name}"
            stack.callback(host.run, ["rmdir", f"{top}/{host.directory.name}"], check=False)
        host.run(["mkdir", "-p", group])
        stack.callback(wait_until, lambda: _gone(host, group), within=5, what=f"{group} to end")
        quota = int(_PERIOD * cores)
        if v1:
            host.write(f"{group}/cpu.cfs_period_us", str(_PERIOD))
            host.write(f"{group}/cpu.cfs_quota_us", str(quota))
        else:
            host.write(f"{group}/cpu.max", f"{quota} {_PERIOD}")
        daemon = host.read("/run/sshd.pid").strip()
        stack.callback(host.write, f"{before}/cgroup.procs", daemon)
        host.write(f"{group}/cgroup.procs", daemon)
        yield group


def _controllers(host: LabHost) -> str:
    """Those of the version 1 hierarchy that has this one, `cpu` or `cpu,cpuacct`."""
    names = [line.split(":")[1] for line in host.read("/proc/self/cgroup").splitlines()]
    return next((each for each in names if "cpu" in each.split(",")), "cpu")


def _gone(host: LabHost, group: str) -> bool:
    return host.run(["rmdir", group], check=False).returncode == 0


def _throttled(host: LabHost, group: str) -> int:
    found = re.search(r"^nr_throttled ([0-9]+)", host.read(f"{group}/cpu.stat"), re.MULTILINE)
    confirm(found is not None, host, f"{group}/cpu.stat counts no periods: this kernel has no quotas")
    return int(found[1]) if found else 0


def _cores(host: LabHost) -> list[int]:
    return [int(core) for core in re.findall(r"^cpu([0-9]+) ", host.read("/proc/stat"), re.MULTILINE)]


@contextmanager
def _spending(host: LabHost, percent: Mapping[int, Mapping[str, float]]) -> Iterator[None]:
    """Each core spends its time so; a hundredth of a second is what the kernel counts by."""
    rates = {
        rf"^cpu{core} (?:[0-9]+ ){{{_COLUMNS.index(column)}}}([0-9]+)": share
        for core, columns in percent.items()
        for column, share in columns.items()
    }
    with rising(host, "/proc/stat", rates):
        yield
