"""Links, queues, families, peers and clients that are broken: the claims that speak of it turn, on that host alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lab import lab
from lab.faults import Turn, network
from selftest.scenarios.broken import WELL, Broken, Case, Faults
from selftest.scenarios.suite import suite

CASES = {
    "dark": Case(network.cable_pulled, r"without carrier \(eth1\) 1, limit 0"),
    "half": Case(network.half_duplex, r"half duplex \(eth0\) 1"),
    "bonded": Case(network.bond_lost_a_member, r"bond0: members that carry nothing \(eth2\) 1"),
    "full": Case(network.link_full, r"eth1 sent|eth1: throughput sent"),
    "chatty": Case(network.too_many_packets, r"eth1: packets sent \d+.* /s, limit 500 /s"),
    "unplugged": Case(network.declared_link_down, "eth1: is down"),
    "broken": Case(network.frames_broken, "broken frames, eth0 received 33.3"),
    "dropping": Case(network.frames_dropped, "dropped frames, eth1 sent"),
    "behind": Case(network.cpu_behind, "CPU 0: packets dropped"),
    "overflowing": Case(network.accept_queue_full, "connections dropped by listeners"),
    "unread": Case(network.datagrams_not_read, "datagrams dropped, IPv4 received 100 %"),
    "lossy": Case(network.lossy_path, "segments sent again"),
    "no-route": Case(network.no_ipv6_route, r"families missing \(IPv6: no default route\) 1"),
    "no-cookies": Case(network.no_syn_cookies, "net.ipv4.tcp_syncookies 0, limit at least 1"),
    "flooded": Case(network.flooded_with_syns, r"half-open connections \d{4}, warning above 1000"),
    "stuck": Case(network.clients_do_not_read, r"connections to peers that do not read 2\d, warning above 20"),
    "one-family": Case(network.peer_dead_on_ipv6, r"far: addresses that take no connection \(fd78::2: timed out\) 1"),
    "losing": Case(network.every_other_packet_lost, r"far 10.78.0.2: echoes lost \(30 of 60, which proves more than"),
    "slow": Case(network.slow_peer, r"far 10.78.0.2: round trip \d+ ms, limit 50 ms"),
    "narrow": Case(network.large_packets_vanish, "far: 10.78.0.2: 1400 bytes arrive whole, not 1500"),
    "patient": Case(network.server_waits_for_ever, "server: still open to half a request after 2.* s, limit 1 s"),
}
POLICY = """\
families: [ipv4, ipv6]
plays:
- hosts: full
  network: {interfaces: {eth1: {throughput: {fail_above: 100 kB/s}}}}
- hosts: chatty
  network: {interfaces: {eth1: {packets: {fail_above: 500 /s}}}}
- hosts: unplugged
  network: {interfaces: {eth1: {}}}
- hosts: lossy:losing
  network: {peers: {far: {address: 10.78.0.2}}, segments_floor: 100}
- hosts: one-family
  network: {peers: {far: {address: far.test, port: 7000}}}
- hosts: slow
  network: {peers: {far: {address: 10.78.0.2, round_trip: {warn_above: null, fail_above: 50 ms}}}}
- hosts: narrow
  network: {peers: {far: {address: 10.78.0.2, mtu: 1500}}}
- hosts: patient
  network: {closes_half_sent: {server: {port: 7000, within: {fail_above: 1 s}}}}
- hosts: well
  network:
    interfaces:
      eth0: {throughput: {fail_above: 100 MB/s}, packets: {fail_above: 100000 /s}, speed: {fail_below: 1 MB/s}}
    peers: {fine: {address: fine, port: 22, mtu: 1500, families: [ipv4, ipv6], packets: 100}}
    closes_half_sent: {ssh: {port: 22, sends: "nonsense\\r\\n", within: {fail_above: 2 s}}}
"""
OF_ITEMS = {
    "network.interface_present", "network.interface_throughput", "network.interface_packets", "network.peer_connects",
    "network.peer_loss", "network.peer_round_trip", "network.peer_mtu", "network.closes_half_sent",
}  # fmt: skip


class TestFaults(Faults):
    cases = CASES
    policy = POLICY

    @pytest.mark.parametrize(
        ("name", "check", "says"),
        [
            ("overflowing", "network.tcp_drops", "port 7000 of 127.0.0.1"),
            ("stuck", "network.stuck_readers", "127.0.0.1:7000 to 127.0.0.1: 2"),
            ("bonded", "network.bonds", "eth2 is down"),
        ],
    )
    def test_its_evidence_names_the_culprit(self, broken: Broken, name: str, check: str, says: str) -> None:
        assert any(says in line for line in broken.run.of(name)[check].evidence), broken.run.of(name)[check].evidence

    def test_the_hosts_that_are_well_are_untouched(self, broken: Broken) -> None:
        assert broken.untouched(WELL[1])
        well = broken.run.of(WELL[0])
        assert all(result.outcome in {"passed", "skipped"} for result in well.values())
        assert {check for check, result in well.items() if check in OF_ITEMS and result.outcome == "passed"} == OF_ITEMS


def test_a_link_that_flapped_between_two_runs(tmp_path: Path) -> None:
    with lab(hosts=2) as fleet:
        first = suite(fleet, "-m", "network", reports=tmp_path)
        assert first.turned == set(), first
        with network.link_flapped(fleet[0]) as fault:
            second = suite(fleet, "-m", "network", faults=[fault], reports=tmp_path)
    assert second.turned == fault.turns, second
    message = second.of("db")["network.carrier_changes"].message
    assert re.search("eth0: carrier changes since the last run, .* ago 24, limit 20", message), message


def test_what_an_ordinary_user_may_not_send_is_told() -> None:
    peer = "plays: [{hosts: db, network: {peers: {web: {address: web, port: 22}}}}]"
    with lab(hosts=2) as fleet:
        run = suite(fleet, "-m", "network", policy=peer, variables={"db": {"ansible_user": "deploy"}})
    assert run.turned == {Turn("network.peer_loss", "db", "error")}, run
    message = run.of("db")["network.peer_loss"].message
    assert message == "web 10.77.0.12: an echo from a user outside net.ipv4.ping_group_range needs root"
    assert {run.of("db")[f"network.{id}"].outcome for id in ("peer_connects", "peer_round_trip")} == {"passed"}
