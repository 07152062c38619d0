"""What both verifiers leave to their caller: keys, signatures, purposes, serials, identifiers, dates, lifetimes.

Source, where nothing else stands: CA/B Forum baseline requirements 2.x, chapters 6.1 and 7.1; RFC 5280 4.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, mldsa, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import SignatureAlgorithmOID

from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.chain.findings import Finding, ours
from shipworthy.vantage.chain.paths import Path

RSA_BITS = 2048
SERIAL_OCTETS = 20
CURVES = ("secp256r1", "secp384r1", "secp521r1")
LIFETIMES = (
    (datetime(2029, 3, 15, tzinfo=UTC), 47),
    (datetime(2027, 3, 15, tzinfo=UTC), 100),
    (datetime(2026, 3, 15, tzinfo=UTC), 200),
    (datetime(2020, 9, 1, tzinfo=UTC), 398),
    (datetime(2018, 3, 1, tzinfo=UTC), 825),
)
"""The most days of a public certificate, by the day from which it is issued. Source: baseline requirements 6.3.2."""

_EMPTY_NAME = b"\x30\x00"
_WEAK_DIGESTS = (hashes.MD5, hashes.SHA1)
_ML_DSA = {x509.ObjectIdentifier(f"2.16.840.1.101.3.4.3.{arc}") for arc in (17, 18, 19)}
_OTHER_PURPOSES = {
    Purpose.ANY_EXTENDED_KEY_USAGE: "any purpose",
    Purpose.CODE_SIGNING: "code signing",
    Purpose.EMAIL_PROTECTION: "e-mail",
    Purpose.TIME_STAMPING: "time stamping",
    Purpose.OCSP_SIGNING: "OCSP signing",
    x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4"): "precertificates",
}


def examine_leaf(leaf: Certificate, *, named: bool) -> Iterator[Finding]:
    """Judge the certificate of the server itself; `named`: a client asks for a name, and so for a server."""
    yield from _readable(leaf)
    yield from _serial(leaf)
    yield from _key(leaf)
    yield from _signature(leaf)
    yield from _purposes(leaf, named=named)
    yield from _usage(leaf)


def examine_path(path: Path, at: datetime, *, anchored: bool = True) -> Iterator[Finding]:
    """Judge what stands above the leaf, and everybody's dates; `anchored`: the last of them is a root, or trusted."""
    for each in path:
        yield from dates(each, at)
    for authority in path[1:-1] if anchored else path[1:]:
        yield from _readable(authority)
        yield from _serial(authority)
        yield from _key(authority)
        yield from _signature(authority)
        yield from _authority(authority)
        if authority.subject == _EMPTY_NAME:
            yield ours("subject-missing", "an issuing certificate has an empty subject")
    if anchored and len(path) > 1:
        anchor = path[-1]
        yield from _key(anchor)
        yield from _authority(anchor)
        yield from _anchor(anchor)
    yield from _wildcards(path)


def lifetime(leaf: Certificate) -> Iterator[Finding]:
    """Warn of a life longer than public certificates may have."""
    begin, end = leaf.validity()
    days = (end - begin + timedelta(seconds=1)) / timedelta(days=1)
    for since, most in LIFETIMES:
        if begin >= since:
            if days > most:
                yield ours("lifetime", f"{leaf.label} lives {days:.0f} d, public ones at most {most} d", fatal=False)
            return


def dates(each: Certificate, at: datetime) -> Iterator[Finding]:
    """Judge one certificate by its dates."""
    begin, end = each.validity()
    if at < begin:
        yield ours("not-yet-valid", f"{each.label} is valid from {begin:%Y-%m-%d %H:%M:%S} UTC")
    if at > end:
        yield ours("expired", f"{each.label} expired on {end:%Y-%m-%d %H:%M:%S} UTC")


def _readable(each: Certificate) -> Iterator[Finding]:
    if each.parsed.version is not x509.Version.v3:
        yield ours("version", f"{each.label} is not an X.509 certificate of version 3")
    if each.malformed:
        yield ours("extensions-malformed", f"the extensions of {each.label} cannot be read: {each.malformed}")


def _serial(each: Certificate) -> Iterator[Finding]:
    serial = each.serial
    if serial == 0:
        yield ours("serial-zero", f"{each.label} has the serial number 0")
    elif serial < 0 or serial.bit_length() >= 8 * SERIAL_OCTETS:  # its first bit is its sign
        yield ours("serial", f"{each.label} has a serial number that is negative or longer than {SERIAL_OCTETS} octets")


def _key(each: Certificate) -> Iterator[Finding]:
    try:
        key = each.parsed.public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        yield ours("key-unreadable", f"the key of {each.label} cannot be read: {shown(str(error))}")
        return
    if isinstance(key, rsa.RSAPublicKey):
        yield from _rsa(each, key)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        if key.curve.key_size < 256:
            yield ours("key-weak", f"{each.label} has a key on {key.curve.name}, of less than 256 bits")
        elif key.curve.name not in CURVES:
            yield ours("key-not-public", f"{each.label} has a key on {key.curve.name}, which browsers do not speak")
    elif isinstance(key, dsa.DSAPublicKey):
        yield ours("key-weak", f"{each.label} has a DSA key")
    elif isinstance(key, mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey):
        sentence = f"{each.label} has a key of ML-DSA, which few clients speak yet"
        yield ours("key-not-public", sentence, fatal=False)
    else:
        kind = type(key).__name__.removesuffix("PublicKey").lstrip("_")
        yield ours("key-not-public", f"{each.label} has a key of type {kind}, which browsers do not speak")


