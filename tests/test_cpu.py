"""CPU: there is time left, on every core; nobody waits long for one, and nothing takes the time away."""

from collections.abc import Iterator

from shipworthy.checks import check, does_not_apply, seen
from shipworthy.policy import HostPolicy
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.cpu import Cpu
from shipworthy.probes.parts.cpu_groups import CpuGroup
from shipworthy.probes.parts.cpu_times import Shares
from shipworthy.probes.parts.cpu_usage import Core
from shipworthy.probes.parts.cpu_waiting import NO_PRESSURE


@check("cpu.busy")
def test_cores_are_not_busy_all_the_time(cpu: Cpu, policy: HostPolicy) -> None:
    """The cores that the login may use have time left.

    Why: work that finds no idle core waits; from 90 % on, waiting times grow faster than the work.
    Look: the processes in the evidence; `top`, `pidstat -u 1`; iowait is idle time and no work.
    """
    assert policy.cpu.busy.allows(seen(cpu, "usage.whole.busy_percent"), evidence=_usage(cpu))


@check("cpu.core")
def test_no_single_core_is_bound(cpu: Cpu, policy: HostPolicy) -> None:
    """No single core is taken up by interrupts, or beyond what the policy leaves of it.

    Why: a core that does nothing but receive packets holds up all that is bound to it, while the average looks idle.
    Look: /proc/interrupts, /proc/softirqs, `mpstat -P ALL 1`; irqbalance, RSS and RPS of the network interface.
    """
    limits = policy.cpu
    usage = seen(cpu, "usage")
    busiest, interrupted = usage.busiest[0], usage.interrupted[0]
    verdicts = (
        limits.core_interrupts.allows(
            interrupted.interrupts_percent,
            evidence=[_core(core) for core in usage.interrupted[:3]],
            what=f"core {interrupted.core} serving interrupts",
        ),
        limits.core_busy.allows(
            busiest.shares.busy_percent,
            evidence=[*(_core(core) for core in usage.busiest[:3]), *_processes(cpu)],
            what=f"core {busiest.core} busy",
        ),
    )
    assert all(verdicts)


@check("cpu.steal")
def test_the_hypervisor_steals_no_time(cpu: Cpu, policy: HostPolicy) -> None:
    """The hypervisor gives this machine the time that it has work for.

    Why: stolen time looks like a slow program, and nothing on this host explains it.
    Look: `vmstat 1` (st); the load of the machine below; the credits of a burstable instance.
    """
    assert policy.cpu.steal.allows(seen(cpu, "usage.whole.steal_percent"), evidence=_usage(cpu))


@check("cpu.load")
def test_load_is_bearable(cpu: Cpu, policy: HostPolicy) -> None:
    """Not many more tasks run, or wait uninterruptibly, than there are cores, for some minutes.

    Why: a load that stays above the number of cores is work that comes in faster than it is done. It counts tasks that
    wait for disks too, so it is judged together with the pressure and the tasks that really want a core.
    Look: `vmstat 1` (r, b); processes in state R and D: `ps -eo state,pid,args | grep '^[RD]'`.
    """
    per_core = seen(cpu, "load.per_core")
    limit: Limit = policy.cpu.load
    if not _cores_are_wanted(cpu, policy):
        limit = limit.softened()
    assert limit.allows(per_core, evidence=_load(cpu))


@check("cpu.pressure")
def test_tasks_do_not_wait_for_a_core(cpu: Cpu, policy: HostPolicy) -> None:
    """Tasks do not wait long for a core.

    Why: time spent in the run queue is time that requests take longer, whatever the load says.
    Look: /proc/pressure/cpu; the processes in the evidence; a container's quota and shares.
    """
    if cpu.pressure is None and cpu.unseen.get("pressure") == NO_PRESSURE:
        does_not_apply(f"{NO_PRESSURE}; see cpu.load")
    waited = seen(cpu, "pressure")
    averages = f"{waited.some_avg60_percent:g} % of 60 s, {waited.some_avg300_percent:g} % of 300 s"
    evidence = [f"in {waited.of} some task waited {averages}", *_processes(cpu)]
    assert policy.cpu.pressure.allows(waited.some_percent, evidence=evidence)


@check("cpu.throttled")
def test_no_quota_cuts_work_short(cpu: Cpu, policy: HostPolicy) -> None:
    """The control groups around the login are not stopped at their CPU quota.

    Why: a group that has used its quota stands still until the next period, tenths of a second, with all its threads.
    Look: cpu.max and cpu.stat in /sys/fs/cgroup; the CPU limit of the container, CPUQuota= of the unit.
    """
    groups = seen(cpu, "groups")
    if not groups:
        does_not_apply("no control group around the login has a CPU quota")
    verdicts = [
        policy.cpu.throttled.allows(
            group.throttled_percent,
            evidence=_stopped(cpu, group),
            what=f"periods cut short by the quota of {_cores(group)} in {group.path}",
        )
        for group in groups
    ]
    assert all(verdicts)


def _usage(cpu: Cpu) -> Iterator[str]:
    usage = cpu.usage
    if usage is None:
        return
    cores = seen(cpu, "cores")
    yield f"{cores.allowed or cores.online} cores over {SECONDS.format(usage.seconds)}: {_shares(usage.whole)}"
    yield from _processes(cpu)


def _shares(shares: Shares) -> str:
    """What the time went to, most first; what took none is left out."""
    parts = {
        "user": shares.user_percent,
        "system": shares.system_percent,
        "softirq": shares.softirq_percent,
        "irq": shares.irq_percent,
        "iowait": shares.iowait_percent,
        "stolen": shares.steal_percent,
    }
    told = sorted(((share, name) for name, share in parts.items() if share >= 0.5), reverse=True)
    return ", ".join(f"{name} {share:.0f} %" for share, name in told) or "idle"


def _core(core: Core) -> str:
    return f"core {core.core}: {_shares(core.shares)}"


def _processes(cpu: Cpu) -> Iterator[str]:
    yield from (f"{each.comm}[{each.pid}] {each.percent:.0f} % of a core" for each in cpu.busiest or ())


def _cores_are_wanted(cpu: Cpu, policy: HostPolicy) -> bool:
    """The second witness for a high load: tasks wait for a core, or want one."""
    limits = policy.cpu
    if cpu.pressure is not None and cpu.pressure.some_percent > limits.witness_pressure:
        return True
    return bool(seen(cpu, "load.running") > limits.witness_running * seen(cpu, "cores.online"))


def _load(cpu: Cpu) -> Iterator[str]:
    load, cores = seen(cpu, "load"), seen(cpu, "cores")
    yield f"load {load.one:g} {load.five:g} {load.fifteen:g} (1, 5, 15 minutes) on {cores.online} cores"
    yield f"{load.running} tasks run or wait for a core, {load.blocked} wait for a disk"
    if cpu.pressure is not None:
        yield f"some task waited for a core {cpu.pressure.some_percent:.0f} % of the time"
    yield from _processes(cpu)


def _stopped(cpu: Cpu, group: CpuGroup) -> Iterator[str]:
    stopped = SECONDS.format(group.throttled_seconds)
    used = f", {group.used_cores:.2g} cores used" if group.used_cores is not None else ""
    yield f"{group.path}: stopped in {group.throttled} of {group.periods} periods, for {stopped} in all{used}"
    yield from _processes(cpu)


def _cores(group: CpuGroup) -> str:
    return f"{group.quota_cores:g} {'core' if group.quota_cores == 1 else 'cores'}"
