"""Kinds of keys: servers may have a certificate of each, and show one or the other, as a client knows them.

In: what was seen at one address. Out: of which kinds there is a certificate, of which there is none, and of which that
is not known. Kinds are those of `meeting.KEYS`; empty for a leaf of another, or one that cannot be read.
"""

from __future__ import annotations

from shipworthy.judging.chains import read
from shipworthy.judging.shown import is_our_own
from shipworthy.vantage.meeting import Seen, Served

_NEW_ALONE = "alert protocol_version"
"""What servers say that speak TLS 1.3 alone."""


def kind(leaf: str) -> str:
    """Of a certificate in base64."""
    certificate, _ = read(leaf)
    return certificate.kind_of_key if certificate else ""


def shown(seen: Seen) -> set[str]:
    """Those of which a certificate is shown to who asks by the endpoint's own name."""
    chains = [seen.chain, *(other.chain for other in seen.others if other.key)]
    return {kind(chain[0]) for chain in chains if chain}


def refused(seen: Seen) -> set[str]:
    """Those of which there is none, though it was asked for."""
    return {other.key for other in seen.others if other.key and not other.chain and not _is_unknown(other)}


def unknown(seen: Seen) -> dict[str, str]:
    """Those of which there may be one, and why that is not known."""
    return {
        other.key: "it speaks TLS 1.3 alone" if other.error == _NEW_ALONE else other.error
        for other in seen.others
        if other.key and not other.chain and _is_unknown(other)
    }


def _is_unknown(other: Served) -> bool:
    return other.error == _NEW_ALONE or is_our_own(other.error)
