"""A PKI in memory: roots, intermediates and leaves that are right, but for what a case changes.

`Issued` is a certificate with its key. Extensions are given by what they replace: `root(changes=[(KeyUsage, None)])`
leaves one out. What cryptography's builder refuses is patched into the signed part, and signed anew.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from shipworthy.vantage.chain.certificate import quiet
from shipworthy.vantage.tls import Finding, accepted, examine_chain

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2027, 1, 1, tzinfo=UTC)
LONG_AGO = datetime(2010, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2045, 1, 1, tzinfo=UTC)
NAME = "example.com"

Change = tuple[type[x509.ExtensionType], tuple[x509.ExtensionType, bool] | None]
_NO_DIGEST = (
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
    mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PrivateKey,
)


class Issued(NamedTuple):
    """A certificate and its key."""

    der: bytes
    key: Any

    @property
    def certificate(self) -> x509.Certificate:
        with quiet():
            return x509.load_der_x509_certificate(self.der)

    @property
    def text(self) -> str:
        """As it is kept: DER in base64."""
        return base64.b64encode(self.der).decode("ascii")

    @property
    def subject(self) -> x509.Name:
        return self.certificate.subject


class Case(NamedTuple):
    """What a client sees and trusts."""

    leaf: bytes
    intermediates: Sequence[bytes]
    roots: Sequence[bytes]
    name: str | None = NAME
    at: datetime = AT

    def findings(self, *, private: bool | None = None) -> list[Finding]:
        return examine_chain(*self, private=private)

    def accepted(self, *, private: bool | None = None) -> bool:
        return accepted(self.findings(private=private))


def case(leaf: Issued, *above: Issued, name: str | None = NAME, at: datetime = AT) -> Case:
    """Intermediates, and as the last of `above` the root."""
    return Case(leaf.der, [each.der for each in above[:-1]], [above[-1].der], name, at)


def fatal(findings: Sequence[Finding]) -> set[str]:
    return {finding.code for finding in findings if finding.fatal}


def warned(findings: Sequence[Finding]) -> set[str]:
    return {finding.code for finding in findings if not finding.fatal}


def named(text: str) -> x509.Name:
    return x509.Name.from_rfc4514_string(text)


def dns(*names: str) -> list[x509.GeneralName]:
    return [x509.DNSName(name) for name in names]


def ips(*addresses: str) -> list[x509.GeneralName]:
    return [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]


def san(*names: x509.GeneralName, critical: bool = False) -> Change:
    return x509.SubjectAlternativeName, (x509.SubjectAlternativeName(names), critical)


def usage(*bits: str, critical: bool = True) -> Change:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    flags = dict.fromkeys((*every, "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
    return x509.KeyUsage, (x509.KeyUsage(**(flags | dict.fromkeys(bits, True))), critical)


def purposes(*oids: x509.ObjectIdentifier, critical: bool = False) -> Change:
    return x509.ExtendedKeyUsage, (x509.ExtendedKeyUsage(oids), critical)


def basic(*, ca: bool, length: int | None = None, critical: bool = True) -> Change:
    return x509.BasicConstraints, (x509.BasicConstraints(ca, length), critical)


def constraints(
    permitted: list[x509.GeneralName] | None = None,
    excluded: list[x509.GeneralName] | None = None,
    *,
    critical: bool = True,
) -> Change:
    """Also such as the builder refuses, as nobody looks at them twice."""
    value = x509.NameConstraints(dns("unrelated.example"), None)
    vars(value).update(_permitted_subtrees=permitted, _excluded_subtrees=excluded)
    return x509.NameConstraints, (value, critical)


def raw(oid: str, value: bytes, *, critical: bool = False) -> Change:
    return x509.UnrecognizedExtension, (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), critical)


def without(kind: type[x509.ExtensionType]) -> Change:
    return kind, None


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_identifier(key: Any, *, critical: bool = False) -> Change:
    return x509.SubjectKeyIdentifier, (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical)


def issuer_identifier(key: Any, *, critical: bool = False) -> Change:
    return x509.AuthorityKeyIdentifier, (
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()),
        critical,
    )


def root(*changes: Change, subject: str = "CN=root", key: Any = None, **fields: Any) -> Issued:
    """A root as public ones are."""
    key = key or new_key()
    usual = [basic(ca=True), usage("key_cert_sign", "crl_sign"), key_identifier(key)]
    return issue(named(subject), key, None, [*usual, *changes], **{"begin": LONG_AGO, "end": FAR_AHEAD} | fields)


def private_root(*changes: Change, **fields: Any) -> Issued:
    """A root as `openssl req -x509` makes them: no keyUsage."""
    return root(without(x509.KeyUsage), *changes, subject="CN=private root", **fields)


def intermediate(
    parent: Issued, *changes: Change, subject: str = "CN=issuing", key: Any = None, **fields: Any
) -> Issued:
    key = key or new_key()
    usual = [basic(ca=True), usage("key_cert_sign"), key_identifier(key), issuer_identifier(parent.key)]
    return issue(named(subject), key, parent, [*usual, *changes], **{"begin": LONG_AGO, "end": FAR_AHEAD} | fields)


def leaf(parent: Issued, *changes: Change, subject: str = f"CN={NAME}", key: Any = None, **fields: Any) -> Issued:
    key = key or new_key()
    usual = [
        usage("digital_signature"),
        purposes(x509.OID_SERVER_AUTH),
        san(*dns(NAME)),
        key_identifier(key),
        issuer_identifier(parent.key),
    ]
    return issue(named(subject), key, parent, [*usual, *changes], **fields)


def issue(
    subject: x509.Name,
    key: Any,
    parent: Issued | None,
    changes: Sequence[Change],
    *,
    issuer: x509.Name | None = None,
    begin: datetime = BEGIN,
    end: datetime = END,
    serial: int | None = None,
    twice: Sequence[Change] = (),
) -> Issued:
    """Build and sign; `twice` adds extensions once more, against the builder's will."""
    signer = parent.key if parent else key
    builder = x509.CertificateBuilder(
        issuer_name=(parent.subject if parent else subject) if issuer is None else issuer,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number() if serial is None else serial,
        not_valid_before=begin,
        not_valid_after=end,
    )
    chosen = {kind: value for kind, value in changes if kind is not x509.UnrecognizedExtension}
    unknown = [value for kind, value in changes if kind is x509.UnrecognizedExtension]
    for given in (*chosen.values(), *unknown):
        if given:
            builder = builder.add_extension(*given)
    for _, given in twice:
        if given:
            builder._extensions.append(x509.Extension(given[0].oid, given[1], given[0]))
    algorithm = None if isinstance(signer, _NO_DIGEST) else hashes.SHA256()
    same = True if isinstance(signer, ec.EllipticCurvePrivateKey) else None  # no chance in what is signed
    return Issued(builder.sign(signer, algorithm, ecdsa_deterministic=same).public_bytes(Encoding.DER), key)


