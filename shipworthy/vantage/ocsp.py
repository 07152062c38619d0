"""OCSP, pure: the question about a certificate, and what a response says of it, if it is to be believed at all.

In: DER. A response is believed where the issuer signed it, or a delegate: a certificate that comes with the response,
was issued by the issuer's own key, and is for OCSPSigning. No clock: whoever judges compares times, the delegate's too.
Source: RFC 6960, sections 3.2 and 4.2.2.2; RFC 5019 for the question, which has no nonce and is told with SHA-1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.chain.certificate import read as read_certificate

MOST_BYTES = 64 * 1024
"""Of a response; those of public CAs come to some 2 KiB, 20 KiB with post-quantum signatures."""
_MOST_ANSWERS = 100
_MOST_DELEGATES = 4
_WEAK = ("md5", "sha1")
_UNREADABLE = (ValueError, TypeError, OverflowError, UnsupportedAlgorithm, x509.UnsupportedGeneralNameType, Warning)
_STATUSES = {
    ocsp.OCSPCertStatus.GOOD: "good",
    ocsp.OCSPCertStatus.REVOKED: "revoked",
    ocsp.OCSPCertStatus.UNKNOWN: "unknown",
}


class Ocsp(NamedTuple):
    """What a response says of one certificate, signed as it must be. Times are seconds since the epoch."""

    status: str
    """`good`, `revoked` or `unknown`."""
    this_update: float
    next_update: float | None
    revoked_at: float | None
    reason: str
    """`key_compromise`, …; empty where none is given."""
    signer_from: float | None = None
    signer_until: float | None = None
    """When the delegate's certificate is valid, both inclusive; None where the issuer signed."""


def question(certificate: bytes, issuer: bytes) -> bytes:
    """What a responder is asked; raises ValueError where the certificates cannot be asked about."""
    try:
        subject, authority = x509.load_der_x509_certificate(certificate), x509.load_der_x509_certificate(issuer)
        builder = ocsp.OCSPRequestBuilder().add_certificate(subject, authority, hashes.SHA1())  # noqa: S303 -- a name
        return builder.build().public_bytes(Encoding.DER)
    except _UNREADABLE as error:
        raise ValueError(shown(str(error))) from error


def is_response(data: bytes) -> bool:
    """Whether it is a response at all, whatever it says and whoever signed it."""
    try:
        ocsp.load_der_ocsp_response(data)
    except _UNREADABLE:
        return False
    return True


def read(response: bytes, certificate: bytes, issuer: bytes) -> Ocsp | str:
    """What `response` says of `certificate`; where it is not to be believed, or says nothing of it: `is …`, `has …`.

    `issuer` is the certificate of whom signed `certificate`, which the caller has found out. Whatever the bytes are,
    nothing is raised.
    """
    if len(response) > MOST_BYTES:
        return f"has {len(response)} bytes, more than {MOST_BYTES}: not looked at"
    try:
        mine, authority = read_certificate(certificate), read_certificate(issuer)
        said = ocsp.load_der_ocsp_response(response)
        if said.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return f"is an error: {said.response_status.name.lower().replace('_', ' ')}"
        signer = _signer(said, authority)
        return signer if isinstance(signer, str) else _of(said, mine, authority, signer)
    except _UNREADABLE as error:
        return f"cannot be read: {shown(str(error))}"


def _of(said: ocsp.OCSPResponse, mine: Certificate, authority: Certificate, signer: Certificate) -> Ocsp | str:
    found: list[Ocsp] = []
    for number, one in enumerate(said.responses):
        if number >= _MOST_ANSWERS:
            return f"is about more than {_MOST_ANSWERS} certificates: not looked at"
        if _is_about(one, mine, authority):
            found.append(_told(one, signer if signer is not authority else None))
    if not found:
        return "is about another certificate"
    return next((each for each in found if each.status == "revoked"), found[0])


def _told(one: ocsp.OCSPSingleResponse, delegate: Certificate | None) -> Ocsp:
    span = [each.timestamp() for each in delegate.validity()] if delegate else [None, None]
    return Ocsp(
        _STATUSES[one.certificate_status],
        one.this_update_utc.timestamp(),
        one.next_update_utc.timestamp() if one.next_update_utc else None,
        one.revocation_time_utc.timestamp() if one.revocation_time_utc else None,
        one.revocation_reason.name if one.revocation_reason else "",
        *span,
    )


def _is_about(one: ocsp.OCSPSingleResponse, mine: Certificate, authority: Certificate) -> bool:
    """Whether its CertID is that of the certificate: serial number, and the issuer's name and key as hashes."""
    if one.serial_number != mine.serial:
        return False
    digest = one.hash_algorithm.name
    return (
        hashlib.new(digest, mine.issuer).digest() == one.issuer_name_hash
        and hashlib.new(digest, authority.key_bits).digest() == one.issuer_key_hash
    )


def _signer(said: ocsp.OCSPResponse, authority: Certificate) -> Certificate | str:
    """The issuer, or its delegate, that the response names and that signed it; a sentence where there is none."""
    digest = said.signature_hash_algorithm
    if digest is not None and digest.name in _WEAK:
        return f"is signed with {digest.name.upper()}, which proves nothing"
    why = "is signed neither by the issuer nor by a certificate that came with it"
    for candidate in _candidates(said, authority):
        if not _is_named(said, candidate):
            continue
        if candidate is not authority and (reason := _not_delegated(candidate, authority)):
            why = f"is signed by {candidate.label}, {reason}"
        elif _signed(said, candidate):
            return candidate
        else:
            why = f"is not signed by {candidate.label}, whom it names"
    return why


def _candidates(said: ocsp.OCSPResponse, authority: Certificate) -> Iterator[Certificate]:
    yield authority
    for each in said.certificates[:_MOST_DELEGATES]:
        yield read_certificate(each.public_bytes(Encoding.DER))


def _is_named(said: ocsp.OCSPResponse, candidate: Certificate) -> bool:
    """Whether it is the responder of which the response says that it signed it: by name, or by its key's SHA-1."""
    if said.responder_key_hash is not None:
        return said.responder_key_hash == hashlib.sha1(candidate.key_bits).digest()  # noqa: S324 -- an identifier
    return said.responder_name == candidate.parsed.subject


def _not_delegated(candidate: Certificate, authority: Certificate) -> str:
    """Why the issuer did not entrust it with answers; empty where it did."""
    try:
        candidate.parsed.verify_directly_issued_by(authority.parsed)
    except (InvalidSignature, *_UNREADABLE):
        return "which the issuer did not issue"
    purposes = candidate.value(x509.ExtendedKeyUsage)
    if purposes is None or x509.OID_OCSP_SIGNING not in purposes:
        return "which is not for OCSPSigning"
    return ""


def _signed(said: ocsp.OCSPResponse, by: Certificate) -> bool:
    key, digest = by.parsed.public_key(), said.signature_hash_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and digest is not None:
            key.verify(said.signature, said.tbs_response_bytes, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey) and digest is not None:
            key.verify(said.signature, said.tbs_response_bytes, ec.ECDSA(digest))
        elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) and digest is None:
            key.verify(said.signature, said.tbs_response_bytes)
        else:
            return False
    except InvalidSignature:
        return False
    return True
