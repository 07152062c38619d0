"""Servers that serve right certificates wrongly, or none; and what authorities say of what is served.

Each host serves its own, for NAME.hosts.test, on port 443 over both families, but where another port is said; the
policy trusts the lab's root (`lab.pki.trusted`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.pki import (
    Issued,
    Seen,
    Site,
    Starttls,
    crl,
    database,
    issue,
    mail,
    ocsp_response,
    odd_port,
    responder,
    web,
)
from lab.pki.authority import CRL, OCSP
from lab.pki.trusted import authorities, looked, own, own_name
from shipworthy.results import Outcome

_OF_WHAT_IS_SHOWN = (
    "in_date",
    "left",
    "chain",
    "trust",
    "name",
    "strength",
    "purpose",
    "revocation",
    "protocols",
    "same",
)
NONE_SHOWN: Mapping[str, Outcome] = {
    "certificates.handshake": "failed",
    **dict.fromkeys((f"certificates.{name}" for name in _OF_WHAT_IS_SHOWN), "error"),
}
"""Where there is no certificate, nothing is known of it."""
_OTHER_PORT = 8443
_RESPONDER = 8080
_ISSUER = "/run/responder/issuer.pem"
_REFUSED = 7
"""curl's exit status."""


@fault(turns={"certificates.revocation": "failed"})
def revoked_by_staple(host: LabHost) -> Iterator[None]:
    """Its own staple says so."""
    leaf = own(host)()
    with _seen(host, Site(leaf.chain, staple=ocsp_response(leaf, revoked=True))) as both:
        confirm({one.staple for one in both} == {"revoked"}, host, "the staple says otherwise")
        yield


@fault(turns={"certificates.revocation": "failed"})
def stale_staple(host: LabHost) -> Iterator[None]:
    """The staple is older than it may be."""
    leaf = own(host)()
    with _seen(host, Site(leaf.chain, staple=ocsp_response(leaf, until=-0.1))) as both:
        for one in both:
            (until,) = re.findall("Next Update: (.+) GMT", one.said)
            ended = datetime.strptime(f"{until} +0000", "%b %d %H:%M:%S %Y %z")
            confirm(ended < datetime.now(UTC), host, f"the staple ends at {until}")
        yield


@fault(turns={"certificates.revocation": "failed"})
def must_staple_without_staple(host: LabHost) -> Iterator[None]:
    """It asks clients to insist on a staple, and there is none."""
    with _seen(host, Site(own(host)(must_staple=True).chain)) as both:
        confirm({one.staple for one in both} == {""}, host, "there is a staple")
        yield


@fault(turns={"certificates.revocation": "failed"})
def revoked_by_crl(host: LabHost) -> Iterator[None]:
    """It is on the list that it names."""
    url = f"http://{host.address}:{_RESPONDER}{CRL}"
    leaf = _leaf(host, crl=url)
    with responder(host, _RESPONDER, crl=crl(authorities().issuing, leaf)), web(host, Site(leaf.chain)):
        told = host.shell(f"curl --silent --fail {url} | openssl crl -inform DER -noout -text")
        listed = {int(number, 16) for number in re.findall(r"Serial Number: (\w+)", told)}
        confirm(listed == {leaf.certificate.serial_number}, host, told)
        yield


@fault(turns={"certificates.revocation": "failed"})
def revoked_by_ocsp(host: LabHost) -> Iterator[None]:
    """The responder that it names says so."""
    url = f"http://{host.address}:{_RESPONDER}{OCSP}"
    leaf = _leaf(host, ocsp=url)
    answer = {leaf: ocsp_response(leaf, revoked=True)}
    with responder(host, _RESPONDER, responses=answer), web(host, Site(leaf.chain)) as served:
        host.write(_ISSUER, authorities().issuing.pem)
        (path,) = (one.chain for one in served.files)
        told = host.run(["openssl", "ocsp", "-noverify", "-issuer", _ISSUER, "-cert", path, "-url", url]).stdout
        confirm(f"{path}: revoked" in told, host, told)
        yield


@fault(turns={"certificates.revocation": "warned"})
def responder_unreachable(host: LabHost) -> Iterator[None]:
    """Nobody listens where its responder and its list should be."""
    url = f"http://{host.address}:{_RESPONDER}"
    with web(host, Site(_leaf(host, crl=f"{url}{CRL}", ocsp=f"{url}{OCSP}").chain)):
        asked = host.run(["curl", "--silent", f"{url}{CRL}"], check=False)
        confirm(asked.returncode == _REFUSED, host, f"curl ends with {asked.returncode}")
        yield


@fault(turns={"certificates.protocols": "failed"})
def tls_1_0_offered(host: LabHost) -> Iterator[None]:
    """It is spoken beside TLS 1.2."""
    with web(host, Site(own(host)().chain, protocols=("TLSv1", "TLSv1.2"))):
        for option, version in {"-tls1": "TLSv1", "-tls1_2": "TLSv1.2"}.items():
            _confirm_protocol(host, option, version)
        yield


