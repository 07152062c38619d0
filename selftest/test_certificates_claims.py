"""What the checks of served certificates conclude: what is shown where, a policy, a time → outcome and message."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

from lab.pki.issuing import rsa_key
from selftest.certificates import (
    AT,
    CHAIN,
    DAY,
    HOUR,
    ISSUING,
    LEAF,
    MODERN,
    NAME,
    NO_RSA,
    NOT_ASKED,
    ONLY_NEW,
    OTHER_ROOT,
    ROOT,
    RSA_KEY,
    SECOND,
    V4,
    V6,
    WELL,
    Case,
    Ends,
    Place,
    World,
    at_one,
    concluded,
    everywhere,
    leaf,
    living,
    served,
    told,
)
from selftest.chains import pki
from selftest.chains.pki import Issued
from selftest.judged import lines
from shipworthy.vantage.meeting import Store

GARBAGE = b"0\x82\x01\x00garbage"
SILENT = Place(error="no answer within 5 s", rung="tcp")
NO_ROUTE = Place(error="no route", rung="tcp")
PLAIN = Place(error="speaks no TLS: plain text '220 mail'")
ASKING = Place(asks=True)


def by_rsa(**fields: Any) -> Place:
    """A right certificate, and another of the same issuer for clients that know RSA alone."""
    return Place(by_key=("RSA", (leaf(**{"key": RSA_KEY, **fields}), ISSUING)))


TURNED_AWAY = Place((LEAF, ISSUING), error="alert handshake_failure", asks=True)
NONE = "no certificate was shown: refused; see certificates.handshake"
NOBODY = everywhere(Place(error="refused", rung="tcp"))
BACKENDS = {"backends": ["10.0.0.2:443", "[fd00::2]:8443"]}


def backends(first: Place, second: Place) -> World:
    return World({NAME: {V4: WELL, V6: WELL}, "10.0.0.2": {"10.0.0.2": first}, "fd00::2": {"fd00::2": second}})


def without(family: str, error: str) -> World:
    address = V6 if family == "ipv6" else V4
    return World({NAME: {each: WELL for each in (V4, V6) if each != address}}, {family: error})


HANDSHAKE = {
    "everywhere": Case("passed", ""),
    "refused at one": Case("failed", "www: refused, only at fd00::1", at_one(Place(error="refused", rung="tcp"))),
    "silent": Case("failed", "www: no answer within 5 s, at 10.0.0.1 and 1 more", everywhere(SILENT)),
    "plain text": Case("failed", "www: speaks no TLS: plain text '220 mail', only at fd00::1", at_one(PLAIN)),
    "each in its way": Case(
        "failed",
        "www: no answer within 5 s, only at 10.0.0.1; alert internal_error, only at fd00::1",
        World({NAME: {V4: SILENT, V6: Place(error="alert internal_error")}}),
    ),
    "before TLS": Case(
        "failed",
        "www: smtp: closed without an answer, at 10.0.0.1 and 1 more",
        everywhere(Place(error="closed without an answer", rung="starttls")),
        {"starttls": "smtp"},
    ),
    "no certificate": Case("failed", "www: no certificate is shown, only at fd00::1", at_one(Place(()))),
    "no IPv6 address": Case("failed", f"www: {NAME} has no IPv6 address", without("ipv6", "no address")),
    "no such name": Case(
        "failed", f"www: {NAME} has no IPv4 address: no such name", without("ipv4", "no such name")
    ),
    "no IPv6 address, and nobody speaks it": Case(
        "passed", "", without("ipv6", "no address"), families=("ipv4",)
    ),
    "no IPv6 address, and it has none": Case("passed", "", without("ipv6", "no address"), {"families": ["ipv4"]}),
    "IPv6 is broken, and is not its own": Case(
        "passed", "", at_one(Place(error="refused", rung="tcp")), {"families": ["ipv4"]}
    ),
    "a family that was not resolved": Case(
        "error", f"www: {NAME} was not resolved in IPv6", World({NAME: {V4: WELL}})
    ),
    "an address, which has one family": Case("passed", "", World({V4: {V4: WELL}}), {"connect": f"{V4}:443"}),
    "an IPv6 address where only IPv4 is spoken": Case(
        "failed",
        "www: refused, at fd00::1",
        World({V6: {V6: Place(error="refused", rung="tcp")}}),
        {"connect": f"[{V6}]:443"},
        families=("ipv4",),
    ),
    "it has no second certificate": Case("passed", "", everywhere(NO_RSA)),
    "it cannot be asked for a second one": Case("passed", "", everywhere(ONLY_NEW)),
    "it was not asked for a second one": Case(
        "error", "www: not met: the time was up, only at fd00::1 by RSA", at_one(NOT_ASKED)
    ),
    "no route from here": Case("error", "www: no route, only at fd00::1", at_one(NO_ROUTE)),
    "no route to one, and the other is silent": Case(
        "failed", "www: no answer within 5 s, only at 10.0.0.1", World({NAME: {V4: SILENT, V6: NO_ROUTE}})
    ),
    "the time was up": Case(
        "error", "www: not met: the time was up, only at fd00::1", at_one(Place(error="not met: the time was up"))
    ),
    "OpenSSL here": Case(
        "error",
        "www: OpenSSL here: no protocols available, only at fd00::1",
        at_one(Place(error="OpenSSL here: no protocols available")),
    ),
    "the relay is gone": Case(
        "error",
        "www: the relay on the host is gone: reset, only at fd00::1",
        at_one(Place(error="the relay on the host is gone: reset", rung="tcp")),
    ),
    "the relay is gone before it resolved": Case(
        "error",
        f"www: {NAME} has no IPv6 address: the relay on the host is gone: reset",
        without("ipv6", "the relay on the host is gone: reset"),
    ),
    "nothing was resolved": Case(
        "error",
        f"www: {NAME} has no IPv4 address: not met; {NAME} has no IPv6 address: not met",
        World({NAME: {}}, {"ipv4": "not met", "ipv6": "not met"}),
    ),
    "what was found is not kept": Case(
        "error",
        "www: not kept: more than 2 MiB in all, only at fd00::1",
        at_one(Place((), error="not kept: more than 2 MiB in all")),
    ),
    "too many addresses": Case(
        "error",
        f"www: {NAME} has 40 addresses: only the first 32 were met",
        World(absent={"ipv6": "40 addresses: only the first 32 were met"}),
    ),
    "an address that nobody has": Case(
        "failed",
        "www: link-local, multicast or unspecified: not met, only at 224.0.0.1",
        World({NAME: {V4: WELL, V6: WELL, "224.0.0.1": Place(
            error="link-local, multicast or unspecified: not met", rung="resolve")}}),
    ),
    "a backend": Case(
        "failed", "www: refused, only at [fd00::2]:8443", backends(WELL, Place(error="refused", rung="tcp")), BACKENDS
    ),
    "a backend was not met": Case(
        "error",
        "www: fd00::2 was not met in this run",
        World({NAME: {V4: WELL, V6: WELL}, "10.0.0.2": {"10.0.0.2": WELL}}),
        BACKENDS,
    ),
    "another name": Case(
        "failed",
        "www: alert unrecognized_name, only at 10.0.0.1 as api.example.com, fd00::1 as api.example.com",
        everywhere(Place(others={"api.example.com": "alert unrecognized_name"})),
        {"names": ["api.example.com"]},
    ),
    "without a name": Case(
        "failed",
        "www: no certificate is shown, only at 10.0.0.1 without a name",
        World({NAME: {V4: Place(others={"": ()}), V6: WELL}}),
        {"without_name": True},
    ),
    "it asks for a certificate, as it should": Case(
        "passed", "", everywhere(TURNED_AWAY), {"client_certificate": True}
    ),
    "it asks for a certificate, and none is spoken of": Case(
        "failed",
        "www: alert handshake_failure, as it asks for a client certificate, at 10.0.0.1 and 1 more",
        everywhere(TURNED_AWAY),
    ),
    "it asks politely": Case("passed", "", everywhere(ASKING)),
    "broken behind its certificate": Case(
        "failed",
        "www: alert handshake_failure, behind its certificate, only at fd00::1",
        at_one(Place((LEAF, ISSUING), error="alert handshake_failure")),
    ),
    "many addresses": Case(
        "failed",
        "www: refused, only at 10.0.0.10, 10.0.0.11, 10.0.0.12, 10.0.0.13, 10.0.0.14 and 2 more",
        World({NAME: {V4: WELL, V6: WELL}
               | {f"10.0.0.{at}": Place(error="refused", rung="tcp") for at in range(10, 17)}}),
    ),
    "not met": Case("error", "www: the time was up", World({}, error="the time was up")),
}  # fmt: skip
EXPIRED = living(90, -SECOND)
LAST = living(90, 0 * SECOND)
OLD_AUTHORITY = pki.intermediate(ROOT, subject="CN=issuing,O=Example Trust", end=AT - DAY)
SAME_KEY = pki.intermediate(ROOT, subject="CN=issuing,O=Example Trust", key=ISSUING.key, end=AT - DAY)
STRANGER = pki.intermediate(OTHER_ROOT, subject="CN=stranger")
IN_DATE = {
    "in date": Case("passed", ""),
    "the last second": Case("passed", "", served(LAST, ISSUING)),
    "a second later": Case(
        "failed",
        f"www: CN={NAME} expired on 2026-11-25 11:59:59 UTC, at 10.0.0.1 and 1 more",
        served(EXPIRED, ISSUING),
    ),
    "the second one": Case(
        "failed",
        f"www: CN={NAME} expired on 2026-11-25 11:59:59 UTC, only at fd00::1 by RSA",
        at_one(by_rsa(end=AT - SECOND)),
    ),
    "told another day": Case(
        "failed", f"www: CN={NAME} expired on 2027-01-01 00:00:00 UTC, at 10.0.0.1 and 1 more", after=60 * DAY
    ),
    "the first second": Case("passed", "", served(leaf(begin=AT), ISSUING)),
    "a second too early": Case(
        "failed",
        f"www: CN={NAME} is valid from 2026-11-25 12:00:01 UTC, at 10.0.0.1 and 1 more",
        served(leaf(begin=AT + SECOND), ISSUING),
    ),
    "at one address": Case(
        "failed",
        f"www: CN={NAME} expired on 2026-11-25 11:59:59 UTC, only at fd00::1",
        at_one(Place((EXPIRED, ISSUING))),
    ),
    "an intermediate": Case(
        "failed",
        "www: CN=issuing expired on 2026-11-24 12:00:00 UTC, at 10.0.0.1 and 1 more",
        served(leaf(by=OLD_AUTHORITY), OLD_AUTHORITY),
    ),
    "an old intermediate beside the new one": Case(
        "warned",
        "www: CN=issuing expired on 2026-11-24 12:00:00 UTC, and is served without need, at 10.0.0.1 and 1 more",
        served(LEAF, SAME_KEY, ISSUING),
    ),
    "a stranger that has expired": Case(
        "warned",
        "www: CN=old expired on 2026-11-24 12:00:00 UTC, and is served without need, at 10.0.0.1 and 1 more",
        served(LEAF, ISSUING, pki.intermediate(OTHER_ROOT, subject="CN=old", end=AT - DAY)),
    ),
    "the root": Case(
        "failed",
        "www: CN=old root expired on 2026-11-24 12:00:00 UTC, at 10.0.0.1 and 1 more",
        World({NAME: {V4: Place((leaf(by=(OLD := pki.root(subject="CN=old root", end=AT - DAY))),)), V6: Place((
            leaf(by=OLD),))}}, roots=(OLD,)),
    ),
    "of whom nobody knows the root": Case(
        "failed",
        f"www: CN={NAME} expired on 2026-11-25 11:59:59 UTC, at 10.0.0.1 and 1 more",
        World({NAME: dict.fromkeys((V4, V6), Place((EXPIRED,)))}, roots=()),
    ),
    "a wrong name is another check's": Case("passed", "", served(leaf(names=("other.example.com",)), ISSUING)),
    "none was shown": Case("error", NONE, NOBODY),
    "one that is silent is another check's": Case("passed", "", at_one(SILENT)),
    "one that cannot be read": Case(
        "error",
        "www: its certificate cannot be read, only at fd00::1; see certificates.trust",
        at_one(Place((GARBAGE,))),
    ),
}  # fmt: skip
MIDDLE = pki.intermediate(ROOT, subject="CN=middle")
LOWER = pki.intermediate(MIDDLE, subject="CN=lower")
OF_LOWER = leaf(by=LOWER)
SELF = pki.issue(pki.named(f"CN={NAME}"), (SELF_KEY := pki.new_key()), None, [
    pki.usage("digital_signature"), pki.purposes(Purpose.SERVER_AUTH), pki.san(*pki.dns(NAME)),
    pki.key_identifier(SELF_KEY),
])  # fmt: skip
TO_OTHERS = World(roots=(OTHER_ROOT,))
UNREAD = Store("/etc/ssl/roots.pem", 0, [], "not permitted")
CHAIN_CLAIM = {
    "complete": Case("passed", ""),
    "the leaf alone": Case(
        "failed",
        f"www: the issuer of CN={NAME}, CN=issuing,O=Example Trust, was not served, at 10.0.0.1 and 1 more",
        served(LEAF),
    ),
    "at one address": Case(
        "failed",
        f"www: the issuer of CN={NAME}, CN=issuing,O=Example Trust, was not served, only at fd00::1",
        at_one(Place((LEAF,))),
    ),
    "a gap in the middle": Case(
        "failed",
        f"www: the issuer of CN={NAME}, CN=lower, was not served, at 10.0.0.1 and 1 more",
        served(OF_LOWER, MIDDLE),
    ),
    "a gap higher up": Case(
        "failed",
        "www: the issuer of CN=lowest, CN=lower, was not served, at 10.0.0.1 and 1 more",
        served(
            leaf(by=(LOWEST := pki.intermediate(LOWER, subject="CN=lowest"))), LOWEST, MIDDLE
        ),
    ),
    "issued by a root": Case("passed", "", served(leaf(by=ROOT))),
    "the missing one is trusted itself": Case(
        "passed", "", World({NAME: dict.fromkeys((V4, V6), Place((LEAF,)))}, roots=(ISSUING,))
    ),
    "the leaf is trusted itself": Case(
        "passed", "", World({NAME: dict.fromkeys((V4, V6), Place((LEAF,)))}, roots=(LEAF,))
    ),
    "an intermediate is trusted, and a stranger beside it is no gap": Case(
        "warned",
        "www: served, and not needed: CN=stranger, at 10.0.0.1 and 1 more",
        World({NAME: dict.fromkeys((V4, V6), Place((*CHAIN, STRANGER)))}, roots=(ISSUING,)),
    ),
    "an unknown root is a matter of trust": Case("passed", "", TO_OTHERS),
    "self-signed is a matter of trust": Case("passed", "", served(SELF)),
    "the wrong order": Case(
        "warned",
        "www: the certificates were not served in the order of their issuers, at 10.0.0.1 and 1 more",
        served(OF_LOWER, MIDDLE, LOWER),
    ),
    "one too many": Case(
        "warned", "www: served, and not needed: CN=stranger, at 10.0.0.1 and 1 more", served(LEAF, ISSUING, STRANGER)
    ),
    "the root": Case(
        "warned",
        "www: a root was served, which clients have: CN=root, at 10.0.0.1 and 1 more",
        served(LEAF, ISSUING, ROOT),
    ),
    "twice": Case(
        "warned", "www: a certificate was served more than once, only at fd00::1", at_one(Place((*CHAIN, ISSUING)))
    ),
    "two hundred": Case(
        "warned",
        "www: 99 of 199 certificates beside the leaf were not looked at: at most 100 certificates and 1048576 bytes "
        "are, at 10.0.0.1 and 1 more; a certificate was served more than once, at 10.0.0.1 and 1 more",
        served(LEAF, *[ISSUING] * 199),
    ),
    "the roots are not known": Case(
        "error", "www: trust store /etc/ssl/roots.pem: not permitted",
        World({NAME: dict.fromkeys((V4, V6), Place((LEAF,)))}, store=UNREAD),
    ),
    "none was shown": Case("error", NONE, NOBODY),
}  # fmt: skip
FORGED = pki.leaf(pki.Issued(ISSUING.der, pki.new_key()), pki.san(*pki.dns(NAME)), subject=f"CN={NAME}", serial=0xA1)
KNOTTED = [pki.Issued(pki.root(subject="CN=same", key=key).der, key) for key in (pki.new_key() for _ in range(9))]
KNOT = (
    leaf(by=KNOTTED[0]),
    *(
        pki.intermediate(KNOTTED[by], pki.without(x509.AuthorityKeyIdentifier), subject="CN=same", key=KNOTTED[of].key)
        for by, of in itertools.permutations(range(9), 2)
    ),
)
NO_AKI = leaf(pki.without(x509.AuthorityKeyIdentifier))
EASY = pki.root(pki.basic(ca=True, critical=False), pki.usage("key_cert_sign", "crl_sign", critical=False))
BELOW_EASY = World({NAME: dict.fromkeys((V4, V6), Place((leaf(by=EASY),)))}, roots=(EASY,))
POLICIES = x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)])
TRUST = {
    "trusted": Case("passed", ""),
    "an unknown root": Case(
        "failed",
        "www: the issuer of CN=issuing was not served, and is no root that is trusted "
        "(of 140 in /etc/ssl/ca.pem), at 10.0.0.1 and 1 more",
        TO_OTHERS,
    ),
    "an unknown root that was served": Case(
        "failed",
        "www: CN=root is its own issuer, and no root that is trusted "
        "(of 140 in /srv/roots.pem), at 10.0.0.1 and 1 more",
        World({NAME: dict.fromkeys((V4, V6), Place((*CHAIN, ROOT)))}, roots=(OTHER_ROOT,)),
        {"roots": "/srv/roots.pem"},
    ),
    "self-signed": Case(
        "failed",
        f"www: CN={NAME} is its own issuer, and no root that is trusted (of 140 in /etc/ssl/ca.pem), only at fd00::1",
        at_one(Place((SELF,))),
    ),
    "an intermediate is missing": Case(
        "failed",
        f"www: the issuer of CN={NAME} was not served, and is no root that is trusted "
        "(of 140 in /etc/ssl/ca.pem), at 10.0.0.1 and 1 more",
        served(LEAF),
    ),
    "there is no trust store": Case(
        "failed",
        "www: the issuer of CN=issuing was not served, and is no root that is trusted "
        "(of 0 in the trust store), at 10.0.0.1 and 1 more",
        World(store=Store("", 0, [], "")),
    ),
    "the trust store cannot be read": Case(
        "error", "www: trust store /etc/ssl/roots.pem: not permitted", World(store=UNREAD)
    ),
    "signed by somebody else": Case(
        "failed",
        f"www: CN={NAME} is not signed by CN=issuing, whose name it gives, at 10.0.0.1 and 1 more",
        served(FORGED, ISSUING),
    ),
    "an intermediate is trusted": Case(
        "warned",
        "www: CN=issuing is trusted as it is, though it is no root: OpenSSL wants PARTIAL_CHAIN for that, "
        "at 10.0.0.1 and 1 more",
        World(roots=(ISSUING,)),
    ),
    "a knot of issuers": Case(
        "failed",
        "www: among the ways that were looked at none leads to a root, and there are more, at 10.0.0.1 and 1 more",
        served(*KNOT),
    ),
    "a public one without AKI": Case(
        "failed",
        f"www: OpenSSL: 85 at depth 0: Missing Authority Key Identifier (CN={NAME}), at 10.0.0.1 and 1 more; "
        f"cryptography: invalid extension: 2.5.29.35: Certificate is missing required extension (CN={NAME}), "
        "at 10.0.0.1 and 1 more",
        served(NO_AKI, ISSUING),
    ),
    "a private one without AKI": Case("passed", "", served(NO_AKI, ISSUING), {"public": False}),
    "below a root of one's own, which is what makes it private": Case(
        "passed", "", served(NO_AKI, ISSUING), {"roots": "/srv/roots.pem"}
    ),
    "below a root of one's own, and public all the same": Case(
        "failed",
        f"www: OpenSSL: 85 at depth 0: Missing Authority Key Identifier (CN={NAME}), at 10.0.0.1 and 1 more; "
        f"cryptography: invalid extension: 2.5.29.35: Certificate is missing required extension (CN={NAME}), "
        "at 10.0.0.1 and 1 more",
        served(NO_AKI, ISSUING),
        {"roots": "/srv/roots.pem", "public": True},
    ),
    "a private root as Easy-RSA makes it": Case("passed", "", BELOW_EASY, {"public": False}),
    "one verifier alone does not know what a private one has": Case(
        "warned",
        "www: the verifiers disagree: OpenSSL accepts, cryptography does not (invalid extension: 2.5.29.32: "
        f"certificate contains unaccounted-for critical extensions (CN={NAME})), at 10.0.0.1 and 1 more",
        served(leaf((x509.CertificatePolicies, (POLICIES, True))), ISSUING),
        {"public": False},
    ),
    "expired is another check's": Case("passed", "", served(EXPIRED, ISSUING)),
    "a wrong name is another check's": Case("passed", "", served(leaf(names=("other.example.com",)), ISSUING)),
    "a weak key is another check's": Case("passed", "", served(leaf(key=rsa_key(1024)), ISSUING)),
    "no purpose is another check's": Case("passed", "", served(leaf(pki.without(x509.ExtendedKeyUsage)), ISSUING)),
    "none was shown": Case("error", NONE, NOBODY),
    "what is stored is no base64": Case(
        "error", "www: a certificate as it is stored is no base64, at 10.0.0.1", served("~~~", ISSUING)
    ),
    "a root as it is stored is no base64": Case(
        "error",
        "www: a certificate as it is stored is no base64, at 10.0.0.1",
        World(store=Store("/etc/ssl/ca.pem", 1, ["~~~"], "")),
    ),
}
API = {"names": ["api.example.com"]}
BOTH = leaf(names=(NAME, "api.example.com"))
NAMES = {
    "its own": Case("passed", ""),
    "another": Case(
        "failed",
        f"www: CN=other.example.com is for other.example.com, and not for {NAME}, at 10.0.0.1 and 1 more",
        served(leaf(names=("other.example.com",)), ISSUING),
    ),
    "at one address": Case(
        "failed",
        f"www: CN=other.example.com is for other.example.com, and not for {NAME}, only at fd00::1",
        at_one(Place((leaf(names=("other.example.com",)), ISSUING))),
    ),
    "the CN alone": Case(
        "failed",
        f"www: CN={NAME} has no DNS name or address in subjectAltName; no client reads the CN, at 10.0.0.1 and 1 more",
        served(leaf(pki.without(x509.SubjectAlternativeName)), ISSUING),
    ),
    "a wildcard": Case("passed", "", served(leaf(names=("*.example.com",)), ISSUING)),
    "a wildcard one label too deep": Case(
        "failed",
        "www: CN=*.example.com is for *.example.com, and not for a.b.example.com, at 10.0.0.1 and 1 more",
        World({"a.b.example.com": dict.fromkeys((V4, V6), Place((leaf(names=("*.example.com",)), ISSUING)))}),
        {"connect": "a.b.example.com:443"},
    ),
    "another name is declared": Case("passed", "", served(BOTH, ISSUING), {"name": "api.example.com"}),
    "another name is declared, and it is not for it": Case(
        "failed", f"www: CN={NAME} is for {NAME}, and not for api.example.com, at 10.0.0.1 and 1 more",
        said={"name": "api.example.com"},
    ),
    "several": Case("passed", "", served(BOTH, ISSUING), API),
    "not for the other": Case(
        "failed",
        f"www: CN={NAME} is for {NAME}, and not for api.example.com, only at 10.0.0.1 as api.example.com, "
        "fd00::1 as api.example.com",
        said=API,
    ),
    "each has its own": Case(
        "passed",
        "",
        everywhere(Place(others={"api.example.com": (leaf(names=("api.example.com",)), ISSUING)})),
        {**API, "one_certificate": False},
    ),
    "without a name, for the one that is asked for": Case("passed", "", said={"without_name": True}),
    "without a name, another": Case(
        "failed",
        f"www: CN=default.example.com is for default.example.com, and not for {NAME}, only at fd00::1 without a name",
        at_one(Place(others={"": (leaf(names=("default.example.com",)), ISSUING)})),
        {"without_name": True},
    ),
    "an address": Case(
        "passed", "", World({V4: {V4: Place((leaf(pki.san(*pki.ips(V4)), subject="CN=ten"), ISSUING))}}),
        {"connect": f"{V4}:443"},
    ),
    "an address that it is not for": Case(
        "failed", f"www: CN={NAME} is for {NAME}, and not for 10.0.0.1, at 10.0.0.1", World({V4: {V4: WELL}}),
        {"connect": f"{V4}:443"},
    ),
    "a CN that is none of the names": Case(
        "failed",
        "www: CN old.example.com is none of the names in subjectAltName, at 10.0.0.1 and 1 more",
        served(leaf(subject="CN=old.example.com"), ISSUING),
    ),
    "a private one whose CN is none of the names": Case(
        "warned",
        "www: CN old.example.com is none of the names in subjectAltName, at 10.0.0.1 and 1 more",
        served(leaf(subject="CN=old.example.com"), ISSUING),
        {"public": False},
    ),
    "an unknown root is another check's": Case("passed", "", TO_OTHERS),
    "none was shown": Case("error", NONE, NOBODY),
}  # fmt: skip
STRENGTH = {
    "strong": Case("passed", ""),
    "a second key of 1024 bits": Case(
        "failed",
        f"www: CN={NAME} has an RSA key of 1024 bits, at least 2048 are needed, only at fd00::1 by RSA",
        at_one(by_rsa(key=rsa_key(1024))),
    ),
    "RSA of 2048 bits": Case("passed", "", served(leaf(key=rsa_key(2048)), ISSUING)),
    "RSA of 1024 bits": Case(
        "failed",
        f"www: CN={NAME} has an RSA key of 1024 bits, at least 2048 are needed, at 10.0.0.1 and 1 more",
        served(leaf(key=rsa_key(1024)), ISSUING),
    ),
    "SHA-1": Case(
        "failed",
        f"www: CN={NAME} is signed with sha1, at 10.0.0.1 and 1 more",
        served(pki.signed_with_rsa(leaf(by=(OF_RSA := pki.intermediate(ROOT, subject="CN=rsa", key=rsa_key(2048)))),
                                   rsa_key(2048), "sha1"), OF_RSA),
    ),
    "a serial that is 0": Case("failed", f"www: CN={NAME} has the serial number 0, only at fd00::1", at_one(
        Place((pki.patched(leaf(serial=1), ISSUING.key, b"\x02\x01\x01", b"\x02\x01\x00"), ISSUING)))),
    "an unknown root is another check's": Case("passed", "", TO_OTHERS),
    "none was shown": Case("error", NONE, NOBODY),
}  # fmt: skip
PRIVATE = pki.private_root()
OF_PRIVATE = pki.intermediate(PRIVATE, subject="CN=private issuing")


def private(*changes: pki.Change, **fields: Any) -> World:
    own = Place((leaf(*changes, by=OF_PRIVATE, **fields), OF_PRIVATE))
    return World({NAME: dict.fromkeys((V4, V6), own)}, roots=(PRIVATE,))


PURPOSE = {
    "for servers": Case("passed", ""),
    "for clients": Case(
        "failed",
        f"www: CN={NAME} is not for servers: serverAuth is not among its purposes, at 10.0.0.1 and 1 more",
        served(leaf(pki.purposes(Purpose.CLIENT_AUTH)), ISSUING),
    ),
    "for both": Case("passed", "", served(leaf(pki.purposes(Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH)), ISSUING)),
    "it does not say": Case(
        "failed",
        f"www: CN={NAME} does not say that it is for servers: it has no extendedKeyUsage, at 10.0.0.1 and 1 more",
        served(leaf(pki.without(x509.ExtendedKeyUsage)), ISSUING),
    ),
    "it does not say, below a private root": Case(
        "warned",
        f"www: CN={NAME} does not say that it is for servers: it has no extendedKeyUsage, at 10.0.0.1 and 1 more",
        private(pki.without(x509.ExtendedKeyUsage)),
    ),
    "it does not say, and is said to be private": Case(
        "warned",
        f"www: CN={NAME} does not say that it is for servers: it has no extendedKeyUsage, at 10.0.0.1 and 1 more",
        served(leaf(pki.without(x509.ExtendedKeyUsage)), ISSUING),
        {"public": False},
    ),
    "a usage that no handshake has": Case(
        "failed",
        f"www: CN={NAME} may neither sign nor encipher in a handshake, by its keyUsage, at 10.0.0.1 and 1 more",
        served(leaf(pki.usage("content_commitment")), ISSUING),
    ),
    "its issuer is for mail": Case(
        "failed",
        "www: CN=mail may not issue for servers: serverAuth is not among its purposes, at 10.0.0.1 and 1 more",
        served(leaf(by=(MAIL := pki.intermediate(ROOT, pki.purposes(Purpose.EMAIL_PROTECTION), subject="CN=mail"))),
               MAIL),
    ),
    "none was shown": Case("error", NONE, NOBODY),
}  # fmt: skip


def issued(begin: datetime, days: int, more: int = 0) -> Case:
    """On a day, for so many days and seconds; told that day's noon."""
    end = begin + days * DAY - SECOND + more * SECOND
    world = served(leaf(begin=begin, end=end), ISSUING)
    sentence = "" if not more else (
        f"www: CN={NAME} lives {days} d, public ones at most {days} d when issued on {begin:%Y-%m-%d}, "
        "at 10.0.0.1 and 1 more"
    )  # fmt: skip
    return Case("failed" if more else "passed", sentence, world, after=begin + 12 * HOUR - AT)