def _rsa(each: Certificate, key: rsa.RSAPublicKey) -> Iterator[Finding]:
    if key.key_size < RSA_BITS:
        yield ours("key-weak", f"{each.label} has an RSA key of {key.key_size} bits, at least {RSA_BITS} are needed")
    elif key.key_size % 8:
        yield ours("key-not-public", f"{each.label} has an RSA key of {key.key_size} bits, not a multiple of 8")
    exponent = key.public_numbers().e
    if exponent < 3 or exponent % 2 == 0:
        yield ours("key-weak", f"{each.label} has an RSA key with the exponent {exponent}")


def _signature(each: Certificate) -> Iterator[Finding]:
    try:
        digest = each.parsed.signature_hash_algorithm
    except (UnsupportedAlgorithm, ValueError, TypeError):
        digest = None  # the verifiers know whether they can check it
    if isinstance(digest, _WEAK_DIGESTS) or each.parsed.signature_algorithm_oid == SignatureAlgorithmOID.RSA_WITH_MD5:
        yield ours("signature-weak", f"{each.label} is signed with {digest.name if digest else 'MD5'}")


def _purposes(leaf: Certificate, *, named: bool) -> Iterator[Finding]:
    found = leaf.extension(x509.ExtendedKeyUsage)
    if found is None:
        sentence = f"{leaf.label} does not say that it is for servers: it has no extendedKeyUsage"
        yield ours("purpose-missing", sentence, fatal=named)
        return
    purposes = set(found.value)
    if not purposes & {Purpose.SERVER_AUTH, Purpose.ANY_EXTENDED_KEY_USAGE}:
        yield ours("purpose-wrong", f"{leaf.label} is not for servers: serverAuth is not among its purposes")
    also = [words for purpose, words in _OTHER_PURPOSES.items() if purpose in purposes]
    if also:
        yield ours("purpose-too-wide", f"{leaf.label} is for {' and '.join(also)} too")
    if found.critical:
        yield ours("purpose-critical", f"{leaf.label} has a critical extendedKeyUsage")


def _usage(leaf: Certificate) -> Iterator[Finding]:
    """What a handshake needs of keyUsage; and RFC 9881 5 on keys that can only sign."""
    usage = leaf.value(x509.KeyUsage)
    if usage is None:
        return
    enciphers = usage.key_encipherment or usage.key_agreement
    if not usage.digital_signature and not enciphers:
        yield ours("usage-wrong", f"{leaf.label} may neither sign nor encipher in a handshake, by its keyUsage")
    if leaf.parsed.public_key_algorithm_oid in _ML_DSA and (enciphers or usage.data_encipherment):
        yield ours("usage-wrong", f"{leaf.label} has a key of ML-DSA, and a keyUsage that it cannot serve")


def _authority(each: Certificate) -> Iterator[Finding]:
    purposes = each.value(x509.ExtendedKeyUsage)
    if purposes and not set(purposes) & {Purpose.SERVER_AUTH, Purpose.ANY_EXTENDED_KEY_USAGE}:
        yield ours("purpose-wrong", f"{each.label} may not issue for servers: serverAuth is not among its purposes")
    policies = each.extension(x509.PolicyConstraints)
    if policies is not None and not policies.critical:
        yield ours("critical-missing", f"{each.label} has policy constraints that are not critical")


def _anchor(anchor: Certificate) -> Iterator[Finding]:
    """What a self-issued root must not have; a trusted intermediate is judged as what it is."""
    if not anchor.is_self_issued:
        sentence = f"{anchor.label} is trusted as it is, though it is no root: OpenSSL wants PARTIAL_CHAIN for that"
        yield ours("anchor-is-no-root", sentence, fatal=False)
        yield from _signature(anchor)
        if anchor.extension(x509.AuthorityKeyIdentifier) is None:
            yield ours("issuer-unidentified", f"{anchor.label} does not say which key signed it, and is no root")
        return
    if anchor.extension(x509.ExtendedKeyUsage) is not None:
        yield ours("root-purpose", f"the root {anchor.label} has an extendedKeyUsage")
    own, issuer = anchor.value(x509.SubjectKeyIdentifier), anchor.value(x509.AuthorityKeyIdentifier)
    if issuer is None:
        return
    if own and issuer.key_identifier is not None and issuer.key_identifier != own.digest:
        yield ours("root-key-identifier", f"the root {anchor.label} names another key than its own as its issuer's")
    if issuer.authority_cert_issuer or issuer.authority_cert_serial_number is not None:
        # Forbidden, and so found in roots that all browsers trust (QuoVadis Root CA 2 and 3, Certigna).
        itself = issuer.authority_cert_serial_number == anchor.serial
        code = "root-issuer-named" if itself else "root-key-identifier"
        yield ours(code, f"the root {anchor.label} names its issuer by name and serial number", fatal=not itself)


def _wildcards(path: Path) -> Iterator[Finding]:
    """A wildcard that reaches into an excluded name is as bad as the name. Source: CVE-2025-61727."""
    names = path[0].value(x509.SubjectAlternativeName)
    below = (
        {each[2:].lower() for each in names.get_values_for_type(x509.DNSName) if each[:2] == "*."} if names else set()
    )
    for authority in path[1:] if below else ():
        constraints = authority.value(x509.NameConstraints)
        excluded = (constraints and constraints.excluded_subtrees) or []
        reached = (each.value for each in excluded if isinstance(each, x509.DNSName) and _is_below(each.value, below))
        for name in itertools.islice(reached, 1):
            sentence = f"{path[0].label} has a wildcard that covers {shown(name)}, excluded by {authority.label}"
            yield ours("name-constraints", sentence)


def _is_below(name: str, domains: set[str]) -> bool:
    """It is one of the domains or within one."""
    labels = name.lower().split(".") if len(name) <= 253 else []
    return any(".".join(labels[at:]) in domains for at in range(len(labels)))
