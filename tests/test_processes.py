"""Processes: none keeps a core to itself, is stuck, stopped or dead; each service that policy names is as it says."""

from shipworthy.checks import Item, asked, check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.judging import services
from shipworthy.judging.hung import hung_of_late
from shipworthy.judging.processes import (
    SHOWN,
    culprit,
    forgotten,
    holders,
    idle,
    not_stale,
    process_name,
    shares,
    thread_name,
    unclosed,
    zombies_grown,
)
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy.language.units import BYTES, SECONDS
from shipworthy.policy.processes import Service as Expected
from shipworthy.probes.parts.services import Service
from shipworthy.probes.parts.units import Unit
from shipworthy.probes.processes import Processes
from shipworthy.snapshot import Facts, Previous


@check("processes.pegged")
def test_no_thread_keeps_a_core_to_itself(processes: Processes, policy: HostPolicy) -> None:
    """No thread has a whole core to itself for as long as the long window.

    Why: one thread at its limit is a service at its limit, however idle the other cores are.
    Look: `top -H -p PID`; `perf top -p PID`; a profile of the thread in the evidence.
    """
    busy = seen(processes, "busy")
    what = f"{thread_name(busy.threads[0])}: share of a core" if busy.threads else ""
    verdict = policy.processes.busy.allows(busy.highest_percent, evidence=shares(busy, busy.threads), what=what)
    assert _of_all(processes, verdict)


@check("processes.livelock")
def test_no_thread_goes_in_circles(processes: Processes, policy: HostPolicy, facts: Facts) -> None:
    """No thread burns a core while nothing else of it moves: no rest, no input or output, no new memory.

    Why: that is what a livelock looks like from outside, or a loop whose end never comes; computing does too.
    Look: `gdb -p PID`, `perf record -t TID`: whether the same few functions come again and again.
    """
    busy = seen(processes, "busy")
    pegged = [one for one in busy.threads if policy.processes.busy.beyond(one.percent, policy.processes.busy.doubt)]
    spinning = [one for one in pegged if one.spins]
    what = f"{thread_name(spinning[0])}: threads that spin" if spinning else ""
    verdict = policy.processes.spinning.allows(len(spinning), evidence=shares(busy, spinning), what=what)
    if any(one.spins is None for one in pegged) and verdict:
        whose = "this kernel does not tell it" if facts.uid == 0 else "needs root"
        raise NotMeasured(f"what {thread_name(pegged[0])} reads and writes: {whose}")
    assert _of_all(processes, verdict)


@check("processes.zombies")
def test_no_process_leaves_its_dead_lying(processes: Processes, policy: HostPolicy, previous: Previous) -> None:
    """No process has many children that are dead and not asked for, nor more of them than at the earlier run.

    Why: each keeps a process number; when they are all taken, nothing can start.
    Look: the parent in the evidence: it forgets to wait(2); in a container, PID 1 should be an init.
    """
    parents = seen(processes, "states").zombies
    evidence = [f"{process_name(one)} {one.children} dead children" for one in parents[:SHOWN]]
    grown, worst = zombies_grown(parents, previous)
    what = culprit(parents, 1, "dead children")
    added = f"{worst}: dead children more than at the earlier run" if worst else ""
    verdicts = (
        policy.processes.zombies.allows(parents[0].children if parents else 0, evidence=evidence, what=what),
        policy.processes.zombies_grown.allows(grown, evidence=evidence, what=added),
    )
    assert _of_all(processes, *verdicts)


@check("processes.uninterruptible")
def test_no_process_is_stuck_in_the_kernel(processes: Processes, policy: HostPolicy) -> None:
    """No process waits in the kernel, deaf to signals, for the whole of the long window.

    Why: it waits for storage that is slow or dead, and cannot be killed; what waits for it waits as long.
    Look: /proc/PID/stack and wchan of the process; `dmesg`; the mounts and disks that it uses.
    """
    states = seen(processes, "states")
    what = culprit(states.waiting, states.waiting_total, "processes stuck in the kernel")
    evidence = (f"{process_name(one)} {idle(one, states.seconds)}" for one in states.waiting[:SHOWN])
    assert _of_all(
        processes, policy.processes.uninterruptible.allows(states.waiting_total, evidence=evidence, what=what)
    )


@check("processes.hung_tasks")
def test_the_kernel_reported_no_hung_task(
    processes: Processes, policy: HostPolicy, previous: Previous, facts: Facts
) -> None:
    """The kernel reported no task as hung since the last run, nor within a day, as far as it tells.

    Why: two minutes without running once is storage that went away, or a deadlock in the kernel.
    Look: `journalctl -k -g "blocked for more than"`: the stack under each line says what it waited for.
    """
    if processes.hung and not processes.hung.told:
        does_not_apply("this kernel counts no hung tasks, and its log is not to be seen here")
    tasks = hung_of_late(processes, previous, facts.uptime, policy.processes.hung_within)
    evidence = (
        f"{process_name(one)} blocked for more than {one.blocked_seconds} s, {SECONDS.format(one.age_seconds)} ago"
        for one in tasks.reports[:SHOWN]
    )
    what = culprit(tasks.reports, tasks.number, "reports of hung tasks")
    verdict = policy.processes.hung_tasks.allows(tasks.number, evidence=evidence, what=what)
    if tasks.missing and verdict:
        raise NotMeasured(tasks.missing)
    assert verdict


