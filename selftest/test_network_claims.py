"""What the network's other checks of a host by itself conclude: a recorded host, a policy → outcome and message."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.judged import lines
from selftest.network_trees import (
    CONNECTED,
    DEFAULT,
    DEFAULT6,
    LINK6,
    LOCAL6,
    NOWHERE6,
    PUBLIC6,
    ROUTE_HEAD,
    Case,
    Files,
    before,
    netstat,
    snmp,
    snmp6,
    socket,
    softnet,
    tcp,
    told,
    trie,
)

NO_COUNTERS: Files = {"/proc/net/netstat": None}
SOFTNET = {
    "calm": Case("passed", "", then={"/proc/net/softnet_stat": softnet((900, 0, 90), (900, 0, 90))}),
    "dropping": Case(
        "warned",
        "CPU 1: packets dropped 4 /s, warning above 0 /s (limit 10 /s)",
        then={"/proc/net/softnet_stat": softnet((900, 0, 0), (900, 4, 0))},
    ),
    "dropping much, in hexadecimal": Case(
        "failed",
        "CPU 0: packets dropped 16 /s, limit 10 /s",
        then={"/proc/net/softnet_stat": "00000000 00000010 00000000\n00000000 00000000 00000000\n"},
    ),
    "squeezed": Case(
        "warned",
        "CPU 0: receive rounds cut short 200 /s, warning above 100 /s",
        then={"/proc/net/softnet_stat": softnet((900, 0, 200), (0, 0, 0))},
    ),
    "the counter wraps": Case(
        "warned",
        "CPU 0: packets dropped 2 /s, warning above 0 /s (limit 10 /s)",
        {"/proc/net/softnet_stat": softnet((9, 0xFFFFFFFF, 0))},
        {"/proc/net/softnet_stat": softnet((9, 1, 0))},
    ),
    "not there": Case("error", "backlogs: no /proc/net/softnet_stat", {"/proc/net/softnet_stat": None}),
}
LISTEN = "connections dropped by listeners"
TCP_DROPS = {
    "none": Case("passed", "", then={"/proc/net/snmp": snmp(Tcp_PassiveOpens=900, Tcp_InSegs=90_000)}),
    "few": Case("passed", "", then={"/proc/net/netstat": netstat(ListenDrops=9)}),
    "of many": Case(
        "passed",
        "",
        then={"/proc/net/netstat": netstat(ListenDrops=20), "/proc/net/snmp": snmp(Tcp_PassiveOpens=99_980)},
    ),
    "some": Case(
        "warned",
        f"{LISTEN} 0.5 %, warning above 0.1 % (limit 1 %)",
        then={"/proc/net/netstat": netstat(ListenDrops=20), "/proc/net/snmp": snmp(Tcp_PassiveOpens=3980)},
    ),
    "many": Case(
        "failed",
        f"{LISTEN} 20 %, limit 1 %",
        then={"/proc/net/netstat": netstat(ListenDrops=20), "/proc/net/snmp": snmp(Tcp_PassiveOpens=80)},
    ),
    "backlogs": Case(
        "failed",
        "segments dropped from sockets' backlogs 2 %, limit 1 %",
        then={"/proc/net/netstat": netstat(TCPBacklogDrop=20), "/proc/net/snmp": snmp(Tcp_InSegs=980)},
    ),
    "memory": Case(
        "warned",
        "connections cut for want of memory in 1 s: 3, warning above 0 (limit 100)",
        then={"/proc/net/netstat": netstat(TCPAbortOnMemory=3)},
    ),
    "short of memory since the last run": Case(
        "warned",
        "times that TCP ran short of memory since the last run, 8 h ago: 2, warning above 0",
        {"/proc/net/netstat": netstat(TCPMemoryPressures=7)},
        previous=before(TcpExt_TCPMemoryPressures=5),
    ),
    "an old kernel": Case("passed", "", {"/proc/net/netstat": netstat(TCPBacklogDrop=None, TCPReqQFullDrop=None)}),
    "not there": Case("error", "TcpExt.ListenDrops: no /proc/net/netstat", NO_COUNTERS),
}
UDP_DROPS = {
    "none": Case("passed", "", then={"/proc/net/snmp": snmp(Udp_InDatagrams=500)}),
    "some": Case(
        "warned",
        "datagrams dropped, IPv4 received 2 %, warning above 1 % (limit 10 %)",
        then={"/proc/net/snmp": snmp(Udp_InDatagrams=980, Udp_RcvbufErrors=20)},
    ),
    "IPv6, sent": Case(
        "failed",
        "datagrams dropped, IPv6 sent 50 %, limit 10 %",
        then={"/proc/net/snmp6": snmp6(OutDatagrams=20, SndbufErrors=20)},
    ),
    "no IPv6": Case("passed", "", {"/proc/net/snmp6": None}),
    "neither": Case("error", "Udp.RcvbufErrors: no /proc/net/snmp", {"/proc/net/snmp6": None, "/proc/net/snmp": None}),
}
RETRANSMISSIONS = {
    "too few to say": Case(
        "skipped",
        "only 900 segments were sent in 1 s, and 1000 are needed",
        then={"/proc/net/snmp": snmp(Tcp_OutSegs=850, Tcp_RetransSegs=50)},
    ),
    "few": Case("passed", "", then={"/proc/net/snmp": snmp(Tcp_OutSegs=9_960, Tcp_RetransSegs=40)}),
    "many": Case(
        "warned",
        "segments sent again 20 %, warning above 1 %",
        then={"/proc/net/snmp": snmp(Tcp_OutSegs=8_000, Tcp_RetransSegs=2_000)},
    ),
    "dead peers and spurious ones are no loss": Case(
        "passed",
        "",
        then={
            "/proc/net/snmp": snmp(Tcp_OutSegs=8_000, Tcp_RetransSegs=2_000),
            "/proc/net/netstat": netstat(TCPSynRetrans=1_500, TCPSpuriousRTOs=480),
        },
    ),
    "little now, much since the last run": Case(
        "warned",
        "segments sent again 10 %, warning above 1 %",
        {"/proc/net/snmp": snmp(Tcp_OutSegs=9_000, Tcp_RetransSegs=1_000)},
        previous=before(Tcp_OutSegs=0, Tcp_RetransSegs=0, TcpExt_TCPSynRetrans=0, TcpExt_TCPSpuriousRTOs=0),
    ),
    "an old kernel": Case(
        "warned",
        "segments sent again 20 %, warning above 1 %",
        {"/proc/net/netstat": netstat(TCPSynRetrans=None)},
        {"/proc/net/snmp": snmp(Tcp_OutSegs=8_000, Tcp_RetransSegs=2_000)},
    ),
}
HALF = "families that the host has half"
BOTH: Files = {"/proc/net/if_inet6": LINK6 + PUBLIC6, "/proc/net/ipv6_route": DEFAULT6 + NOWHERE6}
NO_ROUTE: Files = {"/proc/net/route": ROUTE_HEAD + CONNECTED}
FAMILIES = {
    "IPv4 alone": Case("passed", ""),
    "no IPv6 in the kernel": Case("passed", "", {"/proc/net/if_inet6": None, "/proc/net/ipv6_route": None}),
    "both": Case("passed", "", BOTH),
    "a public IPv6 address without a route": Case(
        "warned",
        f"{HALF} (IPv6: address 2a00::7, and no default route) 1, warning above 0",
        {"/proc/net/if_inet6": PUBLIC6},
    ),
    "a unique local one wants none": Case("passed", "", {"/proc/net/if_inet6": LOCAL6}),
    "an IPv6 route without an address": Case(
        "warned",
        f"{HALF} (IPv6: a default route through eth0, and no global address) 1, warning above 0",
        {"/proc/net/ipv6_route": DEFAULT6},
    ),
    "an address that is a duplicate is none": Case(
        "warned",
        f"{HALF} (IPv6: a default route through eth0, and no global address) 1, warning above 0",
        {**BOTH, "/proc/net/if_inet6": PUBLIC6.replace(" 80 ", " 88 ")},
    ),
    "a private IPv4 address beside IPv6": Case("passed", "", {**BOTH, **NO_ROUTE}),
    "a public IPv4 address beside IPv6": Case(
        "warned",
        f"{HALF} (IPv4: address 9.9.9.9, and no default route) 1, warning above 0",
        {**BOTH, **NO_ROUTE, "/proc/net/fib_trie": trie("9.9.9.9")},
    ),
    "an island": Case("passed", "", {**NO_ROUTE, "/proc/net/fib_trie": trie("9.9.9.9")}),
    "a router's table is too long to read": Case("passed", "", {"/proc/net/fib_trie": trie("9.9.9.9") * 40_000}),
    "said: both, and there": Case("passed", "", BOTH, families=("ipv4", "ipv6")),
    "said: both": Case(
        "failed",
        "families missing (IPv6: no global address, no default route) 1, limit 0",
        families=("ipv4", "ipv6"),
    ),
    "said: IPv4 alone": Case("passed", "", {"/proc/net/if_inet6": PUBLIC6}, families=("ipv4",)),
    "said: a unique local address and a route are a family": Case(
        "passed", "", {**BOTH, "/proc/net/if_inet6": LOCAL6}, families=("ipv6",)
    ),
    "said, but addresses cannot be seen": Case(
        "error", "IPv4 addresses: no /proc/net/fib_trie", {"/proc/net/fib_trie": None}, families=("ipv4",)
    ),
    "said, but a route that refuses is none": Case(
        "failed",
        "families missing (IPv4: no default route) 1, limit 0",
        {"/proc/net/route": ROUTE_HEAD + DEFAULT.replace("0003", "0203") + CONNECTED},
        families=("ipv4",),
    ),
}
COOKIES = {
    "on": Case("passed", ""),
    "always": Case("passed", "", {"/proc/sys/net/ipv4/tcp_syncookies": "2\n"}),
    "off": Case("failed", "net.ipv4.tcp_syncookies 0, limit at least 1", {"/proc/sys/net/ipv4/tcp_syncookies": "0\n"}),
    "an old kernel's container": Case(
        "skipped", "this kernel has no tcp_syncookies here", {"/proc/sys/net/ipv4/tcp_syncookies": None}
    ),
}
HALF_OPEN = {
    "none": Case("passed", ""),
    "some": Case("passed", "", {"/proc/net/tcp": tcp(*[socket("03")] * 1000)}),
    "many, of both families": Case(
        "warned",
        "half-open connections 1002, warning above 1000 (limit 10000)",
        {"/proc/net/tcp": tcp(*[socket("03")] * 1000), "/proc/net/tcp6": tcp(*[socket("0C")] * 2)},
    ),
    "the queue is full": Case(
        "warned",
        "SYN cookies sent 50 /s, warning above 1 /s",
        then={"/proc/net/netstat": netstat(SyncookiesSent=50)},
    ),
    "not seen": Case("error", "clients: /proc/net/tcp: No such file or directory", {"/proc/net/tcp": None}),
}
STUCK = {
    "none": Case("passed", "", {"/proc/net/tcp": tcp(*[socket("01", timer="01:00000014")] * 50)}),
    "a few": Case("passed", "", {"/proc/net/tcp": tcp(*[socket("01", timer="04:00000014")] * 20)}),
    "many": Case(
        "warned",
        "connections to peers that do not read 21, warning above 20 (limit 1000)",
        {"/proc/net/tcp": tcp(*[socket("01", timer="04:00000014")] * 21)},
    ),
}

TABLES: dict[str, dict[str, Case]] = {
    "test_cpus_keep_up_with_packets": SOFTNET,
    "test_tcp_has_room": TCP_DROPS,
    "test_udp_readers_keep_up": UDP_DROPS,
    "test_few_segments_are_sent_again": RETRANSMISSIONS,
    "test_families_are_whole": FAMILIES,
    "test_syn_cookies_are_on": COOKIES,
    "test_half_open_connections_are_few": HALF_OPEN,
    "test_peers_read_what_they_are_sent": STUCK,
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case, tmp_path: Path) -> None:
    told(case, check, tmp_path)
