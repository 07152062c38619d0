"""A CRL, pure: what it says of one certificate, and whether that is anybody's word.

In: DER. Believed is what the certificate's own issuer signed, for such certificates, at a place that the certificate
names. Indirect lists, which somebody else keeps, are told as unsigned; delta lists are not looked at. No clock here.
Source: RFC 5280, sections 5 and 6.3.3.
"""

from __future__ import annotations

from functools import cached_property

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.meeting import Listed

_WEAK = ("md5", "sha1")
_UNREADABLE = (
    ValueError,
    TypeError,
    OverflowError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
    Warning,
)
_UNDERSTOOD = (x509.IssuingDistributionPoint, x509.CRLNumber, x509.AuthorityKeyIdentifier)


class RevocationList:
    """One that could be read; raises ValueError with the reason why not."""

    def __init__(self, data: bytes) -> None:
        try:
            self._parsed = x509.load_der_x509_crl(data)
            self._extensions = list(self._parsed.extensions)
            self._begin = self._parsed.last_update_utc.timestamp()
            end = self._parsed.next_update_utc
            self._end = end.timestamp() if end else None
            self._issuer = shown(self._parsed.issuer.rfc4514_string())
        except _UNREADABLE as error:
            raise ValueError(f"is no CRL in DER: {shown(str(error))}") from error
        self._signed: dict[bytes, bool] = {}

    def says(self, certificate: Certificate, issuer: Certificate) -> Listed | str:
        """What it says of a certificate that `issuer` signed; a sentence where it says nothing of such."""
        if why := self._beside(certificate):
            return why
        try:
            found = self._entries.get(certificate.serial)
            reason = _reason(found) if found else ""
            at = found.revocation_date_utc.timestamp() if found else None
        except _UNREADABLE as error:
            return f"its entries cannot be read: {shown(str(error))}"
        return Listed(self._issuer, self._begin, self._end, self._is_signed(issuer), at, reason)

    @cached_property
    def _entries(self) -> dict[int, x509.RevokedCertificate]:
        return {each.serial_number: each for each in self._parsed}

    def _beside(self, certificate: Certificate) -> str:
        """Why such a certificate would not stand in it, were it revoked; empty where it would."""
        for extension in self._extensions:
            if isinstance(extension.value, x509.DeltaCRLIndicator):
                return "is a delta CRL, which says only what is new"
            if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
                return f"has a critical extension that is not understood: {extension.oid.dotted_string}"
        scope = self._scope()
        if scope is None:
            return ""
        if scope.only_some_reasons:
            return "tells only of some reasons for revocation"
        of_authorities = certificate.is_authority
        if (
            scope.only_contains_attribute_certs
            or (scope.only_contains_ca_certs and not of_authorities)
            or (scope.only_contains_user_certs and of_authorities)
        ):
            return "is about certificates of another kind"
        names = {name.value for name in scope.full_name or () if isinstance(name, x509.UniformResourceIdentifier)}
        if scope.relative_name is not None or (scope.full_name and not names & set(urls_of(certificate))):
            return "is the CRL of another distribution point"
        return ""

    def _scope(self) -> x509.IssuingDistributionPoint | None:
        values = (each.value for each in self._extensions)
        return next((each for each in values if isinstance(each, x509.IssuingDistributionPoint)), None)

    def _is_signed(self, issuer: Certificate) -> bool:
        if issuer.der not in self._signed:
            self._signed[issuer.der] = self._signed_by(issuer)
        return self._signed[issuer.der]

    def _signed_by(self, issuer: Certificate) -> bool:
        scope, usage = self._scope(), issuer.value(x509.KeyUsage)
        if (scope and scope.indirect_crl) or (usage and not usage.crl_sign):
            return False
        try:
            digest = self._parsed.signature_hash_algorithm
            if digest is not None and digest.name in _WEAK:
                return False
            key = issuer.parsed.public_key()
            return self._parsed.issuer == issuer.parsed.subject and self._parsed.is_signature_valid(key)  # type: ignore[arg-type]
        except _UNREADABLE:
            return False


def urls_of(certificate: Certificate) -> list[str]:
    """Where the CRLs are that it may stand in, as it says itself."""
    points = certificate.value(x509.CRLDistributionPoints) or ()
    names = (name for point in points for name in point.full_name or ())
    return [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]


def _reason(found: x509.RevokedCertificate) -> str:
    for extension in found.extensions:
        if isinstance(extension.value, x509.CRLReason):
            return extension.value.reason.name
    return ""
