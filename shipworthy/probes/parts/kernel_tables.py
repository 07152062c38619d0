"""The kernel's own tables: descriptors, terminals, System V objects, and those of the network.

In: /proc/sys, /proc/sysvipc, /proc/net. Out: rows for `headroom`. What a container cannot see is not its own.
Source: linux.md, section 7; Documentation/admin-guide/sysctl/, networking/ip-sysctl.rst; proc_sysvipc(5).
"""

from typing import Dict, Iterator, List, Optional, Tuple

from shipworthy.probes.parts.headroom import Row, setting, settings
from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number

FILE_HANDLES = "file handles"

_NO_SPACE = "ENOSPC"
_PERMANENT = 0x4
"""ATF_PERM in /proc/net/arp."""


def kernel_rows(machine: Machine) -> Iterator[Row]:
    """What any program may run out of, whoever it belongs to."""
    yield Row(FILE_HANDLES, "ENFILE", lambda: _file_handles(machine))
    yield Row("asynchronous requests", "EAGAIN", lambda: _pair(machine, "fs/aio-nr", "fs/aio-max-nr"))
    yield Row("pseudo-terminals", _NO_SPACE, lambda: _pair(machine, "kernel/pty/nr", "kernel/pty/max"))
    yield Row(
        "shared memory segments", _NO_SPACE, lambda: (_objects(machine, "shm"), setting(machine, "kernel/shmmni"))
    )
    yield Row("shared memory pages", _NO_SPACE, lambda: (_shared_pages(machine), setting(machine, "kernel/shmall")))
    yield Row("semaphore sets", _NO_SPACE, lambda: (_objects(machine, "sem"), settings(machine, "kernel/sem", 4)[3]))
    yield Row("semaphores", _NO_SPACE, lambda: (_semaphores(machine), settings(machine, "kernel/sem", 4)[1]))
    yield Row("message queues", _NO_SPACE, lambda: (_objects(machine, "msg"), setting(machine, "kernel/msgmni")))


def network_rows(machine: Machine) -> Iterator[Row]:
    """What the network may run out of; a part of it belongs to the machine, a part to the network namespace.

    Tracked connections, with their losses, are the subject of ports.
    """
    yield Row("IPv4 neighbours", "neighbour table overflow", lambda: _neighbours(machine, "arp_cache", "ipv4"))
    yield Row("IPv6 neighbours", "neighbour table overflow", lambda: _neighbours(machine, "ndisc_cache", "ipv6"))
    yield Row("pages of TCP memory", "packets are dropped", lambda: _memory(machine, "TCP", "tcp_mem"))
    yield Row("pages of UDP memory", "packets are dropped", lambda: _memory(machine, "UDP", "udp_mem"))
    orphans = "net/ipv4/tcp_max_orphans"
    yield Row("orphaned sockets", "RST", lambda: (_sockstat(machine, "TCP", "orphan"), setting(machine, orphans)))
    yield Row("sockets in TIME_WAIT", "closed early", lambda: _time_wait(machine), mild=True)


def parse_sockstat(text: str, path: str) -> Dict[str, Dict[str, int]]:
    """`TCP: inuse 1 orphan 0 tw 0 alloc 7 mem 0` → numbers by name, by protocol."""
    found: Dict[str, Dict[str, int]] = {}
    for index, line in enumerate(lines_of(text), 1):
        protocol, colon, rest = line.partition(":")
        fields = rest.split()
        if not colon or len(fields) % 2:
            raise ParseError("{}: line {} {!r}: not of the form `PROTOCOL: name number …`".format(path, index, line))
        values = (number(value, path, "line {}: {}".format(index, protocol)) for value in fields[1::2])
        found[protocol] = dict(zip(fields[0::2], values))
    return found


