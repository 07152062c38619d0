"""How near a thing is to its limit, in words; and which limits were hit of late.

In: what the probe saw, an earlier run's counters, the host's uptime, and how far back hits count. Out: `Hit`s.

"Of late" is since the earlier run or within the policy's time, whichever is longer. The log has times of its own, as
far back as it goes. A counter has none: what it rose by since the earlier run of this boot counts, or since the boot
when that was within the time; otherwise only what it rose by in the window, so that nothing old is told as new.
Both may tell of the same: then the larger number counts, since the log does not repeat itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.policy.language.units import BYTES
from shipworthy.probes.limits import OTHERS_LOG, Hits, Limits
from shipworthy.probes.parts.headroom import Headroom
from shipworthy.probes.parts.limit_hits import FORK_REFUSED, TIME_WAIT_FULL
from shipworthy.snapshot import Previous

MILD = frozenset({FORK_REFUSED, TIME_WAIT_FULL, "SYN flooding", "audit backlog full"})
"""Kinds of hits at which the limit did what it is for."""

_BYTES = "bytes of "
_NOT_HERE = ("no /proc/sys/net/", "no /proc/net/stat/")
"""Tables that are the machine's own: the network namespace of a container has none of them."""


class Hit(NamedTuple):
    """A limit that was hit of late, at least so many times."""

    kind: str
    where: str
    times: int

    @property
    def words(self) -> str:
        """As a message begins."""
        return f"{self.kind}{f' ({self.where})' if self.where else ''}: times"


def words(room: Headroom) -> str:
    """As a message begins: `descriptors of java[12] (95 of 100, then EMFILE)`."""
    of = f" of {room.of}" if room.of else ""
    what, used, limit = room.what, f"{room.used}", f"{room.limit}"
    if what.startswith(_BYTES):
        what, used, limit = what.removeprefix(_BYTES), BYTES.format(room.used), BYTES.format(room.limit)
    return f"{what}{of} ({used} of {limit}, then {room.then})"


def rooms(limits: Limits, field: str) -> list[Headroom]:
    """What the probe saw of a part, the nearest to its limit first; raises NotMeasured when it saw nothing at all."""
    found: list[Headroom] | None = getattr(limits, field)
    if found is None:
        raise NotMeasured(f"{field}: {limits.unseen.get(field, 'not measured')}")
    unknown = [reason for reason in _reasons(limits, field) if not any(here in reason for here in _NOT_HERE)]
    if not found and unknown:
        raise NotMeasured(unknown[0])
    return sorted(found, key=lambda room: room.percent, reverse=True)


def require_all(limits: Limits, field: str) -> None:
    """Raises NotMeasured when a part of what is judged may be seen by root alone, or was not looked into."""
    for reason in _reasons(limits, field):
        if reason.endswith("needs root") or reason.startswith(f"{field}.others:"):
            raise NotMeasured(reason)


def hits_of_late(limits: Limits, previous: Previous, uptime: float | None, within: float) -> list[Hit]:
    """The hits that count, most first; raises NotMeasured when hits were not asked for."""
    hits = limits.hits
    if hits is None:
        raise NotMeasured(f"hits: {limits.unseen.get('hits', 'not measured')}")
    found: dict[tuple[str, str], int] = {}
    for each in hits.log or ():
        times = sum(age <= max(within, previous.seconds_ago or 0.0) for age in each.ages)
        if times:
            found[each.kind, each.where] = times
    for name, times in _counted(limits, hits, previous, uptime, within).items():
        kind, _, where = name.partition(": ")
        found[kind, where] = max(times, found.get((kind, where), 0))
    return sorted((Hit(*key, times) for key, times in found.items()), key=lambda hit: hit.times, reverse=True)


def require_log(limits: Limits) -> None:
    """Raises NotMeasured when the log could not be read that is this host's own."""
    reason = limits.unseen.get("hits.log")
    if reason and reason != OTHERS_LOG:
        raise NotMeasured(f"hits.log: {reason}")


def _counted(limits: Limits, hits: Hits, previous: Previous, uptime: float | None, within: float) -> Mapping[str, int]:
    """By how much counters rose, of those that did."""
    before = previous.counters.get("limits")
    if before:
        rose = {name: _rise(before.get(name, 0), now) for name, now in limits.counters.items()}
        return {name: times for name, times in rose.items() if times}
    if uptime is not None and uptime <= within:
        return {name: times for name, times in limits.counters.items() if times}
    return hits.risen


def _rise(before: int, now: int) -> int:
    """What went back belongs to a group that was made anew since: all of it is new."""
    return now - before if now >= before else now


def _reasons(limits: Limits, field: str) -> Iterator[str]:
    """Why something of a part could not be seen."""
    for name, reason in limits.unseen.items():
        if name.startswith(f"{field}."):
            yield f"{name}: {reason}"
