"""Whatever the bytes, names and times: findings, in bounded time; and no changed byte is ever accepted."""

from __future__ import annotations

import base64
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as some

from selftest.chains.pki import (
    AT,
    NAME,
    Case,
    Issued,
    case,
    constraints,
    dns,
    element,
    fatal,
    intermediate,
    ips,
    issue,
    leaf,
    patched,
    pem,
    root,
    san,
)
from selftest.changed import CHANGES, Changes, changed
from shipworthy.vantage.chain.loading import MOST_BYTES
from shipworthy.vantage.tls import Finding, examine_chain

SECONDS = 3
"""Of processor time for the worst input; an honest chain takes a thousandth."""


def key(number: int) -> ec.EllipticCurvePrivateKey:
    """The same in every run, so that CI fuzzes the same bytes."""
    return ec.derive_private_key(number, ec.SECP256R1())


TOP = root(key=key(101), serial=101)
MIDDLE = intermediate(TOP, key=key(102), serial=102)
LEAF = leaf(MIDDLE, san(*dns(NAME, "*.example.com"), *ips("192.0.2.1")), key=key(103), serial=103)
GOOD = case(LEAF, MIDDLE, TOP)
MIDDLE_LATE = intermediate(TOP, key=key(102), serial=108, end=datetime(2050, 1, 1, tzinfo=UTC))
ALGORITHM = bytes.fromhex("300a06082a8648ce3d040302")


def checked(made: Case) -> list[Finding]:
    """The findings, which must be well formed and come in time."""
    before = time.process_time()
    findings = made.findings()
    assert time.process_time() - before < SECONDS
    for finding in findings:
        assert finding.by in {"openssl", "webpki", "ours"}
        assert len(finding.sentence) < 600
        assert finding.sentence.isprintable()
    return findings


def enormous() -> bytes:
    return element(0x30, element(0x30, b"\x02\x01\x01" * 3_500_000))


PLAINLY_BAD: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "a private key": b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
    "an empty PEM": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "a PEM without an end": b"-----BEGIN CERTIFICATE-----\nMIIB" * 50_000,
    "a PEM that is no base64": b"-----BEGIN CERTIFICATE-----\nMII=BA\n-----END CERTIFICATE-----\n",
    "a PEM of text": b"-----BEGIN CERTIFICATE-----\n" + base64.b64encode(b"hello") + b"\n-----END CERTIFICATE-----\n",
    "DER of 10 MB": enormous(),
    "zeros": bytes(100_000),
    "a length that lies": b"\x30\x84\xff\xff\xff\xff\x30\x80",
    "a deep nest": b"\x30\x80" * 100_000,
    "half a certificate": LEAF.der[: len(LEAF.der) // 2],
    "a certificate and more": LEAF.der + b"\0",
    "a large one": LEAF.der + bytes(MOST_BYTES),
}


STRANGE_KEYS: dict[str, Callable[[], Any]] = {
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}


@pytest.mark.parametrize("what", STRANGE_KEYS)
def test_strange_keys_are_findings_wherever_they_stand(what: str) -> None:
    """An algorithm that a verifier does not know is its finding; which ones are accepted is told elsewhere."""
    new = STRANGE_KEYS[what]
    tops = [root(key=new()), TOP]
    middles = [intermediate(top, key=one) for top in tops for one in (new(), None)]
    for middle in middles:
        for one in (new(), None):
            checked(Case(leaf(middle, key=one).der, [middle.der], [top.der for top in tops]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("06082a8648ce3d040302", "06082a8648ce3d04037f"),  # the signature's algorithm
        ("06072a8648ce3d0201", "06072a8648ce3d027f"),  # the key's
        ("06082a8648ce3d030107", "06082a8648ce3d03017f"),  # its curve
        ("0603551d0f0101ff", "0603551d7f0101ff"),  # a critical extension
    ],
)
def test_algorithms_that_nobody_knows_are_findings(old: str, new: str) -> None:
    changes = bytes.fromhex(old), bytes.fromhex(new)
    assert fatal(checked(case(patched(LEAF, MIDDLE.key, *changes), MIDDLE, TOP)))
    assert fatal(checked(case(LEAF, patched(MIDDLE, TOP.key, *changes), TOP)))


def negative(issued: Issued) -> Issued:
    """The same with a number below zero, of its own or of its issuer, that it names."""
    return patched(issued, TOP.key, bytes.fromhex("047fabcdef"), bytes.fromhex("04ffabcdef"))


