"""Who is connected with whom, and what tracking loses: recorded tables → outcome and message."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded_ports import (
    ANY,
    COUNT,
    DB,
    HEAD,
    HERE,
    LOST,
    TCP,
    TCP6,
    WEB,
    Case,
    Files,
    holding,
    outgoing,
    told,
)
from selftest.socket_tables import Socket, connections, listen, tcp, tcp6
from shipworthy.snapshot import Previous

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
    "test_connections_go_where_they_may": CONNECTS,
    "test_connections_come_from_where_they_may": REACHED,
    "test_connection_tracking_has_room": TRACKED,
}


@pytest.mark.parametrize(("check", "name"), [(check, name) for check, table in TABLES.items() for name in table])
def test_the_claim(check: str, name: str, tmp_path: Path) -> None:
    told(TABLES[check][name], check, tmp_path)