def on(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)


LONG = living(201, 100 * DAY)
TOO_LONG = (
    f"www: CN={NAME} lives 201 d, public ones at most 200 d when issued on {AT - 101 * DAY:%Y-%m-%d}, "
    "at 10.0.0.1 and 1 more"
)
LIFETIME = {
    "398 d": issued(on(2026, 3, 14), 398),
    "398 d and a second": issued(on(2026, 3, 14), 398, 1),
    "200 d": issued(on(2026, 3, 15), 200),
    "200 d and a second": issued(on(2026, 3, 15), 200, 1),
    "200 d on the last day": issued(on(2027, 3, 14), 200),
    "100 d": issued(on(2027, 3, 15), 100),
    "100 d and a second": issued(on(2027, 3, 15), 100, 1),
    "47 d": issued(on(2029, 3, 15), 47),
    "47 d and a second": issued(on(2029, 3, 15), 47, 1),
    "100 d the day before": issued(on(2029, 3, 14), 100),
    "too long": Case("failed", TOO_LONG, served(LONG, ISSUING)),
    "too long, below an unknown root": Case(
        "failed", TOO_LONG, World({NAME: dict.fromkeys((V4, V6), Place((LONG, ISSUING)))}, roots=())
    ),
    "too long, and private by its root": Case(
        "skipped", "its name or its root is private", private(begin=AT - 101 * DAY, end=AT + 100 * DAY)
    ),
    "too long, and private by its name": Case(
        "skipped",
        "its name or its root is private",
        World({"db.internal": dict.fromkeys((V4, V6), Place((LONG, ISSUING)))}),
        {"connect": "db.internal:443"},
    ),
    "too long, private by its root, and called public": Case(
        "failed", TOO_LONG, private(begin=AT - 101 * DAY, end=AT + 100 * DAY - SECOND), {"public": True}
    ),
    "none was shown": Case("error", NONE, NOBODY),
}


