"""Memory: nothing swaps, enough is left, nobody waits for it, nobody was killed for it, and the largest can fork."""

from collections.abc import Iterator
from itertools import islice

from shipworthy.checks import check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.judging.oom import kills_of_late
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import BYTES, SECONDS
from shipworthy.probes.memory import Memory
from shipworthy.probes.parts.cgroups import CgroupLimit
from shipworthy.probes.parts.forkers import Forker
from shipworthy.probes.parts.oom import Kill
from shipworthy.probes.parts.processes import Process
from shipworthy.snapshot import Facts, Previous


@check("memory.swap_used")
def test_swap_is_unused(memory: Memory, policy: HostPolicy) -> None:
    """Swap on disk holds no more than its limit.

    Why: a swapping host answers at disk speed, and is one allocation away from the OOM killer.
    Look: the processes in the evidence; then `vmstat 1`, and `VmSwap` in /proc/PID/status.
    """
    _needs_swap(memory)
    assert policy.memory.swap_used.allows(seen(memory, "swap.disk_used_bytes"), evidence=_in_swap(memory))


@check("memory.swap_quiet")
def test_swap_is_quiet(memory: Memory, policy: HostPolicy) -> None:
    """Pages do not move in and out of swap on disk.

    Why: old pages in swap cost nothing; pages that come and go make every request wait for the disk.
    Look: `vmstat 1` (si, so); the largest processes in the evidence of memory.swap_used.
    """
    _needs_swap(memory)
    into = seen(memory, "traffic.disk_in_pages_per_second")
    out = seen(memory, "traffic.disk_out_pages_per_second")
    limits = policy.memory
    evidence = [f"over {SECONDS.format(seen(memory, 'traffic.seconds'))}: {into:.0f} pages/s in, {out:.0f} pages/s out"]
    verdicts = (
        limits.swap_in.allows(into, evidence=evidence),
        limits.swap_out.allows(out, evidence=evidence),
        limits.swap_thrash.allows(min(into, out), evidence=evidence),
    )
    assert all(verdicts)


@check("memory.available")
def test_memory_is_available(memory: Memory, policy: HostPolicy) -> None:
    """Enough memory is left, of the machine and of the control groups that bound the login.

    Why: without it the next allocation reclaims, swaps, or has somebody killed. Little memory that nobody misses only
    warns; it fails when tasks wait for memory as well.
    Look: the largest processes in the evidence; `free -m`; /sys/fs/cgroup/…/memory.current in a container.
    """
    verdicts = [_room_verdict(memory, policy, None)]
    bounded = [group for group in memory.limits or () if group.available_percent is not None]
    verdicts += [_room_verdict(memory, policy, group) for group in bounded]
    if all(verdicts):
        seen(memory, "limits")
    assert all(verdicts)


@check("memory.pressure")
def test_memory_pressure_is_low(memory: Memory, policy: HostPolicy) -> None:
    """Tasks do not wait for memory.

    Why: time spent waiting for memory is time that requests take longer; pressure comes before the OOM killer does.
    Look: /proc/pressure/memory; without it, `allocstall` and `workingset_refault` in /proc/vmstat.
    """
    limits = policy.memory
    if _some_waits(memory) is not None:
        waiting = limits.pressure_some.allows(_some_waits(memory), evidence=_averages(memory))
        assert limits.pressure_full.allows(seen(memory, "pressure.full_percent")) and waiting
        return
    verdicts = [limits.reclaim_stalls.allows(seen(memory, "traffic.allocation_stalls_per_second"))]
    # Pages of files are dropped and read again on every healthy host that reads more than fits.
    if seen(memory, "traffic.refaults_are_anonymous"):
        verdicts.append(limits.refaults.allows(seen(memory, "traffic.refaults_per_second")))
    assert all(verdicts)


@check("memory.oom_kills")
def test_nothing_was_oom_killed(memory: Memory, policy: HostPolicy, previous: Previous, facts: Facts) -> None:
    """The kernel killed nothing for want of memory since the last run, nor within a day.

    Why: what was killed may be what the host is for, and the shortage that did it is still there.
    Look: `journalctl -k -g oom`; MemoryMax= of the unit; the control group in the evidence.
    """
    limits = policy.memory
    kills = kills_of_late(memory, previous, facts.uptime, limits.oom_within)
    evidence = [*map(_told, memory.oom.log or ()), *_killing_groups(memory)] if memory.oom else []
    verdicts = (
        limits.oom_kills.allows(kills.for_machine, evidence=evidence),
        limits.cgroup_oom_kills.allows(kills.at_limit, evidence=evidence),
        limits.unexplained_oom_kills.allows(kills.unknown, evidence=[*_unexplained(memory), *evidence]),
    )
    if kills.missing and all(verdicts):
        raise NotMeasured(kills.missing)
    assert all(verdicts)


