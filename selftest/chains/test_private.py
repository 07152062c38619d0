"""Private roots: what only public rules forbid is a warning, and what is broken stays broken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from selftest.chains.pki import (
    NAME,
    Case,
    Change,
    Issued,
    basic,
    case,
    constraints,
    dns,
    fatal,
    intermediate,
    ips,
    issue,
    issuer_identifier,
    key_identifier,
    leaf,
    named,
    new_key,
    patched,
    private_root,
    purposes,
    root,
    san,
    usage,
    version_1,
    warned,
    without,
)

Make = Callable[[], Case]


def below_private(*changes: tuple[type, tuple[x509.ExtensionType, bool] | None], **fields: Any) -> Make:
    return lambda: case(leaf(top := private_root(), *changes, **fields), top)


def self_signed(*changes: tuple[type, tuple[x509.ExtensionType, bool] | None]) -> Issued:
    """What `openssl req -x509 -addext subjectAltName=…` makes."""
    key = new_key()
    usual = [basic(ca=True), key_identifier(key), issuer_identifier(key), san(*dns(NAME))]
    return issue(named(f"CN={NAME}"), key, None, [*usual, *changes])


def of_version_1() -> Case:
    top = root(subject="CN=old")
    return case(leaf(Issued(top.der, top.key)), version_1(top, top.key))


def edwards(kind: type[ed25519.Ed25519PrivateKey] | type[ed448.Ed448PrivateKey]) -> Case:
    top = private_root(key=kind.generate())
    return case(leaf(top, key=kind.generate()), top)


TOLERATED: dict[str, Make] = {
    "root without keyUsage": below_private(),
    "leaf without AKI": below_private(without(x509.AuthorityKeyIdentifier)),
    "leaf without purposes": below_private(without(x509.ExtendedKeyUsage)),
    "leaf with critical purposes": below_private(purposes(x509.OID_SERVER_AUTH, critical=True)),
    "leaf for ten years": below_private(end=datetime(2036, 11, 1, tzinfo=UTC)),
    "root whose basicConstraints are not critical": lambda: case(
        leaf(top := private_root(basic(ca=True, critical=False))), top
    ),
    "root without SKI": lambda: case(leaf(top := private_root(without(x509.SubjectKeyIdentifier))), top),
    "root of version 1": of_version_1,
    "intermediate without keyUsage": lambda: case(
        leaf(middle := intermediate(top := private_root(), without(x509.KeyUsage))), middle, top
    ),
    "leaf and root of Ed25519": lambda: edwards(ed25519.Ed25519PrivateKey),
    "leaf and root of Ed448": lambda: edwards(ed448.Ed448PrivateKey),
    "an internal name below a proper root, no AKI": lambda: case(
        leaf(top := root(), san(*dns("db1.internal")), without(x509.AuthorityKeyIdentifier), subject="O=some"),
        top,
        name="db1.internal",
    ),
    "an underscore in an internal name": lambda: case(
        leaf(top := root(), san(*dns("db_1.internal")), subject="O=some"), top, name="db_1.internal"
    ),
    "an internal address, no purposes": lambda: case(
        leaf(top := root(), san(*ips("10.0.0.1")), without(x509.ExtendedKeyUsage), subject="O=some"),
        top,
        name="10.0.0.1",
    ),
}


@pytest.mark.parametrize("what", TOLERATED)
def test_is_a_warning_below_a_private_root(what: str) -> None:
    findings = TOLERATED[what]().findings()
    assert fatal(findings) == set(), findings
    assert what == "leaf for ten years" or warned(findings)


def easy_rsa() -> Case:
    """As Easy-RSA makes them: keyUsage, basicConstraints that are not critical, issuers by name and serial number."""
    key = new_key()
    top = root(
        basic(ca=True, critical=False),
        usage("key_cert_sign", "crl_sign", critical=False),
        issuer_by_name(key, "CN=root", 77),
        key=key,
        serial=77,
    )
    changes = [basic(ca=False, critical=False), issuer_by_name(key, "CN=root", 77)]
    return case(leaf(top, *changes, usage("digital_signature", "key_encipherment", critical=False)), top)


def issuer_by_name(key: Any, name: str, serial: int) -> Change:
    digest = x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest
    return x509.AuthorityKeyIdentifier, (
        x509.AuthorityKeyIdentifier(digest, [x509.DirectoryName(named(name))], serial),
        False,
    )


def below_proper(*changes: Change, key: Any = None) -> Make:
    return lambda: case(leaf(top := root(), *changes, key=key), top)


POLICIES = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
DECLARED: dict[str, tuple[Make, set[str]]] = {
    "Easy-RSA": (easy_rsa, {"profile", "root-issuer-named"}),
    "no purposes": (below_proper(without(x509.ExtendedKeyUsage)), {"purpose-missing"}),
    "no AKI": (below_proper(without(x509.AuthorityKeyIdentifier)), {"profile"}),
    "Ed25519": (below_proper(key=ed25519.Ed25519PrivateKey.generate()), {"key-not-public"}),
    "Ed25519 all through": (
        lambda: case(
            leaf(top := root(key=ed25519.Ed25519PrivateKey.generate()), key=ed25519.Ed25519PrivateKey.generate()), top
        ),
        {"key-not-public", "profile", "verifiers-disagree"},
    ),
    "for e-mail too": (
        below_proper(purposes(x509.OID_SERVER_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION)),
        {"purpose-too-wide"},
    ),
    "critical policies": (
        below_proper((x509.CertificatePolicies, (POLICIES, True))),
        {"profile", "verifiers-disagree"},
    ),
    "an anchor without AKI": (
        lambda: case(leaf(anchor := intermediate(root(), without(x509.AuthorityKeyIdentifier))), anchor),
        {"anchor-is-no-root", "issuer-unidentified"},
    ),
}


@pytest.mark.parametrize("what", DECLARED)
def test_is_a_warning_where_the_chain_is_said_to_be_private(what: str) -> None:
    """Below roots that look as public ones do, so that nothing but the caller's word makes the difference."""
    make, codes = DECLARED[what]
    made = make()
    findings = made.findings(private=True)
    assert (fatal(findings), warned(findings)) == (set(), codes)
    assert not made.accepted()


