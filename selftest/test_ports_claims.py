"""What the ports checks conclude: recorded sockets, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from selftest import judged
from selftest.socket_tables import Socket, bound, connections, listen, tcp, tcp6, udp, udp6
from shipworthy.checks import Item
from shipworthy.outcome import Judged
from shipworthy.policy import HostPolicy
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

ANY, ANY6 = "0.0.0.0", "::"
HERE, DB, WEB = "192.0.2.1", "192.0.2.9", "192.0.2.10"
HEAD = "entries clashres insert_failed drop early_drop\n"
NET = "/proc/sys/net/ipv4/"
REUSE, TIMESTAMPS, RANGE = NET + "tcp_tw_reuse", NET + "tcp_timestamps", NET + "ip_local_port_range"
RESERVED, TCP, TCP6, UDP, UDP6 = (
    NET + "ip_local_reserved_ports",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    "/proc/net/udp",
    "/proc/net/udp6",
)
COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
LOST = "/proc/net/stat/nf_conntrack"
WELL: Files = {
    RANGE: "40000\t40099\n",
    RESERVED: "\n",
    REUSE: "2\n",
    TIMESTAMPS: "1\n",
    "/proc/sys/net/ipv6/bindv6only": "0\n",
    "/proc/sys/net/core/somaxconn": "4096\n",
    COUNT: "10\n",
    COUNT.replace("count", "max"): "1000\n",
    LOST: f"{HEAD}0a 00 05 05 00\n0a 00 00 0a 00\n",
    TCP: tcp(),
    TCP6: tcp6(),
    UDP: udp(),
    UDP6: udp6(),
}
"""A host of a hundred ephemeral ports, on which nothing happens."""


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    outcome: str
    message: str = ""
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    item: str = ""
    previous: Previous = NOTHING_BEFORE
    asked: Mapping[str, Any] | None = None
    """The policy by which the host was asked, where it is another."""
    families: tuple[str, ...] = ("ipv4", "ipv6")


def holding(pid: int, comm: str, *inodes: int) -> Files:
    """A process that holds these sockets."""
    held = {f"/proc/{pid}/fd/{number}": f"link:socket:[{inode}]" for number, inode in enumerate(inodes, 3)}
    return {**held, f"/proc/{pid}/comm": f"{comm}\n"}


def told(case: Case, check: str, tmp_path: Path) -> Judged:
    policy = _policy(case, case.policy)
    asked = policy if case.asked is None else _policy(case, case.asked)
    before = judged.write(tmp_path / "before", {**WELL, **case.files})
    then = judged.write(tmp_path / "then", {**WELL, **case.files, **case.then})
    request = asked.ports.request(frozenset(CHECKS.values()))
    reading = judged.read("ports", before, then, request)
    item = Item(case.item, policy.ports.listen[case.item]) if case.item else None
    arguments = {"ports": reading, "policy": policy, "previous": case.previous, "item": item}
    said = judged.judge("ports", check, **arguments)
    assert (said.outcome, said.message) == (case.outcome, case.message)
    return said


def _policy(case: Case, said: Mapping[str, Any]) -> HostPolicy:
    return judged.policy(families=case.families, ports=dict(said))


def outgoing(count: int, peer: str = DB, *, first: int = 40000, step: int = 1, **more: Any) -> list[Socket]:
    return connections(HERE, range(first, first + count * step, step), peer, 5432, **more)


def early(count: int, peer: str) -> list[Socket]:
    """Connections from ports of the other parity, as those that were bound before."""
    return outgoing(count, peer, first=40001, step=2)


TO_DB = f"ephemeral ports to {DB}:5432 from {HERE}"
EXHAUSTED = {
    "none": Case("passed"),
    "half, exactly": Case("passed", files={TCP: tcp(*outgoing(50))}),
    "more than half": Case("warned", f"{TO_DB} 51 %, warning above 50 % (limit 80 %)", {TCP: tcp(*outgoing(51))}),
    "eighty, exactly": Case("warned", f"{TO_DB} 80 %, warning above 50 % (limit 80 %)", {TCP: tcp(*outgoing(80))}),
    "more than eighty": Case("failed", f"{TO_DB} 81 %, limit 80 %", {TCP: tcp(*outgoing(81))}),
    "another port of the same host is another triple": Case(
        "passed", files={TCP: tcp(*outgoing(45, step=2), *connections(HERE, range(40000, 40090, 2), DB, 5433))}
    ),
    "mapped ones count with IPv4": Case(
        "failed",
        f"{TO_DB} 90 %, limit 80 %",
        {TCP: tcp(*outgoing(45)), TCP6: tcp6(*outgoing(45, first=40045))},
    ),
    "both families of one name are two triples": Case(
        "passed",
        files={
            TCP: tcp(*outgoing(45, step=2)),
            TCP6: tcp6(*connections("2001:db8::1", range(40000, 40090, 2), "2001:db8::9", 5432)),
        },
    ),
    "attempts count": Case("failed", f"{TO_DB} 90 %, limit 80 %", {TCP: tcp(*outgoing(90, state="SYN_SENT"))}),
    "what is not closed counts": Case(
        "failed", f"{TO_DB} 90 %, limit 80 %", {TCP: tcp(*outgoing(90, state="CLOSE_WAIT"))}
    ),
    "TIME_WAIT is another check's": Case("passed", files={TCP: tcp(*outgoing(90, state="TIME_WAIT"))}),
    "reserved ports are none": Case(
        "failed", f"{TO_DB} 83.3 %, limit 80 %", {TCP: tcp(*outgoing(50)), RESERVED: "9000,40060-40099,65000\n"}
    ),
    "a listener's port is none, on any family": Case(
        "warned",
        f"{TO_DB} 51 %, warning above 50 % (limit 80 %)",
        {TCP: tcp(listen(HERE, 40099), *outgoing(50)), TCP6: tcp6(listen("::1", 40098), listen(ANY6, 22))},
    ),
    "clients of a listener spend nothing": Case(
        "passed", files={TCP: tcp(listen(ANY, 443), *[Socket(HERE, 443, DB, port) for port in range(50000, 50090)])}
    ),
    "connections from ports outside of the range spend nothing": Case(
        "passed", files={TCP: tcp(*connections(HERE, range(700, 790), DB, 2049))}
    ),
    "what was bound early is spent for everybody": Case(
        "warned",
        f"{TO_DB} 60 %, warning above 50 % (limit 80 %)",
        {TCP: tcp(*outgoing(40, step=2), *early(20, WEB), *outgoing(20, WEB, step=2))},
    ),
    "the same ports bound at two addresses are spent once": Case(
        "warned",
        f"{TO_DB} 58 %, warning above 50 % (limit 80 %)",
        {
            TCP: tcp(
                *outgoing(38, step=2),
                *connections("192.0.2.2", range(40001, 40041, 2), WEB, 5432),
                *connections("192.0.2.3", range(40001, 40041, 2), WEB, 5432),
            )
        },
    ),
    "what is left of a rush was not bound early": Case(
        "passed",
        files={TCP: tcp(*outgoing(45, step=2), *outgoing(30, WEB, step=2), *early(15, WEB))},
    ),
    "a few of the other parity are left-overs": Case("passed", files={TCP: tcp(*outgoing(49, step=2), *early(4, WEB))}),
    "everything is reserved": Case(
        "failed",
        f"{TO_DB} 100 %, limit 80 %",
        {TCP: tcp(*outgoing(1)), RANGE: "40000\t40000\n", RESERVED: "40001\n", UDP: udp(), TCP6: tcp6()},
    ),
    "no range": Case("error", f"tcp: no {RANGE}", {RANGE: None}),
    "no table": Case("error", "tcp: /proc/net/tcp: No such file or directory", {TCP: None}),
    "no IPv6": Case("passed", files={TCP6: None, UDP6: None}),
}

WITH = f"{TO_DB}, TIME_WAIT included, 90 %, limit 80 %"
WAITING = {TCP: tcp(*outgoing(90, state="TIME_WAIT"))}
LOCAL = {TCP: tcp(*connections("127.0.0.1", range(40000, 40090), "127.0.0.1", 9000, state="TIME_WAIT"))}
TIME_WAIT = {
    "much on loopback hides nothing": Case(
        "failed",
        f"{TO_DB}, TIME_WAIT included, 85 %, limit 80 %",
        {
            TCP: tcp(
                *outgoing(85, state="TIME_WAIT"),
                *[
                    one
                    for port in range(9000, 9006)
                    for one in connections("127.0.0.1", range(40000, 40090), "127.0.0.1", port, state="TIME_WAIT")
                ],
            )
        },
    ),
    "none": Case("passed"),
    "never taken over": Case("failed", WITH, {**WAITING, REUSE: "0\n"}),
    "taken over on loopback only": Case("failed", WITH, WAITING),
    "on loopback": Case("passed", files=LOCAL),
    "on loopback, never taken over": Case(
        "failed",
        "ephemeral ports to 127.0.0.1:9000 from 127.0.0.1, TIME_WAIT included, 90 %, limit 80 %",
        {**LOCAL, REUSE: "0\n"},
    ),
    "on loopback, without timestamps": Case(
        "failed",
        "ephemeral ports to 127.0.0.1:9000 from 127.0.0.1, TIME_WAIT included, 90 %, limit 80 %",
        {**LOCAL, TIMESTAMPS: "0\n"},
    ),
    "a proxy that takes over": Case(
        "skipped",
        "net.ipv4.tcp_tw_reuse is 1: connections in TIME_WAIT are taken over",
        {**WAITING, REUSE: "1\n"},
    ),
    "cannot be taken over without timestamps": Case("failed", WITH, {**WAITING, REUSE: "1\n", TIMESTAMPS: "0\n"}),
    "open ones alone are another check's": Case("passed", files={TCP: tcp(*outgoing(60))}),
    "open ones alone fail already": Case(
        "passed", files={TCP: tcp(*outgoing(85), *outgoing(10, first=40085, state="TIME_WAIT"))}
    ),
    "both together are more": Case(
        "failed", WITH, {TCP: tcp(*outgoing(60), *outgoing(30, first=40060, state="TIME_WAIT"))}
    ),
    "what this end closed of its clients": Case(
        "passed",
        files={TCP: tcp(listen(ANY, 80), *[Socket(HERE, 80, DB, n, "TIME_WAIT", 0) for n in range(40000, 40090)])},
    ),
    "no setting": Case("error", f"settings.tw_reuse: no {REUSE}", {REUSE: None}),
}

BIND = f"ephemeral ports spent for a bind to {HERE}"
EARLY = {
    "two destinations share all that there is": Case(
        "failed",
        f"{BIND} 100 %, limit 80 %",
        {TCP: tcp(*outgoing(50, first=40000), *outgoing(50, WEB, first=40050))},
    ),
    "nobody binds early": Case(
        "skipped",
        "nothing here binds before it connects",
        {TCP: tcp(*outgoing(40, step=2), *outgoing(45, WEB, step=2))},
    ),
    "a busy destination has both parities": Case(
        "skipped", "nothing here binds before it connects", {TCP: tcp(*outgoing(95))}
    ),
    "much is spent by anybody at this address": Case(
        "failed", f"{BIND} 81 %, limit 80 %", {TCP: tcp(*outgoing(49, step=2), *early(32, WEB))}
    ),
    "the same ports are spent once": Case(
        "warned",
        f"{BIND} 70 %, warning above 50 % (limit 80 %)",
        {TCP: tcp(*outgoing(40, step=2), *outgoing(40, "192.0.2.11", step=2), *early(30, WEB))},
    ),
    "TIME_WAIT is in the way of a bind, whatever tcp_tw_reuse says": Case(
        "warned",
        f"{BIND} 60 %, warning above 50 % (limit 80 %)",
        {TCP: tcp(*outgoing(40, step=2, state="TIME_WAIT"), *early(20, WEB)), REUSE: "1\n"},
    ),
    "another address has its own": Case(
        "passed",
        files={TCP: tcp(*connections("192.0.2.2", range(40000, 40080, 2), DB, 5432), *early(20, WEB))},
    ),
}

SPENT_UDP = {
    "none": Case("passed"),
    "each port once": Case(
        "warned",
        "ephemeral UDP ports spent 60 %, warning above 50 % (limit 80 %)",
        {UDP: udp(*outgoing(60)), UDP6: udp6(*[bound(ANY6, port) for port in range(40030, 40060)])},
    ),
    "both families": Case(
        "failed",
        "ephemeral UDP ports spent 90 %, limit 80 %",
        {UDP: udp(*outgoing(45)), UDP6: udp6(*[bound(ANY6, port) for port in range(40045, 40090)])},
    ),
    "ports that are bound by number": Case(
        "passed", files={UDP: udp(*[bound(ANY, port) for port in range(5000, 5090)])}
    ),
}

WIDE = {
    "as Linux has it": Case("passed", files={RANGE: "32768\t60999\n"}),
    "as IANA has it, some reserved": Case("passed", files={RANGE: "49152\t65535\n", RESERVED: "50000-50099\n"}),
    "narrow": Case("warned", "ephemeral ports 100, warning below 16000"),
    "mostly reserved": Case(
        "warned", "ephemeral ports 8232, warning below 16000", {RANGE: "32768\t60999\n", RESERVED: "40000-59999\n"}
    ),
}

SERVICES = {"listen": {"tcp/40001": {}, "443": {}, "udp/40002": {"presence": "optional"}}}
RESERVES = {
    "nobody must listen": Case("skipped", "this host's policy names nobody who must listen"),
    "one may be given to others": Case(
        "warned", "ports of services (tcp/40001) that others may be given 1, warning above 0", policy=SERVICES
    ),
    "it is reserved": Case("passed", files={RESERVED: "40000-40001\n"}, policy=SERVICES),
}


def required(name: str, **said: Any) -> dict[str, Any]:
    return {"policy": {"listen": {name: said}}, "item": name}


V6ONLY = {"/proc/sys/net/ipv6/bindv6only": "1\n"}
BOTH = {TCP6: tcp6(listen(ANY6, 443, inode=9))}
LISTENS = {
    "nobody": Case("failed", "nothing listens on tcp/443", **required("443")),
    "one socket for both families": Case("passed", files=BOTH, **required("443")),
    "a service's name": Case("passed", files=BOTH, **required("https")),
    "for IPv6 only": Case("failed", "tcp/443 is not served on ipv4: only ::", {**BOTH, **V6ONLY}, **required("443")),
    "two sockets": Case("passed", files={**BOTH, **V6ONLY, TCP: tcp(listen(ANY, 443))}, **required("tcp/443")),
    "on IPv4 alone": Case(
        "failed", "tcp/443 is not served on ipv6: only 0.0.0.0", {TCP: tcp(listen(ANY, 443))}, **required("443")
    ),
    "on IPv4 alone, as the estate": Case(
        "passed", files={TCP: tcp(listen(ANY, 443))}, families=("ipv4",), **required("443")
    ),
    "on IPv4 alone, as it says": Case(
        "passed", files={TCP: tcp(listen(ANY, 443))}, **required("443", families=["ipv4"])
    ),
    "on loopback alone": Case(
        "failed",
        "tcp/443 is not served on ipv4: only 127.0.0.1; tcp/443 is not served on ipv6: only 127.0.0.1",
        {TCP: tcp(listen("127.0.0.1", 443))},
        **required("443"),
    ),
    "on loopback, as it says": Case(
        "passed", files={TCP: tcp(listen("127.0.0.1", 443))}, **required("443", addresses=["127.0.0.1"])
    ),
    "at each of two addresses": Case(
        "passed", files={TCP: tcp(listen(HERE, 443)), TCP6: tcp6(listen("2001:db8::1", 443))}, **required("443")
    ),
    "not at one address": Case(
        "failed",
        f"tcp/443 is not served at {WEB}: only {HERE}",
        {TCP: tcp(listen(HERE, 443))},
        **required("443", addresses=[HERE, WEB]),
    ),
    "everywhere is at an address too": Case("passed", files=BOTH, **required("443", addresses=[HERE, "2001:db8::1"])),
    "by whom it should": Case(
        "passed", files={**BOTH, **holding(7, "nginx", 9)}, **required("443", processes=["nginx"])
    ),
    "by one of its processes": Case(
        "passed",
        files={**BOTH, **holding(1, "systemd", 9), **holding(7, "nginx", 9)},
        **required("443", processes=["nginx"]),
    ),
    "a long name is cut by the kernel": Case(
        "passed",
        files={**BOTH, **holding(7, "systemd-resolve", 9)},
        **required("443", processes=["systemd-resolved"]),
    ),
    "by another": Case(
        "failed",
        "tcp/443 is held by another than nginx or httpd: tcp/443 on ::: java[7]",
        {**BOTH, **holding(7, "java", 9)},
        **required("443", processes=["nginx", "httpd"]),
    ),
    "on one family by whom it should, on the other by nobody whom it can see": Case(
        "error",
        "who listens: tcp/443 on ::: no process that can be seen here",
        {**V6ONLY, **BOTH, TCP: tcp(listen(ANY, 443, inode=8)), **holding(7, "nginx", 8)},
        **required("443", processes=["nginx"]),
    ),
    "by nobody whom it can see": Case(
        "error",
        "who listens: tcp/443 on ::: no process that can be seen here",
        BOTH,
        **required("443", processes=["nginx"]),
    ),
    "UDP": Case("passed", files={UDP6: udp6(bound(ANY6, 53))}, **required("udp/53")),
    "UDP on an ephemeral port": Case("passed", files={UDP6: udp6(bound(ANY6, 40020))}, **required("udp/40020")),
    "TCP is not UDP": Case("failed", "nothing listens on udp/443", BOTH, **required("udp/443")),
    "somewhere in a range": Case("passed", files=BOTH, **required("tcp/400-499")),
    "optional": Case("skipped", "443 is optional", **required("443", presence="optional")),
    "too many UDP clients to tell": Case(
        "error",
        "udp/40020: 201 UDP sockets on ephemeral ports are left out",
        {RANGE: "40000\t40999\n", UDP: udp(*[bound(ANY, port) for port in range(40000, 40201)])},
        **required("udp/40020"),
    ),
}

TELNET = {"listen": {"tcp/23": {"presence": "forbidden"}}}
CLOSED = {
    "nothing is forbidden": Case("skipped", "this host's policy forbids no port"),
    "closed": Case("passed", policy=TELNET),
    "open": Case(
        "failed",
        "forbidden to listen: tcp/23 on 127.0.0.1: no process that can be seen here",
        {TCP: tcp(listen("127.0.0.1", 23))},
        policy=TELNET,
    ),
    "two are open": Case(
        "failed",
        "forbidden to listen: tcp/6000 on 0.0.0.0: Xorg[5], and 1 more",
        {TCP: tcp(listen(ANY, 6000, inode=4), listen(ANY, 6001, inode=4)), **holding(5, "Xorg", 4)},
        policy={"listen": {"6000-6063": {"presence": "forbidden"}}},
    ),
    "open on the other family": Case(
        "passed",
        files={TCP: tcp(listen(ANY, 23))},
        policy={"listen": {"tcp/23": {"presence": "forbidden", "families": ["ipv6"]}}},
    ),
    "open at another address": Case(
        "passed",
        files={TCP: tcp(listen("127.0.0.1", 23))},
        policy={"listen": {"tcp/23": {"presence": "forbidden", "addresses": [HERE]}}},
    ),
    "open everywhere, and so at the address": Case(
        "failed",
        "forbidden to listen: tcp/23 on ::: no process that can be seen here",
        {TCP6: tcp6(listen(ANY6, 23))},
        policy={"listen": {"tcp/23": {"presence": "forbidden", "addresses": [HERE]}}},
    ),
    "it is not known whose it is": Case(
        "error",
        "who listens: tcp/23 on 0.0.0.0: no process that can be seen here",
        {TCP: tcp(listen(ANY, 23))},
        policy={"listen": {"tcp/23": {"presence": "forbidden", "processes": ["telnetd"]}}},
    ),
    "a program that may": Case(
        "passed",
        files={TCP: tcp(listen(ANY, 23, inode=4)), **holding(5, "sshd", 4)},
        policy={"listen": {"tcp/23": {"presence": "forbidden", "processes": ["telnetd"]}}},
    ),
}


NOTHING: Mapping[str, Any] = {}


def only(listen: Mapping[str, Any] = NOTHING, level: str = "reachable") -> dict[str, Any]:
    return {"nothing_else": level, "listen": {"22": {}, **listen}}


LOOPBACK = {TCP: tcp(listen(ANY, 22), listen("127.0.0.1", 25))}
ELSE = {
    "not asked for": Case("skipped", "this host's policy does not ask for it (ports.nothing_else)", LOOPBACK),
    "nothing": Case("passed", files={TCP: tcp(listen(ANY, 22))}, policy=only()),
    "loopback is not reachable": Case("passed", files=LOOPBACK, policy=only()),
    "loopback is anywhere": Case(
        "failed",
        "not named by the policy: tcp/25 on 127.0.0.1: no process that can be seen here",
        LOOPBACK,
        policy=only(level="anywhere"),
    ),
    "something": Case(
        "failed",
        "not named by the policy: tcp/9999 on ::: java[7], and 1 more",
        {TCP6: tcp6(listen(ANY6, 9999, inode=9)), UDP: udp(bound(ANY, 161)), **holding(7, "java", 9)},
        policy=only(),
    ),
    "it may": Case("passed", files={TCP: tcp(listen(ANY, 9999))}, policy=only({"9999": {"presence": "optional"}})),
    "it is forbidden, which is told elsewhere": Case(
        "passed", files={TCP: tcp(listen(ANY, 23))}, policy=only({"23": {"presence": "forbidden"}})
    ),
    "it is forbidden on the other family": Case(
        "failed",
        "not named by the policy: tcp/23 on 0.0.0.0: no process that can be seen here",
        {TCP: tcp(listen(ANY, 23))},
        policy=only({"23": {"presence": "forbidden", "families": ["ipv6"]}}),
    ),
    "at another address than it says": Case(
        "failed",
        "not named by the policy: tcp/5432 on 0.0.0.0: no process that can be seen here",
        {TCP: tcp(listen(ANY, 5432))},
        policy=only({"5432": {"addresses": ["127.0.0.1"]}}),
    ),
    "by another than it says": Case(
        "failed",
        "not named by the policy: tcp/5432 on 0.0.0.0: java[7]",
        {TCP: tcp(listen(ANY, 5432, inode=9)), **holding(7, "java", 9)},
        policy=only({"5432": {"processes": ["postgres"]}}),
    ),
    "a program's own ports": Case(
        "passed",
        files={TCP: tcp(listen(ANY, 40050, inode=9)), **holding(7, "rpc.statd", 9)},
        policy=only({"tcp/1024-65535": {"presence": "optional", "processes": ["rpc.statd"]}}),
    ),
    "it is not known whose it is": Case(
        "error",
        "who listens: tcp/9999 on 0.0.0.0: no process that can be seen here",
        {TCP: tcp(listen(ANY, 9999))},
        policy=only({"9999": {"processes": ["java"]}}),
    ),
    "UDP on ephemeral ports is a client": Case("passed", files={UDP: udp(bound(ANY, 40050))}, policy=only()),
}

FULL = {TCP: tcp(listen(ANY, 80, queued=2500))}
QUEUE = "accept queue of 0.0.0.0:80"
QUEUES = {
    "empty": Case("passed", files={TCP: tcp(listen(ANY, 80))}),
    "emptied meanwhile": Case("passed", files=FULL, then={TCP: tcp(listen(ANY, 80))}),
    "filled meanwhile": Case("passed", files={TCP: tcp(listen(ANY, 80))}, then=FULL),
    "full at both ends": Case("warned", f"{QUEUE} 61 %, warning above 50 %", FULL),
    "beyond what could be known": Case(
        "error",
        "the length of 0.0.0.0:80's queue: a recorded tree does not answer socket diagnosis",
        {TCP: tcp(listen(ANY, 80, queued=3))},
    ),
    "no table": Case("error", "queues: no /proc/net/tcp", {TCP: None}),
    "no IPv6": Case("warned", f"{QUEUE} 61 %, warning above 50 %", {**FULL, TCP6: None}),
}

ALLOWED = {"db": {"networks": [f"{DB}/32"], "ports": [5432]}, "net6": {"networks": ["2001:db8::/64"]}}
PAST = "connected to whom policy does not allow: "
CONNECTS = {
    "not said": Case("skipped", "this host's policy does not say with whom it may be connected"),
    "as allowed": Case(
        "passed",
        files={
            TCP: tcp(*outgoing(3)),
            TCP6: tcp6(*connections("2001:db8::1", [40000], "2001:db8::7", 443), *outgoing(1, first=40050)),
        },
        policy={"may_connect_to": ALLOWED},
    ),
    "another port": Case(
        "failed",
        f"{PAST}{DB}:22: 2 by ssh[9]",
        {TCP: tcp(*connections(HERE, [40000, 40002], DB, 22, inode=70)), **holding(9, "ssh", 70)},
        policy={"may_connect_to": ALLOWED},
    ),
    "it was there a moment ago": Case(
        "failed",
        f"{PAST}{WEB}:5432: 1 by no process that can be seen here",
        {TCP: tcp(*outgoing(1, WEB, state="TIME_WAIT"))},
        policy={"may_connect_to": ALLOWED},
    ),
    "loopback, and itself": Case(
        "passed",
        files={TCP: tcp(*connections("127.0.0.1", [40000], "127.0.0.1", 9), *connections(HERE, [40000], HERE, 9))},
        policy={"may_connect_to": ALLOWED},
    ),
    "a listener went, its clients stay": Case(
        "passed", files={TCP: tcp(Socket(HERE, 443, WEB, 40020))}, policy={"may_connect_to": ALLOWED}
    ),
    "from a port below 1024": Case(
        "failed",
        f"{PAST}{WEB}:2049: 1 by no process that can be seen here",
        {TCP: tcp(Socket(HERE, 800, WEB, 2049))},
        policy={"may_connect_to": ALLOWED},
    ),
    "asked otherwise": Case(
        "error",
        "the host was asked with other networks than policy names now",
        policy={"may_connect_to": ALLOWED},
        asked={"may_connect_to": {"all": {}}},
    ),
    "not asked": Case("error", "outgoing: not asked", policy={"may_connect_to": ALLOWED}, asked={}),
}

CAME = {TCP: tcp(listen(ANY, 8080, inode=5), Socket(HERE, 8080, WEB, 50000, inode=6)), **holding(9, "app", 5)}
REACHED = {
    "not said": Case("skipped", "this host's policy does not say with whom it may be connected", CAME),
    "as allowed": Case(
        "passed",
        files=CAME,
        policy={"may_be_reached_from": {"web": {"networks": ["192.0.2.0/28"], "ports": ["http-alt"]}}},
    ),
    "by another": Case(
        "failed",
        f"reached by whom policy does not allow: {WEB} to port 8080: 1, to app[9]",
        CAME,
        policy={"may_be_reached_from": {"db": {"networks": [f"{DB}/32"]}}},
    ),
}


def lost(failed: int, dropped: int, early: int) -> Files:
    return {LOST: f"{HEAD}0a 00 {failed + 5:02x} {dropped + 5:02x} {early:02x}\n0a 00 00 0a 00\n"}


def since(seconds: float, failed: int, dropped: int, early: int) -> Previous:
    """An earlier run, at which so much less had been lost than now."""
    counters = {"insert_failed": 5 - failed, "drop": 15 - dropped, "early_drop": 0 - early}
    return Previous("", seconds, "boot", {"ports": {f"conntrack_{name}": value for name, value in counters.items()}})


UNTRACKED: Files = {COUNT: None, COUNT.replace("count", "max"): None, LOST: None}
TRACKED = {
    "none": Case("skipped", "this host tracks no connections", UNTRACKED),
    "room, nothing lost": Case("passed"),
    "three quarters": Case("warned", "tracked connections 76 %, warning above 75 % (limit 90 %)", {COUNT: "760\n"}),
    "nearly full": Case("failed", "tracked connections 91 %, limit 90 %", {COUNT: "910\n"}),
    "no limit": Case("passed", files={COUNT: "910\n", COUNT.replace("count", "max"): "0\n"}),
    "dropped over the window": Case(
        "failed", "packets dropped for want of a tracking entry 2, limit 0", then=lost(0, 2, 0)
    ),
    "thrown out over the window": Case(
        "warned", "tracked connections thrown out for others 3, warning above 0", then=lost(0, 0, 3)
    ),
    "races are dropped packets too": Case(
        "warned", "packets lost to a race for a tracking entry 2 /s, warning above 0.1 /s", then=lost(2, 2, 0)
    ),
    "dropped since the last run": Case(
        "failed", "packets dropped for want of a tracking entry 4, limit 0", previous=since(3600, 0, 4, 0)
    ),
    "a few races since the last run": Case("passed", previous=since(3600, 3, 3, 0)),
    "the counters began anew": Case(
        "failed", "packets dropped for want of a tracking entry 10, limit 0", previous=since(3600, -100, -100, 0)
    ),
    "an earlier kernel's columns": Case(
        "passed", files={LOST: "entries searched insert_failed drop early_drop\n" + "0 " * 5 + "\n"}
    ),
    "no counters": Case("error", f"conntrack.losses: no {LOST}", {LOST: None}),
    "no counters, and full": Case("failed", "tracked connections 91 %, limit 90 %", {LOST: None, COUNT: "910\n"}),
}

TABLES = {
    "test_ports_are_not_exhausted": EXHAUSTED,
    "test_time_wait_leaves_ports": TIME_WAIT,
    "test_early_binds_find_ports": EARLY,
    "test_udp_ports_are_not_exhausted": SPENT_UDP,
    "test_port_range_is_wide": WIDE,
    "test_services_ports_are_reserved": RESERVES,
    "test_declared_port_is_served": LISTENS,
    "test_forbidden_ports_are_closed": CLOSED,
    "test_nothing_else_listens": ELSE,
    "test_connections_are_accepted": QUEUES,
    "test_connections_go_where_they_may": CONNECTS,
    "test_connections_come_from_where_they_may": REACHED,
    "test_connection_tracking_has_room": TRACKED,
}
CHECKS = {
    "test_ports_are_not_exhausted": "ports.exhausted",
    "test_connections_go_where_they_may": "ports.connects",
    "test_connections_come_from_where_they_may": "ports.reached",
    "test_forbidden_ports_are_closed": "ports.closed",
    "test_connections_are_accepted": "ports.accept_queue",
    "test_connection_tracking_has_room": "ports.conntrack",
}
"""Enough of them to have all parts asked for."""


@pytest.mark.parametrize(("check", "name"), [(check, name) for check, table in TABLES.items() for name in table])
def test_the_claim(check: str, name: str, tmp_path: Path) -> None:
    told(TABLES[check][name], check, tmp_path)