def speaking(**versions: bool | None) -> Place:
    words = {"v10": "TLSv1", "v11": "TLSv1.1", "v12": "TLSv1.2", "v13": "TLSv1.3"}
    taken = dict(MODERN) | {words[key]: value for key, value in versions.items()}
    return Place(tried=list(taken.items()))


PROTOCOLS = {
    "1.2 and 1.3": Case("passed", ""),
    "1.2 alone": Case("passed", "", everywhere(speaking(v13=False))),
    "1.3 alone": Case("passed", "", everywhere(speaking(v12=False))),
    "1.0 too": Case("failed", "www: TLSv1 is spoken, at 10.0.0.1 and 1 more", everywhere(speaking(v10=True))),
    "1.1 at one": Case("failed", "www: TLSv1.1 is spoken, only at fd00::1", at_one(speaking(v11=True))),
    "1.0 alone": Case(
        "failed",
        "www: TLSv1 is spoken, at 10.0.0.1 and 1 more; neither TLSv1.2 nor TLSv1.3 is spoken, at 10.0.0.1 and 1 more",
        everywhere(speaking(v10=True, v12=False, v13=False)),
    ),
    "1.3 is required": Case(
        "failed", "www: TLSv1.2 is spoken, at 10.0.0.1 and 1 more", said={"protocols": ["TLSv1.3"]}
    ),
    "1.3 is required and missing": Case(
        "failed",
        "www: TLSv1.3 is not spoken, only at fd00::1",
        at_one(speaking(v13=False)),
        {"protocols": ["TLSv1.2", "TLSv1.3"]},
    ),
    "1.2 is required, and 1.3 may be": Case("passed", "", said={"protocols": ["TLSv1.2"]}),
    "1.0 is required": Case("passed", "", everywhere(speaking(v10=True, v11=True)), {"protocols": ["TLSv1"]}),
    "1.0 is required and gone": Case(
        "failed", "www: TLSv1 is not spoken, at 10.0.0.1 and 1 more", said={"protocols": ["TLSv1"]}
    ),
    "1.0 could not be tried": Case(
        "error",
        "www: TLSv1 was not tried: no answer within 5 s, only at fd00::1",
        at_one(speaking(v10=None)),
    ),
    "1.2 could not be tried, which does not matter": Case("passed", "", at_one(speaking(v12=None))),
    "neither could be tried": Case(
        "error",
        "www: TLSv1.2 was not tried: no answer within 5 s, only at fd00::1; "
        "TLSv1.3 was not tried: no answer within 5 s, only at fd00::1",
        at_one(speaking(v12=None, v13=None)),
    ),
    "1.0 could not be tried, and 1.1 is spoken": Case(
        "failed", "www: TLSv1.1 is spoken, only at fd00::1", at_one(speaking(v10=None, v11=True))
    ),
    "one that is required could not be tried": Case(
        "error",
        "www: TLSv1.3 was not tried: no answer within 5 s, at 10.0.0.1 and 1 more",
        everywhere(speaking(v13=None)),
        {"protocols": ["TLSv1.2", "TLSv1.3"]},
    ),
    "none was tried": Case("error", "www: no version was tried in this run", everywhere(Place(tried=()))),
    "none was shown": Case("error", NONE, NOBODY),
}
ISSUER = {
    "the CN": Case("passed", "", said={"issuer": "issuing"}),
    "the O": Case("passed", "", said={"issuer": "Example Trust"}),
    "the whole name": Case("passed", "", said={"issuer": "CN=issuing,O=Example Trust"}),
    "another": Case(
        "failed",
        "www: its issuer is CN=issuing,O=Example Trust, not Let's Encrypt, at 10.0.0.1 and 1 more",
        said={"issuer": "Let's Encrypt"},
    ),
    "another has issued the second one": Case(
        "failed",
        "www: its issuer is CN=stranger, not issuing, only at fd00::1 by RSA",
        at_one(Place(by_key=("RSA", (leaf(by=STRANGER, key=RSA_KEY), STRANGER)))),
        {"issuer": "issuing"},
    ),
    "another at one": Case(
        "failed",
        "www: its issuer is CN=stranger, not issuing, only at fd00::1",
        at_one(Place((leaf(by=STRANGER), STRANGER))),
        {"issuer": "issuing"},
    ),
    "a part of it": Case(
        "failed",
        "www: its issuer is CN=issuing,O=Example Trust, not Example, at 10.0.0.1 and 1 more",
        said={"issuer": "Example"},
    ),
    "none was shown": Case("error", NONE, NOBODY, {"issuer": "issuing"}),
}
MUTUAL = {"client_certificate": True}
CLIENT_ASKED = {
    "asked for": Case("passed", "", everywhere(ASKING), MUTUAL),
    "asked for, and no handshake without": Case("passed", "", everywhere(TURNED_AWAY), MUTUAL),
    "at one": Case(
        "failed",
        "www: no client certificate is asked for, only at fd00::1",
        World({NAME: {V4: ASKING, V6: WELL}}),
        MUTUAL,
    ),
    "nowhere": Case("failed", "www: no client certificate is asked for, at 10.0.0.1 and 1 more", said=MUTUAL),
    "none was shown": Case("error", NONE, NOBODY, MUTUAL),
}
TABLES = {
    "test_handshake_completes_on_every_address": HANDSHAKE,
    "test_certificate_is_in_date": IN_DATE,
    "test_chain_is_complete_and_ordered": CHAIN_CLAIM,
    "test_chain_is_trusted": TRUST,
    "test_name_matches": NAMES,
    "test_key_and_signature_are_strong": STRENGTH,
    "test_certificate_is_for_servers": PURPOSE,
    "test_lifetime_is_allowed": LIFETIME,
    "test_protocol_versions": PROTOCOLS,
    "test_issuer_is_the_declared_one": ISSUER,
    "test_client_certificate_is_asked_for": CLIENT_ASKED,
}


