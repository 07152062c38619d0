"""Certificates that are wrong in themselves, or in the company in which they are served.

Each host serves its own, for NAME.hosts.test, on port 443 over both families; the policy trusts the lab's root
(`lab.pki.trusted`). What is wrong is seen by openssl, from here. How servers are wrong: `certificate_servers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from cryptography import x509

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.pki import CLIENT, Issued, Site, intermediate, issue, pki, root, rsa_key, web
from lab.pki.proving import BY_RSA
from lab.pki.trusted import authorities, left, looked, own, own_name, text

_TRUSTED = "Verify return code: 0 "


@fault(turns={"certificates.in_date": "failed"})
def expired_leaf(host: LabHost) -> Iterator[None]:
    """It ended some hours ago."""
    with _shown(host, own(host)(until=-0.1).chain, r"depth=0 .*\nverify error:num=10:"):
        yield


@fault(turns={"certificates.in_date": "failed"})
def expired_intermediate(host: LabHost) -> Iterator[None]:
    """Its issuer's own ended some hours ago."""
    chain = own(host)(by=intermediate(authorities().root, until=-0.1)).chain
    with _shown(host, chain, r"depth=1 .*\nverify error:num=10:"):
        yield


@fault(turns={"certificates.in_date": "failed"})
def second_certificate_expired(host: LabHost) -> Iterator[None]:
    """There are two, and the one for clients that know RSA alone ended some hours ago."""
    first, second = own(host)().chain, own(host)(key=rsa_key(2048), until=-0.1).chain
    with web(host, Site(first, second=second)):
        for one in looked(host):
            confirm(_TRUSTED in one.said and one.chain[0] == first[0].certificate, host, one.said)
        for one in looked(host, 443, *BY_RSA):
            confirm("verify error:num=10:" in one.said and one.chain[0] == second[0].certificate, host, one.said)
        yield


@fault(turns={"certificates.in_date": "failed"})
def not_yet_valid(host: LabHost) -> Iterator[None]:
    """It begins tomorrow."""
    with _shown(host, own(host)(since=1).chain, r"depth=0 .*\nverify error:num=9:"):
        yield


@fault(turns={"certificates.left": "failed"})
def ends_in_5_days(host: LabHost) -> Iterator[None]:
    """Of its 90 days five are left: nobody renews it."""
    with _shown(host, own(host)(since=-85, until=5).chain, _TRUSTED) as served:
        _confirm_left(host, served[0], 5)
        yield


@fault(turns={"certificates.left": "warned"})
def ends_in_20_days(host: LabHost) -> Iterator[None]:
    """Of its 90 days 20 are left: a renewal was missed."""
    with _shown(host, own(host)(since=-70, until=20).chain, _TRUSTED) as served:
        _confirm_left(host, served[0], 20)
        yield


@fault(turns={"certificates.left": "warned"})
def intermediate_ends_in_100_days(host: LabHost) -> Iterator[None]:
    """Its issuer's own has 100 days left, and to replace that is a project."""
    chain = own(host)(by=intermediate(authorities().root, until=100)).chain
    with _shown(host, chain, _TRUSTED) as served:
        _confirm_left(host, served[1], 100)
        yield


@fault(turns={"certificates.chain": "failed", "certificates.trust": "failed"})
def missing_intermediate(host: LabHost) -> Iterator[None]:
    """It is served alone."""
    with _shown(host, own(host)().chain[:1], "verify error:num=20:"):
        yield


@fault(turns={"certificates.chain": "warned"})
def wrong_order(host: LabHost) -> Iterator[None]:
    """Of two intermediates the upper one is served first."""
    upper = issue("Lab Policy", authorities().root, authority=True, purposes=(), since=-365, until=1460)
    lower = intermediate(upper, "Lab Lower")
    with _shown(host, (own(host)(by=lower), upper, lower), _TRUSTED):
        yield


@fault(turns={"certificates.chain": "warned"})
def extra_certificate(host: LabHost) -> Iterator[None]:
    """Somebody else's is served behind it."""
    with _shown(host, (*own(host)().chain, authorities().server("other.example.test")), _TRUSTED):
        yield


@fault(turns={"certificates.name": "failed"})
def wrong_name(host: LabHost) -> Iterator[None]:
    """It is for another name."""
    with _shown(host, authorities().server("other.example.test").chain, "verify error:num=62:"):
        yield


