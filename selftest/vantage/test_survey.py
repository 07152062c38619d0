"""The walk from a root: real servers, healthy and broken, and what is found of them.

.            10.9.0.1, fd09::1          and test., other.
example.test 10.9.1.1, fd09:1::1 (ns1)  and 10.9.1.2, fd09:1::2 (ns2), which is one serial behind
lame.test    the same two, but ns2 does not know it;   tcpless.test  10.9.1.3, which has no TCP
here.test    the servers of test. themselves;           far.other     on ns1.example.test: without glue
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

import pytest

from selftest.labs.possible import require_lab
from selftest.vantage.servers import Apart, apart
from selftest.vantage.zones import Signed, ds
from shipworthy.vantage import iana
from shipworthy.vantage.authority import Authority, Zone
from shipworthy.vantage.survey import survey

ROOTS = ["10.9.0.1", "fd09::1"]
ONE = ["10.9.1.1", "fd09:1::1"]
TWO = ["10.9.1.2", "fd09:1::2"]
TCPLESS = ["10.9.1.3"]
NOBODY = ["10.9.1.4"]
TOP = "@ 300 IN NS ns1.root.\nns1.root. 300 IN A 10.9.0.1\nns1.root. 300 IN AAAA fd09::1\n"


def _both(zone: str) -> str:
    return f"{zone} 300 IN NS ns1.example.test.\n{zone} 300 IN NS ns2.example.test.\n"


HERE = "ns1 300 IN A 10.9.0.1\nns1 300 IN AAAA fd09::1\n"
IN_TEST = (
    "@ 300 IN NS ns1\n"
    + HERE
    + _both("example")
    + f"example 300 IN DS {ds('example.test.')}\n"
    + "ns1.example 300 IN A 10.9.1.1\nns1.example 300 IN AAAA fd09:1::1\n"
    + "ns2.example 300 IN A 10.9.1.2\nns2.example 300 IN AAAA fd09:1::2\n"
    + _both("lame")
    + "tcpless 300 IN NS ns.tcpless\nns.tcpless 300 IN A 10.9.1.3\n"
    + "dead 300 IN NS ns.dead\nns.dead 300 IN A 10.9.1.4\n"
    + "here 300 IN NS ns1\n"
    + "loop 300 IN NS ns.ring.other.\n"
)
IN_OTHER = "@ 300 IN NS ns1.test.\nfar 300 IN NS ns1.example.test.\nring 300 IN NS ns.loop.test.\n"
IN_ROOT = (
    TOP
    + f"test 300 IN NS ns1.test.\ntest 300 IN DS {ds('test.')}\n"
    + "ns1.test 300 IN A 10.9.0.1\nns1.test 300 IN AAAA fd09::1\n"
    + f"other 300 IN NS ns1.test.\nother 300 IN DS {ds('other.')}\n"
)
IN_EXAMPLE = (
    "@ 300 IN NS ns1\n@ 300 IN NS ns2\nns1 300 IN A 10.9.1.1\nns1 300 IN AAAA fd09:1::1\n"
    "ns2 300 IN A 10.9.1.2\nns2 300 IN AAAA fd09:1::2\nwww 300 IN A 192.0.2.1\nwww 300 IN AAAA 2001:db8::1\n"
    "alias 300 IN CNAME a.here.test.\nround 300 IN CNAME alias\ndeep.empty 300 IN A 192.0.2.4\n"
    + "".join(f"many 300 IN A 198.51.100.{number}\n" for number in range(120))
)
PLAIN = "@ 300 IN NS ns1.example.test.\n@ 300 IN NS ns2.example.test.\na 300 IN A 192.0.2.2\n"


@pytest.fixture(scope="module")
def net() -> Iterator[Apart]:
    require_lab()
    with apart() as made:
        here = Signed("here.test.", "@ 300 IN NS ns1.test.\na 300 IN A 192.0.2.3\n", signed=False)
        top = [Signed(".", IN_ROOT), Signed("test.", IN_TEST), Signed("other.", IN_OTHER), here]
        made.serve(ROOTS, {zone.name: zone.text() for zone in top})
        example, lame = Signed("example.test.", IN_EXAMPLE, serial=2), Signed("lame.test.", PLAIN, signed=False)
        far = Signed("far.other.", "@ 300 IN NS ns1.example.test.\na 300 IN A 192.0.2.5\n", signed=False)
        made.serve(ONE, {zone.name: zone.text() for zone in (example, lame, far)})
        made.serve(TWO, {"example.test.": Signed("example.test.", IN_EXAMPLE, serial=1).text()})
        tcpless = Signed("tcpless.test.", "@ 300 IN NS ns\nns 300 IN A 10.9.1.3\n", signed=False)
        made.serve(TCPLESS, {"tcpless.test.": tcpless.text()}, tcp=False)
        made.address(*NOBODY)
        made.command("iptables", "-A", "INPUT", "-d", NOBODY[0], "-j", "DROP")
        yield made


def surveyed(net: Apart, *names: str, types: Sequence[str] = ("A", "AAAA"), wait: float = 1.0) -> Authority:
    return net.run(lambda: survey(dict.fromkeys(names, types), ROOTS, wait=wait))


def said(zone: Zone, type: str, transport: str = "udp") -> dict[str, str]:
    """By address: what it said of a type, last."""
    found = {}
    for asked in zone.asked:
        if (asked.type, asked.transport, asked.name) == (type, transport, zone.name):
            reply = asked.heard()
            found[asked.address] = asked.error or (reply.rcode if reply else "garbled")
    return found


def test_every_server_of_every_zone_is_asked_over_both_families_and_transports(net: Apart) -> None:
    authority = surveyed(net, "www.example.test")
    assert list(authority.zones) == [".", "test", "example.test"]
    assert authority.zone_of == {"www.example.test": "example.test"}
    assert authority.stopped == authority.unroutable == {}
    zone = authority.zones["example.test"]
    assert zone.parent == "test"
    assert zone.servers == {"ns1.example.test": ONE, "ns2.example.test": TWO}
    everywhere = dict.fromkeys([*ONE, *TWO], "NOERROR")
    for type, transport in (("SOA", "udp"), ("SOA", "tcp"), ("NS", "udp"), ("DNSKEY", "udp")):
        assert said(zone, type, transport) == everywhere
    answers = [asked.heard() for asked in zone.asked if asked.name == "www.example.test" and asked.type == "AAAA"]
    assert [reply.data("AAAA") for reply in answers if reply] == [("2001:db8::1",)] * 4
    assert {(asked.type, asked.address) for asked in zone.from_parent} == {
        (type, address) for type in ("NS", "DS") for address in ROOTS
    }


def test_differing_serials_are_looked_at_twice(net: Apart) -> None:
    authority = surveyed(net, "www.example.test")
    zone = authority.zones["example.test"]
    looks = [asked.address for asked in zone.asked if (asked.type, asked.transport) == ("SOA", "udp")]
    assert sorted(looks) == sorted([*ONE, *TWO] * 2)


def test_a_server_that_does_not_know_the_zone(net: Apart) -> None:
    zone = surveyed(net, "a.lame.test").zones["lame.test"]
    assert said(zone, "SOA") == dict.fromkeys(ONE, "NOERROR") | dict.fromkeys(TWO, "REFUSED")


def test_a_server_without_tcp(net: Apart) -> None:
    zone = surveyed(net, "tcpless.test").zones["tcpless.test"]
    assert said(zone, "SOA") == {"10.9.1.3": "NOERROR"}
    assert said(zone, "SOA", "tcp") == {"10.9.1.3": "no answer within 1 s"}


def test_a_zone_nobody_answers_for(net: Apart) -> None:
    authority = surveyed(net, "www.dead.test", "www.example.test")
    assert authority.stopped == {"www.dead.test": "dead.test: none of its servers answers"}
    assert authority.zone_of == {"www.example.test": "example.test"}


def test_parent_and_child_on_the_same_servers(net: Apart) -> None:
    authority = surveyed(net, "a.here.test")
    zone = authority.zones["here.test"]
    assert (zone.parent, zone.servers) == ("test", {"ns1.test": ROOTS})
    assert said(zone, "SOA") == dict.fromkeys(ROOTS, "NOERROR")


def test_servers_without_glue_are_found_by_walking(net: Apart) -> None:
    zone = surveyed(net, "a.far.other").zones["far.other"]
    assert {name: sorted(addresses) for name, addresses in zone.servers.items()} == {"ns1.example.test": sorted(ONE)}
    assert said(zone, "SOA") == dict.fromkeys(ONE, "NOERROR")


def test_servers_that_are_each_others_way_end(net: Apart) -> None:
    assert surveyed(net, "a.loop.test").stopped == {"a.loop.test": "loop.test: its name servers have no addresses"}


def test_aliases_are_followed_to_their_zones(net: Apart) -> None:
    authority = surveyed(net, "round.example.test")
    assert authority.zone_of == {
        "round.example.test": "example.test",
        "alias.example.test": "example.test",
        "a.here.test": "here.test",
    }


def test_names_that_do_not_exist_are_of_the_zone_that_says_so(net: Apart) -> None:
    authority = surveyed(net, "no.such.name.example.test", "gone", "deep.empty.example.test")
    assert authority.zone_of == {
        "no.such.name.example.test": "example.test",
        "deep.empty.example.test": "example.test",
        "gone": ".",
    }


def test_a_truncated_answer_is_followed_by_tcps(net: Apart) -> None:
    zone = surveyed(net, "many.example.test", types=["A"]).zones["example.test"]
    replies = [(asked.transport, asked.heard()) for asked in zone.asked if asked.name == "many.example.test"]
    assert [transport for transport, _ in replies] == ["udp", "tcp"] * 4
    assert [len(reply.data("A")) for transport, reply in replies if reply and transport == "tcp"] == [120] * 4


def test_a_vantage_without_ipv6_is_told_apart(net: Apart) -> None:
    with apart() as without:
        without.serve(ROOTS[:1], {".": Signed(".", IN_ROOT).text(), "test.": Signed("test.", IN_TEST).text()})
        authority = without.run(lambda: survey({"gone.test": ["A"]}, ROOTS, wait=1.0))
    assert authority.unroutable == {"ipv6": "no route"}
    assert authority.zone_of == {"gone.test": "test"}


def test_without_any_network_it_ends_at_once() -> None:
    require_lab()
    with apart() as nowhere:
        begun = time.monotonic()
        authority = nowhere.run(lambda: survey({"www.example.org": ["A"]}))
        assert time.monotonic() - begun < 1
    assert authority.stopped == {"www.example.org": "the root: no route to any of its servers"}
    assert authority.unroutable == {"ipv4": "no route", "ipv6": "no route"}


def test_it_ends_in_time_whoever_is_silent(net: Apart) -> None:
    names = {f"www{number}.dead.test": ["A", "AAAA", "MX"] for number in range(50)}
    begun = time.monotonic()
    authority = net.run(lambda: survey({**names, "www.example.test": ["A"]}, ROOTS, wait=1.0, deadline=3.0))
    assert time.monotonic() - begun < 3.5
    assert authority.zone_of["www.example.test"] == "example.test"
    assert set(authority.stopped) == set(names)


def test_two_hundred_names_cost_their_zone_once(net: Apart) -> None:
    names = {f"www{number}.example.test": ["A", "AAAA"] for number in range(200)}
    authority = net.run(lambda: survey(names, ROOTS, wait=1.0))
    zone = authority.zones["example.test"]
    assert set(authority.zone_of) == set(names)
    assert len([asked for asked in zone.asked if asked.type == "DNSKEY"]) == 4
    assert len(set(zone.asked)) == len(zone.asked)


def test_the_internets_root_is_written_right() -> None:
    assert len(iana.ROOT_SERVERS) == len(set(iana.ROOT_SERVERS)) == 26
    assert all(len(anchor.split()[3]) == 64 for anchor in iana.TRUST_ANCHORS)