@pytest.mark.parametrize(("check", "case"), lines(TABLES))
def test_what_is_concluded(check: str, case: Case) -> None:
    told(check, case)


@pytest.mark.parametrize(("chain", "outcome"), [((GARBAGE,), "failed"), ((*CHAIN, GARBAGE), "warned")])
def test_garbage_is_not_trusted(chain: tuple[Issued | bytes, ...], outcome: str) -> None:
    said = concluded("test_chain_is_trusted", Case("", "", at_one(Place(chain))))
    where = "the leaf" if outcome == "failed" else "certificate 2 beside the leaf"
    assert (said.outcome, said.message.partition(": error")[0]) == (outcome, f"www: {where}")


def test_who_rejects_what_and_who_does_not_is_evidence() -> None:
    critical = leaf(pki.san(*pki.dns(NAME), critical=True))
    said = concluded("test_chain_is_trusted", Case("", "", served(critical, ISSUING)))
    words = "EE subjectAltName MUST NOT be critical when subject is nonempty"
    assert said.outcome == "failed"
    assert [line for line in said.evidence if "subjectAltName" in line] == [
        f"cryptography: {words} (CN={NAME})",
        f"the verifiers disagree: OpenSSL accepts, cryptography does not ({words} (CN={NAME}))",
    ]


