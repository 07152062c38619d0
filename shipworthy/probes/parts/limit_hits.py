"""Limits that were hit already, by the kernel's own record: its log, and the counters that it keeps.

In: /dev/kmsg; /proc/net/netstat, /proc/net/stat, pids.events. Out: `LogHit`s by kind with their ages; counters since
boot. The log says each thing once in a while only, so its lines are a least number.
Source: fs/file_table.c, net/ipv4/tcp*.c, net/core/neighbour.c, kernel/cgroup/pids.c, kernel/audit.c.
"""

import re
from typing import Dict, List, NamedTuple, Sequence, Tuple

from shipworthy.probes.parts.kernel_log import Line
from shipworthy.probes.parts.kernel_tables import parse_cache
from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number

FORK_REFUSED = "fork refused at pids.max"
TIME_WAIT_FULL = "TIME_WAIT table full"
NEIGHBOURS_FULL = "neighbour table full"

_NETSTAT = "/proc/net/netstat"
_MOST_AGES = 100

_PATTERNS: Tuple[Tuple[str, str], ...] = (
    ("file handles ran out", r"VFS: file-max limit [0-9]+ reached"),
    ("connection tracking table full", r"(?:nf|ip)_conntrack: .*table full"),
    (NEIGHBOURS_FULL, r"(?i)neighbou?r table overflow"),
    ("out of TCP memory", r"TCP: out of memory"),
    ("too many orphaned sockets", r"(?i)too many (?:of )?orphaned sockets"),
    ("route cache full", r"Route cache is full|dst cache overflow"),
    (FORK_REFUSED, r"fork rejected by pids controller in (\S+)"),
    (TIME_WAIT_FULL, r"time wait bucket table overflow"),
    ("SYN flooding", r"SYN flooding on port ([0-9A-Fa-f.:\[\]]+[0-9A-Fa-f\]])"),
    ("audit backlog full", r"audit: backlog limit exceeded|audit_backlog=[0-9]+ > audit_backlog_limit"),
)
_ALL = [(kind, re.compile(pattern)) for kind, pattern in _PATTERNS]
_ANY = re.compile("|".join("(?:{})".format(pattern.replace("(?i)", "")) for _, pattern in _PATTERNS), re.IGNORECASE)


class LogHit(NamedTuple):
    """What the log tells of one limit."""

    kind: str
    where: str
    """A control group, a port; empty where there is but one."""
    ages: List[float]
    """Seconds ago of each line, newest first, at most 100."""


def hits_in(lines: Sequence[Line], now: float) -> List[LogHit]:
    """The hits that a log tells of, by kind and place; `now` is on the log's own clock."""
    found: Dict[Tuple[str, str], List[float]] = {}
    for line in lines:
        if not _ANY.search(line.message):
            continue
        for kind, pattern in _ALL:
            match = pattern.search(line.message)
            if match:
                where = match.group(1) if pattern.groups else ""
                found.setdefault((kind, where), []).append(round(max(0.0, now - line.seconds), 3))
                break
    return [LogHit(kind, where, ages[::-1][:_MOST_AGES]) for (kind, where), ages in found.items()]


def read_counts(machine: Machine) -> Dict[str, int]:
    """Hits since boot by kind, of those that the kernel counts and that can be seen here. Raises ParseError."""
    found: Dict[str, int] = {}
    try:
        extended = parse_netstat(machine.read(_NETSTAT)).get("TcpExt", {})
        if "TCPTimeWaitOverflow" in extended:
            found[TIME_WAIT_FULL] = extended["TCPTimeWaitOverflow"]
    except OSError:
        pass  # a kernel without a network
    for cache in ("arp_cache", "ndisc_cache"):
        path = "/proc/net/stat/" + cache
        try:
            full = parse_cache(machine.read(path), path).get("table_fulls")
        except OSError:
            continue  # in a network namespace: they are the machine's
        if full is not None:
            found[NEIGHBOURS_FULL] = found.get(NEIGHBOURS_FULL, 0) + full
    return found


def parse_netstat(text: str, path: str = _NETSTAT) -> Dict[str, Dict[str, int]]:
    """Pairs of lines, `TcpExt: names` and `TcpExt: numbers` → numbers by name, by the word before the colon."""
    found: Dict[str, Dict[str, int]] = {}
    lines = lines_of(text)
    for index in range(0, len(lines) - 1, 2):
        (head, _, names), (same, _, values) = lines[index].partition(":"), lines[index + 1].partition(":")
        if head != same or len(names.split()) != len(values.split()):
            raise ParseError("{}: lines {} and {} do not belong together".format(path, index + 1, index + 2))
        pairs = zip(names.split(), values.split())
        # A counter that the kernel prints with its sign is none of ours.
        found[head] = {name: 0 if value.startswith("-") else number(value, path, name) for name, value in pairs}
    return found
