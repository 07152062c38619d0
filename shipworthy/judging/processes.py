"""Processes in a few words, and what has changed about them since an earlier run.

In: what the probe saw, an earlier run's counters. Out: names, lines of evidence, numbers, a verdict on deleted files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from shipworthy.errors import NotMeasured
from shipworthy.policy import Verdict
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts.busy import Busy, Thread
from shipworthy.probes.parts.leaks import Leaks, Waiting
from shipworthy.probes.parts.stale import Stale
from shipworthy.probes.parts.stuck import Zombies
from shipworthy.snapshot import Previous

SHOWN = 8
"""Lines of evidence."""


def process_name(comm: str, pid: int) -> str:
    """A process as messages name it."""
    return f"{comm}[{pid}]"


def thread_name(one: Thread) -> str:
    """A thread as messages name it; the first one is its process."""
    name = process_name(one.comm, one.pid)
    return name if one.thread == one.pid else f"{name} thread {process_name(one.name, one.thread)}"


def culprit(names: Iterable[str], total: int, words: str) -> str:
    """`cp[77] and others: processes stuck`, where there is anybody to name."""
    first = next(iter(names), None)
    return f"{first}{' and others' if total > 1 else ''}: {words}" if first else words


def shares(busy: Busy, threads: list[Thread]) -> Iterator[str]:
    """What some threads had of a core."""
    for one in threads[:SHOWN]:
        yield f"{thread_name(one)} had {one.percent:.1f} % of a core for {SECONDS.format(busy.seconds)}"


def zombies_grown(parents: list[Zombies], previous: Previous) -> tuple[int, str]:
    """The most that one parent has added to dead children that it had at the earlier run, and who it is."""
    grown = [
        (one.children - before, process_name(one.comm, one.parent))
        for one in parents
        if (before := previous.counter("processes", f"zombies {one.parent}@{one.start_ticks}")) is not None
    ]
    return max([(0, ""), *grown])


def forgotten(leaks: Leaks, previous: Previous, after: float) -> list[Waiting]:
    """The connections that were in CLOSE_WAIT at the earlier run already, if that was long enough ago."""
    if previous.seconds_ago is None or previous.seconds_ago < after:
        return []
    return [one for one in leaks.sockets if previous.counter("processes", f"close_wait {one.inode}") is not None]


def owners(sockets: list[Waiting]) -> list[str]:
    """The processes that hold connections, as far as they are known, each once."""
    return list(dict.fromkeys(process_name(one.comm or "?", one.pid) for one in sockets if one.pid is not None))


def unclosed(sockets: list[Waiting]) -> Iterator[str]:
    """What was not closed, by whom."""
    for one in sockets[:SHOWN]:
        yield f"{(owners([one]) or ['nobody who is seen'])[0]} has not closed {one.peer}:{one.port}"


def not_stale(limit: Limit, stale: list[Stale], of: str = "") -> Verdict:
    """The verdict on what runs longest from a deleted file, but for no longer than the process itself does."""
    used = {one: one.age_seconds if one.seconds_ago is None else min(one.seconds_ago, one.age_seconds) for one in stale}
    known = {one: age for one, age in used.items() if one.seconds_ago is not None or not limit.beyond(age, limit.doubt)}
    worst = max(known, key=lambda one: known[one], default=None)
    longest = sorted(used, key=lambda one: -used[one])
    evidence = [f"{process_name(one.comm, one.pid)} {one.path}" for one in longest[:SHOWN]]
    what = f"{of}{process_name(worst.comm, worst.pid)}: deleted {worst.path} in use for" if worst else ""
    verdict = limit.allows(known[worst] if worst else 0.0, evidence=evidence, what=what)
    unknown = next((one for one in longest if one not in known), None)
    if verdict and unknown:
        name = process_name(unknown.comm, unknown.pid)
        raise NotMeasured(f"{of}{name}: since when {unknown.path} is deleted cannot be told")
    return verdict
