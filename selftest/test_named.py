"""For what checks are made, of what policies name: on which hosts, and once by whose word."""

from __future__ import annotations

from typing import Any

import pytest

from selftest import judged
from shipworthy.checks import check, is_once, items_of
from shipworthy.plugin import named
from shipworthy.plugin.cases import Case, Named
from shipworthy.policy import HostPolicy

WWW, GONE, MAIL = "www.example.org", "gone.example.org", "mail.example.org"


def thing(name: str) -> Named:
    return Named("dns", "names", name)


def case(name: str, check: str = "dns.serials") -> Case:
    return Case(check, "dns", None, name, True, f"tests/test_dns.py::test[{name}]", once=thing(name))


def policies(**names: dict[str, Any]) -> dict[str, HostPolicy]:
    return {host: judged.policy(dns=said) for host, said in names.items()}


FLEET = policies(
    plain={WWW: {}, GONE: {"must_not_exist": True}},
    first={WWW: {"authoritative": True}, MAIL: {"authoritative": True, "dnssec": True}},
    second={WWW: {"authoritative": True, "dnssec": True}, MAIL: {"authoritative": True, "dnssec": True}},
)


def test_a_check_is_made_where_it_applies() -> None:
    assert list(named.on_hosts(FLEET, "dns.absent", "names")) == [("plain", thing(GONE))]
    assert [host for host, each in named.on_hosts(FLEET, "dns.ipv6", "names") if each.name == WWW] == list(FLEET)
    assert not list(named.on_hosts(FLEET, "dns.rotation", "names"))


def test_once_it_goes_by_the_first_host_to_which_it_applies() -> None:
    assert named.once(FLEET, "dns.serials", "names") == [("first", thing(WWW)), ("first", thing(MAIL))]
    assert named.once(FLEET, "dns.absent", "names") == [("plain", thing(GONE))]


def test_only_those_who_name_it_so_judge_it() -> None:
    assert list(named.namers(FLEET, case(WWW))) == ["first", "second"]


def test_who_says_otherwise_is_told_once_whatever_checks_there_are() -> None:
    cases = [case(name, check) for name in (WWW, MAIL) for check in ("dns.serials", "dns.delegation")]
    assert named.disagreements(FLEET, cases) == [
        f"dns.{WWW}, which is judged once, as first has it: the policy of second says otherwise of it"
    ]
    assert named.disagreements(FLEET, []) == []


def test_hosts_that_share_a_policy_agree() -> None:
    shared = FLEET["first"]
    assert named.once({"a": shared, "b": shared}, "dns.serials", "names") == [("a", thing(WWW)), ("a", thing(MAIL))]
    assert named.disagreements({"a": shared, "b": shared}, [case(WWW)]) == []


def test_a_check_is_once_of_items_only() -> None:
    @check("dns.serials", each="names", once=True)
    def serials() -> None: ...

    assert (items_of(serials), is_once(serials)) == ("names", True)
    with pytest.raises(ValueError, match="`once` is for the items of `each`"):
        check("dns.serials", once=True)