@check("processes.stopped")
def test_no_process_is_stopped(processes: Processes, policy: HostPolicy) -> None:
    """No process without a terminal is stopped, by a signal or by a debugger.

    Why: it looks alive to whoever counts processes, and answers nobody.
    Look: who sent SIGSTOP, or traces it (`TracerPid` in /proc/PID/status); `kill -CONT PID`.
    """
    states = seen(processes, "states")
    evidence = (
        f"{process_name(one)} stopped by a {'debugger' if one.traced else 'signal'}" for one in states.stopped[:SHOWN]
    )
    what = culprit(states.stopped, states.stopped_total, "processes stopped")
    assert _of_all(processes, policy.processes.stopped.allows(states.stopped_total, evidence=evidence, what=what))


@check("processes.deleted")
def test_no_program_outlives_its_file(processes: Processes, policy: HostPolicy) -> None:
    """No process has run for days from an executable that is deleted.

    Why: it is what an update left behind: the old version with its old holes, until somebody restarts it.
    Look: the processes in the evidence; `needrestart`, `dnf needs-restarting`.
    """
    verdict = not_stale(policy.processes.deleted, seen(processes, "executables").stale)
    if verdict:
        seen(processes, "executables.complete")
    assert _of_all(processes, verdict)


@check("processes.close_wait")
def test_connections_are_closed(processes: Processes, policy: HostPolicy, previous: Previous) -> None:
    """Few connections wait to be closed by the program here, and none has since the earlier run.

    Why: the peer has gone; a program that forgets to close runs out of descriptors, and then accepts nobody.
    Look: `ss -tnp state close-wait`; the program in the evidence.
    """
    leaks = seen(processes, "leaks")
    limits = policy.processes
    again = forgotten(leaks, previous, limits.close_wait_after)
    owners, slow = leaks.owners or [], list(dict.fromkeys(one.owner for one in again if one.owner))
    what = culprit(owners, len(owners), "connections in CLOSE_WAIT")
    still = culprit(slow, len(slow), "connections still in CLOSE_WAIT")
    verdicts = (
        limits.close_wait.allows(leaks.total, evidence=holders(processes), what=what),
        limits.close_wait_again.allows(len(again), evidence=unclosed(again), what=still),
    )
    assert all(verdicts)


@check("processes.service_runs", each="services")
def test_service_runs(processes: Processes, item: Item[Expected]) -> None:
    """The service runs, by as many processes as policy says, and its unit is active.

    Why: what policy names is what the host is for.
    Look: `systemctl status UNIT`, `journalctl -u UNIT`; how policy says that it is known.
    """
    service = _service(processes, item)
    number = seen(service, "processes")
    problem = services.unit_problem(service.unit) if service.unit else ""
    evidence = [problem] if problem else []
    what = f"{item.name}: processes"
    verdicts = (
        item.policy.processes.allows(number, evidence=evidence, what=what),
        item.policy.processes_most.allows(number, evidence=evidence, what=what),
    )
    assert all(verdicts)
    assert not problem, f"{item.name}: {problem}"


@check("processes.service_users", each="services")
def test_service_runs_as_its_user(processes: Processes, item: Item[Expected]) -> None:
    """The service's processes run as the users that policy says, and no others.

    Why: a service that runs as root by mistake has all of the host to lose.
    Look: `ps -o user,pid,args -C NAME`; `User=` of its unit.
    """
    if not item.policy.users:
        does_not_apply("policy does not say who may run it")
    users = seen(_running(processes, item), "users")
    others = sorted(f"{count} as {user}" for user, count in users.items() if user not in item.policy.users)
    assert not others, f"{item.name}: {', '.join(others)}, not as {' or '.join(item.policy.users)}"


@check("processes.service_restarts", each="services")
def test_service_does_not_restart(processes: Processes, item: Item[Expected], previous: Previous) -> None:
    """The service's unit was not started again by systemd since the earlier run.

    Why: each restart is a crash that systemd hid; requests on their way were lost with it.
    Look: `journalctl -u UNIT`; `coredumpctl list`.
    """
    unit = _unit(processes, item)
    if unit.restarts is None:
        does_not_apply("this systemd counts no restarts (before version 235)")
    limit, since = item.policy.restarts, services.restarts_since(unit, item.name, previous)
    if since is None:  # of when they are, only the last one tells
        limit, since = limit.softened(), unit.restarts if services.restarted_of_late(unit) else 0
    assert limit.allows(since, evidence=[f"{unit.restarts} since it was started"], what=f"{item.name}: restarts")


