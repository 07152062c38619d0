"""Who was killed for want of memory: by the kernel's counter, by control group, and by its log.

In: /proc/vmstat, the control groups' events, /dev/kmsg. Out: `Oom`. The counter decides how many; the log, which
rotates and may be closed to this user, and the groups say when, whom, and for whose want of memory.
Source: mm/oom_kill.c, mm/memcontrol.c.
"""

import heapq
import re
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from shipworthy.probes.parts.cgroups import Mount, NoGroups, memory_tree, mounts
from shipworthy.probes.parts.kernel_log import Line, read_log
from shipworthy.probes.parts.oom_groups import NO_GROUPS, CgroupKills, GroupKills, Told, contained, walk
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import parse_vmstat
from shipworthy.probes.runtime.seen import Eyes, table, why

_MOST_EVENTS = 20
_MOST_AGES = 1000
_FIRST: Dict[Optional[bool], int] = {False: 0, None: 1, True: 2}  # evidence: the machine's own kills first
_KILLED = re.compile(r"Killed process ([0-9]{1,10})(?:, UID [0-9]+,)? \((.*)\)(?:, UID [0-9]+)?,? total-vm")
_KILL = re.compile(r"(Memory cgroup out|Out) of memory[^:]*: Kill(?:ed)? process [0-9]")
_CONSTRAINT = re.compile(r"oom-kill:constraint=(\w+).*?(?:oom_memcg=(.*?),)?task_memcg=(.*),task=.*,pid=(\d+),")
_TASK_IN = re.compile(r"Task in (\S+) killed as a result of limit of (\S+)")


class Kill(NamedTuple):
    """A kill that the kernel's log tells of."""

    age_seconds: Optional[float]
    pid: int
    comm: str
    at_cgroup_limit: Optional[bool]
    """False: the whole machine (or its cpuset's nodes) was out of memory. None: the log does not say."""
    cgroup: Optional[str]


class LogAges(NamedTuple):
    """How many seconds ago the log's kills were, by kind, newest first, at most 1,000 of each kind."""

    for_machine: List[float]
    at_limit: List[float]
    unknown: List[float]


class Oom(NamedTuple):
    """Kills for want of memory since boot."""

    kills: Optional[int]
    """All of them: vmstat's oom_kill (Linux 4.13); in a container, those in the control groups that can be seen."""
    contained: bool
    """Only a part of the machine's control groups can be seen; its counter and log are not this container's."""
    groups: Optional[GroupKills]
    cgroups: Optional[List[CgroupKills]]
    """The groups with most kills."""
    log: Optional[List[Kill]]
    """At most 20 kills: those for the machine's sake first, the newest of each kind first."""
    log_ages: Optional[LogAges]
    log_reaches_seconds: Optional[float]
    """How far back the log goes."""


def read_oom(eyes: Eyes, top: int) -> Oom:
    """All of `Oom`, with what could not be seen in `eyes`."""
    machine = eyes.machine
    mounted = eyes.see("oom.cgroups", lambda: mounts(machine)) or []
    inside = contained(machine, mounted)
    told, groups = _groups(eyes, mounted, inside)
    lines = eyes.see("oom.log", lambda: _log(machine, inside))
    now = eyes.see("oom.log_reaches_seconds", machine.kernel_seconds) if lines else None
    log = None if lines is None else kills_in(lines, now)
    if not lines:
        eyes.unseen["oom.log_reaches_seconds"] = eyes.unseen.get("oom.log", "the log is empty")
    if log is None:
        eyes.unseen["oom.log_ages"] = eyes.unseen["oom.log"]
    return Oom(
        kills=eyes.see("oom.kills", lambda: _kills(machine, told, inside)),
        contained=inside,
        groups=groups,
        cgroups=None if told is None else heapq.nlargest(top, told.groups, key=lambda group: group.kills),
        log=None if log is None else _evidence(log),
        log_ages=None if log is None else ages_of(log),
        log_reaches_seconds=round(now - lines[0].seconds, 3) if lines and now is not None else None,
    )


def ages_of(log: List[Kill]) -> LogAges:
    """The ages in a log whose oldest kill comes first."""
    return LogAges(
        *[
            [kill.age_seconds or 0.0 for kill in log if kill.at_cgroup_limit is kind and kill.age_seconds is not None][
                -_MOST_AGES:
            ][::-1]
            for kind in (False, True, None)
        ]
    )


def kills_in(lines: Sequence[Tuple[float, str]], now: Optional[float]) -> List[Kill]:
    """The kills that a log tells of, oldest first. `now` is on the log's own clock."""
    found: List[Kill] = []
    at_limit: Optional[bool] = None
    cgroup: Optional[str] = None
    for seconds, message in lines:
        context = _context(message)
        if context:
            at_limit, cgroup = context[0], context[1] or cgroup
        killed = _KILLED.search(message)
        if killed:
            age = None if now is None else round(now - seconds, 3)
            found.append(Kill(age, int(killed.group(1)), _printable(killed.group(2)), at_limit, cgroup))
        elif " invoked oom-killer:" in message:
            at_limit, cgroup = None, None  # a new report; within one, memory.oom.group kills many
    return found


def _context(message: str) -> Optional[Tuple[Optional[bool], Optional[str]]]:
    """What a line of a report says of its cause: (at a control group's limit, the victim's group)."""
    constraint = _CONSTRAINT.search(message)
    if constraint:
        return constraint.group(1) == "CONSTRAINT_MEMCG", constraint.group(3)
    task = _TASK_IN.search(message)
    if task:
        return True, task.group(1)
    kill = _KILL.search(message)
    if kill:
        return kill.group(1).startswith("Memory cgroup"), None
    return None


def _printable(comm: str) -> str:
    """The log escapes what is not printable as \\x0a."""
    return re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match.group(1), 16)), comm)


def _evidence(log: List[Kill]) -> List[Kill]:
    newest = log[::-1]
    newest.sort(key=lambda kill: _FIRST[kill.at_cgroup_limit])
    return newest[:_MOST_EVENTS]


def _kills(machine: Machine, told: Optional[Told], inside: bool) -> int:
    counted = table(machine, "/proc/vmstat", parse_vmstat)
    if not inside or counted.values.get("oom_kill") == 0:
        return counted.value("oom_kill")
    if told is None:
        raise NotSeen("in a container the kernel counts others' kills too, and no control group here tells of kills")
    return told.kills


def _log(machine: Machine, inside: bool) -> List[Line]:
    if inside:
        raise NotSeen("the kernel's log tells of other containers too")
    return read_log(machine)


def _groups(eyes: Eyes, mounted: List[Mount], inside: bool) -> Tuple[Optional[Told], Optional[GroupKills]]:
    """What the groups tell, and its sums."""
    if "oom.cgroups" in eyes.unseen:
        eyes.unseen["oom.groups"] = eyes.unseen["oom.cgroups"]
        return None, None
    try:
        told = walk(eyes.machine, memory_tree(eyes.machine, mounted))
    except NoGroups as reason:
        eyes.unseen["oom.cgroups"] = str(reason)
        return None, NO_GROUPS
    except OSError as error:
        eyes.unseen["oom.cgroups"] = eyes.unseen["oom.groups"] = why(error)
        return None, None
    if told.cut:
        eyes.unseen["oom.cgroups.others"] = "there are too many control groups to look into each"
    return told, told.sums(inside)
