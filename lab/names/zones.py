"""What the lab's zones hold: those that are well, and those with one thing wrong each.

In: the addresses of the lab's hosts. Out: the zones that each name server serves, as text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from lab.names.signing import DAY, HOUR, Life, ds, signed

SERIAL = 2026010101
NO_V6, NO_TCP = ("10.77.0.230", "fd77::e6"), ("10.77.0.231", "fd77::e7")
"""Further addresses of ns2: the first answers nothing over IPv6, the second nothing over TCP."""
WIDE = ("10.77.0.232", "fd77::e8")
"""One more, of a server that takes larger datagrams than pass every path."""
ITERATIONS = 50
"""Of the NSEC3 hash in hashed.test.; RFC 9276 wants none, and validators bear as many."""
WWW, MAIL = ("10.77.9.80", "fd77::9:80"), ("10.77.9.25", "fd77::9:25")
LARGE = " ".join(f'"{letter * 250}"' for letter in "abcdefghijkl")
"""TXT data of 3 kB: more than a UDP answer of 1232 bytes holds."""
MEDIUM = " ".join(f'"{letter * 250}"' for letter in "abcd")
"""TXT data of 1 kB: a UDP answer holds it, and a path of 800 bytes only in fragments."""

_SOA = """\
@ 3600 IN SOA ns1.test. hostmaster.example.test. {serial} 14400 3600 604800 300
@ 3600 IN NS {ns1}
@ 3600 IN NS {ns2}
"""
_EXAMPLE = f"""\
@ A {WWW[0]}
@ AAAA {WWW[1]}
@ MX 10 mail
@ TXT "v=spf1 mx -all"
@ CAA 0 issue "ca.example.test"
_imaps._tcp SRV 0 5 993 mail
www A {WWW[0]}
www AAAA {WWW[1]}
mail A {MAIL[0]}
mail AAAA {MAIL[1]}
web CNAME www
large A 10.77.9.81
large AAAA fd77::9:81
large TXT {LARGE}
medium A 10.77.9.82
medium AAAA fd77::9:82
medium TXT {MEDIUM}
even A 10.77.9.11
even A 10.77.9.12
even AAAA fd77::9:11
even AAAA fd77::9:12
view A 10.77.9.70
view AAAA fd77::9:70
moved A 10.77.9.60
moved AAAA fd77::9:60
partial A 10.77.9.61
partial AAAA fd77::9:61
pinned A 10.77.9.62
pinned AAAA fd77::9:62
only6 AAAA fd77::9:46
only4 A 10.77.9.44
servfail6 A 10.77.9.45
servfail6 AAAA fd77::9:45
dangling CNAME gone
foreign CAA 0 issue "another-ca.test"
noptr A 10.77.9.50
noptr AAAA fd77::9:50
wrongptr A 10.77.9.51
wrongptr AAAA fd77::9:51
"""
_POINTERS: Mapping[tuple[str, str], str] = {WWW: "www", MAIL: "mail", ("10.77.9.51", "fd77::9:51"): "mail"}
_IN_ADDR, _IP6 = "77.10.in-addr.arpa.", "0.0.0.0.0.0.0.0.0.0.0.0.7.7.d.f.ip6.arpa."
_SIGNED = {
    "expired.test.": Life(-40 * DAY, -3 * DAY),
    "ending.test.": Life(-29 * DAY, 2 * DAY),
    "tonight.test.": Life(-29 * DAY, 6 * HOUR),
    "wrongds.test.": Life(),
}
"""Below test., beside example.test.: how long their signatures hold. Validators forgive a day."""
_UNSIGNED = {
    "hosts.test.": "ns2.test.",
    "unsigned.test.": "ns2.test.",
    "stale.test.": "ns2.test.",
    "lame.test.": "lame-ns.test.",
    "nov6.test.": "nov6-ns.test.",
    "notcp.test.": "notcp-ns.test.",
    "wide.test.": "wide-ns.test.",
    "fleeting.test.": "ns2.test.",
    "hasty.test.": "ns2.test.",
}
"""Beside them: their second name server."""


class Served(NamedTuple):
    """The zones of each server, their text by their name."""

    ns1: Mapping[str, str]
    ns2: Mapping[str, str]


def zones(hosts: Mapping[str, Sequence[str]]) -> Served:
    """All of them, from the addresses of all hosts; both servers serve the same but what one of them has wrong.

    The resolver that a zone is delegated to serves none, and is lame.
    """
    ns1, ns2, lame = (hosts[name] for name in ("ns1", "ns2", "resolver2"))
    both = {
        ".": _root(ns1, ns2),
        "test.": _test(ns1, ns2, lame),
        "example.test.": _example(ns1, ns2),
        _IN_ADDR: signed(_IN_ADDR, _head() + _pointers(0), Life()),
        _IP6: signed(_IP6, _head() + _pointers(1), Life()),
        **{zone: signed(zone, _head() + _WWW, life) for zone, life in _SIGNED.items()},
        **{zone: _head(ns2=second) + _WWW for zone, second in _UNSIGNED.items()},
        "fleeting.test.": _head() + "www 5 A 10.77.9.90\nwww 5 AAAA fd77::9:90\n",
        "hasty.test.": _head().replace(" 604800 ", " 7200 ") + _WWW,
        "hashed.test.": signed("hashed.test.", _head() + "www A 10.77.9.91\n", Life(), iterations=ITERATIONS),
        "hosts.test.": _head() + "".join(_address(f"{name}.hosts.test.", each) for name, each in hosts.items()),
    }
    return Served(both, {**both, "stale.test.": _head(SERIAL - 1) + _WWW})


_WWW = "www A 10.77.9.90\nwww AAAA fd77::9:90\n"


def _head(serial: int = SERIAL, ns1: str = "ns1.test.", ns2: str = "ns2.test.") -> str:
    return "$TTL 3600\n" + _SOA.format(serial=serial, ns1=ns1, ns2=ns2)


def _root(ns1: Sequence[str], ns2: Sequence[str]) -> str:
    delegated = ("test.", _IN_ADDR, _IP6)
    lines = [_delegation(zone, "ns1.test.", "ns2.test.", ds(zone)) for zone in delegated]
    return signed(".", _head() + "".join(lines) + _addresses("test.", ns1, ns2), Life())


def _test(ns1: Sequence[str], ns2: Sequence[str], lame: Sequence[str]) -> str:
    lines = [_delegation("example.test.", "ns1.example.test.", "ns2.example.test.", ds("example.test."))]
    lines += [_delegation(zone, "ns1.test.", "ns2.test.", _told_above(zone)) for zone in (*_SIGNED, "hashed.test.")]
    lines += [_delegation(zone, "ns1.test.", second) for zone, second in _UNSIGNED.items()]
    lines += [_addresses("example.test.", ns1, ns2), _addresses("test.", ns1, ns2)]
    lines += [_address("nov6-ns.test.", NO_V6), _address("notcp-ns.test.", NO_TCP), _address("lame-ns.test.", lame)]
    lines += [_address("wide-ns.test.", WIDE)]
    return signed("test.", _head() + "".join(lines), Life())


def _told_above(zone: str) -> str:
    return ds(zone, of="somebody-else.test.") if zone == "wrongds.test." else ds(zone)


def _example(ns1: Sequence[str], ns2: Sequence[str]) -> str:
    head = _head(ns1="ns1.example.test.", ns2="ns2.example.test.")
    text = head + _EXAMPLE + _addresses("example.test.", ns1, ns2)
    return signed("example.test.", text, Life(), broken=("servfail6.example.test.", "AAAA"))


def _pointers(family: int) -> str:
    pointers = ((ip_address(addresses[family]).reverse_pointer, name) for addresses, name in _POINTERS.items())
    return "".join(f"{pointer}. PTR {name}.example.test.\n" for pointer, name in pointers)


def _delegation(zone: str, ns1: str, ns2: str, digest: str = "") -> str:
    return f"{zone} NS {ns1}\n{zone} NS {ns2}\n" + (f"{zone} DS {digest}\n" if digest else "")


def _addresses(zone: str, ns1: Sequence[str], ns2: Sequence[str]) -> str:
    return _address(f"ns1.{zone}", ns1) + _address(f"ns2.{zone}", ns2)


def _address(name: str, addresses: Sequence[str]) -> str:
    return f"{name} A {addresses[0]}\n{name} AAAA {addresses[1]}\n"
