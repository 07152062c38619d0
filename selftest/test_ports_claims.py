"""What the checks of ephemeral ports conclude: recorded sockets → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded_ports import (
    ANY,
    ANY6,
    DB,
    HERE,
    RANGE,
    RESERVED,
    REUSE,
    TCP,
    TCP6,
    TIMESTAMPS,
    UDP,
    UDP6,
    WEB,
    Case,
    early,
    outgoing,
    told,
)
from selftest.socket_tables import Socket, bound, connections, listen, tcp, tcp6, udp, udp6

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


TABLES = {
    "test_ports_are_not_exhausted": EXHAUSTED,
    "test_time_wait_leaves_ports": TIME_WAIT,
    "test_early_binds_find_ports": EARLY,
    "test_udp_ports_are_not_exhausted": SPENT_UDP,
    "test_port_range_is_wide": WIDE,
    "test_services_ports_are_reserved": RESERVES,
}


@pytest.mark.parametrize(("check", "name"), [(check, name) for check, table in TABLES.items() for name in table])
def test_the_claim(check: str, name: str, tmp_path: Path) -> None:
    told(TABLES[check][name], check, tmp_path)