def test_numbers_below_zero_raise_nothing_and_warn_nobody() -> None:
    """Where warnings are errors, too; cryptography warns at every look."""
    number = 0x7FABCDEF
    value = x509.AuthorityKeyIdentifier(b"key", [x509.DirectoryName(TOP.subject)], number)
    named = (x509.AuthorityKeyIdentifier, (value, False))
    plain = intermediate(TOP, serial=number, key=key(109)), intermediate(TOP, named, key=key(109))
    leaves = leaf(TOP, serial=number), leaf(TOP, named)
    for middle in plain:
        below, odd = leaf(middle), negative(middle).der
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert fatal(checked(Case(below.der, [odd], [TOP.der])))
            assert isinstance(checked(Case(below.der, [], [odd])), list)
    for mine in map(negative, leaves):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert fatal(checked(case(mine, TOP)))


@pytest.mark.parametrize("what", PLAINLY_BAD)
def test_what_is_no_certificate_is_a_finding(what: str) -> None:
    bad = PLAINLY_BAD[what]
    assert "unreadable" in fatal(checked(Case(bad, [MIDDLE.der], [TOP.der])))
    assert not fatal(checked(Case(LEAF.der, [bad, MIDDLE.der, bad], [bad, TOP.der])))
    assert fatal(checked(Case(LEAF.der, [bad], [bad])))


def test_two_hundred_certificates_are_no_more_than_a_warning() -> None:
    others = [intermediate(TOP, subject=f"CN=other {number}").der for number in range(200)]
    findings = checked(Case(LEAF.der, [MIDDLE.der, *others], [TOP.der]))
    assert not fatal(findings)
    assert {"too-many-served", "served-unused"} <= {finding.code for finding in findings}
    bundle = b"".join(pem(other) for other in others)
    assert checked(Case(LEAF.der, [bundle, MIDDLE.der], [TOP.der]))


def test_a_chain_of_two_hundred_is_not_a_path() -> None:
    chain = [TOP]
    for number in range(200):
        chain.insert(0, intermediate(chain[0], subject=f"CN=level {number}"))
    assert fatal(checked(case(leaf(chain[0]), *chain)))


def test_thousands_of_names_and_constraints_end_in_time() -> None:
    names = dns(*(f"*.n{number}.example.com" for number in range(4000)))
    limits = dns(*(f"x{number}.example.com" for number in range(4000)))
    top = root(constraints(None, limits))
    assert isinstance(checked(case(leaf(top, san(*names)), top)), list)


def test_many_ways_through_thousands_of_constraints_end_in_time() -> None:
    names = dns(*(f"n{number}.example.com" for number in range(2500)))
    limits = dns(*(f"x{number}.example.com" for number in range(2500)))
    middle = key(105)
    tops = [root(constraints(None, limits), subject="CN=same", key=key(200 + number)) for number in range(8)]
    ways = [intermediate(top, subject="CN=issuing", key=middle) for top in tops]
    made = leaf(ways[0], san(*names))
    checked(Case(made.der, [way.der for way in ways], [top.der for top in tops], "other.example.com"))


def test_many_common_names_end_in_time() -> None:
    subject = ",".join(f"CN=n{number}.example.com" for number in range(2000))
    assert len(checked(case(leaf(TOP, subject=subject), TOP))) < 20


@pytest.mark.parametrize("year", [1, 1600, 1949, 1950, 1969, 2050, 9999])
def test_any_time_can_be_asked_for(year: int) -> None:
    for zone in (UTC, timezone(timedelta(hours=14)), timezone(-timedelta(hours=14))):
        for at in (datetime(year, 1, 1, tzinfo=zone), datetime(year, 12, 31, 23, 59, 59, 999999, tzinfo=zone)):
            assert fatal(checked(GOOD._replace(at=at))) & {"expired", "not-yet-valid"}


def test_a_time_without_a_zone_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="a time without a zone"):
        examine_chain(LEAF.der, [], [], NAME, datetime(2026, 11, 25))