@fault(turns={"certificates.protocols": "failed"})
def only_tls_1_0(host: LabHost) -> Iterator[None]:
    """Nothing else is spoken."""
    with web(host, Site(own(host)().chain, protocols=("TLSv1",))):
        for option, version in {"-tls1": "TLSv1", "-tls1_2": "", "-tls1_3": ""}.items():
            _confirm_protocol(host, option, version)
        yield


@fault(turns={"certificates.same": "failed"})
def another_on_ipv6(host: LabHost) -> Iterator[None]:
    """The server block for IPv6 has been forgotten when the certificate was renewed."""
    new, old = own(host)(), own(host)(since=-50, until=40)
    with _seen(host, Site(new.chain, addresses=("0.0.0.0",)), Site(old.chain, addresses=("::",))) as (four, six):
        confirm(four.chain != six.chain, host, "both families have the same")
        yield


@fault(turns={"certificates.same": "failed"})
def old_on_one_backend(host: LabHost) -> Iterator[None]:
    """The backend on port 8443 has been forgotten when the certificate was renewed."""
    new, old = own(host)(), own(host)(since=-50, until=40)
    with _seen(host, Site(new.chain), Site(old.chain, port=_OTHER_PORT)) as (one, _):
        other, _ = looked(host, _OTHER_PORT)
        confirm(one.chain != other.chain and bool(other.chain), host, "both backends have the same")
        yield


@fault(turns=NONE_SHOWN)
def silent_port(host: LabHost) -> Iterator[None]:
    """Somebody accepts, and never says a word."""
    with _odd(host, "silent", "no answer in"):
        yield


@fault(turns=NONE_SHOWN)
def plain_text(host: LabHost) -> Iterator[None]:
    """Another protocol is spoken."""
    with _odd(host, "plain", "wrong version number|packet length too long"):
        yield


@fault(turns=NONE_SHOWN)
def reset_in_the_handshake(host: LabHost) -> Iterator[None]:
    """Whoever connects is reset as soon as they have said something."""
    with _odd(host, "reset", "errno=104"):
        yield


@fault(turns={"certificates.handshake": "failed"})
def nothing_on_ipv6(host: LabHost) -> Iterator[None]:
    """It is served over IPv4 only, though the name has an IPv6 address."""
    with _seen(host, Site(own(host)().chain, addresses=("0.0.0.0",))) as (four, six):
        confirm(bool(four.chain) and "Connection refused" in six.said, host, six.said)
        yield


@fault(turns={"certificates.handshake": "failed"})
def name_required(host: LabHost) -> Iterator[None]:
    """Clients that send no name are refused."""
    with _seen(host, Site(own(host)().chain, names=(own_name(host),))):
        for one in looked(host, 443, "-noservername"):
            confirm(not one.chain and "unrecognized name" in one.said, host, one.said)
        yield


@fault(turns={"certificates.client_asked": "failed"})
def client_certificate_not_asked_for(host: LabHost) -> Iterator[None]:
    """Everybody may come in."""
    with _seen(host, Site(own(host)().chain)) as both:
        for one in both:
            confirm("No client certificate CA names sent" in one.said, host, one.said)
        yield


@fault(turns={"certificates.in_date": "failed"})
def expired_at_a_mail_server(host: LabHost) -> Iterator[None]:
    """Behind STARTTLS, on port 25."""
    with mail(host, own(host)(until=-0.1).chain) as served:
        _confirm_expired(host, served)
        yield


@fault(turns={"certificates.in_date": "failed"})
def expired_at_a_database(host: LabHost) -> Iterator[None]:
    """Behind PostgreSQL's own question, on port 5432."""
    with database(host, own(host)(until=-0.1).chain) as served:
        _confirm_expired(host, served)
        yield


@contextmanager
def _seen(host: LabHost, *sites: Site) -> Iterator[tuple[Seen, Seen]]:
    """While inside, the host serves these sites; what is seen of them over IPv4 and over IPv6."""
    with web(host, *sites):
        yield looked(host)


@contextmanager
def _odd(host: LabHost, how: str, says: str) -> Iterator[None]:
    with odd_port(host, how, 443):
        for one in looked(host):
            confirm(not one.chain and bool(re.search(says, one.said)), host, one.said)
        yield


def _leaf(host: LabHost, *, crl: str = "", ocsp: str = "") -> Issued:
    """What names a list, or a responder."""
    return issue(own_name(host), authorities().issuing, names=[own_name(host)], crl=crl, ocsp=ocsp)


def _confirm_protocol(host: LabHost, option: str, version: str) -> None:
    agreed = {one.protocol for one in looked(host, 443, option)}
    confirm(agreed == {version}, host, f"{option}: {agreed}")


def _confirm_expired(host: LabHost, served: Starttls) -> None:
    for one in looked(host, served.port, starttls=served.protocol):
        confirm("verify error:num=10:" in one.said, host, one.said)