@check("processes.service_comes_back", each="services")
def test_service_comes_back(processes: Processes, item: Item[Expected]) -> None:
    """The service's unit starts at boot, and comes back by itself after a crash.

    Why: a crash at night, or a reboot in a year, should need nobody.
    Look: `systemctl is-enabled UNIT`; `systemctl cat UNIT`: Restart=, StartLimitBurst=, StartLimitIntervalSec=.
    """
    problems = list(services.coming_back_problems(_unit(processes, item), item.policy))
    assert not problems, f"{item.name}: {'; '.join(problems)}"


@check("processes.service_start", each="services")
def test_service_started_in_time(processes: Processes, item: Item[Expected]) -> None:
    """The service's unit took no longer to start than policy says.

    Why: the time of its start is the time of its outage at each restart.
    Look: `systemd-analyze blame`, `journalctl -u UNIT`.
    """
    limit = item.policy.started_within
    if limit.doubt is None:
        does_not_apply("policy says no time for its start")
    unit = _unit(processes, item)
    if unit.start_seconds is None:
        does_not_apply(f"{unit.id} was not started")
    assert limit.allows(unit.start_seconds, what=f"{item.name}: start took", evidence=[f"{unit.id} is {unit.active}"])


@check("processes.service_memory", each="services")
def test_service_keeps_its_size(processes: Processes, item: Item[Expected], previous: Previous) -> None:
    """The service's processes are no larger than policy says, and have not grown by more.

    Why: a process that only grows ends in the OOM killer's hands, at the worst of times.
    Look: the processes in the evidence; `smaps_rollup` of the largest; its heap profile.
    """
    limits = item.policy
    if limits.resident.doubt is None and limits.resident_grown.doubt is None:
        does_not_apply("policy says no size of it")
    service = _running(processes, item)
    if not seen(service, "users"):
        raise NotMeasured(f"{item.name}: its processes ended while they were looked at")
    evidence = [f"{process_name(one)} {BYTES.format(one.resident_bytes)} resident" for one in service.largest]
    first, growth = service.largest[0], services.grown_most(service, item.name, previous)
    what = f"{item.name}: {process_name(first)}: resident memory"
    verdicts = [limits.resident.allows(first.resident_bytes, evidence=evidence, what=what)]
    if growth:
        grown = f"{item.name}: process {growth.pid}: resident memory grown since the earlier run by"
        verdicts.append(limits.resident_grown.allows(max(0, growth.bytes), evidence=evidence, what=grown))
    elif limits.resident.doubt is None:
        does_not_apply("there is no earlier run to compare its size with")
    assert all(verdicts)


@check("processes.service_is_current", each="services")
def test_service_runs_what_is_installed(processes: Processes, item: Item[Expected]) -> None:
    """The service has not run for days from a deleted executable or library, nor by a unit that was changed since.

    Why: it was updated, and never restarted: it still has the holes that the update closed.
    Look: `systemctl restart UNIT` at a good time; `needrestart`; `systemctl daemon-reload`.
    """
    service = _running(processes, item)
    changed = 1 if service.unit and service.unit.changed else 0
    verdict = item.policy.changed.allows(changed, what=f"{item.name}: unit changed and not loaded")
    assert not_stale(item.policy.stale, seen(service, "stale"), f"{item.name}: ") and verdict


@check("processes.service_leaves_trace", each="services")
def test_service_would_leave_a_core(processes: Processes, item: Item[Expected]) -> None:
    """A crash of the service would leave a core: there is a place for it, a limit that allows it, and room.

    Why: a crash that leaves nothing will come again.
    Look: `sysctl kernel.core_pattern`; `LimitCORE=` of the unit; `coredumpctl`; `df` where cores go.
    """
    if not item.policy.cores:
        does_not_apply("policy wants no core of it")
    service = _running(processes, item)
    room = max((one.resident_bytes for one in service.largest), default=1)
    problems = list(services.core_problems(seen(service, "trace"), room))
    assert not problems, f"{item.name}: {'; '.join(problems)}"


def _of_all(processes: Processes, *verdicts: Verdict) -> bool:
    """Whether all hold; raises NotMeasured when they do of those alone that this user can see."""
    if all(verdicts):
        seen(processes, "all_seen")
    return all(verdicts)


def _service(processes: Processes, item: Item[Expected]) -> Service:
    seen(processes, "all_seen")  # where some are hidden, it may be among those
    return asked(processes.services, item.name)


def _running(processes: Processes, item: Item[Expected]) -> Service:
    service = _service(processes, item)
    if seen(service, "processes") == 0:
        does_not_apply("it does not run")
    return service


def _unit(processes: Processes, item: Item[Expected]) -> Unit:
    if item.policy.unit is None:
        does_not_apply("policy names no unit of it")
    if not processes.systemd:
        does_not_apply("this host was not booted by systemd")
    unit: Unit = seen(asked(processes.services, item.name), "unit")
    return unit