@fault(turns={"certificates.name": "failed"})
def common_name_only(host: LabHost) -> Iterator[None]:
    """Its name stands where no client looks any more."""
    says = rf"(?s)\A(?!.*Subject Alternative Name).*Subject: CN = {own_name(host)}\n"
    with _shown(host, issue(own_name(host), authorities().issuing).chain, says):
        yield


@fault(turns={"certificates.name": "failed"})
def wildcard_too_high(host: LabHost) -> Iterator[None]:
    """A wildcard stands for one label, and www.NAME.hosts.test has two before hosts.test."""
    chain = authorities().server("*.hosts.test").chain
    with _shown(host, chain, "verify error:num=62:", name=f"www.{own_name(host)}"):
        yield


@fault(turns={"certificates.strength": "failed"})
def rsa_1024(host: LabHost) -> Iterator[None]:
    """Its key is one that can be broken."""
    with _shown(host, own(host)(key=rsa_key(1024)).chain, r"Public-Key: \(1024 bit\)"):
        yield


@fault(turns={"certificates.strength": "failed"})
def sha1(host: LabHost) -> Iterator[None]:
    """It is signed with SHA-1, of which cryptography's verifier does not hear, and OpenSSL's does."""
    with _shown(host, own(host)(sha1=True).chain, "Signature Algorithm: ecdsa-with-SHA1"):
        yield


@fault(turns={"certificates.purpose": "warned"})
def without_purpose(host: LabHost) -> Iterator[None]:
    """It does not say what it is for, as a private root may have it."""
    with _shown(host, own(host)(purposes=()).chain, r"(?s)\A(?!.*Extended Key Usage)"):
        yield


@fault(turns={"certificates.purpose": "failed"})
def for_clients_only(host: LabHost) -> Iterator[None]:
    """It is one to log in with."""
    says = r"Extended Key Usage: *\n *TLS Web Client Authentication\n"
    with _shown(host, own(host)(purposes=(CLIENT,)).chain, says):
        yield


@fault(turns={"certificates.trust": "failed"})
def self_signed(host: LabHost) -> Iterator[None]:
    """It is its own issuer."""
    with _shown(host, issue(own_name(host), None, names=[own_name(host)]).chain, "verify error:num=18:"):
        yield


@fault(turns={"certificates.trust": "failed"})
def unknown_root(host: LabHost) -> Iterator[None]:
    """Somebody else's root signed it."""
    chain = own(host)(by=intermediate(root("Other Root"), "Other Issuing")).chain
    with _shown(host, chain, r"depth=1 .*\nverify error:num=20:"):
        yield


@fault(turns={"certificates.trust": "failed"})
def root_made_anew(host: LabHost) -> Iterator[None]:
    """Its root has the name of the one that is trusted, and another key."""
    with _shown(host, own(host)(by=pki().issuing).chain, "verify error:num=20:"):
        yield


@fault(turns={"certificates.issuer": "failed"})
def another_issuer(host: LabHost) -> Iterator[None]:
    """It is trusted, and not from where the policy says that it comes."""
    chain = own(host)(by=intermediate(authorities().root, "Lab Second")).chain
    with _shown(host, chain, "Issuer: CN = Lab Second\n"):
        yield


@fault(turns={"certificates.lifetime": "failed"})
def lives_400_days(host: LabHost) -> Iterator[None]:
    """No public one may live so long."""
    with _shown(host, own(host)(until=399).chain, _TRUSTED) as served:
        _confirm_left(host, served[0], 399)
        yield


@contextmanager
def _shown(
    host: LabHost, chain: Sequence[Issued], says: str, *, name: str = ""
) -> Iterator[Sequence[x509.Certificate]]:
    """While inside, the host serves a chain of which openssl says something, a pattern, over both families."""
    with web(host, Site(chain)):
        for one in looked(host, name=name):
            said = one.said + text(host, one.chain[0])
            confirm(bool(re.search(says, said)), host, f"openssl does not say {says!r}, but {said}")
        yield one.chain


def _confirm_left(host: LabHost, certificate: x509.Certificate, days: int) -> None:
    lasts = left(certificate)
    confirm(timedelta(days - 1) < lasts <= timedelta(days), host, f"it ends in {lasts}")