def test_zones_are_heeded() -> None:
    edge = datetime(2027, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    assert GOOD._replace(at=edge).accepted()
    assert not GOOD._replace(at=edge + timedelta(seconds=1)).accepted()


@settings(max_examples=400)
@given(some.sampled_from(["leaf", "intermediate", "root"]), CHANGES)
def test_no_changed_byte_is_accepted(which: str, changes: Changes) -> None:
    pieces = {"leaf": LEAF.der, "intermediate": MIDDLE.der}
    if which == "root":
        # A root's own signature is nobody's to check, so what changes is what it is called by.
        assert isinstance(checked(Case(LEAF.der, [MIDDLE.der], [changed(TOP.der, changes)])), list)
        return
    before = pieces[which]
    pieces[which] = changed(before, changes)
    made = Case(pieces["leaf"], [pieces["intermediate"]], [TOP.der])
    assert fatal(checked(made)) or pieces[which] == before


@settings(max_examples=400)
@given(some.sampled_from(["leaf", "intermediate", "root"]), CHANGES)
def test_what_is_signed_anew_goes_deeper_and_never_raises(which: str, changes: Changes) -> None:
    signers = {"leaf": (LEAF, MIDDLE.key), "intermediate": (MIDDLE, TOP.key), "root": (TOP, TOP.key)}
    issued, signer = signers[which]
    signed = changed(issued.certificate.tbs_certificate_bytes, changes)
    signature = signer.sign(signed, ec.ECDSA(hashes.SHA256()))
    made = element(0x30, signed + ALGORITHM + element(0x03, b"\0" + signature))
    pieces = {"leaf": LEAF.der, "intermediate": MIDDLE.der, "root": TOP.der} | {which: made}
    checked(Case(pieces["leaf"], [pieces["intermediate"]], [pieces["root"]]))


@settings(max_examples=150)
@given(some.binary(max_size=300), some.lists(some.binary(max_size=100), max_size=3), some.text(max_size=30))
def test_random_bytes_are_findings(first: bytes, others: list[bytes], name: str) -> None:
    assert fatal(checked(Case(first, others, others, name)))


@settings(max_examples=300)
@given(some.text(max_size=80) | some.from_regex(r"[a-zA-Z0-9.*:%_\[\]-]{0,40}", fullmatch=True))
def test_any_name_can_be_asked_for(name: str) -> None:
    findings = checked(GOOD._replace(name=name))
    asked = name.lower().removesuffix(".")
    if not fatal(findings):
        assert asked in {NAME, "192.0.2.1"} or asked.endswith(".example.com") or not asked.isascii()


@settings(max_examples=100)
@given(some.datetimes(timezones=some.timezones() | some.just(UTC)))
def test_any_moment_can_be_asked_for(at: datetime) -> None:
    checked(GOOD._replace(at=at))


@settings(max_examples=150)
@given(some.lists(some.binary(max_size=40).map(lambda value: value.decode("latin-1")), max_size=4))
def test_any_name_may_stand_in_a_certificate(names: list[str]) -> None:
    values = [x509.DNSName._init_without_validation(name) for name in names]
    made = leaf(MIDDLE, san(*values, *dns(NAME)), key=key(104), serial=104)
    checked(case(made, MIDDLE, TOP))


@settings(max_examples=150)
@given(
    some.text("\0\x1b\n\u202e\U0001f61c=,+\\#aé", min_size=1, max_size=64).filter(lambda text: len(text.encode()) <= 64)
)
def test_any_text_may_be_its_subject(text: str) -> None:
    """As sentences name certificates by it, and are shown on terminals."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    made = issue(subject, key(106), MIDDLE, [san(*dns(NAME))], serial=106)
    assert fatal(checked(case(made, MIDDLE, TOP)))


LATE = leaf(MIDDLE, key=key(107), serial=107, end=datetime(2050, 1, 1, tzinfo=UTC))
DATES = ["00000101000000Z", "20501301000000Z", "20500230000000Z", "20500101000060Z", "20500101250000Z"]


@pytest.mark.parametrize("date", DATES)
def test_absurd_dates_are_findings(date: str) -> None:
    changes = b"20500101000000Z", date.encode()
    assert fatal(checked(case(patched(LATE, MIDDLE.key, *changes), MIDDLE, TOP)))
    assert fatal(checked(case(LEAF, patched(MIDDLE_LATE, TOP.key, *changes), TOP)))


def test_a_certificate_for_ever_is_no_more_than_too_long() -> None:
    made = patched(LATE, MIDDLE.key, b"20500101000000Z", b"99991231235959Z")
    assert [finding.code for finding in checked(case(made, MIDDLE, TOP))] == ["lifetime"]


@settings(max_examples=150)
@given(some.binary(min_size=15, max_size=15) | some.from_regex(r"[0-9]{10,14}[Z+.-][0-9Z]{0,4}", fullmatch=True))
def test_any_bytes_may_be_a_date(date: bytes | str) -> None:
    data = (date.encode() if isinstance(date, str) else date)[:15].ljust(15, b"0")
    checked(case(patched(LATE, MIDDLE.key, b"20500101000000Z", data), MIDDLE, TOP))


def test_honest_chains_take_milliseconds() -> None:
    """With 150 roots, as a client has them. The bound is ten times what it takes, for a busy machine."""
    others = [root(subject=f"CN=root {number}").der for number in range(150)]
    made = Case(LEAF.der, [MIDDLE.der], [*others, TOP.der], NAME, AT)
    assert made.findings() == []
    before = time.process_time()
    for _ in range(20):
        made.findings()
    assert (time.process_time() - before) / 20 < 0.05