def test_evidence_is_what_a_person_needs() -> None:
    case = Case("failed", "", served(EXPIRED, ISSUING), {"starttls": "smtp"})
    said = concluded("test_certificate_is_in_date", case).evidence
    fingerprint = x509.load_der_x509_certificate(EXPIRED.der).fingerprint(hashes.SHA256())
    assert said[0] == "10.0.0.1:"
    assert {
        f"served CN={NAME}, by CN=issuing,O=Example Trust, from 2026-08-27 12:00:00 UTC to 2026-11-25 11:59:59 UTC",
        f"for {NAME}",
        f"serial A1, SHA-256 {fingerprint.hex(':').upper()}",
        f"OpenSSL: 10 at depth 0: certificate has expired (CN={NAME})",
    } <= set(said)
    assert [line.partition(", from")[0] for line in said if line.startswith("served ")] == [
        f"served CN={NAME}, by CN=issuing,O=Example Trust",
        "served CN=issuing,O=Example Trust, by CN=root",
    ]
    assert said[-1] == (
        f"openssl s_client -connect 10.0.0.1:443 -servername {NAME} -showcerts -starttls smtp </dev/null"
    )
    assert not [line for line in said if V6 in line], "the same chain is told once"


@pytest.mark.parametrize(
    ("said", "world"),
    [
        ({"connect": f"[{V6}]:443"}, World({V6: {V6: Place((EXPIRED, ISSUING))}})),
        ({"without_name": True}, at_one(Place(others={"": (EXPIRED, ISSUING)}))),
    ],
)
def test_the_command_sends_no_name_where_clients_send_none(said: dict[str, object], world: World) -> None:
    evidence = concluded("test_certificate_is_in_date", Case("failed", "", world, said)).evidence
    assert evidence[-1] == "openssl s_client -connect '[fd00::1]:443' -noservername -showcerts </dev/null"


