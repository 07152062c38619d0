"""Who was killed for want of memory, as the control groups count it.

In: a hierarchy's `memory.events` (version 2) or `memory.oom_control` (version 1). Out: `CgroupKills` and their sums.
A group counts each kill of a process of its own, whoever's want of memory it was for. Version 2 counts it in all groups
around it as well (from Linux 5.2 on), so that a group that is gone has left its kills, and its hits of a limit, with
those around it; version 1 does not. Version 2 tells how often a limit left no way but a kill (`oom`); version 1 only
how often it was hit at all (`failcnt`), which every reclaim does: that says nothing, and 0 says that it was not that.
Source: mm/memcontrol.c, mm/oom_kill.c; Documentation/admin-guide/cgroup-v2.rst.
"""

from typing import List, Mapping, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.cgroups import Hierarchy, Mount, NoGroups, count, keyed, memory_tree
from shipworthy.probes.runtime.machine import Machine

INITIAL_NAMESPACE = "cgroup:[4026531835]"

_MOST_GROUPS = 5000
_FAILURES = ("memory.failcnt", "memory.memsw.failcnt", "memory.kmem.failcnt")


class CgroupKills(NamedTuple):
    """A control group in which processes were killed, its descendants' own kills not counted."""

    path: str
    kills: int
    at_its_limit: Optional[bool]
    """It, or a group around it, had run into its own bound: the machine as a whole need not have been short."""


class GroupKills(NamedTuple):
    """What all groups together tell of the kills in them."""

    at_limit: int
    for_machine: int
    unknown: int
    complete: bool
    """A kill that no group counts was in no group: it was for the machine's sake."""


class Told(NamedTuple):
    """What a walk over a hierarchy found."""

    groups: List[CgroupKills]
    complete: bool
    cut: bool

    @property
    def kills(self) -> int:
        return sum(group.kills for group in self.groups)

    def sums(self, contained: bool) -> GroupKills:
        """In a container, a kill for no limit that can be seen may still be for a limit around it."""

        def of(kind: Optional[bool]) -> int:
            return sum(group.kills for group in self.groups if group.at_its_limit is kind)

        if contained:
            return GroupKills(of(True), 0, of(False) + of(None), False)
        return GroupKills(of(True), of(False), of(None), self.complete)


NO_GROUPS = GroupKills(0, 0, 0, True)
"""Where no group tells of kills, the kernel's counter alone decides."""


def contained(machine: Machine, mounted: List[Mount]) -> bool:
    """Whether only a part of the machine's control groups can be seen here, as in a container.

    The kernel's count of kills and its log are the whole machine's; they speak of other containers too.
    """
    try:
        if machine.link("/proc/self/ns/cgroup") != INITIAL_NAMESPACE:
            return True
    except OSError:
        pass  # a kernel without these namespaces, or a tree without its links
    try:
        tree = memory_tree(machine, mounted)
    except NoGroups:
        return False
    # The machine's own root has no memory.events: nothing bounds it.
    return tree.mount.root != "/" or (tree.version == 2 and machine.exists(tree.mount.path + "/memory.events"))


def walk(machine: Machine, tree: Hierarchy) -> Told:
    """Every group with kills of its own. Raises `NoGroups` where none tells of kills, OSError."""
    if not machine.exists(tree.mount.path):
        raise NoGroups("no {}".format(tree.mount.path))
    looking = _Walk(machine, tree)
    found: List[CgroupKills] = []
    looking.visit("", False, found)
    if not looking.told and looking.seen > 1:
        raise NoGroups("no control group tells of kills (Linux does since 4.13, where the memory controller is on)")
    return Told(found, looking.told and looking.all_sum_up and not looking.cut, looking.cut)


class _Walk:
    """A walk over a hierarchy's groups; branches where, as the kernel tells, nobody was killed are left out."""

    def __init__(self, machine: Machine, tree: Hierarchy) -> None:
        self._machine = machine
        self._tree = tree
        self._events = "memory.oom_control" if tree.version == 1 else "memory.events"
        # Until Linux 5.2, and with this mount option, a group's events are its own and not its descendants' too.
        self._sums_up = tree.version == 2 and "memory_localevents" not in tree.mount.options
        self.all_sum_up = True
        self.seen = 0
        self.cut = False
        self.told = False

    def visit(self, path: str, limited: bool, found: List[CgroupKills]) -> Tuple[int, int]:
        """(kills, times at the limit) in `path` and below; a group that has kills of its own is added to `found`."""
        folder = self._tree.mount.path + path
        self.seen += 1
        if self.seen > _MOST_GROUPS:
            self.cut = True
            return 0, 0
        values = keyed(self._machine, "{}/{}".format(folder, self._events)).values
        self.told = self.told or "oom_kill" in values
        kills, hits = values.get("oom_kill", 0), self._hits(folder, values)
        local = "{}/memory.events.local".format(folder)
        sums_up = self._sums_up and self._machine.exists(local)
        self.all_sum_up = self.all_sum_up and (sums_up or (not values and self._tree.version == 2))
        if sums_up and kills == 0:
            return 0, hits
        own_hits = keyed(self._machine, local).values.get("oom", 0) if sums_up else hits
        around = limited or own_hits > 0
        below = [self.visit("{}/{}".format(path, name), around, found) for name in self._children(folder)]
        kills_below, hits_below = sum(each[0] for each in below), sum(each[1] for each in below)
        if sums_up:  # what no living descendant accounts for happened here, or in a group that is gone
            own, own_hits = max(0, kills - kills_below), max(own_hits, hits - hits_below)
        else:
            own, kills, hits = kills, kills + kills_below, hits + hits_below
        if own:
            found.append(CgroupKills(path or "/", own, self._kind(limited or own_hits > 0)))
        return kills, hits

    def _kind(self, limited: bool) -> Optional[bool]:
        return None if limited and self._tree.version == 1 else limited

    def _children(self, folder: str) -> List[str]:
        try:
            return self._machine.folders(folder)
        except OSError:
            return []  # removed meanwhile, or not to be entered by this user

    def _hits(self, folder: str, values: Mapping[str, int]) -> int:
        if self._tree.version == 2:
            return values.get("oom", 0)
        failures = [count(self._machine, "{}/{}".format(folder, name)) for name in _FAILURES]
        return 1 if failures[0] is None else sum(failure or 0 for failure in failures)  # what is not told may have been
