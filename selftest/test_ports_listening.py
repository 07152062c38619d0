"""Who listens, and who accepts: recorded sockets, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from selftest.recorded_ports import ANY, ANY6, HERE, RANGE, TCP, TCP6, UDP, UDP6, WEB, Case, holding, told
from selftest.socket_tables import bound, listen, tcp, tcp6, udp, udp6


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


TABLES = {
    "test_declared_port_is_served": LISTENS,
    "test_forbidden_ports_are_closed": CLOSED,
    "test_nothing_else_listens": ELSE,
    "test_connections_are_accepted": QUEUES,
}


@pytest.mark.parametrize(("check", "name"), [(check, name) for check, table in TABLES.items() for name in table])
def test_the_claim(check: str, name: str, tmp_path: Path) -> None:
    told(TABLES[check][name], check, tmp_path)
