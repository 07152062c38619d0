"""Certificates: where they are met, where they are stored, and what is bounded of them.

Facts: RFC 5280, 6960, 6962, 8659; CA/B Forum baseline requirements and SC-081v3.
"""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field

from shipworthy.policy._certificates_items import Certificate, CertificateFile
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Items, SubjectPolicy, limit, setting
from shipworthy.policy.language.units import PERCENT, SECONDS


class Policy(SubjectPolicy):
    """Certificates that clients meet, everywhere they are served, and those on disk."""

    endpoints: Items[Certificate] = Field({}, description="Where certificates are served, by a name of yours: `www`.")
    files: Items[CertificateFile] = Field({}, description="Certificates on disk, by path or glob.")
    wait: float = setting(SECONDS, "5 s", says="How long a server has for a handshake.", source="judgement")
    authority_left: Limit = limit(
        SECONDS,
        warn_below="180 d",
        fail_below="60 d",
        check="left",
        words="left",
        says="How long the intermediates of a chain must last.",
        source="judgement: to replace an authority is a project",
    )
    staple_left: Limit = limit(
        PERCENT,
        warn_below="20 %",
        check="revocation",
        words="of its window left",
        says="What must be left of the time for which a stapled OCSP response, or a CRL, holds.",
        source="judgement: servers renew them when half is gone",
    )

    def request(self, checks: frozenset[str]) -> NamedTuple | None:
        """What a host is asked: files, and CAA."""
        del checks
        return None
