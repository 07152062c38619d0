"""Packets lost and late, ports and tracking used up, a clock that is wrong, on kernels of their own."""

from __future__ import annotations

from lab.faults import Turn, ports
from lab.faults.kernel import clock, network
from selftest.scenarios.broken import EMULATED, Case, MachineFaults

PACKETS = {
    "losing": Case(network.packets_lost, r"well 10\.77\.0\.11: echoes lost \(\d+ of \d+, which proves more than"),
    "late": Case(network.packets_late, r"well 10\.77\.0\.11: round trip [12]\d\d ms, limit 100 ms"),
    "tracking": Case(network.tracking_full, "tracked connections 100 %, limit 90 %"),
}
TO_PEER = """\
- hosts: losing:late
  network:
    peers:
      well: {address: well, families: [ipv4, ipv6], packets: 60, round_trip: {warn_above: null, fail_above: 100 ms}}
"""
TABLES = {
    "ports": Case(ports.ports_used_up, "ephemeral ports"),
    "clock": Case(clock.clock_wrong, r"clock ahead of this machine's by at least 2\.\d* s, limit 500 ms"),
}


class TestPackets(MachineFaults):
    cases = PACKETS
    policy = EMULATED + TO_PEER


class TestPortsAndClock(MachineFaults):
    cases = TABLES
    of_fleet = frozenset({Turn("clock.odd_one_out", "", "failed")})
