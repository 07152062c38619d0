"""The effective policy of a host: requests, the document that is saved, what a person is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from selftest.policy import fleet
from shipworthy.errors import PolicyError
from shipworthy.inventory import Host, Inventory
from shipworthy.policy import HostPolicy, load
from shipworthy.policy.language.subjects import discover

TEXT = """\
extends: strict
plays:
- hosts: db
  memory:
    swap_used: {warn_above: null, fail_above: "{{ swap_mib }} MiB"}
    available: {warn_below: 20.5 %}
  observe: [memory.pressure]
  off: {memory.fork: "reviewed \\e[31m in OPS-1"}
waivers:
- {check: memory.swap_used, hosts: all, until: 2027-01-31, at_most: 512 MiB, owner: storage, approved_by: platform}
"""


@pytest.fixture
def db1(tmp_path: Path) -> HostPolicy:
    return fleet.understood(tmp_path, TEXT).for_host("db1")


def test_a_saved_policy_is_read_back_as_it_was(db1: HostPolicy) -> None:
    document = json.loads(json.dumps(db1.document()))
    again = HostPolicy.from_document(document)
    assert again.document() == document
    for field in ("extends", "families", "families_from", "off", "observe", "waivers", "subjects"):
        assert getattr(again, field) == getattr(db1, field)
    assert again.memory.swap_used.origin == "one.yml:5"
    assert again.memory.swap_in.origin == "baseline"


def test_a_saved_policy_judges_as_then_whatever_the_defaults_are_now(db1: HostPolicy) -> None:
    document = db1.document()
    assert document["subjects"]["memory"]["oom_within"] == "1 d"
    document["subjects"]["memory"]["oom_within"] = "2 d"
    assert HostPolicy.from_document(document).memory.oom_within == 2 * 86400


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 99},
        {"subjects": None, "from": None},
        {"subjects": {"memory": {"swap_used": {"fail_above": "-1 B"}}}},
        {"subjects": {"memory": {"swop": 1}}},
        {"subjects": {"nothing": {}}},
        {"waivers": [{}]},
        {"waivers": [5]},
        {"off": []},
    ],
)
def test_a_saved_policy_that_was_tampered_with_is_refused(db1: HostPolicy, change: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        HostPolicy.from_document(db1.document() | change)


def test_a_probe_is_asked_for_what_the_checks_need(db1: HostPolicy) -> None:
    request = db1.requests(frozenset({"memory.swap_used", "reachable.login"}))["memory"]
    assert request._asdict().items() >= {"rates": False, "processes": True, "oom": False, "fork": False}.items()
    request = db1.requests(frozenset({"memory.swap_quiet", "memory.oom_kills"}))["memory"]
    assert request._asdict().items() >= {"rates": True, "processes": False, "oom": True}.items()


def test_a_probe_that_no_check_needs_is_not_asked(db1: HostPolicy) -> None:
    assert db1.requests(frozenset({"reachable.login"})) == {}


def test_a_check_that_is_off_asks_nothing(db1: HostPolicy) -> None:
    assert db1.requests(frozenset({"memory.fork"})) == {}


def test_the_doubts_of_a_request_are_the_first_bounds_that_a_rate_passes(db1: HostPolicy) -> None:
    both = frozenset({"memory.pressure", "memory.swap_quiet"})
    request = db1.requests(both)["memory"]._asdict()
    assert (request["doubt_some_percent"], request["doubt_full_percent"]) == (5, 1)
    assert request["doubt_swap_pages_per_second"] == 0


def test_what_no_check_judges_is_in_no_doubt(db1: HostPolicy) -> None:
    request = db1.requests(frozenset({"memory.pressure"}))["memory"]._asdict()
    assert request["doubt_swap_pages_per_second"] is None
    request = db1.requests(frozenset({"memory.swap_quiet"}))["memory"]._asdict()
    assert request["doubt_some_percent"] is None


def test_a_policy_explains_itself(db1: HostPolicy) -> None:
    lines = db1.explain().splitlines()
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in lines if line}
    assert said["extends"] == "strict"
    assert said["memory.swap_used"] == "no warn above, fail above 4096 MiB one.yml:5"
    assert said["memory.available"] == ("warn below 20.5 %, fail below 10 % warn below: one.yml:6; fail below: strict")
    assert said["memory.swap_in"] == "warn above 0 /s baseline"
    assert said["observe"] == "memory.pressure"
    assert said["waiver"].startswith("memory.swap_used, at most 512 MiB until 2027-01-31, owner storage")


def test_every_subjects_defaults_are_a_policy_strict_or_not(tmp_path: Path) -> None:
    for level in ("baseline", "strict"):
        host = fleet.understood(tmp_path, f"extends: {level}").for_host("db1")
        assert set(host.subjects) == set(discover())


def test_a_thousand_hosts_are_validated_once() -> None:
    many = Inventory(tuple(Host(f"h{number}", "x") for number in range(1000)), ())
    policy = load([], many, fleet.CHECKS)
    assert len({id(policy.for_host(host.name)) for host in many.hosts}) == 1
