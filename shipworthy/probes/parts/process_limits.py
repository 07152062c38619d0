"""How near every process is to its own limits, and every user to what all his processes may have together.

In: /proc/PID/{status,limits,fd,maps}, /proc/key-users, inotify's descriptors. Out: `Headroom`s, fullest first.
The limits are those of the running process, not of limits.conf: that speaks of the next login.
Source: linux.md, section 7; getrlimit(2), proc_pid_limits(5), proc_key_users(5), inotify(7).
"""

import heapq
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from shipworthy.probes.parts.descriptors import read_descriptors
from shipworthy.probes.parts.headroom import Headroom, fullest, setting
from shipworthy.probes.parts.processes import GONE, Status, read_statuses
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import KIBIBYTE, lines_of, number
from shipworthy.probes.runtime.seen import Eyes

_KEY_USERS = "/proc/key-users"
_MAPPED = 16
"""Of how many processes the mappings are counted, which is dear: of those with most page tables."""
_SMALLEST_PAGE = 4096
_NAMED = 3
_IPC_LOCK, _ADMIN, _RESOURCE = 1 << 14, 1 << 21, 1 << 24
_ROOT = 0
_ASKED = ("Max processes", "Max open files", "Max locked memory", "Max address space")


class Bound(NamedTuple):
    """A process, its soft limits (None: unlimited), and what its status says of what they bind."""

    pid: int
    name: str
    uid: int
    threads: int
    capabilities: int
    locked_bytes: int
    size_bytes: int
    page_table_bytes: int
    signals: Tuple[int, int]
    """Pending signals of its user, and how many it may have: (used, limit)."""
    limits: Dict[str, Optional[int]]

    @property
    def of(self) -> str:
        return "{}[{}]".format(self.name, self.pid)


def read_bounds(eyes: Eyes) -> List[Bound]:
    """Every process that has memory of its own; `processes.others` and `users.others` are unseen if some are hidden."""
    apart = Eyes(eyes.machine)
    statuses = read_statuses(apart)
    if not statuses:
        raise NotSeen("no process in /proc")
    hidden = apart.unseen.get("forkers.others")
    if hidden:
        eyes.unseen["processes.others"] = eyes.unseen["users.others"] = hidden
    found = (_bound(eyes.machine, status) for status in statuses)
    return [bound for bound in found if bound is not None]


def of_processes(eyes: Eyes, bounds: List[Bound], least: int, caches: Sequence[str], top: int) -> List[Headroom]:
    """The processes that are nearest to a limit of their own, at most `top` for each limit.

    Programs called as in `caches` fill up their descriptors, and are told only when there is none left.
    """
    found = fullest(_descriptors(eyes, bounds, least, caches), top)
    found += fullest(_mappings(eyes, bounds), top)
    found += fullest(_locked(bounds), top)
    return found + fullest(_sizes(bounds), top)


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


def holders_of_files(machine: Machine) -> List[str]:
    """The processes that have most descriptors, as far as this user may see."""
    counts = read_descriptors(machine).counts
    found = []
    for pid in heapq.nlargest(_NAMED, counts, key=lambda each: counts[each]):
        try:
            name = machine.read("/proc/{}/comm".format(pid)).rstrip("\n")
        except GONE:
            continue
        found.append("{}[{}]: {} descriptors".format(name, pid, counts[pid]))
    return found


def parse_limits(data: bytes, path: str) -> Dict[str, Optional[int]]:
    """/proc/PID/limits → the soft limits that are asked for, by their names there; None for `unlimited`."""
    if b"Max processes" not in data:
        raise ParseError("{}: no line begins with 'Max processes'".format(path))
    found: Dict[str, Optional[int]] = {}
    for name in _ASKED:
        at = data.find(name.encode())
        words = data[at + len(name) : at + 60].split(None, 1) if at >= 0 else [b"unlimited"]
        soft = words[0].decode("ascii", "replace") if words else ""
        found[name] = None if soft == "unlimited" else number(soft, path, name)
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


