"""The lab's authorities, and what they say of what they signed: lists of the revoked, and OCSP's answers.

In: a certificate, and days from now. Out: CRLs and OCSP responses, signed, as they stand in files (DER).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from lab.pki.issuing import CLIENT, SERVER, Issued, Key, intermediate, issue, root


@dataclass(frozen=True)
class Pki:
    """A root, what it signed, and another root for the people and machines that log in by certificate."""

    root: Issued
    issuing: Issued
    clients: Issued
    responder: str = ""
    """Where a `lab.pki.responder` listens, such as `http://10.77.0.11:8080`; then leaves say so."""

    def server(
        self,
        *names: str,
        since: float = -1,
        until: float = 89,
        key: Key | None = None,
        sha1: bool = False,
        purposes: Sequence[x509.ObjectIdentifier] = (SERVER,),
        must_staple: bool = False,
        by: Issued | None = None,
    ) -> Issued:
        """A server's certificate, for these names. What else may be wrong with one: `lab.pki.issuing.issue`."""
        return issue(
            names[0],
            by or self.issuing,
            names=names,
            since=since,
            until=until,
            key=key,
            sha1=sha1,
            purposes=purposes,
            must_staple=must_staple,
            crl=f"{self.responder}{CRL}" if self.responder else "",
            ocsp=f"{self.responder}{OCSP}" if self.responder else "",
        )

    def client(self, name: str = "deploy", *, since: float = -1, until: float = 89) -> Issued:
        """A certificate to log in with."""
        return issue(name, self.clients, names=(name,), purposes=(CLIENT,), since=since, until=until)


CRL, OCSP = "/issuing.crl", "/ocsp"
"""Where a responder has them."""


def pki(responder: str = "") -> Pki:
    """New authorities."""
    top = root()
    return Pki(top, intermediate(top), root("Lab Clients"), responder)


def crl(by: Issued, *revoked: Issued, since: float = -1, until: float = 6) -> bytes:
    """The list of whom an authority revoked, an hour ago."""
    now = _now()
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=by.certificate.subject,
        last_update=now + timedelta(days=since),
        next_update=now + timedelta(days=until),
    ).add_extension(x509.CRLNumber(1), critical=False)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key())
    builder = builder.add_extension(above, critical=False)
    for one in revoked:
        entry = x509.RevokedCertificateBuilder(one.certificate.serial_number, now - timedelta(hours=1))
        entry = entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(by.key, hashes.SHA256()).public_bytes(Encoding.DER)


def ocsp_response(of: Issued, *, revoked: bool = False, since: float = -1, until: float = 6) -> bytes:
    """What the issuer says of one certificate; with `until` in the past it is stale."""
    issuer, now = of.issuer or of, _now()
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=of.certificate,
        issuer=issuer.certificate,
        algorithm=hashes.SHA1(),  # RFC 6960's own: it names an issuer, and signs nothing
        cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
        this_update=now + timedelta(days=since),
        next_update=now + timedelta(days=until),
        revocation_time=now - timedelta(hours=1) if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, issuer.certificate)
    return builder.sign(issuer.key, hashes.SHA256()).public_bytes(Encoding.DER)


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)