def test_what_is_said_to_be_public_is_judged_so_whatever_it_looks_like() -> None:
    made = below_private(without(x509.AuthorityKeyIdentifier))()
    assert made.accepted()
    assert not made.accepted(private=False)


@pytest.mark.parametrize("private", [True, None])
def test_without_a_path_a_private_leaf_is_still_a_private_one(private: bool | None) -> None:
    made = Case(leaf(root(), without(x509.ExtendedKeyUsage)).der, [], [])
    assert fatal(made.findings(private=private)) == {"issuer-missing"} | (set() if private else {"purpose-missing"})


def test_a_pinned_certificate_is_its_own_root() -> None:
    mine = self_signed()
    assert case(mine, mine).accepted()
    assert fatal(case(mine, mine, name="example.org").findings()) == {"wrong-name"}
    assert "expired" in fatal(case(mine, mine, at=datetime(2027, 2, 1, tzinfo=UTC)).findings())
    assert "root-unknown" in fatal(case(mine, root()).findings())


def test_a_pinned_leaf_needs_no_issuer() -> None:
    mine = leaf(root())
    assert case(mine, mine).accepted()


BROKEN: dict[str, tuple[Make, str]] = {
    "wrong name": (below_private(san(*dns("example.org"))), "wrong-name"),
    "only a CN": (below_private(without(x509.SubjectAlternativeName)), "names-missing"),
    "expired": (below_private(end=datetime(2026, 11, 2, tzinfo=UTC)), "expired"),
    "for clients": (below_private(purposes(x509.OID_CLIENT_AUTH)), "purpose-wrong"),
    "RSA 1024": (lambda: below_private(key=rsa.generate_private_key(65537, 1024))(), "key-weak"),
    "is a CA": (below_private(basic(ca=True)), "rejected"),
    "excluded name": (
        lambda: case(leaf(top := private_root(constraints(None, dns(NAME)))), top),
        "name-constraints",
    ),
    "an intermediate that is no CA": (
        lambda: case(leaf(middle := intermediate(top := private_root(), basic(ca=False))), middle, top),
        "issuer-is-no-authority",
    ),
    "an intermediate that may not sign": (
        lambda: case(leaf(middle := intermediate(top := private_root(), usage("crl_sign"))), middle, top),
        "rejected",
    ),
    "a path too long": (
        lambda: case(
            leaf(
                low := intermediate(up := intermediate(top := private_root(), basic(ca=True, length=0)), subject="CN=l")
            ),
            low,
            up,
            top,
        ),
        "path-too-long",
    ),
    "an unknown critical extension": (
        lambda: case(
            leaf(
                top := private_root(),
                (
                    x509.UnrecognizedExtension,
                    (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\0"), True),
                ),
            ),
            top,
        ),
        "critical-unknown",
    ),
}


@pytest.mark.parametrize("private", [True, None])
@pytest.mark.parametrize("what", BROKEN)
def test_is_fatal_below_any_root(what: str, private: bool | None) -> None:
    make, code = BROKEN[what]
    findings = make().findings(private=private)
    assert code in fatal(findings), findings


def test_what_is_told_of_a_private_chain_names_the_verifier_and_its_reason() -> None:
    findings = case(leaf(top := private_root(), without(x509.AuthorityKeyIdentifier)), top).findings()
    assert [(finding.by, finding.code, finding.sentence) for finding in findings] == [
        ("openssl", "profile", "OpenSSL: 85 at depth 0: Missing Authority Key Identifier (CN=example.com)"),
        (
            "webpki",
            "profile",
            "cryptography: invalid extension: 2.5.29.35: Certificate is missing required extension (CN=example.com)",
        ),
    ]


def test_a_leaf_of_version_1_is_refused_everywhere() -> None:
    for top in (root(), private_root()):
        assert "version" in fatal(case(version_1(leaf(top), top.key), top).findings())


def test_a_negative_serial_is_refused_everywhere() -> None:
    top = private_root()
    made = patched(leaf(top, serial=0x7F << 56 | 5), top.key, b"\x02\x08\x7f", b"\x02\x08\xff")
    assert not case(made, top).accepted()
