"""Which names a certificate is good for: x509-limbo's webpki::san and webpki::cn, and what people type."""

from __future__ import annotations

import pytest
from cryptography import x509

from selftest.chains.pki import (
    NAME,
    Case,
    case,
    dns,
    fatal,
    ips,
    leaf,
    raw,
    root,
    san,
    warned,
    without,
)

MATCHES = [
    ("example.com", "example.com"),
    ("example.com", "EXAMPLE.com"),
    ("EXAMPLE.com", "example.com"),
    ("example.com", "example.com."),
    ("*.example.com", "foo.example.com"),
    ("xn--bcher-kva.example", "bücher.example"),
    ("xn--bcher-kva.example", "xn--bcher-kva.example"),
    ("192.0.2.1", "192.0.2.1"),
    ("127.0.0.1", "127.0.0.1"),
    ("2001:db8::1", "2001:db8:0:0::1"),
]
DIFFERS = [
    ("example.com", "example2.com"),
    ("abc.example.com", "def.example.com"),
    ("example.com", "abc.example.com"),
    ("abc.example.com", "example.com"),
    ("*.example.com", "foo.bar.example.com"),
    ("*.example.com", "example.com"),
    ("ba*.example.com", "baz.example.com"),
    ("*az.example.com", "baz.example.com"),
    ("foo.*.example.com", "foo.bar.example.com"),
    ("*.*.example.com", "foo.bar.example.com"),
    ("xn--*-1b3c148a.example.com", "xn--bliss-1b3c148a.example.com"),
    (".example.com", "foo.example.com"),
    ("example.com\0.evil.org", "example.com"),
    ("192.0.2.1", "192.0.2.2"),
    ("192.0.2.1", "example.com"),
    ("2001:db8::1", "2001:db8::2"),
    ("192.0.2.1", "::ffff:192.0.2.1"),
]


def shown(has: str, asked: str) -> Case:
    """A leaf for one name, asked for another."""
    try:
        names = ips(has)
    except ValueError:
        names = dns(has)
    return case(leaf(top := root(), san(*names), subject="O=some"), top, name=asked)


@pytest.mark.parametrize(("has", "asked"), MATCHES)
def test_a_name_matches(has: str, asked: str) -> None:
    assert shown(has, asked).accepted()


@pytest.mark.parametrize(("has", "asked"), DIFFERS)
def test_a_name_does_not_match(has: str, asked: str) -> None:
    assert "wrong-name" in fatal(shown(has, asked).findings())


def test_a_wrong_name_says_nothing_of_trust() -> None:
    assert fatal(shown("example.com", "example.org").findings()) == {"wrong-name"}


def test_an_address_written_as_a_dns_name_is_none() -> None:
    assert not case(leaf(top := root(), san(*dns("192.0.2.1"))), top, name="192.0.2.1").accepted()


def test_raw_utf8_in_a_name_is_malformed() -> None:
    value = x509.DNSName._init_without_validation("😜.example.com")
    assert not case(leaf(top := root(), san(value)), top, name="xn--628h.example.com").accepted()


def test_nobody_reads_the_common_name() -> None:
    findings = case(leaf(top := root(), without(x509.SubjectAlternativeName)), top).findings()
    assert {"names-missing", "wrong-name"} <= fatal(findings)


def test_without_a_name_to_ask_for_the_path_alone_is_judged() -> None:
    nameless = leaf(top := root(), without(x509.SubjectAlternativeName), without(x509.ExtendedKeyUsage))
    findings = case(nameless, top, name=None).findings()
    assert (fatal(findings), warned(findings)) == (set(), {"names-missing", "purpose-missing"})
    assert case(leaf(top, san(*dns("*.example.com")), subject="O=some"), top, name=None).findings() == []
    assert not case(leaf(top, san(*dns("*.example.com"))), root(), name=None).accepted()


def test_a_wildcard_below_a_top_level_domain_is_too_wide() -> None:
    assert fatal(shown("*.com", NAME).findings()) == {"wildcard-too-wide"}


@pytest.mark.parametrize(
    ("common", "has", "code"),
    [
        ("0xC0A80101", "192.168.1.1", "common-name-misspelt"),
        ("192.168.001.001", "192.168.1.1", "common-name-misspelt"),
        ("2001:DB8::8A2E:370:7334", "2001:db8::8a2e:370:7334", "common-name-misspelt"),
        ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1", "common-name-misspelt"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1", "common-name-misspelt"),
        ("test-測試.com", "xn--test--wg5h0h.com", "common-name-differs"),
        ("Example.COM", "example.com", "common-name-differs"),
    ],
)
def test_a_common_name_copies_a_name(common: str, has: str, code: str) -> None:
    names = ips(has) if code == "common-name-misspelt" else dns(has)
    made = leaf(top := root(), san(*names), subject=f"CN={common}")
    assert fatal(case(made, top, name=has).findings()) == {code}


@pytest.mark.parametrize("common", ["notinsan.example.com", "xn--nxasmq6b.com", "192.0.2.1"])
def test_a_common_name_that_is_none_of_the_names_is_what_no_public_one_has(common: str) -> None:
    made = case(leaf(top := root(), subject=f"CN={common}"), top)
    assert (fatal(made.findings()), warned(made.findings())) == ({"common-name-absent"}, set())
    findings = made.findings(private=True)
    assert (fatal(findings), warned(findings)) == (set(), {"common-name-absent"})


@pytest.mark.parametrize(("has", "asked"), [("*.example.com", "foo.example.com"), ("a.b.example.com",) * 2])
def test_a_common_name_above_the_names_is_a_warning(has: str, asked: str) -> None:
    """`CN=example.com` for `*.example.com`: x509-limbo accepts it."""
    findings = case(leaf(top := root(), san(*dns(has))), top, name=asked).findings()
    assert (fatal(findings), warned(findings)) == (set(), {"common-name-absent"})


def test_a_common_name_for_people_is_none_of_this() -> None:
    assert case(leaf(top := root(), subject="CN=Payments v2.1"), top).findings() == []


@pytest.mark.parametrize(
    "name",
    ["", "*.example.com", "a b", "-a.com", "a..b", "exa\0mple.com", "x" * 300, "☃" * 80, ".", "::1%eth0", "xn--\ud800"],
)
def test_what_is_no_name_is_a_finding(name: str) -> None:
    findings = shown("example.com", name).findings()
    assert fatal(findings) & {"name-invalid", "wrong-name"}


def test_other_names_beside_the_right_one_do_no_harm() -> None:
    names = [x509.RFC822Name("a@example.com"), x509.UniformResourceIdentifier("https://x/"), *dns(NAME)]
    assert case(leaf(top := root(), san(*names)), top).accepted()
    x400 = raw("2.5.29.17", bytes.fromhex("3011") + b"\xa3\x02\x30\x00" + b"\x82\x0bexample.com")
    assert case(leaf(top, without(x509.SubjectAlternativeName), x400), top) is not None
