"""How near every user is to what all his processes may have together: tasks, pending signals, keys, inotify.

In: the `Bound`s of all processes, /proc/key-users, /proc/PID/fdinfo of inotify's descriptors. Out: `Headroom`s, fullest
first. Source: linux.md, section 7; getrlimit(2), keyrings(7), proc_key_users(5), inotify(7).
"""

import heapq
from typing import Dict, Iterable, Iterator, List, Set, Tuple

from shipworthy.probes.parts.descriptors import read_descriptors
from shipworthy.probes.parts.headroom import Headroom, fullest, setting
from shipworthy.probes.parts.process_limits import Bound
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number
from shipworthy.probes.runtime.seen import Eyes

_KEY_USERS = "/proc/key-users"
_NAMED = 3
_ADMIN, _RESOURCE = 1 << 21, 1 << 24
_ROOT = 0


def of_users(eyes: Eyes, bounds: List[Bound], least: int, top: int) -> List[Headroom]:
    """The users that are nearest to a limit of all their processes', at most `top` for each limit."""
    keys = eyes.see("users.keys", lambda: parse_key_users(eyes.machine.read(_KEY_USERS))) or []
    found = fullest(_tasks(bounds, least), top)
    found += fullest(_signals(bounds, least), top)
    for what in ("keys", "bytes of keys"):
        found += fullest((each for each in keys if each.what == what), top)
    watched = eyes.see("users.inotify", lambda: _inotify(eyes.machine, {bound.pid: bound.uid for bound in bounds}))
    for what in ("inotify instances", "inotify watches"):
        found += fullest((each for each in watched or () if each.what == what), top)
    return found


def parse_key_users(text: str, path: str = _KEY_USERS) -> List[Headroom]:
    """`uid: usage nkeys/nikeys qnkeys/maxkeys qnbytes/maxbytes` of each user."""
    found = []
    for index, line in enumerate(lines_of(text), 1):
        place = "line {} {!r}".format(index, line)
        fields = line.split()
        if len(fields) != 5 or not fields[0].endswith(":"):
            raise ParseError("{}: {}: not of the form `uid: usage keys/keys keys/most bytes/most`".format(path, place))
        of = _user(number(fields[0][:-1], path, place))
        for what, pair in (("keys", fields[3]), ("bytes of keys", fields[4])):
            used, _, most = pair.partition("/")
            limit = number(most, path, place)
            if limit:
                found.append(Headroom(what, number(used, path, place), limit, "EDQUOT", of))
    return found


def _tasks(bounds: List[Bound], least: int) -> Iterator[Headroom]:
    """All of a user's tasks, against the lowest limit that one of his processes has; root's have none."""
    threads: Dict[int, int] = {}
    lowest: Dict[int, Bound] = {}
    for bound in bounds:
        threads[bound.uid] = threads.get(bound.uid, 0) + bound.threads
        limit = bound.limits["Max processes"]
        if limit is None or limit < least or bound.uid == _ROOT or bound.capabilities & (_ADMIN | _RESOURCE):
            continue
        known = lowest.get(bound.uid)
        if known is None or limit < (known.limits["Max processes"] or 0):
            lowest[bound.uid] = bound
    for uid, bound in lowest.items():
        of = "{}, by {}".format(_user(uid), bound.of)
        limit = bound.limits["Max processes"] or 0
        by = _with_most_threads(bounds, uid) if threads[uid] * 2 > limit else []
        yield Headroom("tasks", threads[uid], limit, "EAGAIN", of, by=by)


def _with_most_threads(bounds: List[Bound], uid: int) -> List[str]:
    most = heapq.nlargest(_NAMED, (each for each in bounds if each.uid == uid), key=lambda each: each.threads)
    return ["{}: {} tasks".format(each.of, each.threads) for each in most]


def _signals(bounds: Iterable[Bound], least: int) -> Iterator[Headroom]:
    nearest: Dict[int, Headroom] = {}
    for bound in bounds:
        used, limit = bound.signals
        if limit < max(1, least):
            continue
        found = Headroom("pending signals", used, limit, "EAGAIN", "{}, by {}".format(_user(bound.uid), bound.of))
        if bound.uid not in nearest or found.percent > nearest[bound.uid].percent:
            nearest[bound.uid] = found
    yield from nearest.values()


def _inotify(machine: Machine, users: Dict[int, int]) -> List[Headroom]:
    """Instances and watches by user. A forked process shares its parent's, which count once."""
    read = read_descriptors(machine)
    if read.denied:
        raise NotSeen("the descriptors of {} processes may not be read by this user: needs root".format(read.denied))
    shared: Set[Tuple[int, bytes, int]] = set()
    instances: Dict[int, int] = {}
    watches: Dict[int, int] = {}
    for pid, descriptor in read.inotify:
        uid = users.get(pid)
        if uid is None:
            continue
        first, count = _watches(machine, pid, descriptor)
        if count and (uid, first, count) in shared:
            continue
        shared.add((uid, first, count))
        instances[uid] = instances.get(uid, 0) + 1
        watches[uid] = watches.get(uid, 0) + count
    found = []
    for what, counts, name in (
        ("inotify instances", instances, "fs/inotify/max_user_instances"),
        ("inotify watches", watches, "fs/inotify/max_user_watches"),
    ):
        limit = setting(machine, name)
        then = "EMFILE" if counts is instances else "ENOSPC"
        found += [Headroom(what, used, limit, then, _user(uid)) for uid, used in counts.items() if limit]
    return found


def _watches(machine: Machine, pid: int, descriptor: int) -> Tuple[bytes, int]:
    """The first watch of an instance, by which it is known, and how many there are."""
    first, count = b"", 0
    try:
        for line in machine.lines("/proc/{}/fdinfo/{}".format(pid, descriptor)):
            if line.startswith(b"inotify "):
                first = first or line
                count += 1
    except OSError:
        pass  # closed meanwhile
    return first, count


def _user(uid: int) -> str:
    return "uid {}".format(uid)
