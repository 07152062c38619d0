"""Ports that are used up, held, open or reached by the wrong ones: the claims that speak of it turn, there alone."""

from __future__ import annotations

import re

import pytest

from lab import lab
from lab.faults import Turn, ports
from selftest.scenarios.broken import WELL, Broken, Case, Faults
from selftest.scenarios.suite import suite

POLICY = """\
plays:
- hosts: all
  ports:
    listen: {ssh: {processes: [sshd]}}
- hosts: missing:one-family:both-families
  ports:
    listen: {tcp/8080: {processes: [python3]}}
- hosts: in-range
  ports:
    listen: {tcp/50051: {}}
- hosts: forbidden
  ports:
    listen: {tcp/23: {presence: forbidden}}
- hosts: unnamed:well
  ports:
    nothing_else: anywhere
- hosts: past:well
  ports:
    may_connect_to:
      resolvers: {networks: [10.77.0.0/24], ports: [53]}
- hosts: reached:well
  ports:
    may_be_reached_from:
      here: {networks: [10.77.0.1/32, "fd77::1/128"], ports: [22]}
"""
HERE = r"to 10\.77\.0\.1:{}"
CASES = {
    "used-up": Case(ports.ports_used_up, r"ephemeral ports to 10\.77\.0\.1:5432 from 10\.77\.0\.\d+ 100 %, limit 80 %"),
    "half": Case(ports.ports_half_used_up, r"ephemeral ports to 10\.77\.0\.1:5433 .* 60 %, warning above 50 %"),
    "early": Case(ports.ports_bound_early, r"ephemeral ports spent for a bind to 10\.77\.0\.\d+ 100 %, limit 80 %"),
    "time-wait": Case(ports.ports_in_time_wait, r"to 10\.77\.0\.1:5438 .*, TIME_WAIT included, 90 %, limit 80 %"),
    "taken-over": Case(ports.ports_in_time_wait_taken_over),
    "udp": Case(ports.udp_ports_used_up, "ephemeral UDP ports spent 90 %, limit 80 %"),
    "narrow": Case(ports.narrow_range, "ephemeral ports 100, warning below 16000"),
    "queue": Case(ports.nobody_accepts, r"accept queue of 127\.0\.0\.1:7000 66\.7 %, warning above 50 %"),
    "tracking": Case(ports.tracking_nearly_full, r"tracked connections 93\.8 %, limit 90 %"),
    "missing": Case(ports.service_not_listening, "^nothing listens on tcp/8080$"),
    "one-family": Case(ports.service_on_one_family, r"^tcp/8080 is not served on ipv6: only 0\.0\.0\.0$"),
    "both-families": Case(ports.service_on_both_families),
    "in-range": Case(
        ports.service_in_the_range, r"ports of services \(tcp/50051\) that others may be given 1, warning"
    ),
    "forbidden": Case(ports.forbidden_port_open, r"^forbidden to listen: tcp/23 on 0\.0\.0\.0: python3\[\d+\]$"),
    "unnamed": Case(ports.unnamed_listener, r"^not named by the policy: tcp/9999 on 0\.0\.0\.0: python3\[\d+\]$"),
    "past": Case(ports.connected_past_a_layer, r"does not allow: 10\.77\.0\.1:5440: 1 by python3\[\d+\]$"),
    "reached": Case(ports.reached_past_a_layer, r"does not allow: 10\.77\.0\.1 to port 7001: 1, to python3\[\d+\]$"),
}


class TestFaults(Faults):
    cases = CASES
    policy = POLICY

    @pytest.mark.parametrize("name", ["used-up", "half"])
    def test_its_evidence_names_the_process(self, broken: Broken, name: str) -> None:
        assert any("python3[" in line for line in broken.run.of(name)["ports.exhausted"].evidence)

    def test_udp_ports_are_told_with_their_holder(self, broken: Broken) -> None:
        assert "python3 holds 90" in broken.run.of("udp")["ports.exhausted_udp"].evidence

    def test_a_full_queue_is_told_with_its_program(self, broken: Broken) -> None:
        (line,) = broken.run.of("queue")["ports.accept_queue"].evidence
        assert re.fullmatch(r"6 of 8 wait for python3\[\d+\]", line)

    def test_the_hosts_that_are_well_are_untouched(self, broken: Broken) -> None:
        for name in WELL:
            results = broken.run.of(name).values()
            assert results
            assert all(result.outcome in {"passed", "skipped"} for result in results)


def test_an_ordinary_user_is_told_what_needs_root() -> None:
    """It sees how much is spent, and not by whom; a claim about who listens is neither passed nor failed."""
    user = {"ansible_user": "deploy"}
    with lab(names=["db"]) as fleet, ports.nobody_accepts(fleet[0]) as queue, ports.ports_used_up(fleet[0]) as spent:
        run = suite(fleet, "-m", "ports", faults=[queue, spent], policy=POLICY, variables={"db": user})
    assert run.turned == {*queue.turns, *spent.turns, Turn("ports.listens", "db", "error")}, run
    told = run.of("db")
    assert told["ports.listens"].message == "who listens: needs root"
    assert "100 open, one by somebody (who it is needs root)" in told["ports.exhausted"].evidence[0]
    assert told["ports.accept_queue"].evidence == ("6 of 8 wait for somebody (who it is needs root)",)
