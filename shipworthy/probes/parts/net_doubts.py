"""Whether the network moved too much in one short window to be judged by it.

In: bounds, two samples. Out: yes or no. What is not bounded is not doubted.
"""

from typing import Iterator, List, Mapping, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.interfaces import read_interfaces
from shipworthy.probes.parts.net_counters import Sample, backlogs, moved
from shipworthy.probes.parts.shares import LISTEN, RETRANSMITTED, UDP, Share, drops, errors, lost
from shipworthy.probes.runtime.machine import Machine

_WAYS = ("rx", "tx")


class Doubts(NamedTuple):
    """Above what a longer window is taken."""

    backlog_per_second: Optional[float] = None
    """Packets that a CPU's full queue dropped."""
    squeezed_per_second: Optional[float] = None
    retransmitted_percent: Optional[float] = None
    listen_percent: Optional[float] = None
    udp_percent: Optional[float] = None
    errors_percent: Optional[float] = None
    """Broken frames of an interface."""
    drops_percent: Optional[float] = None
    speed_percent: Optional[float] = None
    """Of an interface's speed, in either direction."""
    bytes_per_second: Mapping[str, float] = {}
    """By interface, in either direction."""
    packets_per_second: Mapping[str, float] = {}
    floor_lost: int = 10
    """Fewer lost frames, datagrams or connections are no doubt."""
    floor_segments: int = 1000


def in_doubt(doubts: Doubts, machine: Machine, names: List[str], before: Sample, after: Sample, seconds: float) -> bool:
    """Whether something moved further than the bounds."""
    if seconds <= 0:
        return False
    change = moved(before, after)
    if any(_beyond(doubts, share, change, bound) for share, bound in _shares(doubts, names) if bound is not None):
        return True
    rates = list(_queue_rates(doubts, before, after)) + list(_rates(doubts, machine, names, change))
    return any(bound is not None and count / seconds > bound for count, bound in rates)


def _shares(doubts: Doubts, names: List[str]) -> Iterator[Tuple[Share, Optional[float]]]:
    yield LISTEN, doubts.listen_percent
    yield RETRANSMITTED, doubts.retransmitted_percent
    for share in UDP.values():
        yield share, doubts.udp_percent
    for name in names:
        for way in _WAYS:
            yield errors(name, way), doubts.errors_percent
            yield drops(name, way), doubts.drops_percent


def _beyond(doubts: Doubts, share: Share, change: Mapping[str, int], bound: float) -> bool:
    try:
        found = lost(share, change)
    except KeyError:  # this kernel does not tell it: there is nothing to doubt
        return False
    enough = found.of >= doubts.floor_segments if share is RETRANSMITTED else found.lost >= doubts.floor_lost
    return enough and found.percent > bound


def _queue_rates(doubts: Doubts, before: Sample, after: Sample) -> Iterator[Tuple[int, Optional[float]]]:
    for queue in backlogs(before, after) if before.softnet and after.softnet else ():
        yield queue.dropped, doubts.backlog_per_second
        yield queue.squeezed, doubts.squeezed_per_second


def _rates(
    doubts: Doubts, machine: Machine, names: List[str], change: Mapping[str, int]
) -> Iterator[Tuple[int, Optional[float]]]:
    speeds = {}
    if doubts.speed_percent is not None:
        speeds = {each.name: each.bytes_per_second for each in read_interfaces(machine, names, ()) if each.real}
    for name in names:
        speed = speeds.get(name)
        for way in _WAYS:
            octets = change.get("{}.{}_bytes".format(name, way), 0)
            yield octets, doubts.bytes_per_second.get(name)
            yield octets, speed * doubts.speed_percent / 100.0 if speed and doubts.speed_percent else None
            yield change.get("{}.{}_packets".format(name, way), 0), doubts.packets_per_second.get(name)