def patched(issued: Issued, signer: Any, old: bytes, new: bytes) -> Issued:
    """The same with `old` as `new` in its signed part, of the same length, and signed again by an EC key."""
    assert len(old) == len(new)
    signed = issued.certificate.tbs_certificate_bytes
    assert old in signed
    signed = signed.replace(old, new, 1)
    signature = signer.sign(signed, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return Issued(element(0x30, signed + algorithm + element(0x03, b"\0" + signature)), issued.key)


def version_1(issued: Issued, signer: Any) -> Issued:
    """The same as a certificate of version 1: neither a version nor extensions."""
    signed = issued.certificate.tbs_certificate_bytes
    body = signed[signed.index(bytes.fromhex("a003020102")) + 5 :]
    end = next(at for at, tag in enumerate(body) if tag == 0xA3 and _ends(body, at))
    plain = element(0x30, body[:end])
    signature = signer.sign(plain, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    return Issued(element(0x30, plain + algorithm + element(0x03, b"\0" + signature)), issued.key)


def _ends(data: bytes, at: int) -> bool:
    """The element at `at` is the last."""
    return any(data[at:] == element(data[at], data[at + header :]) for header in (2, 3, 4))


def signed_with_rsa(issued: Issued, signer: rsa.RSAPrivateKey, digest: str) -> Issued:
    """The same under a digest that OpenSSL does not sign with any more: `sha1`, `md5`."""
    last, prefix = {
        "sha1": (b"\x05", "3021300906052b0e03021a05000414"),
        "md5": (b"\x04", "3020300c06082a864886f70d020505000410"),
    }[digest]
    oid = bytes.fromhex("06092a864886f70d0101")
    signed = issued.certificate.tbs_certificate_bytes.replace(oid + b"\x0b", oid + last, 1)
    info = bytes.fromhex(prefix) + hashlib.new(digest, signed).digest()
    size = signer.key_size // 8
    block = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
    numbers = signer.private_numbers()
    signature = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n).to_bytes(size, "big")
    algorithm = element(0x30, oid + last + b"\x05\0")
    return Issued(element(0x30, signed + algorithm + element(0x03, b"\0" + signature)), issued.key)


def element(tag: int, content: bytes) -> bytes:
    """DER."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
