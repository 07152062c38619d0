"""How many processes were killed for want of memory of late, and for whose want.

In: what the probe saw, an earlier run's counters, the host's uptime, and how far back kills count. Out: `Kills`.

"Of late" is since the earlier run or within the policy's time, whichever is longer; since boot, when that was later.
How many: the kernel's counter decides, since logs rotate. Without an earlier run of this boot it tells nothing of when,
and the log decides, as far as it reaches; so it does where the kernel has no counter (before Linux 4.13).

For whose want, in this order:
1. The log says it of every kill that it still has.
2. The control groups' own counters say it of kills in groups: for the machine's sake if neither the group nor any group
   around it ever ran into a limit; at a limit if one did (version 2 only: version 1 counts no such thing).
3. A kill that neither explains was in no group that is still there. Version 2 counts a kill in all groups around the
   victim's too, and those of the top level stay: had a limit been hit, they would tell, so it was for the machine's
   sake. So it was where no group has a limit or counts kills. Version 1 (and version 2 before Linux 5.2) loses a
   group's count with the group: there it is not known, and neither passed nor failed.
In a container only the groups that can be seen count, and a kill at none of their limits may have been at one around
them: it is of unknown kind. The counter and the log speak of other containers too, and are not used.
"""

from __future__ import annotations

from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.memory import Memory
from shipworthy.probes.parts.oom import Oom
from shipworthy.probes.parts.oom_groups import GroupKills
from shipworthy.snapshot import Previous

FOREVER = float("inf")
_BOOTING = 10.0
"""Seconds: a log that reaches so near to the boot has all of it."""
_UNKNOWN_GROUPS = GroupKills(0, 0, 0, complete=False)


class Kills(NamedTuple):
    """Kills of late, by whose want of memory they were for."""

    for_machine: int
    at_limit: int
    unknown: int
    missing: str = ""
    """Why there may be more; empty when there are not."""

    def __add__(self, other: object) -> Kills:
        assert isinstance(other, Kills)
        return Kills(
            self.for_machine + other.for_machine,
            self.at_limit + other.at_limit,
            self.unknown + other.unknown,
            self.missing or other.missing,
        )

    @property
    def total(self) -> int:
        return self.for_machine + self.at_limit + self.unknown


def kills_of_late(memory: Memory, previous: Previous, uptime: float | None, within: float) -> Kills:
    """The kills that count; raises NotMeasured when nothing at all tells of them."""
    oom = memory.oom
    if oom is None:
        raise NotMeasured(f"oom: {memory.unseen.get('oom', 'not measured')}")
    if oom.kills == 0:
        return Kills(0, 0, 0)
    before = previous.counter("memory", "oom_kill")
    if oom.kills is not None and uptime is not None and uptime <= within:
        return _divided(oom.kills, in_log(oom, 0, FOREVER), oom.groups)
    if oom.kills is not None and before is not None:
        ago = previous.seconds_ago or 0.0
        since = _divided(max(0, oom.kills - before), in_log(oom, 0, ago), _since(oom.groups, previous))
        return since + in_log(oom, ago, within)
    return _by_log(memory, oom, uptime, max(within, previous.seconds_ago or 0.0))


def in_log(oom: Oom, younger: float, older: float) -> Kills:
    """The log's kills of an age from `younger` up to `older`; those that are at `younger` belong to the time before."""
    if oom.log_ages is None:
        return Kills(0, 0, 0)
    counts = [sum(younger < age <= older or younger == age == 0 for age in ages) for ages in oom.log_ages]
    return Kills(counts[0], counts[1], counts[2])


def _by_log(memory: Memory, oom: Oom, uptime: float | None, within: float) -> Kills:
    """No counter tells when: the log does, if it has every kill or goes back far enough."""
    told, everything = in_log(oom, 0, within), in_log(oom, 0, FOREVER)
    unexplained = _UNKNOWN_GROUPS if oom.groups is None else GroupKills(0, 0, 0, _no_limit_was_hit(oom.groups))
    divided = _divided(told.total, told, unexplained)
    enough = within if uptime is None else min(within, uptime - _BOOTING)
    reaches = oom.log_reaches_seconds
    if (oom.kills is not None and everything.total >= oom.kills) or (reaches is not None and reaches >= enough):
        return divided
    counted = f"{oom.kills} kills since boot" if oom.kills is not None else f"kills: {memory.unseen.get('oom.kills')}"
    if reaches is None:
        why = memory.unseen.get("oom.log_reaches_seconds", "the log does not tell when")
    else:
        why = f"the kernel's log goes back {SECONDS.format(reaches)} only"
    return divided._replace(missing=f"{counted}; when is not known: {why}")


def _no_limit_was_hit(groups: GroupKills) -> bool:
    return groups.complete and groups.at_limit == 0


def _since(groups: GroupKills | None, previous: Previous) -> GroupKills | None:
    """What the groups counted since an earlier run. Counts that went with their groups are no negative kills."""
    if groups is None:
        return None
    at_limit = groups.at_limit - (previous.counter("memory", "oom_kill_cgroup") or 0)
    for_machine = groups.for_machine - (previous.counter("memory", "oom_kill_machine") or 0)
    return groups._replace(at_limit=max(0, at_limit), for_machine=max(0, for_machine))


def _divided(counted: int, log: Kills, groups: GroupKills | None) -> Kills:
    """`counted` kills by kind: the log's first, then the groups' own, then what is left."""
    groups = groups or _UNKNOWN_GROUPS
    rest = max(0, counted - log.for_machine - log.at_limit)
    for_machine = min(rest, max(0, groups.for_machine - log.for_machine))
    at_limit = min(rest - for_machine, max(0, groups.at_limit - log.at_limit))
    rest -= for_machine + at_limit
    told = Kills(log.for_machine + for_machine, log.at_limit + at_limit, 0)
    return told + (Kills(rest, 0, 0) if groups.complete else Kills(0, 0, rest))