@check("memory.fork")
def test_largest_process_can_fork(memory: Memory, policy: HostPolicy) -> None:
    """Every process that holds much of the memory could fork now.

    Why: databases save by forking; where the kernel promises no more than it has, such a fork fails just when it
    matters, and where it promises more, the copy may end in an OOM kill.
    Look: vm.overcommit_memory, CommitLimit and Committed_AS in /proc/meminfo; pids.max; `ulimit -u` of the service.
    """
    share = policy.memory.fork_process_share
    forkers = list(_large(memory, share))
    verdicts = [verdict for forker in forkers for verdict in _fork_verdicts(forker, memory, policy)]
    if all(verdicts):
        _needs_all(memory, forkers, share)
    if not forkers:
        does_not_apply(f"no process holds more than {share:g} % of the memory")
    assert all(verdicts)


def _needs_swap(memory: Memory) -> None:
    if seen(memory, "swap.total_bytes") == 0:
        does_not_apply("this host has no swap")


def _in_swap(memory: Memory) -> Iterator[str]:
    swap, processes = memory.swap, memory.processes
    if processes:
        yield from (
            f"{_name(each)} {_size(each.swap_bytes)}" for each in processes.top_swappers or () if each.swap_bytes
        )
        if processes.other_swap_bytes:
            yield f"tmpfs, shared memory and the like {_size(processes.other_swap_bytes)}"
    for area in swap.areas or ():
        kind = "compressed memory" if area.zram else area.type
        yield f"{area.path} ({kind}): {_size(area.used_bytes)} of {_size(area.size_bytes)}"
    if swap.zswap_stored_bytes:
        yield f"zswap holds {_size(swap.zswap_stored_bytes)} in {_size(swap.zswap_pool_bytes)} of memory, not on disk"
    if swap.swappiness is not None:
        yield f"vm.swappiness = {swap.swappiness}"


def _room_verdict(memory: Memory, policy: HostPolicy, group: CgroupLimit | None) -> Verdict:
    """What is left of the machine's memory, or of a control group's around the login."""
    left = group.available_percent if group else seen(memory, "ram.available_percent")
    limit: Limit = policy.memory.available
    if not _is_missed(memory, policy, group):
        limit = limit.softened()
    of = f" in {group.path}" if group else ""
    return limit.allows(left, evidence=_largest(memory), what=f"memory available{of}")


def _is_missed(memory: Memory, policy: HostPolicy, group: CgroupLimit | None) -> bool:
    """The second witness for low memory: tasks wait for it, or want pages back. Where there is none, it is believed."""
    limits, traffic = policy.memory, memory.traffic
    waiting = group.pressure_some_percent if group else None
    if waiting is None:
        waiting = _some_waits(memory)
    if waiting is not None:
        return bool(waiting > limits.witness_pressure)
    if traffic is None or traffic.allocation_stalls_per_second is None:
        return True
    refaults = traffic.refaults_per_second if traffic.refaults_are_anonymous else None
    stalled = bool(traffic.allocation_stalls_per_second > limits.witness_stalls)
    return stalled or bool((refaults or 0.0) > limits.witness_refaults)


def _some_waits(memory: Memory) -> float | None:
    """The share of the window in which some task waited for memory; None where the kernel does not tell."""
    return memory.pressure.some_percent if memory.pressure else None


def _largest(memory: Memory) -> Iterator[str]:
    for each in memory.processes.top_resident if memory.processes else ():
        yield f"{_name(each)} {_size(each.rss_bytes)} resident"
    for name, size in (
        ("shared memory and tmpfs", memory.ram.shmem_bytes),
        ("huge pages", memory.ram.huge_pages_bytes),
    ):
        if size:
            yield f"{name} {_size(size)}"


def _averages(memory: Memory) -> Iterator[str]:
    pressure = memory.pressure
    if pressure and pressure.some_avg60_percent is not None and pressure.some_avg300_percent is not None:
        yield f"some task waited {pressure.some_avg60_percent:g} % of 60 s, {pressure.some_avg300_percent:g} % of 300 s"
    yield from islice(_largest(memory), 3)


def _unexplained(memory: Memory) -> Iterator[str]:
    yield "neither the kernel's log nor a control group tells whether the machine or a group was out of memory"
    if "oom.log" in memory.unseen:
        yield f"the log: {memory.unseen['oom.log']}"
    elif memory.oom and memory.oom.log_reaches_seconds is not None:
        yield f"the log goes back {SECONDS.format(memory.oom.log_reaches_seconds)}"