def parse_cache(text: str, path: str) -> Dict[str, int]:
    """A table of /proc/net/stat: names, then a line of hexadecimal numbers for each CPU; the numbers are summed.

    But `entries`, which is the same on each: the whole table's.
    """
    names, *rows = [line.split() for line in lines_of(text)] or [[]]
    found = dict.fromkeys(names, 0)
    for index, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise ParseError("{}: line {} has {} columns, not {}".format(path, index, len(row), len(names)))
        for name, value in zip(names, row):
            try:
                ticks = int(value, 16)
            except ValueError:
                raise ParseError("{}: line {}: {} {!r} is not hexadecimal".format(path, index, name, value)) from None
            found[name] = ticks if name == "entries" else found[name] + ticks
    return found


def _pair(machine: Machine, used: str, limit: str) -> Tuple[int, int]:
    return setting(machine, used), setting(machine, limit)


def _file_handles(machine: Machine) -> Tuple[int, int]:
    allocated, free, most = settings(machine, "fs/file-nr", 3)
    return max(0, allocated - free), most


def _ipc(machine: Machine, kind: str) -> List[bytes]:
    """The objects of a kind, without the head of their table."""
    path = "/proc/sysvipc/" + kind
    lines = list(machine.lines(path))
    if not lines or not lines[0].split()[:1] == [b"key"]:
        raise ParseError("{}: the first line is no head of a table".format(path))
    return lines[1:]


def _objects(machine: Machine, kind: str) -> int:
    return len(_ipc(machine, kind))


def _shared_pages(machine: Machine) -> int:
    page = machine.page_bytes()
    return sum(-(-_column(line, "shm", 3) // page) for line in _ipc(machine, "shm"))


def _semaphores(machine: Machine) -> int:
    return sum(_column(line, "sem", 3) for line in _ipc(machine, "sem"))


def _column(line: bytes, kind: str, at: int) -> int:
    fields = line.split()
    if len(fields) <= at or not fields[at].isdigit():
        raise ParseError("/proc/sysvipc/{}: {!r} is no line of the table".format(kind, line[:80]))
    return int(fields[at])


def _neighbours(machine: Machine, cache: str, family: str) -> Tuple[int, int]:
    """All namespaces' together, which is what the limit is of; since Linux 5.0 it is not of permanent ones."""
    path = "/proc/net/stat/" + cache
    table = parse_cache(machine.read(path), path)
    if "entries" not in table:
        raise ParseError("{}: there is no column of entries".format(path))
    permanent = _permanent(machine) if family == "ipv4" else 0
    limit = setting(machine, "net/{}/neigh/default/gc_thresh3".format(family))
    return max(0, table["entries"] - permanent), limit


def _permanent(machine: Machine) -> int:
    path = "/proc/net/arp"
    try:
        lines = lines_of(machine.read(path))[1:]
    except OSError:
        return 0
    found = 0
    for index, line in enumerate(lines, 2):
        try:
            found += bool(int(line.split()[2], 16) & _PERMANENT)
        except (IndexError, ValueError):
            raise ParseError("{}: line {} {!r}: the third column is no flags".format(path, index, line)) from None
    return found


def _sockstat(machine: Machine, protocol: str, name: str) -> int:
    path = "/proc/net/sockstat"
    values = parse_sockstat(machine.read(path), path).get(protocol, {})
    if name not in values:
        raise ParseError("{}: {} has no {}".format(path, protocol, name))
    return values[name]


def _memory(machine: Machine, protocol: str, limits: str) -> Tuple[int, int]:
    return _sockstat(machine, protocol, "mem"), settings(machine, "net/ipv4/" + limits, 3)[2]


def _time_wait(machine: Machine) -> Optional[Tuple[int, int]]:
    """Not where they are used again at once: there they stand for nothing but connections that were."""
    try:
        if setting(machine, "net/ipv4/tcp_tw_reuse") == 1:
            return None
    except OSError:
        pass  # the kernel's way without it
    return _sockstat(machine, "TCP", "tw"), setting(machine, "net/ipv4/tcp_max_tw_buckets")
