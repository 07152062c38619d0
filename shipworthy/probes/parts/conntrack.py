"""The table of tracked connections: how full it is, and what it lost.

In: /proc/sys/net/netfilter/nf_conntrack_{count,max}, /proc/net/stat/nf_conntrack of the network namespace, which this
user may read. Out: `Conntrack`.
Source: net/netfilter/nf_conntrack_standalone.c ct_cpu_seq_show; nf_conntrack_core.c.
"""

from typing import NamedTuple, Optional

from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, only_number
from shipworthy.probes.runtime.seen import Eyes

STATISTICS = "/proc/net/stat/nf_conntrack"


class Losses(NamedTuple):
    """What happened to packets, added up over all CPUs."""

    insert_failed: int
    """Two packets raced to make one entry, and one was lost (before Linux 5.0 not always)."""
    drop: int
    """Packets dropped: for want of room for an entry, or after `insert_failed`."""
    early_drop: int
    """Entries that were thrown out to make room for others."""


class Conntrack(NamedTuple):
    """Tracked connections of one network namespace."""

    entries: int
    most: int
    losses: Optional[Losses]
    """Since the namespace was made."""
    recent: Optional[Losses]
    """Over the window; a counter that went back is taken for one that began anew."""
    seconds: float
    """The window."""


def read_conntrack(eyes: Eyes, before: Optional[Losses], seconds: float) -> Conntrack:
    """The table now; `before` is what it had lost before the window. Raises OSError where nothing is tracked."""
    machine = eyes.machine
    entries, most = _setting(machine, "count"), _setting(machine, "max")
    losses = eyes.see("conntrack.losses", lambda: read_losses(machine))
    recent = eyes.see("conntrack.recent", lambda: _since(before, losses))
    return Conntrack(entries, most, losses, recent, seconds)


def read_losses(machine: Machine) -> Losses:
    """The counters now. Raises OSError, NotSeen, ParseError."""
    return parse_losses(machine.read(STATISTICS))


def parse_losses(text: str, path: str = STATISTICS) -> Losses:
    """A head of names, which differ between kernels, and a line of hexadecimal numbers for each CPU."""
    head, *rows = [line.split() for line in lines_of(text)] or [[]]
    for name in Losses._fields:
        if name not in head:
            raise NotSeen("{} has no {}".format(path, name))
    totals = dict.fromkeys(Losses._fields, 0)
    for number, row in enumerate(rows, 2):
        if len(row) != len(head):
            raise ParseError("{}: line {} has {} fields, not {}".format(path, number, len(row), len(head)))
        for name, field in zip(head, row):
            if name in totals:
                totals[name] += _hexadecimal(field, path, number)
    return Losses(**totals)


def added(before: int, after: int) -> int:
    """How much a counter rose; one that is less than it was began anew meanwhile."""
    return after - before if after >= before else after


def _since(before: Optional[Losses], after: Optional[Losses]) -> Losses:
    if before is None or after is None:
        raise NotSeen("there are no counters of before and after the window")
    return Losses(*(added(one, other) for one, other in zip(before, after)))


def _setting(machine: Machine, name: str) -> int:
    path = "/proc/sys/net/netfilter/nf_conntrack_" + name
    return only_number(machine.read(path), path)


def _hexadecimal(field: str, path: str, number: int) -> int:
    try:
        return int(field, 16)
    except ValueError:
        raise ParseError("{}: line {}: {!r} is not a hexadecimal number".format(path, number, field)) from None
