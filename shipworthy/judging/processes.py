"""Processes in a few words, and what has changed about them since an earlier run.

In: what the probe saw, an earlier run's counters. Out: names, lines of evidence, numbers, a verdict on deleted files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from shipworthy.errors import NotMeasured
from shipworthy.policy import Verdict
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts import stuck
from shipworthy.probes.parts.busy import Busy, Thread
from shipworthy.probes.parts.leaks import Leaks, Waiting
from shipworthy.probes.parts.stale import Stale
from shipworthy.probes.processes import Processes
from shipworthy.snapshot import Previous

SHOWN = 8
"""Lines of evidence."""


class Named(Protocol):
    """A process, whatever else is told of it."""

    @property
    def pid(self) -> int: ...
    @property
    def comm(self) -> str: ...


def process_name(one: Named) -> str:
    """A process as messages name it."""
    return f"{one.comm}[{one.pid}]"


def thread_name(one: Thread) -> str:
    """A thread as messages name it; the first one is its process."""
    return process_name(one) + ("" if one.thread == one.pid else f" thread {one.name}[{one.thread}]")


def culprit(named: Sequence[Named], total: int, words: str) -> str:
    """`cp[77] and others: processes stuck`, where there is anybody to name."""
    return f"{process_name(named[0])}{' and others' if total > 1 else ''}: {words}" if named else words


def shares(busy: Busy, threads: list[Thread]) -> Iterator[str]:
    """What some threads had of a core."""
    for one in threads[:SHOWN]:
        yield f"{thread_name(one)} had {one.percent:.1f} % of a core for {SECONDS.format(busy.seconds)}"


def idle(one: stuck.Waiting, seconds: float) -> str:
    """For how long it waits at least, and where in the kernel, if that is seen."""
    return f"did not run once in {SECONDS.format(seconds)}" + (f", in {one.waits_in}" if one.waits_in else "")


def zombies_grown(parents: list[stuck.Zombies], previous: Previous) -> tuple[int, str]:
    """The most that one parent has added to dead children that it had at the earlier run, and who it is."""
    grown = [
        (one.children - before, process_name(one))
        for one in parents
        if (before := previous.counter("processes", f"zombies {one.pid}@{one.start_ticks}")) is not None
    ]
    return max([(0, ""), *grown])


def forgotten(leaks: Leaks, previous: Previous, after: float) -> list[Waiting]:
    """The connections that were in CLOSE_WAIT at the earlier run already, if that was long enough ago."""
    if previous.seconds_ago is None or previous.seconds_ago < after:
        return []
    return [one for one in leaks.sockets if previous.counter("processes", f"close_wait {one.inode}") is not None]


def holders(processes: Processes) -> Iterator[str]:
    """Who holds how many of them."""
    owners = processes.leaks.owners if processes.leaks else None
    for one in (owners or [])[:SHOWN]:
        yield f"{process_name(one)} has {one.sockets}"
    if owners is None:
        yield f"whose they are: {processes.unseen.get('leaks.owners', 'not seen')}"


def unclosed(sockets: list[Waiting]) -> Iterator[str]:
    """What was not closed, by whom."""
    for one in sockets[:SHOWN]:
        whose = process_name(one.owner) if one.owner else "nobody who is seen"
        yield f"{whose} has not closed {one.peer}:{one.port}"


def not_stale(limit: Limit, stale: list[Stale], of: str = "") -> Verdict:
    """The verdict on what runs longest from a deleted file, but for no longer than the process itself does."""
    used = {one: one.age_seconds if one.seconds_ago is None else min(one.seconds_ago, one.age_seconds) for one in stale}
    known = {one: age for one, age in used.items() if one.seconds_ago is not None or not limit.beyond(age, limit.doubt)}
    worst = max(known, key=lambda one: known[one], default=None)
    longest = sorted(used, key=lambda one: -used[one])
    evidence = [f"{process_name(one)} {one.path}" for one in longest[:SHOWN]]
    what = f"{of}{process_name(worst)}: deleted {worst.path} in use for" if worst else ""
    verdict = limit.allows(known[worst] if worst else 0.0, evidence=evidence, what=what)
    unknown = next((one for one in longest if one not in known), None)
    if verdict and unknown:
        raise NotMeasured(f"{of}{process_name(unknown)}: since when {unknown.path} is deleted cannot be told")
    return verdict
