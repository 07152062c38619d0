"""What a certificate must be, one change at a time: the cases of x509-limbo's rfc5280 and webpki suites, made anew.

Each builds a chain that is right but for one thing, and says what is then fatal; none, where x509-limbo accepts.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

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
    issuer_identifier,
    key_identifier,
    leaf,
    named,
    new_key,
    patched,
    purposes,
    raw,
    root,
    san,
    signed_with_rsa,
    usage,
    warned,
    without,
)

PRIVATE_OID = "1.3.6.1.4.1.55738.666.1"
AIA = x509.AuthorityInformationAccess(
    [x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, x509.DNSName(NAME))]
)
SERVER = x509.OID_SERVER_AUTH
URL = x509.UniformResourceIdentifier("http://pki.example.com/")
Make = Callable[[], Case]


def of_leaf(*changes: Change, **fields: Any) -> Make:
    """A leaf that is otherwise, below a good root."""
    return lambda: case(leaf(top := root(), *changes, **fields), top)


def of_intermediate(*changes: Change, **fields: Any) -> Make:
    def make() -> Case:
        middle = intermediate(top := root(), *changes, **fields)
        return case(leaf(middle), middle, top)

    return make


def of_root(*changes: Change, **fields: Any) -> Make:
    return lambda: case(leaf(top := root(*changes, **fields)), top)


def of_root_key(change: Callable[[Any], Change], **fields: Any) -> Make:
    def make() -> Case:
        key = new_key()
        return case(leaf(top := root(change(key), key=key, **fields)), top)

    return make


def identifiers(
    key: Any, *, identifier: bool = True, issuer: bool = False, serial: bool = False
) -> tuple[type[x509.ExtensionType], tuple[x509.ExtensionType, bool]]:
    """An authority key identifier with some of its three fields."""
    value = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    vars(value).update(
        _key_identifier=value.key_identifier if identifier else None,
        _authority_cert_issuer=[x509.DirectoryName(named("CN=some"))] if issuer else None,
        _authority_cert_serial_number=1234 if serial else None,
    )
    return x509.AuthorityKeyIdentifier, (value, False)


def policies(oid: str, *, critical: bool = False) -> Change:
    information = x509.PolicyInformation(x509.ObjectIdentifier(oid), None)
    return x509.CertificatePolicies, (x509.CertificatePolicies([information]), critical)


GOOD: dict[str, Make] = {
    "leaf below root": of_leaf(),
    "leaf below intermediate": of_intermediate(),
    "leaf without keyUsage": of_leaf(without(x509.KeyUsage)),
    "leaf with basicConstraints": of_leaf(basic(ca=False, critical=False)),
    "leaf with AIA": of_leaf((x509.AuthorityInformationAccess, (AIA, False))),
    "leaf with an unknown extension": of_leaf(raw(PRIVATE_OID, b"\x05\x00")),
    "leaf for servers and clients": of_leaf(purposes(SERVER, x509.OID_CLIENT_AUTH)),
    "leaf without a subject, critical names": of_leaf(san(*dns(NAME), critical=True), subject=""),
    "leaf of RSA 2048": lambda: of_leaf(key=rsa.generate_private_key(65537, 2048))(),
    "leaf of P-384": lambda: of_leaf(key=ec.generate_private_key(ec.SECP384R1()))(),
    "leaf of a thousand years": of_leaf(begin=datetime(1970, 1, 1, tzinfo=UTC), end=datetime(2969, 5, 3, tzinfo=UTC)),
    "leaf as public CAs issue them": lambda: _as_issued(),
    "leaf without SKI": of_leaf(without(x509.SubjectKeyIdentifier)),
    "root without AKI": of_root(without(x509.AuthorityKeyIdentifier)),
    "root with AKI": of_root_key(issuer_identifier),
    "root with AKI of its own issuer and serial": of_root_key(
        lambda key: identifiers(key, issuer=True, serial=True), serial=1234
    ),
    "policies": of_intermediate(policies("1.2.3")),
    "root whose keyUsage is not critical": of_root(usage("key_cert_sign", critical=False)),
    "root with serial 0, as some are": lambda: case(leaf(top := _serial_zero()), top),
    "constraints not critical, as the web allows": of_root(constraints(dns(NAME), critical=False)),
    "ML-DSA all through": lambda: case(
        leaf(top := root(key=mldsa.MLDSA44PrivateKey.generate()), key=mldsa.MLDSA44PrivateKey.generate()), top
    ),
}


def _as_issued() -> Case:
    """With everything that Let's Encrypt, GlobalSign and others put into theirs."""
    access = x509.oid.AuthorityInformationAccessOID
    links = [x509.AccessDescription(kind, URL) for kind in (access.OCSP, access.CA_ISSUERS)]
    lists = [x509.DistributionPoint([URL], None, None, None)]
    usual: list[Change] = [
        (x509.AuthorityInformationAccess, (x509.AuthorityInformationAccess(links), False)),
        (x509.CRLDistributionPoints, (x509.CRLDistributionPoints(lists), False)),
        policies("2.23.140.1.2.1"),
    ]
    top = root()
    middle = intermediate(
        top,
        *usual,
        purposes(SERVER, x509.OID_CLIENT_AUTH),
        usage("digital_signature", "key_cert_sign", "crl_sign"),
        basic(ca=True, length=0),
        key=rsa.generate_private_key(65537, 2048),
    )
    timestamps = raw("1.3.6.1.4.1.11129.2.4.2", bytes.fromhex("04020000"))
    must_staple: Change = (x509.TLSFeature, (x509.TLSFeature([x509.TLSFeatureType.status_request]), False))
    changes = [*usual, timestamps, must_staple, basic(ca=False), san(*dns(NAME, "*.example.com"))]
    served = leaf(
        middle, *changes, usage("digital_signature", "key_encipherment"), purposes(SERVER, x509.OID_CLIENT_AUTH)
    )
    return case(served, middle, top)


