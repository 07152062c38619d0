"""Plays upon plays: stories of what holds for a host in the end, and where it was said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from selftest.policy import fleet
from shipworthy.errors import PolicyError
from shipworthy.policy import HostPolicy, Limit, Policy, load
from shipworthy.policy.language.subject import Items, Part, SubjectPolicy, limit
from shipworthy.policy.language.units import SECONDS

MIB = 2**20
Understood = Callable[..., Policy]


class Name(Part):
    """A DNS name, as a later subject may have it."""

    must_not_exist: bool = False
    server: str
    answers_within: Limit = limit(SECONDS, warn_above="100 ms", fail_above="1 s", says="…", source="judgement")

    STRICT: ClassVar[dict[str, dict[str, str]]] = {"answers_within": {"fail_above": "500 ms"}}


class Names(SubjectPolicy):
    """Names that a policy names."""

    names: Items[Name] = Field(default_factory=dict)

    def request(self, checks: frozenset[str]) -> None:
        """Nothing: there is no such probe."""


@pytest.fixture
def understood(tmp_path: Path) -> Understood:
    return lambda *texts, **options: fleet.understood(tmp_path, *texts, **options)


def bounds(limit: Limit) -> tuple[float | None, float | None, str]:
    return limit.warn, limit.fail, limit.origin


def test_without_a_policy_every_limit_has_its_default() -> None:
    policy = load([], fleet.INVENTORY, fleet.CHECKS)
    host = policy.for_host("db1")
    assert bounds(host.memory.swap_used) == (0, 64 * MIB, "baseline")
    assert (host.extends, host.families, dict(host.off), host.observe) == (
        "baseline",
        ("ipv4", "ipv6"),
        {},
        frozenset(),
    )
    assert policy.notices == ()


def test_strict_tightens_and_says_so(understood: Understood) -> None:
    host = understood("extends: strict").for_host("db1")
    assert bounds(host.memory.swap_used) == (0, 0, "strict")
    assert bounds(host.memory.swap_in) == (0, None, "baseline")


def test_a_later_play_overrides_one_bound_and_keeps_the_other(understood: Understood) -> None:
    policy = understood(
        """\
plays:
- hosts: all
  memory:
    swap_used: {warn_above: 1 MiB, fail_above: 2 GiB}
- hosts: web
  memory:
    swap_used:
      fail_above: 3 GiB
"""
    )
    assert bounds(policy.for_host("db1").memory.swap_used) == (MIB, 2048 * MIB, "one.yml:4")
    assert bounds(policy.for_host("web1").memory.swap_used) == (MIB, 3072 * MIB, "one.yml:7")


def test_null_removes_a_bound_of_the_defaults_and_a_later_play_brings_one_back(understood: Understood) -> None:
    policy = understood(
        "plays:\n- {hosts: all, memory: {swap_used: {fail_above: null}}}\n"
        "- {hosts: db, memory: {swap_used: {fail_above: 1 GiB}}}"
    )
    assert bounds(policy.for_host("web1").memory.swap_used) == (0, None, "one.yml:2")
    assert bounds(policy.for_host("db1").memory.swap_used) == (0, 1024 * MIB, "one.yml:3")


def test_later_files_go_over_earlier_ones(understood: Understood) -> None:
    policy = understood(
        "families: [ipv4]\nplays: [{hosts: all, memory: {top: 3}}]",
        "extends: strict\nplays: [{hosts: web, memory: {top: 7}}]",
    )
    assert [policy.for_host(name).memory.top for name in ("db1", "web1")] == [3, 7]
    assert (policy.for_host("db1").extends, policy.for_host("db1").families) == ("strict", ("ipv4",))


def test_items_are_added_changed_and_removed(understood: Understood) -> None:
    policy = understood(
        """\
plays:
- hosts: all
  dns:
    names:
      www.example.org: {server: 192.0.2.1}
      old.example.org: {server: 192.0.2.1, must_not_exist: true}
- hosts: web
  dns:
    names:
      www.example.org: {answers_within: {fail_above: 200 ms}}
      old.example.org: null
      new.example.org: {server: 192.0.2.2}
- hosts: web2
  dns: {names: {old.example.org: {server: 192.0.2.3}}}