def test_the_command_knows_no_other_kind_of_key_where_clients_do_not() -> None:
    case = Case("failed", "", at_one(by_rsa(end=AT - SECOND)))
    assert concluded("test_certificate_is_in_date", case).evidence[-1] == (
        f"openssl s_client -connect '[fd00::1]:443' -servername {NAME} -no_tls1_3 -cipher aRSA:@SECLEVEL=0 -showcerts "
        "</dev/null"
    )


def test_it_is_told_when_it_will_expire() -> None:
    ends = Ends()
    early = leaf(end=AT + 20 * DAY)
    concluded("test_certificate_is_in_date", Case("passed", "", at_one(Place((early, ISSUING)))), ends)
    assert ends.told == [(AT + 20 * DAY, "www, expires")]


def test_it_is_told_when_the_first_on_its_way_will_expire() -> None:
    """The longest of the ways that are right counts: an old intermediate beside the new one is no end."""
    ends = Ends()
    short = pki.intermediate(ROOT, subject="CN=issuing,O=Example Trust", key=ISSUING.key, end=AT + DAY)
    concluded("test_certificate_is_in_date", Case("passed", "", served(LEAF, short)), ends)
    concluded("test_certificate_is_in_date", Case("passed", "", served(LEAF, short, ISSUING)), ends)
    assert [when for when, _ in ends.told] == [AT + DAY, pki.END]


def test_a_way_that_is_wrong_lasts_for_nobody() -> None:
    ends = Ends()
    short = pki.intermediate(ROOT, subject="CN=issuing,O=Example Trust", key=ISSUING.key, end=AT + DAY)
    mail = pki.intermediate(
        ROOT, pki.purposes(Purpose.EMAIL_PROTECTION), subject="CN=issuing,O=Example Trust", key=ISSUING.key
    )
    concluded("test_certificate_is_in_date", Case("passed", "", served(LEAF, mail, short)), ends)
    assert [when for when, _ in ends.told] == [AT + DAY]


def test_nothing_is_told_of_an_end_that_has_come() -> None:
    ends = Ends()
    concluded("test_certificate_is_in_date", Case("failed", "", served(EXPIRED, ISSUING)), ends)
    assert ends.told == []
