"""Certificates of a lab's own: right in everything, but for what is asked to be otherwise.

In: names, days, and what is to be wrong. Out: `Issued`, a certificate with its key and its issuer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")
_SHA1 = bytes.fromhex("300906072a8648ce3d0401")
"""AlgorithmIdentifiers, ecdsa-with-…: RFC 5758, RFC 3279."""


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and who signed it; None is itself."""

    certificate: x509.Certificate
    key: Key
    issuer: Issued | None = None

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def chain(self) -> tuple[Issued, ...]:
        """As it is right to serve it: itself, whoever signed that, and so on; but no root."""
        return (self, *(self.issuer.chain if self.issuer.issuer else ())) if self.issuer else (self,)


def root(name: str = "Lab Root", *, since: float = -3650, until: float = 3650) -> Issued:
    """An authority that signed itself."""
    return issue(name, None, authority=True, purposes=(), since=since, until=until)


def intermediate(
    by: Issued, name: str = "Lab Issuing", *, since: float = -365, until: float = 1460, crl: str = ""
) -> Issued:
    """An authority that signs leaves only."""
    return issue(name, by, authority=True, path_length=0, purposes=(), since=since, until=until, crl=crl)


def issue(
    common_name: str,
    by: Issued | None,
    *,
    names: Sequence[str] = (),
    since: float = -1,
    until: float = 89,
    key: Key | None = None,
    sha1: bool = False,
    authority: bool | None = False,
    path_length: int | None = None,
    purposes: Sequence[x509.ObjectIdentifier] = (SERVER,),
    must_staple: bool = False,
    crl: str = "",
    ocsp: str = "",
    serial: int | None = None,
) -> Issued:
    """A certificate. `names` are DNS names and IP addresses; `since` and `until` are days from now.

    Empty `names` and `purposes`, and `authority=None`, leave their extension out. Only EC keys sign with SHA-1.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    signer = by.key if by else key
    subject = x509.Name.from_rfc4514_string(f"CN={common_name}")
    now = datetime.now(UTC).replace(microsecond=0)
    builder = x509.CertificateBuilder(
        issuer_name=by.certificate.subject if by else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=serial or x509.random_serial_number(),
        not_valid_before=now + timedelta(days=since),
        not_valid_after=now + timedelta(days=until),
    )
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(above, critical=False)
    builder = builder.add_extension(_usage(key, authority=bool(authority)), critical=True)
    if authority is not None:
        builder = builder.add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(_name, names)), critical=False)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    if crl:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(crl)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    if ocsp:
        access = x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier(ocsp))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    certificate = builder.sign(signer, hashes.SHA256())
    return Issued(_with_sha1(certificate, signer) if sha1 else certificate, key, by)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """The one of this size: they take long to make."""
    return rsa.generate_private_key(65537, bits)


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(key: Key, *, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=isinstance(key, rsa.RSAPrivateKey) and not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _with_sha1(certificate: x509.Certificate, signer: CertificateIssuerPrivateKeyTypes) -> x509.Certificate:
    """The same, signed anew: the builder refuses SHA-1."""
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    signed = certificate.tbs_certificate_bytes
    body = signed[2 + (signed[1] & 0x7F if signed[1] & 0x80 else 0) :]
    signed = _element(0x30, body.replace(_SHA256, _SHA1, 1))
    signature = _element(0x03, b"\0" + signer.sign(signed, ec.ECDSA(hashes.SHA1())))
    return x509.load_der_x509_certificate(_element(0x30, signed + _SHA1 + signature))


def _element(tag: int, content: bytes) -> bytes:
    """DER."""
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, size] if size < 0x80 else [tag, 0x80 | len(octets), *octets]) + content
