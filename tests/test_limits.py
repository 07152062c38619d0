"""Limits: nothing is about to run out, and nothing did of late."""

from collections.abc import Iterator, Sequence

from shipworthy.checks import check, does_not_apply
from shipworthy.judging.limits import MILD, hits_of_late, require_all, require_log, rooms, words
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.limits import Limits
from shipworthy.probes.parts.headroom import Headroom
from shipworthy.probes.parts.kernel_tables import FILE_HANDLES
from shipworthy.snapshot import Facts, Previous


@check("limits.kernel")
def test_kernel_tables_have_room(limits: Limits, policy: HostPolicy) -> None:
    """The kernel's tables that all programs share have room: file handles, terminals, shared memory, semaphores.

    Why: when one is full, the next open(), login or start of a database fails, whoever filled it.
    Look: /proc/sys/fs/file-nr; `ipcs -u`, `ipcs -l`; the sysctl of the same name.
    """
    named = {FILE_HANDLES: policy.limits.file_handles}
    verdicts = [_verdict(named.get(room.what, policy.limits.kernel), room) for room in rooms(limits, "kernel")]
    _judge(limits, "kernel", verdicts)


@check("limits.network")
def test_network_tables_have_room(limits: Limits, policy: HostPolicy) -> None:
    """The network's tables have room: neighbours, memory, orphans.

    Why: a full table drops packets of connections that have nothing to do with whoever filled it. Sockets in TIME_WAIT
    beyond their limit are closed early, which only warns.
    Look: /proc/net/sockstat; `ip neigh | wc -l`; net.* sysctls of the same names.
    """
    verdicts = [_verdict(policy.limits.network, room) for room in rooms(limits, "network")]
    _judge(limits, "network", verdicts)


@check("limits.tasks")
def test_more_tasks_can_be_started(limits: Limits, policy: HostPolicy) -> None:
    """The machine, and every control group on it, may have many more tasks.

    Why: at the limit fork() fails with EAGAIN: no new process, no new thread, and often no login to look into it.
    Look: `ps -eLf | wc -l`; pids.current and pids.max of the control group; TasksMax= of the unit.
    """
    verdicts = [_verdict(policy.limits.tasks, room) for room in rooms(limits, "tasks")]
    _judge(limits, "tasks", verdicts)


@check("limits.processes")
def test_no_process_is_near_its_own_limits(limits: Limits, policy: HostPolicy) -> None:
    """No process is near its own limits of descriptors, mappings, locked memory or address space.

    Why: a server without descriptors accepts no connection and opens no log, and says so nowhere but in that log.
    Look: /proc/PID/limits, `ls /proc/PID/fd | wc -l`; LimitNOFILE= of the unit; vm.max_map_count.
    """
    verdicts = [_verdict(policy.limits.processes, room) for room in rooms(limits, "processes")]
    _judge(limits, "processes", verdicts)


@check("limits.users")
def test_no_user_is_near_a_limit_of_all_his_processes(limits: Limits, policy: HostPolicy) -> None:
    """No user is near a limit that all of his processes share: tasks, pending signals, keys, inotify.

    Why: one service then fails for what another one of the same user has taken.
    Look: `ps -L -u USER | wc -l`, `ulimit -u`; /proc/key-users; fs.inotify.*; fdinfo of inotify descriptors.
    """
    verdicts = [_verdict(policy.limits.users, room) for room in rooms(limits, "users")]
    _judge(limits, "users", verdicts)


@check("limits.already_hit")
def test_no_limit_was_hit(limits: Limits, policy: HostPolicy, previous: Previous, facts: Facts) -> None:
    """By the kernel's own record no limit was hit since the last run, nor within a day as far as its log goes.

    Why: what was dropped or refused then will be again, and there is room now only because it was.
    Look: `journalctl -k`; `nstat -az`; pids.events of the control group.
    """
    found = hits_of_late(limits, previous, facts.uptime, policy.limits.hits_within)
    evidence = list(_ages(limits))
    bound, mild = policy.limits.hits, policy.limits.mild_hits
    verdicts = [
        (mild if hit.kind in MILD else bound).allows(hit.times, what=hit.words, evidence=evidence) for hit in found
    ] or [bound.allows(0)]
    if all(verdicts):
        require_log(limits)
    assert all(verdicts)


def _verdict(limit: Limit, room: Headroom) -> Verdict:
    return (limit.softened() if room.mild else limit).allows(room.percent, evidence=room.by, what=words(room))


def _judge(limits: Limits, field: str, verdicts: Sequence[Verdict]) -> None:
    if all(verdicts):
        require_all(limits, field)
    if not verdicts:
        does_not_apply("nothing here has a limit of this kind")
    assert all(verdicts)


def _ages(limits: Limits) -> Iterator[str]:
    """The newest line of each kind that the log has."""
    for hit in (limits.hits.log if limits.hits else None) or ():
        of = f" ({hit.where})" if hit.where else ""
        yield f"{hit.kind}{of}: the newest line {SECONDS.format(hit.ages[0])} ago, {len(hit.ages)} in the kernel's log"
