"""What part of the traffic was lost: the formulas, for the probe that doubts and the checks that judge.

In: how far counters moved, by name. Out: `Lost`: percent, how many were lost, of how many. Pure.
"""

from typing import Mapping, NamedTuple, Tuple


class Share(NamedTuple):
    """Lost things and whole ones, as names of counters that are added up."""

    lost: Tuple[str, ...]
    kept: Tuple[str, ...]
    harmless: Tuple[str, ...] = ()
    """Of the lost, those that are none: subtracted where the kernel tells them."""


class Lost(NamedTuple):
    """A share over some time."""

    percent: float
    lost: int
    of: int


LISTEN = Share(("TcpExt.ListenDrops",), ("Tcp.PassiveOpens",))
"""Connections that a listener's queues had no room for, of all that came. It counts overflows, and full SYN queues."""
BACKLOG = Share(("TcpExt.TCPBacklogDrop",), ("Tcp.InSegs",))
UDP = {
    "IPv4 received": Share(("Udp.RcvbufErrors",), ("Udp.InDatagrams",)),
    "IPv4 sent": Share(("Udp.SndbufErrors",), ("Udp.OutDatagrams",)),
    "IPv6 received": Share(("Udp6.RcvbufErrors",), ("Udp6.InDatagrams",)),
    "IPv6 sent": Share(("Udp6.SndbufErrors",), ("Udp6.OutDatagrams",)),
}
RETRANSMITTED = Share(
    ("Tcp.RetransSegs",), ("Tcp.OutSegs",), harmless=("TcpExt.TCPSynRetrans", "TcpExt.TCPSpuriousRTOs")
)
"""OutSegs does not count what is sent again (__tcp_transmit_skb). A SYN again is a dead peer's, no loss of a path."""


def errors(interface: str, direction: str) -> Share:
    """Broken frames of an interface; `direction` is rx or tx."""
    return _frames(interface, direction, "errors")


def drops(interface: str, direction: str) -> Share:
    """Frames that an interface threw away; of the received ones, also those of protocols that nobody wants."""
    return _frames(interface, direction, "dropped")


def lost(share: Share, moved: Mapping[str, int]) -> Lost:
    """The share of what moved. Raises KeyError for a counter that is not told."""
    gone = sum(moved[name] for name in share.lost) - sum(moved.get(name, 0) for name in share.harmless)
    gone = max(0, gone)
    whole = gone + sum(moved[name] for name in share.kept)
    return Lost(round(100.0 * gone / whole, 4) if whole else 0.0, gone, whole)


def _frames(interface: str, direction: str, kind: str) -> Share:
    form = "{}.{}_{}".format
    return Share((form(interface, direction, kind),), (form(interface, direction, "packets"),))