def _bound(machine: Machine, status: Status) -> Optional[Bound]:
    path = "/proc/{}/limits".format(status.pid)
    try:
        data = machine.read_bytes(path)
    except GONE:
        return None
    if not data:
        return None
    of = "/proc/{}/status".format(status.pid)
    used, slash, most = _word(status.data, b"SigQ", of, b"0/0").partition("/")
    return Bound(
        pid=status.pid,
        name=_name(status.data),
        uid=number(_word(status.data, b"Uid", of), of, "Uid"),
        threads=number(_word(status.data, b"Threads", of), of, "Threads"),
        capabilities=_capabilities(status.data, of),
        locked_bytes=number(_word(status.data, b"VmLck", of, b"0"), of, "VmLck") * KIBIBYTE,
        size_bytes=number(_word(status.data, b"VmSize", of, b"0"), of, "VmSize") * KIBIBYTE,
        page_table_bytes=number(_word(status.data, b"VmPTE", of, b"0"), of, "VmPTE") * KIBIBYTE,
        signals=(number(used, of, "SigQ"), number(most, of, "SigQ")) if slash else (0, 0),
        limits=parse_limits(data, path),
    )


def _name(data: bytes) -> str:
    return data[: data.find(b"\n")].partition(b"\t")[2].decode("utf-8", "surrogateescape")


def _capabilities(data: bytes, path: str) -> int:
    text = _word(data, b"CapEff", path, b"0")
    try:
        return int(text, 16)
    except ValueError:
        raise ParseError("{}: CapEff {!r} is not hexadecimal".format(path, text)) from None


def _word(data: bytes, name: bytes, path: str, default: Optional[bytes] = None) -> str:
    """The first word of a line of a status: searched, since splitting a thousand texts costs five times that."""
    at = data.find(b"\n" + name + b":")
    if at < 0:
        if default is None:
            raise ParseError("{}: no line begins with '{}:'".format(path, name.decode()))
        return default.decode()
    words = data[at + len(name) + 2 : at + len(name) + 64].split(None, 1)
    return words[0].decode("ascii", "replace") if words else ""


def _descriptors(eyes: Eyes, bounds: List[Bound], least: int, caches: Sequence[str]) -> Iterator[Headroom]:
    read = eyes.see("processes.descriptors", lambda: read_descriptors(eyes.machine))
    if read is None:
        return
    if read.denied:
        text = "the descriptors of {} processes may not be read by this user: needs root"
        eyes.unseen["processes.descriptors"] = text.format(read.denied)
    for bound in bounds:
        limit, used = bound.limits["Max open files"], read.counts.get(bound.pid)
        # More than it may have: the limit was lowered afterwards, so that nothing more be opened.
        if limit is None or used is None or limit < least or used > limit:
            continue
        if used == limit or bound.name not in caches:
            yield Headroom("descriptors", used, limit, "EMFILE", bound.of)


def _mappings(eyes: Eyes, bounds: List[Bound]) -> Iterator[Headroom]:
    machine = eyes.machine
    most = eyes.see("processes.mappings", lambda: setting(machine, "vm/max_map_count"))
    if not most:
        return
    # A mapping is a page at least, so a small process cannot have many.
    large = [bound for bound in bounds if bound.size_bytes >= most // 2 * _SMALLEST_PAGE]
    denied = 0
    for bound in sorted(large, key=lambda each: each.page_table_bytes, reverse=True)[:_MAPPED]:
        try:
            used = sum(1 for _ in machine.lines("/proc/{}/maps".format(bound.pid)))
        except GONE:
            continue
        except PermissionError:
            denied += 1
            continue
        yield Headroom("mappings", used, most, "ENOMEM", bound.of)
    if denied:
        text = "the mappings of {} processes may not be read by this user: needs root"
        eyes.unseen["processes.mappings"] = text.format(denied)


def _locked(bounds: Iterable[Bound]) -> Iterator[Headroom]:
    for bound in bounds:
        limit = bound.limits["Max locked memory"]
        if limit and bound.locked_bytes and not bound.capabilities & _IPC_LOCK:
            yield Headroom("bytes of locked memory", bound.locked_bytes, limit, "ENOMEM", bound.of, mild=True)


def _sizes(bounds: Iterable[Bound]) -> Iterator[Headroom]:
    for bound in bounds:
        limit = bound.limits["Max address space"]
        if limit:
            yield Headroom("bytes of address space", bound.size_bytes, limit, "ENOMEM", bound.of, mild=True)


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
