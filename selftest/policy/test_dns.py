"""What a policy asks hosts and this machine for the names that it names, and what it refuses to say of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dns.message
import dns.rrset
import pytest

from selftest import judged
from shipworthy import dns_messages
from shipworthy.checks import catalogue
from shipworthy.errors import PolicyError
from shipworthy.policy._dns_items import RecordType, samples_needed
from shipworthy.policy.dns import Policy
from shipworthy.probes.dns import Question, Request

WWW = "www.example.org"
ON_HOSTS = ("ipv4", "ipv6", "expected", "time", "agreement", "hosts_file", "absent", "dangling", "reverse", "rotation")
OF_HOSTS = ("nameservers", "resolver", "same")
OF_ZONES = ("serials", "delegation", "ttl", "edns", "zone", "dnssec", "signatures")
EVERY = frozenset(f"dns.{claim}" for claim in (*ON_HOSTS, *OF_HOSTS, *OF_ZONES))


def policy(**names: Mapping[str, Any]) -> Policy:
    """Of names, written with `_` for dots."""
    said = {name.replace("_", "."): dict(item) for name, item in names.items()}
    found: Policy = judged.policy(dns=said).dns
    return found


def asked(request: Request | None) -> list[tuple[str, str]]:
    assert request is not None
    return [(question.name, question.type) for question in request.questions]


def one(question: Question) -> dns.message.Message:
    return dns.message.from_wire(bytes.fromhex(question.wire))


def test_without_names_only_how_a_host_resolves_is_asked() -> None:
    assert policy().request(EVERY) == Request()
    assert policy().request(frozenset({"dns.ipv4"})) is None
    assert policy().request(frozenset({"memory.swap_used"})) is None
    assert policy().here_request() is None


def test_both_families_are_asked_for_whatever_is_expected() -> None:
    request = policy(www_example_org={"families": ["ipv4"]}).request(frozenset({"dns.ipv4"}))
    assert asked(request) == [(WWW, "A"), (WWW, "AAAA")]
    assert request is not None
    assert request.names == [WWW]
    assert request.libc_samples == {}


def test_a_question_is_one_as_a_resolver_takes_it() -> None:
    request = policy(www_example_org={}).request(EVERY)
    assert request is not None
    message = one(request.questions[1])
    assert message.question[0].to_text() == f"{WWW}. IN AAAA"
    assert (message.id, message.edns, message.payload) == (0, 0, 1232)


def test_other_types_are_asked_for_where_they_are_declared_and_judged() -> None:
    declared = policy(
        www_example_org={
            "alias": "web.example.org",
            "records": {"MX": ["10 mail.example.org"], "TXT": ["v=spf1 -all"]},
            "addresses": ["10.0.0.1", "10.0.0.2", "fd00::1"],
            "reverse": True,
        }
    )
    assert asked(declared.request(EVERY)) == [
        (WWW, "A"),
        (WWW, "AAAA"),
        (WWW, "CNAME"),
        (WWW, "MX"),
        (WWW, "TXT"),
        ("1.0.0.10.in-addr.arpa", "PTR"),
        ("2.0.0.10.in-addr.arpa", "PTR"),
        ("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", "PTR"),
    ]
    assert asked(declared.request(frozenset({"dns.time"}))) == [(WWW, "A"), (WWW, "AAAA")]


def test_an_address_of_two_names_is_asked_for_once() -> None:
    both = {"addresses": ["10.0.0.1"], "reverse": True}
    request = policy(www_example_org=both, mail_example_org=both).request(EVERY)
    assert [type for _, type in asked(request)].count("PTR") == 1


def test_a_name_is_asked_for_where_it_is_looked_up() -> None:
    split = policy(www_example_org={}, here_example_org={"vantage": "here", "authoritative": True})
    assert asked(split.request(EVERY)) == [(WWW, "A"), (WWW, "AAAA")]
    assert asked(split.here_request()) == [("here.example.org", "A"), ("here.example.org", "AAAA")]
    assert split.here_request(frozenset({"dns.absent"})) is None


def test_a_name_with_servers_of_its_own_is_asked_there_and_not_of_the_c_library() -> None:
    request = policy(www_example_org={"servers": ["10.0.0.53", "fe80::1%eth0"]}, other_example_org={}).request(EVERY)
    assert request is not None
    assert request.names == ["other.example.org"]
    assert [question.servers for question in request.questions] == [["10.0.0.53", "fe80::1%eth0"]] * 2 + [None] * 2


@pytest.mark.parametrize(
    ("claim", "names"),
    [
        ("absent", ["gone.example.org"]),
        ("ipv6", [WWW]),
        ("reverse", []),
        ("nameservers", [WWW, "gone.example.org"]),
        ("resolver", []),
        ("serials", []),
    ],
)
def test_no_name_is_asked_for_of_which_nothing_is_claimed(claim: str, names: list[str]) -> None:
    request = policy(www_example_org={"authoritative": True}, gone_example_org={"must_not_exist": True}).request(
        frozenset({f"dns.{claim}"})
    )
    assert (request.names if request else []) == names


def test_what_rotates_is_asked_for_as_often_as_it_takes() -> None:
    weights = {"10.0.0.1": 1, "10.0.0.2": 1, "10.0.0.3": 1, "10.0.0.4": 1, "fd00::1": 1}
    request = policy(www_example_org={"weights": weights}).request(EVERY)
    assert request is not None
    assert [question.samples for question in request.questions] == [90, 0]
    assert request.libc_samples == {WWW: 90}
    few = policy(www_example_org={"weights": weights, "samples": 7}).request(EVERY)
    assert few is not None
    assert [question.samples for question in few.questions] == [7, 0]
    unjudged = policy(www_example_org={"weights": weights}).request(EVERY - {"dns.rotation"})
    assert unjudged is not None
    assert [question.samples for question in unjudged.questions] == [0, 0]
    assert unjudged.libc_samples == {}


@pytest.mark.parametrize(
    ("shares", "samples"),
    [([1, 1], 25), ([1] * 4, 90), ([5] * 8, 254), ([1, 3], 74), ([1] * 16, 675)],
)
def test_samples_that_show_a_dead_one_in_19_of_20_runs(shares: list[int], samples: int) -> None:
    """For 2, 4 and 8 these are what simulation gave."""
    assert samples_needed(shares) == samples


def test_waiting_and_the_budget_are_the_policys() -> None:
    said = judged.policy(dns={"wait": "500 ms", "budget": 12, WWW: {}}).dns.request(EVERY)
    assert (said.wait_seconds, said.budget) == (0.5, 12)


def test_texts_have_one_form() -> None:
    item = policy(
        www_example_org={
            "alias": "Bücher.Example.",
            "addresses": ["FD00:0::1", "10.0.0.0/24", "10.0.0.1/32"],
            "records": {"MX": ["10 Mail.Example.org"], "TXT": ["v=spf1 -all", '"a" "b"'], "CAA": ['0 issue "ca.net"']},
        }
    ).names[WWW]
    assert item.alias == "xn--bcher-kva.example"
    assert item.addresses == ["fd00::1", "10.0.0.0/24", "10.0.0.1"]
    assert item.records == {
        "MX": ["10 mail.example.org."],
        "TXT": ['"v=spf1 -all"', '"ab"'],
        "CAA": ['0 issue "ca.net"'],
    }


@pytest.mark.parametrize(
    ("type", "declared", "answered"),
    [
        ("MX", "10 mail.example.org", "10 MAIL.Example.ORG."),
        ("NS", "bücher.example.", "XN--BCHER-KVA.example."),
        ("SRV", "0 5 443 www.example.org.", "0 5 443 Www.Example.org."),
        ("PTR", "www.example.org", "WWW.EXAMPLE.ORG."),
        ("TXT", "v=spf1 -all", '"v=spf1 " "-all"'),
        ("TXT", '"say \\"hello\\""', '"say \\"hello\\""'),
        ("CAA", '0 issue "ca.example.net"', '0 issue "ca.example.net"'),
    ],
)
def test_what_is_declared_is_compared_as_it_is_answered(type: RecordType, declared: str, answered: str) -> None:
    (text,) = policy(www_example_org={"records": {type: [declared]}}).names[WWW].records[type]
    answer = dns.message.make_response(dns.message.make_query(WWW, type))
    answer.answer.append(dns.rrset.from_text(f"{WWW}.", 300, "IN", type, answered))
    assert dns_messages.reply(answer.to_wire(), WWW, type).data(type) == (text,)


ABSENT = "cannot be said of a name that must not exist"
METADATA = "is an address of a cloud's metadata, which is never asked"
NOBODY = "is the address of no single machine"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a name that must not exist, with addresses": (
        {"must_not_exist": True, "addresses": ["10.0.0.1"]},
        f"addresses: a list {ABSENT}",
    ),
    "and an alias": ({"must_not_exist": True, "alias": "x.org"}, f"alias: 'x.org' {ABSENT}"),
    "and records": ({"must_not_exist": True, "records": {"TXT": ["x"]}}, f"records: a mapping {ABSENT}"),
    "and servers of its zone": ({"must_not_exist": True, "authoritative": True}, f"authoritative: true {ABSENT}"),
    "reverse without addresses": (
        {"reverse": True},
        "reverse: true needs `addresses`: it is of them that a name is asked for",
    ),
    "reverse of a network": (
        {"reverse": True, "addresses": ["10.0.0.1", "10.0.0.0/8"]},
        "reverse: true needs single `addresses`, and 10.0.0.0/8 is a network",
    ),
    "no address": ({"servers": ["ns1"]}, "servers[1]: 'ns1' is no IPv4 or IPv6 address"),
    "an address of a cloud's metadata": (
        {"servers": ["10.0.0.53", "169.254.169.254"]},
        f"servers[2]: '169.254.169.254' {METADATA}",
    ),
    "one in IPv6's clothes": (
        {"servers": ["::ffff:169.254.169.254"]},
        f"servers[1]: '::ffff:169.254.169.254' {METADATA}",
    ),
    "any address": ({"servers": ["0.0.0.0"]}, f"servers[1]: '0.0.0.0' {NOBODY}"),
    "any address of IPv6": ({"servers": ["::"]}, f"servers[1]: '::' {NOBODY}"),
    "everybody": ({"servers": ["255.255.255.255"]}, f"servers[1]: '255.255.255.255' {NOBODY}"),
    "a group": ({"servers": ["224.0.0.251"]}, f"servers[1]: '224.0.0.251' {NOBODY}"),
    "a group of IPv6": ({"servers": ["ff02::fb"]}, f"servers[1]: 'ff02::fb' {NOBODY}"),
    "no network": (
        {"addresses": ["10.0.0.1/8"]},
        "addresses[1]: '10.0.0.1/8' is no address, and no network (10.0.0.0/8)",
    ),
    "no alias": ({"alias": "a..b"}, "alias: 'a..b' is no DNS name: A DNS label is empty"),
    "no alias, international": ({"alias": "bü cher.de"}, "alias: 'bü cher.de' is no DNS name"),
    "no data": (
        {"records": {"MX": ["10 a.org", "ten a.org"]}},
        "records.MX[2]: 'ten a.org' is no data of MX, such as 10 mail.example.org",
    ),
    "no type": (
        {"records": {"MIX": ["10 a.org"]}},
        "records.MIX: 'MIX' is not 'MX', 'TXT', 'SRV', 'CAA', 'NS' or 'PTR'",
    ),
    "dnssec without the servers of its zone": (
        {"dnssec": True},
        "dnssec: true is not known without `authoritative: true`",
    ),
    "one weight a family": (
        {"weights": {"10.0.0.1": 1, "fd00::1": 1}},
        "weights: a mapping needs two addresses of one family, at least",
    ),
    "a weight of no address": ({"weights": {"one": 1}}, "weights.one: 'one' is no IPv4 or IPv6 address"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(name: str) -> None:
    said, reason = REFUSED[name]
    with pytest.raises(PolicyError) as caught:
        policy(www_example_org=said)
    assert str(caught.value).splitlines() == [f"test: dns.{WWW}.{reason}"]


def test_every_claim_is_known_to_apply_or_not() -> None:
    said = {"addresses": ["10.0.0.1"], "reverse": True, "authoritative": True}
    everything = policy(www_example_org=said).names[WWW]
    applying = {check for check in EVERY if everything.applies(check.partition(".")[2])}
    assert EVERY - applying == {"dns.absent", "dns.rotation"}
    gone = policy(gone_example_org={"must_not_exist": True}).names["gone.example.org"]
    assert {check for check in EVERY if gone.applies(check.partition(".")[2])} == {
        "dns.absent",
        "dns.nameservers",
        "dns.resolver",
    }
    assert {id for id in catalogue([judged.TESTS]) if id.startswith("dns.")} <= EVERY
