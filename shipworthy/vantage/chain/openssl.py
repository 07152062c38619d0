"""OpenSSL's verdict on one path, or on all that a server showed, and its own words for it.

PARTIAL_CHAIN: what is trusted is trusted, root or not, as in every other verifier. X509_STRICT: RFC 5280's profile, as
Python asks for it since 3.13. Not POLICY_CHECK: without an initial policy set, which pyOpenSSL cannot give, OpenSSL
rejects every chain that makes policies mandatory; cryptography rejects those as well. pyOpenSSL can neither ask for
names nor for a purpose; those are judged by the others.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from OpenSSL import crypto

from shipworthy.vantage.chain.certificate import Certificate

CODES = {
    2: "issuer-missing",
    7: "signature-invalid",
    9: "not-yet-valid",
    10: "expired",
    18: "root-unknown",
    19: "root-unknown",
    20: "issuer-missing",
    21: "issuer-missing",
    24: "issuer-is-no-authority",
    25: "path-too-long",
    34: "critical-unknown",
    47: "name-constraints",
    48: "name-constraints",
    51: "name-constraints",
    79: "issuer-is-no-authority",
}
NAME_CONSTRAINTS_VIOLATED = (47, 48)
_PLAIN = crypto.X509StoreFlags.PARTIAL_CHAIN
_STRICT = _PLAIN | crypto.X509StoreFlags.X509_STRICT


class Verdict(NamedTuple):
    """What OpenSSL says."""

    accepts: bool
    number: int = 0
    """X509_V_ERR_…; 0 where it accepts, or could not even read."""
    words: str = ""
    about: str = ""
    """Which certificate is meant, where that is known."""

    @property
    def told(self) -> str:
        """Its words, with the certificate."""
        return f"{self.words} ({self.about})" if self.about else self.words

    @property
    def code(self) -> str:
        """Ours for its number."""
        return CODES.get(self.number, "rejected")


def judge(
    leaf: Certificate,
    issuers: Iterable[Certificate],
    anchors: Iterable[Certificate],
    at: datetime,
    *,
    strict: bool = True,
) -> Verdict:
    """Ask OpenSSL."""
    chain, trusted = [leaf, *issuers], list(anchors)
    try:
        store = crypto.X509Store()
        store.set_flags(_STRICT if strict else _PLAIN)
        store.set_time(at)
        for anchor in trusted:
            store.add_cert(anchor.for_openssl)
        context = crypto.X509StoreContext(store, leaf.for_openssl, [each.for_openssl for each in chain[1:]])
        context.verify_certificate()
    except crypto.X509StoreContextError as error:
        number, depth, words = error.errors
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, error.certificate)
        about = next((each.label for each in [*chain, *trusted] if each.der == der), "")
        return Verdict(accepts=False, number=number, words=f"{number} at depth {depth}: {words}", about=about)
    except crypto.Error as error:
        return Verdict(accepts=False, words=f"unreadable: {_reason(error)}")
    return Verdict(accepts=True)


def _reason(error: crypto.Error) -> str:
    entries = error.args[0] if error.args else []
    return str(entries[0][-1]) if entries else "no reason given"