def _told(kill: Kill) -> str:
    where = f" in {kill.cgroup}" if kill.cgroup else ""
    when = f" {SECONDS.format(kill.age_seconds)} ago" if kill.age_seconds is not None else ""
    return f"{kill.comm}[{kill.pid}] killed{when}{where}"


def _killing_groups(memory: Memory) -> Iterator[str]:
    for group in (memory.oom.cgroups if memory.oom else None) or ():
        yield f"{group.path}: {group.kills} since it was made" + (", at its limit" if group.at_its_limit else "")


def _large(memory: Memory, share: float) -> Iterator[Forker]:
    """The processes beyond today's share, of those beyond the share that was asked for when the host was measured."""
    times = share / memory.forkers_above_percent if memory.forkers_above_percent else 1.0
    above = (memory.forkers_above_bytes or 0) * max(1.0, times)
    yield from (forker for forker in seen(memory, "forkers") if (forker.process.rss_anon_bytes or 0) > above)


def _needs_all(memory: Memory, forkers: list[Forker], share: float) -> None:
    """Raises NotMeasured when a process, or something that binds one, may have been overlooked."""
    if share < memory.forkers_above_percent:
        raise NotMeasured(
            f"the host was asked for processes above {memory.forkers_above_percent:g} % of the memory, not {share:g} %"
        )
    for forker in forkers:
        for field in ("memory_limits", "task_limits", "user_threads_limit"):
            reason = memory.unseen.get(f"forkers.{forker.process.pid}.{field}")
            if reason:
                raise NotMeasured(f"{_name(forker.process)}: {field.replace('_', ' ')}: {reason}")
    if not forkers and "forkers.others" in memory.unseen:
        raise NotMeasured(f"large processes: {memory.unseen['forkers.others']}")


def _fork_verdicts(forker: Forker, memory: Memory, policy: HostPolicy) -> Iterator[object]:
    limits, name = policy.memory, _name(forker.process)
    size = f"{name} holds {_size(forker.process.rss_anon_bytes)} of its own"
    if seen(memory, "commit.overcommit_mode") == 2:
        short = max(0, forker.process.data_bytes + forker.process.stack_bytes - _commit_room(forker, memory))
        yield limits.fork_shortfall.allows(
            short, evidence=[size, _commit_told(memory)], what=f"{name}: commit short for a fork"
        )
    else:
        short = max(0, (forker.process.rss_anon_bytes or 0) - _copy_room(forker, memory))
        yield limits.fork_copy_shortfall.allows(short, evidence=[size], what=f"{name}: memory short for a forked copy")
    left, of = min(_tasks_left(forker, memory), default=(None, ""))
    if left is not None:
        yield limits.fork_tasks_left.allows(left, evidence=[of], what=f"{name}: tasks left")


def _commit_room(forker: Forker, memory: Memory) -> int:
    """What the kernel would still promise to this process. Source: kernel mm/util.c, __vm_enough_memory."""
    room = seen(memory, "commit.limit_bytes") - seen(memory, "commit.committed_bytes")
    if not forker.admin:
        room -= seen(memory, "commit.admin_reserve_bytes")
    return int(room - min(forker.process.size_bytes // 32, seen(memory, "commit.user_reserve_bytes")))


def _commit_told(memory: Memory) -> str:
    return f"Committed_AS {_size(memory.commit.committed_bytes)} of CommitLimit {_size(memory.commit.limit_bytes)}"


def _copy_room(forker: Forker, memory: Memory) -> int:
    """What a full copy would find: memory and swap of the machine, or of a control group that allows less."""
    swap_free = seen(memory, "swap.total_bytes") - seen(memory, "swap.used_bytes")
    machine = seen(memory, "ram.available_bytes") + swap_free
    groups = [each.available_bytes for each in forker.memory_limits or () if each.available_bytes is not None]
    return int(min([machine, *groups]))


def _tasks_left(forker: Forker, memory: Memory) -> Iterator[tuple[int, str]]:
    for group in forker.task_limits or ():
        yield group.max_tasks - group.tasks, f"pids.max of {group.path}: {group.tasks} of {group.max_tasks}"
    if forker.user_threads_limit is not None:
        used, limit = forker.user_threads, forker.user_threads_limit
        yield limit - used, f"RLIMIT_NPROC of uid {forker.process.uid}: {used} of {limit}"
    for name, most in (("pid_max", memory.tasks.pid_max), ("threads-max", memory.tasks.threads_max)):
        if most is not None and memory.tasks.total is not None:
            yield most - memory.tasks.total, f"kernel.{name}: {memory.tasks.total} of {most}"


def _name(process: Process) -> str:
    return f"{process.comm}[{process.pid}]"


def _size(value: int | None) -> str:
    return BYTES.format(value) if value is not None else "an unknown size"