def _weakly_signed_anchor() -> Case:
    top = root(key=rsa.generate_private_key(65537, 2048))
    anchor = intermediate(top)
    return case(leaf(anchor), signed_with_rsa(anchor, top.key, "sha1"))


def _serial_zero() -> Issued:
    made = root(serial=5)
    return patched(made, made.key, b"\x02\x01\x05", b"\x02\x01\x00")


def _weakly_signed(digest: str) -> Case:
    top = root(key=rsa.generate_private_key(65537, 2048))
    return case(signed_with_rsa(leaf(top), top.key, digest), top)


BAD: dict[str, tuple[Make, set[str]]] = {
    # rfc5280
    "leaf: empty issuer": (
        lambda: case(leaf(top := root(), issuer=named("")), top),
        {"issuer-missing"},
    ),
    "root: empty subject": (of_root(subject=""), {"rejected"}),
    "leaf: unknown critical extension": (of_leaf(raw(PRIVATE_OID, b"", critical=True)), {"critical-unknown"}),
    "intermediate: unknown critical extension": (
        of_intermediate(raw(PRIVATE_OID, b"", critical=True)),
        {"critical-unknown"},
    ),
    "root: unknown critical extension": (of_root(raw(PRIVATE_OID, b"", critical=True)), {"critical-unknown"}),
    "intermediate: no CA": (of_intermediate(basic(ca=False)), {"issuer-is-no-authority"}),
    "intermediate: no basicConstraints": (
        of_intermediate(without(x509.BasicConstraints)),
        {"issuer-is-no-authority"},
    ),
    "root: no basicConstraints": (of_root(without(x509.BasicConstraints)), {"rejected"}),
    "root: basicConstraints not critical": (of_root(basic(ca=True, critical=False)), {"rejected"}),
    "root: may not sign": (of_root(usage("crl_sign")), {"rejected"}),
    "intermediate: may not sign": (
        of_intermediate(basic(ca=True, length=0), usage("digital_signature")),
        {"rejected"},
    ),
    "leaf: may sign, is no CA": (
        of_leaf(basic(ca=False), usage("digital_signature", "key_cert_sign")),
        {"rejected"},
    ),
    "leaf: critical AIA": (of_leaf((x509.AuthorityInformationAccess, (AIA, True))), {"rejected"}),
    "leaf: an extension twice": (of_leaf(twice=[san(*dns(NAME))]), {"extensions-malformed"}),
    "leaf: malformed names": (
        of_leaf(without(x509.SubjectAlternativeName), raw("2.5.29.17", b"example.com")),
        {"extensions-malformed"},
    ),
    "leaf: empty subject, names not critical": (of_leaf(subject=""), {"rejected"}),
    "leaf: serial of 21 octets": (of_leaf(serial=1 << 159), {"serial"}),
    "leaf: no AKI": (of_leaf(without(x509.AuthorityKeyIdentifier)), {"rejected"}),
    "intermediate: no AKI": (of_intermediate(without(x509.AuthorityKeyIdentifier)), {"rejected"}),
    "root: critical AKI": (of_root_key(lambda key: issuer_identifier(key, critical=True)), {"rejected"}),
    "root: critical SKI": (of_root_key(lambda key: key_identifier(key, critical=True)), {"rejected"}),
    "root: no SKI": (
        lambda: case(leaf(top := root(without(x509.SubjectKeyIdentifier))), top),
        {"rejected"},
    ),
    "intermediate: no SKI": (of_intermediate(without(x509.SubjectKeyIdentifier)), {"rejected"}),
    "leaf: for clients": (of_leaf(purposes(x509.OID_CLIENT_AUTH)), {"purpose-wrong"}),
    "leaf: constraints": (of_leaf(constraints(dns(NAME), critical=False)), {"rejected"}),
    "leaf: critical constraints": (of_leaf(constraints(dns(NAME))), {"rejected"}),
    "intermediate: policy constraints not critical": (
        of_intermediate((x509.PolicyConstraints, (x509.PolicyConstraints(3, None), False))),
        {"critical-missing"},
    ),
    "leaf: version 1 with extensions": (
        lambda: case(patched(leaf(top := root()), top.key, b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x00"), top),
        {"unreadable"},
    ),
    # webpki
    "leaf: malformed AIA": (of_leaf(raw("1.3.6.1.5.5.7.1.1", b"malformed")), {"extensions-malformed"}),
    "leaf: critical names beside a subject": (of_leaf(san(*dns(NAME), critical=True)), {"rejected"}),
    "leaf: is a CA": (of_leaf(basic(ca=True)), {"rejected"}),
    "leaf: without purposes": (of_leaf(without(x509.ExtendedKeyUsage)), {"purpose-missing"}),
    "leaf: any purpose": (of_leaf(purposes(SERVER, Purpose.ANY_EXTENDED_KEY_USAGE)), {"purpose-too-wide"}),
    "leaf: code signing too": (of_leaf(purposes(SERVER, Purpose.CODE_SIGNING)), {"purpose-too-wide"}),
    "leaf: e-mail too": (of_leaf(purposes(SERVER, Purpose.EMAIL_PROTECTION)), {"purpose-too-wide"}),
    "leaf: time stamping too": (of_leaf(purposes(SERVER, Purpose.TIME_STAMPING)), {"purpose-too-wide"}),
    "leaf: OCSP too": (of_leaf(purposes(SERVER, Purpose.OCSP_SIGNING)), {"purpose-too-wide"}),
    "leaf: precertificates too": (
        of_leaf(purposes(SERVER, x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4"))),
        {"purpose-too-wide"},
    ),
    "leaf: critical purposes": (of_leaf(purposes(SERVER, critical=True)), {"purpose-critical"}),
    "root: purposes": (of_root(purposes(SERVER)), {"root-purpose"}),
    "intermediate: for e-mail": (of_intermediate(purposes(Purpose.EMAIL_PROTECTION)), {"purpose-wrong"}),
    "root: AKI without identifier": (of_root_key(lambda key: identifiers(key, identifier=False)), {"rejected"}),
    "root: AKI with issuer": (of_root_key(lambda key: identifiers(key, issuer=True)), {"rejected"}),
    "root: AKI with serial": (of_root_key(lambda key: identifiers(key, serial=True)), {"rejected"}),
    "root: AKI of another's issuer and serial": (
        of_root_key(lambda key: identifiers(key, issuer=True, serial=True), serial=1235),
        {"root-key-identifier"},
    ),
    "intermediate: makes policies mandatory, which neither verifier can judge": (
        of_intermediate(policies("1.2.3"), (x509.PolicyConstraints, (x509.PolicyConstraints(0, None), True))),
        {"critical-unknown"},
    ),
    "anchor: cross-signed, no AKI": (
        lambda: case(leaf(anchor := intermediate(root(), without(x509.AuthorityKeyIdentifier))), anchor),
        {"issuer-unidentified"},
    ),
    "root: AKI of another key": (of_root_key(lambda _key: identifiers(new_key())), {"root-key-identifier"}),
    "leaf: P-192": (lambda: of_leaf(key=ec.generate_private_key(ec.SECP192R1()))(), {"key-weak"}),
    "leaf: P-224": (lambda: of_leaf(key=ec.generate_private_key(ec.SECP224R1()))(), {"key-weak"}),
    "leaf: secp256k1": (lambda: of_leaf(key=ec.generate_private_key(ec.SECP256K1()))(), {"key-not-public"}),
    "leaf: Ed25519": (lambda: of_leaf(key=ed25519.Ed25519PrivateKey.generate())(), {"key-not-public"}),
    "leaf: Ed448": (lambda: of_leaf(key=ed448.Ed448PrivateKey.generate())(), {"key-not-public"}),
    "leaf: DSA": (lambda: of_leaf(key=dsa.generate_private_key(2048))(), {"key-weak"}),
    "root: DSA": (lambda: of_root(key=dsa.generate_private_key(2048))(), {"key-weak"}),
    "leaf: RSA 1024": (lambda: of_leaf(key=rsa.generate_private_key(65537, 1024))(), {"key-weak"}),
    "root: RSA 1024": (lambda: of_root(key=rsa.generate_private_key(65537, 1024))(), {"key-weak"}),
    "leaf: RSA 2052": (lambda: of_leaf(key=rsa.generate_private_key(65537, 2052))(), {"key-not-public"}),
    "root: RSA 2052": (lambda: of_root(key=rsa.generate_private_key(65537, 2052))(), {"key-not-public"}),
    "leaf: RSA for nothing": (
        lambda: of_leaf(usage(), key=rsa.generate_private_key(65537, 2048))(),
        {"usage-wrong"},
    ),
    "leaf: may only sign certificates lists": (of_leaf(usage("crl_sign")), {"usage-wrong"}),
    "leaf: ML-DSA that enciphers": (
        lambda: of_leaf(usage("digital_signature", "key_encipherment"), key=mldsa.MLDSA44PrivateKey.generate())(),
        {"usage-wrong"},
    ),
    "leaf: signed with SHA-1": (lambda: _weakly_signed("sha1"), {"signature-weak"}),
    "anchor: an intermediate signed with SHA-1": (_weakly_signed_anchor, {"signature-weak"}),
    "leaf: signed with MD5": (lambda: _weakly_signed("md5"), {"signature-weak"}),
    # validity
    "leaf: expired": (of_leaf(end=datetime(2026, 11, 20, tzinfo=UTC)), {"expired"}),
    "leaf: not yet valid": (of_leaf(begin=datetime(2026, 11, 26, tzinfo=UTC)), {"not-yet-valid"}),
    "intermediate: expired": (of_intermediate(end=datetime(2026, 11, 20, tzinfo=UTC)), {"expired"}),
    "root: expired": (of_root(end=datetime(2026, 11, 20, tzinfo=UTC)), {"expired"}),
}


@pytest.mark.parametrize("what", GOOD)
def test_is_accepted(what: str) -> None:
    findings = GOOD[what]().findings()
    assert fatal(findings) == set(), findings


def test_a_key_that_few_clients_speak_yet_is_told() -> None:
    findings = GOOD["ML-DSA all through"]().findings()
    assert [finding.sentence for finding in findings if finding.by == "ours"] == [
        "CN=example.com has a key of ML-DSA, which few clients speak yet",
        "CN=root has a key of ML-DSA, which few clients speak yet",
    ]


@pytest.mark.parametrize("what", BAD)
def test_is_rejected(what: str) -> None:
    make, codes = BAD[what]
    findings = make().findings()
    assert codes <= fatal(findings), findings


def test_a_good_chain_has_nothing_to_be_said_of() -> None:
    assert of_intermediate()().findings() == []


def test_a_long_life_is_a_warning() -> None:
    made = of_leaf(begin=datetime(2026, 11, 1, tzinfo=UTC), end=datetime(2027, 6, 1, tzinfo=UTC))().findings()
    assert [finding.sentence for finding in made] == ["CN=example.com lives 212 d, public ones at most 200 d"]
    assert warned(made) == {"lifetime"}
