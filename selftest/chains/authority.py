"""What authorities say of what they issued, in memory: OCSP's answers, lists of the revoked; and who is to be asked.

In: `Issued`s, and what is to be otherwise than right. Out: DER, signed; for certificates, a `Change` that names URLs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from selftest.chains import pki
from selftest.chains.pki import Change, Issued

GOOD, REVOKED, UNKNOWN = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED, ocsp.OCSPCertStatus.UNKNOWN
NAME, HASH = ocsp.OCSPResponderEncoding.NAME, ocsp.OCSPResponderEncoding.HASH


def at_lists(*urls: str) -> Change:
    """A place for the list of each URL."""
    points = [x509.DistributionPoint([x509.UniformResourceIdentifier(url)], None, None, None) for url in urls]
    return x509.CRLDistributionPoints, (x509.CRLDistributionPoints(points), False)


def at_responders(*urls: str) -> Change:
    """OCSP responders."""
    access = [x509.AccessDescription(x509.OID_OCSP, x509.UniformResourceIdentifier(url)) for url in urls]
    return x509.AuthorityInformationAccess, (x509.AuthorityInformationAccess(access), False)


def response(
    of: Issued,
    issuer: Issued,
    status: ocsp.OCSPCertStatus = GOOD,
    *,
    by: Issued | None = None,
    beside: Sequence[Issued] = (),
    named: ocsp.OCSPResponderEncoding = NAME,
    asked: hashes.HashAlgorithm | None = None,
    begin: datetime = pki.BEGIN,
    end: datetime | None = pki.END,
    revoked_at: datetime = pki.AT,
) -> bytes:
    """OCSP: by the issuer, who signs with its own key and sends nothing along, unless told otherwise."""
    signer, is_revoked = by or issuer, status is REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        of.certificate,
        issuer.certificate,
        asked or hashes.SHA1(),  # RFC 6960's own: it names an issuer, and signs nothing
        status,
        this_update=begin,
        next_update=end,
        revocation_time=revoked_at if is_revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if is_revoked else None,
    )
    builder = builder.responder_id(named, signer.certificate)
    if beside:
        builder = builder.certificates([each.certificate for each in beside])
    algorithm = None if isinstance(signer.key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(signer.key, algorithm).public_bytes(Encoding.DER)


def revoked(
    issued: Issued,
    *reasons: x509.ReasonFlags,
    extension: x509.ExtensionType | None = None,
    at: datetime = pki.AT,
) -> x509.RevokedCertificate:
    """A line of a list."""
    builder = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
    builder = builder.revocation_date(at)
    for reason in reasons:
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    if extension:
        builder = builder.add_extension(extension, critical=True)
    return builder.build()


def crl(
    by: Issued,
    *entries: x509.RevokedCertificate,
    extensions: Sequence[x509.ExtensionType] = (),
    begin: datetime = pki.BEGIN,
    end: datetime = pki.END,
) -> bytes:
    """A list of the revoked."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(by.subject).last_update(begin).next_update(end)
    for entry in entries:
        builder = builder.add_revoked_certificate(entry)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)
