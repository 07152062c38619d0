"""What is concluded of the interfaces, peers and listeners that a policy names; and what a policy may not name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from selftest.judged import lines
from selftest.network_trees import Case, Files, dev, interface, policy, told
from shipworthy.errors import PolicyError
from shipworthy.judging.network import bounds
from shipworthy.probes.parts.connects import Connects, HalfSent
from shipworthy.probes.parts.echo import NEEDS_ROOT, checksum
from shipworthy.probes.parts.peers import Address, Peer


def of_interface(
    outcome: str, message: str, files: Files | None = None, then: Files | None = None, **said: Any
) -> Case:
    return Case(
        outcome, message, files or {}, then or {}, policy={"interfaces": {"eth0": said}}, item="eth0", of="interfaces"
    )


FAST = {"/proc/net/dev": dev(eth0=(5_000_000, 2000, 0, 0, 9_000_000, 900, 0, 0))}
NONE: Files = {
    **interface("eth0", flags=None, carrier=None, speed=None, duplex=None, **{"device/vendor": None}),
    "/sys/class/net/lo/flags": "0x9\n",
}
PRESENT = {
    "there": of_interface("passed", ""),
    "not there": of_interface("failed", "eth0: there is no such interface", NONE),
    "off": of_interface("failed", "eth0: is down", interface("eth0", flags="0x1002", carrier=None)),
    "no carrier": of_interface("failed", "eth0: has no carrier", interface("eth0", carrier="0")),
    "slower than it should be": of_interface(
        "failed",
        "eth0: speed 11.9 MiB/s, limit at least 119 MiB/s",
        interface("eth0", speed="100"),
        speed={"fail_below": "125 MB/s"},
    ),
    "as fast as it should be": of_interface("passed", "", speed={"fail_below": "125 MB/s"}),
    "tells no speed": of_interface(
        "error", "eth0: does not tell its speed", interface("eth0", speed="-1"), speed={"fail_below": "125 MB/s"}
    ),
}
THROUGHPUT = {
    "no grant": of_interface("skipped", "no grant is declared", then=FAST),
    "within": of_interface("passed", "", then=FAST, throughput={"fail_above": "10 MB/s"}),
    "beyond": of_interface(
        "failed",
        "eth0: throughput sent 8.58 MiB/s, limit 7.63 MiB/s",
        then=FAST,
        throughput={"fail_above": "8 MB/s"},
    ),
    "not there": of_interface("error", "eth0: there is no such interface", NONE, throughput={"fail_above": "8 MB/s"}),
}
PACKETS = {
    "beyond": of_interface(
        "warned", "eth0: packets received 2000 /s, warning above 1000 /s", then=FAST, packets={"warn_above": "1000 /s"}
    ),
    "within": of_interface("passed", "", then=FAST, packets={"warn_above": "3000 /s"}),
}

UP = Connects(3, 3, 0.002, "", no_route=False)
REFUSED = Connects(3, 0, None, "Connection refused", no_route=False)
DEAD = Connects(2, 0, None, "timed out", no_route=False)
NO_ROUTE = Connects(3, 0, None, "Network is unreachable", no_route=True)


def v4(
    sent: int = 20, answered: int = 20, connects: Connects | None = UP, mtu: int | None = None, error: str = ""
) -> Address:
    median = 0.001 if answered else connects.best_seconds if connects else None
    no_route = connects is not None and connects.no_route
    return Address("ipv4", "10.0.0.2", sent, answered, median, median, error, no_route, connects, mtu)


def v6(connects: Connects = UP, sent: int = 20, error: str = "") -> Address:
    return v4(sent, sent, connects, error=error)._replace(family="ipv6", address="fd00::2")


def of_peer(
    outcome: str,
    message: str,
    *addresses: Address,
    error: str = "",
    segments: tuple[int | None, int | None, str] = (None, None, "not asked"),
    estate: tuple[str, ...] = (),
    **said: Any,
) -> Case:
    peers = {"db": {"address": "10.0.0.2", "port": "5432", **said}}
    reading = {"peers": {"db": Peer(list(addresses), error, *segments)}}
    return Case(outcome, message, policy={"peers": peers}, item="db", of="peers", reading=reading, families=estate)


MISSED = "db: addresses that take no connection"
CONNECTS = {
    "both": of_peer("passed", "", v4(), v6()),
    "refused": of_peer("failed", f"{MISSED} (10.0.0.2: Connection refused) 1, limit 0", v4(connects=REFUSED)),
    "one family is dead": of_peer("failed", f"{MISSED} (fd00::2: timed out) 1, limit 0", v4(), v6(DEAD)),
    "no route to one family": of_peer(
        "warned", f"{MISSED} (fd00::2: Network is unreachable) 1, warning above 0", v4(), v6(NO_ROUTE)
    ),
    "no route, and the estate speaks it": of_peer(
        "failed",
        f"{MISSED} (fd00::2: Network is unreachable) 1, limit 0",
        v4(),
        v6(NO_ROUTE),
        estate=("ipv4", "ipv6"),
    ),
    "the estate does not speak it": of_peer("passed", "", v4(), v6(DEAD), estate=("ipv4",)),
    "the estate speaks another": of_peer("failed", "db: no address of ipv6", v4(), estate=("ipv6",)),
    "it must have both": of_peer("failed", "db: no address of ipv6", v4(), families=["ipv4", "ipv6"]),
    "it must be reached over one": of_peer("passed", "", v4(), v6(DEAD), families=["ipv4"]),
    "does not resolve": of_peer("error", "db: db does not resolve", error="db does not resolve"),
    "not asked": Case(
        "error",
        "db was not asked for in this run",
        policy={"peers": {"db": {"address": "db", "port": "1"}}},
        item="db",
        of="peers",
    ),
}
LOST = "db 10.0.0.2: echoes lost"
LOSS = {
    "none": of_peer("passed", "", v4()),
    "one of twenty is bad luck": of_peer(
        "warned", f"{LOST} (1 of 20, which proves more than 0.256 %) 5 %, warning above 1 %", v4(answered=19)
    ),
    "four of twenty are none": of_peer(
        "failed", f"{LOST} (4 of 20, which proves more than 7.14 %) 20 %, limit 5 %", v4(answered=16)
    ),
    "all": of_peer(
        "failed",
        f"{LOST} (20 of 20, which proves more than 86.1 %) 100 %, limit 5 %",
        v4(answered=0, connects=DEAD),
    ),
    "all, and TCP is answered": of_peer(
        "error", "db 10.0.0.2: answers TCP and no echo; `packets: 0` leaves echoes out", v4(answered=0)
    ),
    "all, and TCP is refused": of_peer(
        "error",
        "db 10.0.0.2: answers TCP and no echo; `packets: 0` leaves echoes out",
        v4(answered=0, connects=REFUSED),
    ),
    "no route to one family": of_peer("passed", "", v4(), v6(NO_ROUTE, 0, "Network is unreachable")),
    "no route, and the estate speaks it": of_peer(
        "error",
        "db fd00::2: Network is unreachable",
        v4(),
        v6(NO_ROUTE, 0, "Network is unreachable"),
        estate=("ipv4", "ipv6"),
    ),
    "no route at all": of_peer(
        "error", "db: this host has no route to any of its addresses", v6(NO_ROUTE, 0, "Network is unreachable")
    ),
    "an ordinary user": of_peer("error", f"db 10.0.0.2: {NEEDS_ROOT}", v4(0, 0, error=NEEDS_ROOT)),
    "not wanted": of_peer("skipped", "its policy has no echoes sent", v4(0, 0), packets=0),
}
ROUND_TRIP = {
    "near": of_peer("passed", "", v4()),
    "far": of_peer(
        "failed",
        "db 10.0.0.2: round trip 1 ms, limit 500 µs",
        v4(),
        round_trip={"warn_above": None, "fail_above": "500 us"},
    ),
    "by TCP": of_peer(
        "failed",
        "db 10.0.0.2: round trip 2 ms, limit 500 µs",
        v4(0, 0),
        round_trip={"warn_above": None, "fail_above": "500 us"},
        packets=0,
    ),
    "nothing is answered": of_peer(
        "error", "db: nothing that was sent to it was answered", v4(answered=0, connects=DEAD)
    ),
}
MTU = {
    "not declared": of_peer("skipped", "no size is declared", v4()),
    "whole": of_peer("passed", "", v4(mtu=1500), mtu=1500),
    "cut": of_peer("failed", "db: 10.0.0.2: 1420 bytes arrive whole, not 1500", v4(mtu=1420), mtu=1500),
    "nothing large at all": of_peer(
        "failed", "db: 10.0.0.2: not even 576 bytes arrive whole, not 1500", v4(), mtu=1500
    ),
    "nothing at all": of_peer(
        "error", "db 10.0.0.2: no echo is answered, of whatever size", v4(answered=0, connects=DEAD), mtu=1500
    ),
}
AGAIN = {
    "few": of_peer("passed", "", v4(), segments=(5000, 40, "")),
    "some": of_peer(
        "warned", "db: segments sent again 2 %, warning above 1 % (limit 3 %)", v4(), segments=(5000, 100, "")
    ),
    "many": of_peer("failed", "db: segments sent again 5 %, limit 3 %", v4(), segments=(5000, 250, "")),
    "too few": of_peer(
        "skipped", "only 20 segments were sent over connections that are open to it", v4(), segments=(20, 20, "")
    ),
    "no ss": of_peer(
        "error",
        "db: connections are told by ss(8) alone: ss: No such file or directory",
        v4(),
        segments=(None, None, "connections are told by ss(8) alone: ss: No such file or directory"),
    ),
}


def of_listener(outcome: str, message: str, found: HalfSent, **within: str) -> Case:
    said = {"web": {"port": "80", **({"within": within} if within else {})}}
    reading = {"half_sent": {"web": found}}
    return Case(outcome, message, policy={"closes_half_sent": said}, item="web", of="closes_half_sent", reading=reading)


HALF_SENT = {
    "closes": of_listener("passed", "", HalfSent("", 4.0, 4.0)),
    "closes late": of_listener(
        "failed", "web: open to half a request after 10.5 s, limit 10 s", HalfSent("", 10.5, 10.5)
    ),
    "never closes": of_listener(
        "failed", "web: still open to half a request after 11 s, limit 10 s", HalfSent("", None, 11.0)
    ),
    "longer than a run can wait": of_listener(
        "error", "web: still open after 15 s, as long as was waited", HalfSent("", None, 15.0), fail_above="60 s"
    ),
    "closes in time, however long that may be": of_listener("passed", "", HalfSent("", 2.0, 2.0), fail_above="60 s"),
    "nobody listens": of_listener(
        "error", "web: no connection to try it on: Connection refused", HalfSent("Connection refused", None, 0.0)
    ),
}

TABLES: dict[str, dict[str, Case]] = {
    "test_declared_interface_is_there": PRESENT,
    "test_declared_interface_has_bytes_left": THROUGHPUT,
    "test_declared_interface_has_packets_left": PACKETS,
    "test_peer_takes_connections": CONNECTS,
    "test_packets_to_peer_arrive": LOSS,
    "test_peer_is_near": ROUND_TRIP,
    "test_packets_to_peer_stay_whole": MTU,
    "test_segments_to_peer_arrive": AGAIN,
    "test_half_a_request_is_not_waited_for": HALF_SENT,
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case, tmp_path: Path) -> None:
    told(case, check, tmp_path)


@pytest.mark.parametrize(
    ("sent", "lost", "least", "most"),
    [(20, 0, 0.0, 13.91), (300, 0, 0.0, 0.99), (20, 4, 7.14, 40.1), (20, 20, 86.09, 100.0), (1, 0, 0.0, 95.0)],
)
def test_what_so_many_packets_prove(sent: int, lost: int, least: float, most: float) -> None:
    """The table of Clopper and Pearson; of none lost in n, about 3/n."""
    proved_least, proved_most = bounds(sent, lost)
    assert proved_least == pytest.approx(least, abs=0.01)
    assert proved_most == pytest.approx(most, abs=0.05)


def test_the_internets_checksum() -> None:
    """The example of RFC 1071, section 3."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2
    assert checksum(b"\x01") == 0xFEFF


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"peers": {"cloud": {"address": "169.254.169.254"}}}, "metadata"),
        ({"closes_half_sent": {"cloud": {"port": 80, "address": "::ffff:169.254.169.254"}}}, "metadata"),
        ({"peers": {"db": {"address": "db", "port": 70000}}}, "port"),
        ({"peers": {"db": {"address": "db", "packets": 5000}}}, "packets"),
        ({"peers": {"db": {"address": "db", "mtu": 100}}}, "mtu"),
        ({"peers": {"db": {}}}, "address"),
        ({"closes_half_sent": {"web": {"port": 80, "address": "web.test"}}}, "no IPv4 or IPv6 address"),
    ],
)
def test_what_a_policy_may_not_name(said: Mapping[str, Any], problem: str) -> None:
    with pytest.raises(PolicyError, match=problem):
        policy(Case("", "", policy=said))


def test_what_the_probe_is_asked() -> None:
    by = policy(
        Case(
            "", "", policy={"peers": {"db": {"address": "db", "mtu": 1500}}, "closes_half_sent": {"web": {"port": 80}}}
        )
    )
    request = by.network.request(frozenset({"network.peer_connects", "network.syn_cookies"}))
    assert (request.counters, request.interfaces, request.sockets, request.half_sent) == (False, False, False, {})
    assert request.peers["db"] == {"address": "db", "port": None, "packets": 0, "mtu": None, "segments": False}
    request = by.network.request(frozenset({"network.peer_mtu", "network.closes_half_sent"}))
    assert (request.peers["db"]["packets"], request.peers["db"]["mtu"]) == (20, 1500)
    assert request.half_sent["web"]["wait_seconds"] == 11.0
    assert by.network.request(frozenset({"memory.swap_used"})) is None
