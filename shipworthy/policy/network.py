"""Network: what is bounded, by default and strictly, what policy can name, and what its probe is asked for that.

Facts and formulas: kernel Documentation/networking/{ip-sysctl,scaling,statistics}, RFC 8305, node-mixin.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from shipworthy.policy._network_items import HalfSent, Interface, Peer
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import COUNT, PER_SECOND, PERCENT

if TYPE_CHECKING:
    from shipworthy.probes.network import Request

_COUNTED = {
    "throughput", "errors", "drops", "carrier_changes", "softnet", "tcp_drops", "udp_drops", "retransmissions",
    "half_open", "interface_throughput", "interface_packets",
}  # fmt: skip
"""The claims that judge what moved."""
_INTERFACES = {
    "throughput", "errors", "drops", "carrier", "carrier_changes", "duplex", "bonds", "families", "interface_present",
    "interface_throughput", "interface_packets",
}  # fmt: skip
_PEERS = {"peer_connects", "peer_loss", "peer_round_trip", "peer_mtu", "peer_retransmissions"}


class Policy(SubjectPolicy):
    """Interfaces, what the host drops, its address families, its peers, slow and hostile clients."""

    throughput: Limit = limit(
        PERCENT,
        warn_above="80 %",
        words="of an interface's speed in use",
        says="Bytes per second in either direction against the speed of a real interface; virtual ones have none.",
        source="judgement: above it, queues build up whenever there is a burst",
    )
    errors: Limit = limit(
        PERCENT,
        warn_above="1 %",
        fail_above="10 %",
        words="broken frames",
        says="Errors of all frames of an interface, in either direction.",
        source="warning: node-mixin NodeNetworkReceiveErrs (1 %); failing: judgement",
    )
    drops: Limit = limit(
        PERCENT,
        warn_above="1 %",
        words="dropped frames",
        says="Drops of all frames of an interface; they only warn, since frames of unwanted protocols count as well.",
        source="judgement: as of errors; rx_dropped counts unknown protocols",
    )
    no_carrier: Limit = limit(
        COUNT,
        fail_above="0",
        check="carrier",
        words="interfaces in use without carrier",
        says="Interfaces that are up, have an address or a route, and no link.",
        source="judgement",
    )
    carrier_changes: Limit = limit(
        COUNT,
        warn_above="2",
        fail_above="20",
        words="carrier changes",
        says="Times that an interface in use lost or found its link since the last run, else in the window.",
        source="judgement: once down and up again may have been maintenance",
    )
    half_duplex: Limit = limit(
        COUNT,
        fail_above="0",
        check="duplex",
        words="interfaces in half duplex",
        says="Interfaces that cannot send while they receive.",
        source="judgement: since Gigabit Ethernet it is a failed negotiation",
    )
    bond_members_down: Limit = limit(
        COUNT,
        fail_above="0",
        check="bonds",
        words="members of bonds that carry nothing",
        says="Members whose link is not up, or, with LACP, that are outside the aggregate in use.",
        source="judgement: what is redundant must be so before it is needed",
    )
    bond_members: Limit = limit(
        COUNT,
        warn_below="1",
        check="bonds",
        words="members of a bond",
        says="Links that a bond is made of.",
        source="judgement",
    )
    softnet_dropped: Limit = limit(
        PER_SECOND,
        warn_above="0 /s",
        fail_above="10 /s",
        check="softnet",
        words="packets dropped from a CPU's queue",
        says="Packets that one CPU's receive queue had no room for (net.core.netdev_max_backlog).",
        source="judgement: the kernel lost what had already arrived",
    )
    softnet_squeezed: Limit = limit(
        PER_SECOND,
        warn_above="100 /s",
        check="softnet",
        words="receive rounds of a CPU cut short",
        says="Rounds of one CPU that ended with packets left over (net.core.netdev_budget, netdev_budget_usecs).",
        source="judgement: a few are normal on a busy host",
    )
    listen_drops: Limit = limit(
        PERCENT,
        warn_above="0.1 %",
        fail_above="1 %",
        check="tcp_drops",
        words="connections dropped by listeners",
        says="ListenDrops of all that came (with PassiveOpens): full accept queues, full SYN queues.",
        source="judgement: each one costs its client a second or more",
    )
    backlog_drops: Limit = limit(
        PERCENT,
        warn_above="0.1 %",
        fail_above="1 %",
        check="tcp_drops",
        words="segments dropped from sockets' backlogs",
        says="TCPBacklogDrop of all segments received.",
        source="judgement: as of retransmissions, which it causes",
    )
    memory_aborts: Limit = limit(
        COUNT,
        warn_above="0",
        fail_above="100",
        check="tcp_drops",
        words="connections cut for want of memory",
        says="TCPAbortOnMemory: tcp_mem or tcp_max_orphans was reached.",
        source="judgement",
    )
    memory_pressures: Limit = limit(
        COUNT,
        warn_above="0",
        check="tcp_drops",
        words="times that TCP ran short of memory",
        says="TCPMemoryPressures: the second value of net.ipv4.tcp_mem was passed, and buffers shrank.",
        source="judgement",
    )
    udp_drops: Limit = limit(
        PERCENT,
        warn_above="1 %",
        fail_above="10 %",
        words="datagrams dropped for full buffers",
        says="RcvbufErrors of all received and SndbufErrors of all sent, of each family.",
        source="judgement: UDP's users bear some loss, and this much is a reader that does not keep up",
    )
    retransmissions: Limit = limit(
        PERCENT,
        warn_above="1 %",
        words="segments sent again",
        says="RetransSegs of all that were sent, to whomever, without those of SYNs and spurious ones; it only warns.",
        source="judgement: below it is what the Internet does; who is at the other end is not known here",
    )
    lost_floor: float = setting(
        COUNT,
        "10",
        says="Fewer lost frames, datagrams or connections than this are not judged.",
        source="judgement: a share of next to nothing says nothing",
    )
    segments_floor: float = setting(
        COUNT,
        "1000",
        says="Retransmissions are judged when at least so many segments were sent.",
        source="judgement: 1 % of fewer is less than ten",
    )
    half_families: Limit = limit(
        COUNT,
        warn_above="0",
        check="families",
        words="families that the host has half",
        says="Where no policy says `families`: those with a default route and no address, or the other way round.",
        source="RFC 8305: half a family costs each client its attempts on it",
    )
    missing_families: Limit = limit(
        COUNT,
        fail_above="0",
        check="families",
        words="families missing",
        says="Of the `families` that a policy says: those without a global address, or without a default route.",
        source="the estate's own word",
    )
    syn_cookies: Limit = limit(
        COUNT,
        fail_below="1",
        words="net.ipv4.tcp_syncookies",
        says="1: SYN cookies when a queue is full; 2: always. They hold for IPv6 too.",
        source="kernel ip-sysctl: 1 is the default",
    )
    half_open: Limit = limit(
        COUNT,
        warn_above="1000",
        fail_above="10000",
        words="half-open connections",
        says="TCP connections in SYN_RECV: asked for, never confirmed.",
        source="judgement: 10,000 new clients a second at 100 ms have 1,000",
    )
    cookies_sent: Limit = limit(
        PER_SECOND,
        warn_above="1 /s",
        check="half_open",
        words="SYN cookies sent",
        says="Answers that had to do without a place in a full SYN queue.",
        source="judgement: the queue is full now",
    )
    stuck_readers: Limit = limit(
        COUNT,
        warn_above="20",
        fail_above="1000",
        words="connections to peers that do not read",
        says="TCP connections whose persist timer runs: the peer's window is closed, and what is sent waits here.",
        source="judgement: each holds a buffer, and often a thread",
    )
    interfaces: Items[Interface] = Field({}, description="Interfaces by name: that they are there, and their caps.")
    peers: Items[Peer] = Field({}, description="Hosts by a name of yours that this one must reach, and how well.")
    closes_half_sent: Items[HalfSent] = Field(
        {}, description="Listeners by a name of yours that must not wait for ever for the rest of a request."
    )

    STRICT: ClassVar[dict[str, Any]] = {
        "throughput": {"warn_above": "50 %", "fail_above": "80 %"},
        "errors": {"warn_above": "0 %", "fail_above": "1 %"},
        "drops": {"fail_above": "1 %"},
        "carrier_changes": {"warn_above": "0", "fail_above": "2"},
        "softnet_dropped": {"fail_above": "0 /s"},
        "listen_drops": {"warn_above": "0 %", "fail_above": "0.1 %"},
        "memory_aborts": {"fail_above": "0"},
        "udp_drops": {"warn_above": "0 %", "fail_above": "1 %"},
        "half_families": {"fail_above": "0"},
    }

    def request(self, checks: frozenset[str]) -> Request | None:
        """The parts of the reading that `checks` judge by; beyond the doubts, a longer window is taken."""
        wanted = {check.partition(".")[2] for check in checks if check.startswith("network.")}
        if not wanted:
            return None
        from shipworthy.probes.network import Request  # only for what is asked: an engineer waits

        return Request(
            interfaces=not wanted.isdisjoint(_INTERFACES),
            counters=not wanted.isdisjoint(_COUNTED),
            sockets=not wanted.isdisjoint({"half_open", "stuck_readers", "tcp_drops"}),
            declared=sorted(self.interfaces),
            peers={name: peer.wanted(wanted) for name, peer in self.peers.items()} if wanted & _PEERS else {},
            half_sent={name: each.wanted() for name, each in self.closes_half_sent.items()}
            if "closes_half_sent" in wanted
            else {},
            doubts=self._doubts(wanted),
        )

    def _doubts(self, wanted: set[str]) -> dict[str, Any]:
        """Only what is judged is worth a second look."""
        doubts: dict[str, Any] = {"floor_lost": int(self.lost_floor), "floor_segments": int(self.segments_floor)}
        for claim, field, bound in (
            ("softnet", "backlog_per_second", self.softnet_dropped.doubt),
            ("softnet", "squeezed_per_second", self.softnet_squeezed.doubt),
            ("retransmissions", "retransmitted_percent", self.retransmissions.doubt),
            ("tcp_drops", "listen_percent", self.listen_drops.doubt),
            ("udp_drops", "udp_percent", self.udp_drops.doubt),
            ("errors", "errors_percent", self.errors.doubt),
            ("drops", "drops_percent", self.drops.doubt),
            ("throughput", "speed_percent", self.throughput.doubt),
        ):
            if claim in wanted:
                doubts[field] = bound
        caps = self.interfaces.items()
        if "interface_throughput" in wanted:
            doubts["bytes_per_second"] = _bounds((name, one.throughput) for name, one in caps)
        if "interface_packets" in wanted:
            doubts["packets_per_second"] = _bounds((name, one.packets) for name, one in caps)
        return doubts


def _bounds(limits: Iterable[tuple[str, Limit]]) -> dict[str, float]:
    return {name: limit.doubt for name, limit in limits if limit.doubt is not None}