""",
        subjects={"dns": Names},
    )
    db1, web1, web2 = (policy.for_host(name).dns.names for name in ("db1", "web1", "web2"))
    assert {name: item.server for name, item in db1.items()} == {
        "www.example.org": "192.0.2.1",
        "old.example.org": "192.0.2.1",
    }
    assert {name: item.server for name, item in web1.items()} == {
        "www.example.org": "192.0.2.1",
        "new.example.org": "192.0.2.2",
    }
    assert web2["old.example.org"] == web2["old.example.org"].model_copy(update={"must_not_exist": False})
    limit = web1["www.example.org"].answers_within
    assert limit.name == "dns.names.www.example.org.answers_within"
    assert bounds(limit) == (0.1, 0.2, "one.yml:10")
    assert bounds(db1["www.example.org"].answers_within) == (0.1, 1, "baseline")


def test_strict_reaches_the_items(understood: Understood) -> None:
    text = "extends: strict\nplays: [{hosts: all, dns: {names: {a: {server: x}}}}]"
    host = understood(text, subjects={"dns": Names}).for_host("db1")
    assert bounds(host.dns.names["a"].answers_within) == (0.1, 0.5, "strict")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "plays: [{hosts: all, dns: {names: {a: {}}}}]",
            "one.yml:1: dns.names.a.server: is missing",
        ),
        (
            "plays: [{hosts: nobody, dns: {names: {a: {server: x, must_not_exist: 'perhaps'}}}}]",
            "one.yml:1: dns.names.a.must_not_exist: true or false is wanted here, not 'perhaps'",
        ),
    ],
)
def test_what_is_wrong_with_an_item_is_said(understood: Understood, text: str, message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        understood(text, subjects={"dns": Names})
    assert str(caught.value) == message


def test_values_are_rendered_for_each_host(understood: Understood) -> None:
    text = "plays: [{hosts: 'db1,web2', memory: {swap_used: {fail_above: '{{ swap_mib }} MiB'}}}]"
    policy = understood(text)
    assert [policy.for_host(name).memory.swap_used.fail for name in ("db1", "web1", "web2")] == [
        4096 * MIB,
        64 * MIB,
        MIB,
    ]


def test_a_template_is_rendered_only_for_hosts_that_its_play_is_for(understood: Understood) -> None:
    understood("plays: [{hosts: 'db1,web2', memory: {swap_used: {fail_above: '{{ swap_mib }} MiB'}}}]")
    with pytest.raises(PolicyError, match=r"'swap_mib' is not defined \(for web1\)"):
        understood("plays: [{hosts: all, memory: {swap_used: {fail_above: '{{ swap_mib }} MiB'}}}]")


def test_observe_adds_up_and_off_can_be_taken_back(understood: Understood) -> None:
    policy = understood(
        """\
plays:
- hosts: all
  observe: [memory.pressure]
  off: {memory.fork: "reviewed for {{ inventory_name | default('this estate') }}"}
- hosts: web
  observe: [memory.swap_used]
  off: {memory.fork: null}
"""
    )
    db1, web1 = policy.for_host("db1"), policy.for_host("web1")
    assert (set(db1.observe), dict(db1.off)) == ({"memory.pressure"}, {"memory.fork": "reviewed for this estate"})
    assert (set(web1.observe), dict(web1.off)) == ({"memory.pressure", "memory.swap_used"}, {})


def test_a_pattern_that_matches_no_host_is_said(understood: Understood) -> None:
    policy = understood(
        """\
plays:
- hosts: mail
- hosts: web,mail
waivers:
- {check: memory.fork, hosts: mail, until: 2027-01-31, at_most: 1 B, owner: a, approved_by: b}
"""
    )
    assert policy.notices == (
        "one.yml:2: the pattern 'mail' matches no host, so the play is for none",
        "one.yml:3: 'mail' in the pattern matches no host",
        "one.yml:5: the pattern 'mail' matches no host, so the waiver is for none",
    )


def test_hosts_of_the_same_plays_share_one_policy(understood: Understood) -> None:
    policy = understood("plays: [{hosts: web, memory: {top: 3}}]")
    assert policy.for_host("web1") is policy.for_host("web2")
    assert policy.for_host("web1") is not policy.for_host("db1")


def test_a_subject_that_there_is_not_is_told(understood: Understood) -> None:
    host: HostPolicy = understood("{}").for_host("db1")
    with pytest.raises(AttributeError, match=r"no subject 'memroy' in a policy; there are .*memory, .*reachable"):
        _ = host.memroy
