"""Processes that would have to fork with a lot of memory, and what binds that fork.

In: the statuses of all processes. Out: `Forker`s. Source: kernel/fork.c, mm/util.c (__vm_enough_memory).
"""

import heapq
from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.cgroups import (
    CgroupLimit,
    TaskLimit,
    bounds_or_none,
    memory_limits,
    mounts,
    parse_cgroup,
    task_limits,
)
from shipworthy.probes.parts.processes import GONE, Process, Status, describe_process, status_fields, word_of
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number
from shipworthy.probes.runtime.seen import Eyes

_CAP_SYS_ADMIN, _CAP_SYS_RESOURCE = 1 << 21, 1 << 24


class Forker(NamedTuple):
    """A process with so much anonymous memory that a fork of it is an event, and what binds that fork."""

    process: Process
    admin: bool
    """Has CAP_SYS_ADMIN: may use the admin reserve."""
    memory_limits: Optional[List[CgroupLimit]]
    """Its control groups that have bounds, innermost first."""
    task_limits: Optional[List[TaskLimit]]
    user_threads: int
    """All threads of its user."""
    user_threads_limit: Optional[int]
    """RLIMIT_NPROC, soft; None when there is none, or when it does not bind this user."""


def parse_processes_limit(text: str, path: str) -> Optional[int]:
    """The soft limit on processes in /proc/PID/limits; None when unlimited."""
    for line in lines_of(text):
        if line.startswith("Max processes "):
            soft = (line[len("Max processes ") :].split() or [""])[0]
            return None if soft == "unlimited" else number(soft, path, repr(line))
    raise ParseError("{}: no line begins with 'Max processes'".format(path))


def read_forkers(eyes: Eyes, statuses: List[Status], top: int, at_least: Optional[int]) -> List[Forker]:
    """The processes with more than `at_least` bytes of anonymous memory, largest first. Raises `NotSeen`, OSError."""
    machine = eyes.machine
    if at_least is None:
        raise NotSeen("the size of the memory is not known")
    if not statuses:
        raise NotSeen("no process in /proc")
    described = (_with_anonymous(machine, status) for status in statuses if status.rss_bytes > at_least)
    large = [status for status in described if status and (status.rss_anon_bytes or 0) > at_least]
    threads = _threads(statuses) if large else {}
    chosen = heapq.nlargest(top, large, key=lambda one: (one.rss_anon_bytes or 0, -one.pid))
    return [_forker(eyes, status, threads) for status in chosen]


def _forker(eyes: Eyes, status: Status, threads: Dict[int, int]) -> Forker:
    machine = eyes.machine
    process = describe_process(machine, status)
    path = "/proc/{}/status".format(status.pid)
    capabilities = _mask(word_of(status_fields(status), "CapEff", path), path)
    privileged = process.uid == 0 or bool(capabilities & (_CAP_SYS_ADMIN | _CAP_SYS_RESOURCE))
    folder = "/proc/{}/".format(process.pid)

    def text(path: str) -> str:
        said = machine.read(path)
        if not said:
            raise NotSeen("{} is empty: the process ended while it was copied".format(path))
        return said

    def groups() -> Dict[str, str]:
        return parse_cgroup(text(folder + "cgroup"), folder + "cgroup")

    def limit() -> Optional[int]:
        return None if privileged else parse_processes_limit(text(folder + "limits"), folder + "limits")

    def memory_bounds() -> List[CgroupLimit]:
        return bounds_or_none(lambda: memory_limits(machine, mounts(machine), groups()))

    def task_bounds() -> List[TaskLimit]:
        return bounds_or_none(lambda: task_limits(machine, mounts(machine), groups()))

    name = "forkers.{}.".format(process.pid)
    return Forker(
        process=process,
        admin=bool(capabilities & _CAP_SYS_ADMIN),
        memory_limits=eyes.see(name + "memory_limits", memory_bounds),
        task_limits=eyes.see(name + "task_limits", task_bounds),
        user_threads=threads.get(process.uid, process.threads),
        user_threads_limit=eyes.see(name + "user_threads_limit", limit),
    )


def _with_anonymous(machine: Machine, status: Status) -> Optional[Status]:
    """`status` with its anonymous part, which kernels before 4.5 tell only in pages, as resident − shared.

    None when the process has ended meanwhile.
    """
    if status.rss_anon_bytes is not None:
        return status
    path = "/proc/{}/statm".format(status.pid)
    try:
        fields = machine.read(path).split()
    except GONE:
        return None
    if len(fields) < 3:
        raise ParseError("{}: {} fields, not at least 3".format(path, len(fields)))
    resident, shared = number(fields[1], path, "field 2"), number(fields[2], path, "field 3")
    anonymous = status.rss_bytes * max(0, resident - shared) // resident if resident else 0
    return status._replace(rss_anon_bytes=anonymous)


def _threads(statuses: List[Status]) -> Dict[int, int]:
    found: Dict[int, int] = {}
    for status in statuses:
        path, fields = "/proc/{}/status".format(status.pid), status_fields(status)
        uid = number(word_of(fields, "Uid", path), path, "Uid")
        found[uid] = found.get(uid, 0) + number(word_of(fields, "Threads", path), path, "Threads")
    return found


def _mask(text: str, path: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise ParseError("{}: CapEff {!r} is not a mask".format(path, text)) from None
