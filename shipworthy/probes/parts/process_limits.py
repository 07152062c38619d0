"""How near every process is to its own limits.

In: /proc/PID/{status,limits,fd,maps}. Out: `Bound`s, of which users' limits are made too; `Headroom`s, fullest first.
The limits are those of the running process, not of limits.conf: that speaks of the next login.
Source: linux.md, section 7; getrlimit(2), proc_pid_limits(5), Documentation/filesystems/proc.rst.
"""

import heapq
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from shipworthy.probes.parts.descriptors import read_descriptors
from shipworthy.probes.parts.headroom import Headroom, fullest, setting
from shipworthy.probes.parts.processes import GONE, Status, read_statuses
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import KIBIBYTE, number
from shipworthy.probes.runtime.seen import Eyes

_MAPPED = 16
"""Of how many processes the mappings are counted, which is dear: of those with most page tables."""
_SMALLEST_PAGE = 4096
_NAMED = 3
_IPC_LOCK = 1 << 14
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
