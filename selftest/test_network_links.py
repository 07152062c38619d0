"""What the checks of interfaces conclude: a recorded host, a policy → outcome and message."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.judged import lines
from selftest.network_trees import (
    CONNECTED,
    DEFAULT,
    ROUTE_HEAD,
    Case,
    Files,
    before,
    dev,
    interface,
    told,
)

RX = "broken frames, eth0 received"


def moved(*numbers: int) -> Files:
    return {"/proc/net/dev": dev(eth0=numbers)}


THROUGHPUT = {
    "calm": Case("passed", "", then=moved(99_000_000, 9, 0, 0, 0, 0, 0, 0)),
    "nearly full": Case("warned", "eth0 sent 88 %, warning above 80 %", then=moved(0, 0, 0, 0, 110_000_000, 9, 0, 0)),
    "a window of ten seconds": Case("passed", "", then=moved(0, 0, 0, 0, 110_000_000, 9, 0, 0), seconds=10.0),
    "a virtual one's speed is made up": Case(
        "skipped",
        "no interface here has a speed of its own",
        interface("eth0", device__vendor=None, **{"device/vendor": None}),
        moved(10**10, 9, 0, 0, 0, 0, 0, 0),
    ),
    "unknown": Case("skipped", "no interface here has a speed of its own", interface("eth0", speed="-1")),
    "unknown to an old kernel": Case(
        "skipped", "no interface here has a speed of its own", interface("eth0", speed="4294967295")
    ),
    "refused": Case("skipped", "no interface here has a speed of its own", interface("eth0", speed=None)),
}
ERRORS = {
    "none": Case("passed", "", then=moved(0, 5000, 0, 0, 0, 5000, 0, 0)),
    "too few to speak of a share": Case("passed", "", then=moved(0, 20, 9, 0, 0, 0, 0, 0)),
    "some": Case("warned", f"{RX} 2 %, warning above 1 % (limit 10 %)", then=moved(0, 980, 20, 0, 0, 0, 0, 0)),
    "many": Case("failed", f"{RX} 20 %, limit 10 %", then=moved(0, 800, 200, 0, 0, 0, 0, 0)),
    "since the last run": Case(
        "warned",
        "broken frames, eth0 sent 5 %, warning above 1 % (limit 10 %)",
        moved(0, 0, 0, 0, 0, 1950, 55, 0),
        previous=before(eth0_tx_packets=1000, eth0_tx_errors=5, eth0_rx_packets=0, eth0_rx_errors=0),
    ),
    "reset since the last run: the window": Case(
        "passed",
        "",
        moved(0, 0, 0, 0, 0, 1950, 55, 0),
        previous=before(eth0_tx_packets=9000, eth0_tx_errors=5),
    ),
    "only lo": Case(
        "skipped",
        "no interface but lo is here",
        {**interface("eth0", flags=None, carrier=None, speed=None, duplex=None, **{"device/vendor": None}),
         "/sys/class/net/lo/flags": "0x9\n", "/proc/net/route": ROUTE_HEAD},
    ),
    "no sysfs": Case(
        "error",
        "interfaces: no /sys/class/net",
        interface("eth0", flags=None, carrier=None, speed=None, duplex=None, **{"device/vendor": None}),
    ),
}  # fmt: skip
DROPS = {
    "a protocol that nobody wants, now and then": Case(
        "passed", "", then=moved(0, 9, 0, 1, 0, 0, 0, 0), previous=before(eth0_rx_packets=0, eth0_rx_dropped=0)
    ),
    "many": Case(
        "warned", "dropped frames, eth0 received 50 %, warning above 1 %", then=moved(0, 50, 0, 50, 0, 0, 0, 0)
    ),
}
DARK: Files = {**interface("eth0", carrier="0")}
CARRIER = {
    "there": Case("passed", ""),
    "gone": Case("failed", "interfaces in use without carrier (eth0) 1, limit 0", DARK),
    "turned off": Case("skipped", "no interface but lo is in use", interface("eth0", flags="0x1002", carrier=None)),
    "not in use": Case("passed", "", interface("eth1", carrier="0")),
    "a bridge without members": Case(
        "passed",
        "",
        {
            **interface("docker0", carrier="0", bridge__id="8000", **{"device/vendor": None}),
            "/proc/net/route": ROUTE_HEAD + DEFAULT + CONNECTED + CONNECTED.replace("eth0", "docker0"),
        },
    ),
    "a bridge with a real member": Case(
        "failed",
        "interfaces in use without carrier (br0) 1, limit 0",
        {
            **interface("br0", carrier="0", bridge__id="8000", brif__eth1="", **{"device/vendor": None}),
            **interface("eth1", carrier="0"),
            "/proc/net/route": ROUTE_HEAD + DEFAULT + CONNECTED + CONNECTED.replace("eth0", "br0"),
        },
    ),
    "a tunnel that nobody uses": Case(
        "passed",
        "",
        {
            **interface("tun0", carrier="0", tun_flags="0x1", **{"device/vendor": None}),
            "/proc/net/route": ROUTE_HEAD + DEFAULT + CONNECTED + CONNECTED.replace("eth0", "tun0"),
        },
    ),
    "nothing is routed": Case("skipped", "no interface but lo is in use", {"/proc/net/route": ROUTE_HEAD}),
}
CHANGES = {
    "never": Case("passed", "", interface("eth0", carrier_changes="5")),
    "maintenance": Case("passed", "", interface("eth0", carrier_changes="7"), previous=before(eth0_carrier_changes=5)),
    "flapping": Case(
        "failed",
        "eth0: carrier changes since the last run, 8 h ago 95, limit 20",
        interface("eth0", carrier_changes="100"),
        previous=before(eth0_carrier_changes=5),
    ),
    "now": Case(
        "warned",
        "eth0: carrier changes in 1 s 4, warning above 2 (limit 20)",
        interface("eth0", carrier_changes="5"),
        interface("eth0", carrier_changes="9"),
    ),
    "a radio roams": Case(
        "skipped",
        "no interface here counts them",
        interface("eth0", carrier_changes="100", phy80211__index="0"),
        previous=before(eth0_carrier_changes=5),
    ),
    "an old kernel": Case("skipped", "no interface here counts them"),
}
DUPLEX = {
    "full": Case("passed", ""),
    "half": Case("failed", "interfaces in half duplex (eth0) 1, limit 0", interface("eth0", duplex="half")),
    "unknown": Case("skipped", "no interface here tells its duplex", interface("eth0", duplex="unknown")),
    "down": Case("skipped", "no interface here tells its duplex", interface("eth0", carrier="0", duplex="half")),
}


def bond(mode: str = "active-backup 1", slaves: str = "eth1 eth2", **first: str | None) -> Files:
    """bond0 of eth1, which is as told, and eth2."""
    well = {"bonding_slave__mii_status": "up", "bonding_slave__ad_aggregator_id": "1"}
    return {
        **interface("bond0", bonding__mode=mode, bonding__slaves=slaves, bonding__ad_aggregator="1"),
        **interface("eth1", **{**well, **first}),
        **interface("eth2", **well),
    }


LOST = "bond0: members that carry nothing (eth1) 1, limit 0"
BONDS = {
    "none": Case("skipped", "this host has no bond"),
    "whole": Case("passed", "", bond()),
    "one is down": Case("failed", LOST, bond(bonding_slave__mii_status="down")),
    "one is coming back": Case("failed", LOST, bond(bonding_slave__mii_status="going back")),
    "LACP: one is outside": Case("failed", LOST, bond("802.3ad 4", bonding_slave__ad_aggregator_id="2")),
    "others know no aggregates": Case("passed", "", bond(bonding_slave__ad_aggregator_id="2")),
    "empty": Case("warned", "bond0: members 0, warning below 1", bond(slaves="")),
    "an old kernel": Case(
        "error",
        "bond0: /sys/class/net/eth1/bonding_slave: this kernel does not tell",
        bond(bonding_slave__mii_status=None),
    ),
}

TABLES: dict[str, dict[str, Case]] = {
    "test_no_interface_is_full": THROUGHPUT,
    "test_frames_arrive_unbroken": ERRORS,
    "test_interfaces_drop_few_frames": DROPS,
    "test_links_in_use_are_there": CARRIER,
    "test_links_do_not_flap": CHANGES,
    "test_links_are_full_duplex": DUPLEX,
    "test_bonds_are_whole": BONDS,
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case, tmp_path: Path) -> None:
    told(case, check, tmp_path)
