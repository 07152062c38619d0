"""Certificates of a lab's own: a private PKI, the servers that serve it over both families, and all that may be wrong.

    Lab Root ── Lab Issuing ── web.example.test, …          what authorities say of them: crl, ocsp_response
    Lab Clients ── deploy                                     (served by `responder`, or stapled)

    web (nginx, 443)      sites by name and family; protocols, staple, client certificates
    mail (aiosmtpd, 25)   STARTTLS     database (PostgreSQL, 5432)   STARTTLS     `renew` on disk, `reload`
    odd_port              says nothing, speaks plain text, or resets

    authorities = pki()
    right = authorities.server("www.example.test")
    with lab(hosts=2) as fleet, web(fleet[1], Site(right.chain)) as served:
        seen(fleet.here, fleet[1].address6, name="www.example.test").chain

How each fault of certificates is made; `leaf` is `authorities.server("www.example.test", …)`, `issue` is what it calls:

    expired leaf                      leaf(until=-0.1)
    expired intermediate              leaf(by=intermediate(root, until=-0.1))
    not yet valid                     leaf(since=1)
    missing intermediate              Site(leaf.chain[:1])
    wrong order                       leaf(by=intermediate(upper)): Site((leaf, upper, lower))
    extra certificate                 Site((*leaf.chain, another))
    wrong name                        server("other.example.test")
    CN only                           issue("www.example.test", issuing)
    wildcard one label too deep       server("*.example.test"), asked for as a.b.example.test
    RSA 1024                          leaf(key=rsa_key(1024))
    SHA-1                             leaf(sha1=True)
    no EKU                            leaf(purposes=())
    self-signed                       issue("www.example.test", None, names=…)
    unknown root                      another pki()
    revoked by staple, stale staple   Site(staple=ocsp_response(leaf, revoked=True)), ocsp_response(leaf, until=-0.1)
    must-staple without a staple      leaf(must_staple=True)
    revoked by CRL, by OCSP           pki(responder=URL); responder(host, crl=crl(issuing, leaf), responses=…)
    IPv6 serving another certificate  two Sites, addresses=("0.0.0.0",) and ("::",)
    one backend of two with the old   web on two hosts
    renewed on disk, not reloaded     renew(chain) without reload()
    TLS 1.0 offered, only TLS 1.0     Site(protocols=("TLSv1", "TLSv1.2")), ("TLSv1",)
    the RSA one of two expired        Site(leaf.chain, second=leaf(key=rsa_key(2048), until=-0.1).chain)
    key file world-readable           Site(key_mode="644")
    silent, plain-text, resetting     odd_port(host, "silent"), "plain", "reset"
    SNI required                      no Site without names
    client certificate expected       Site(clients=authorities.clients)

What serves is proved by openssl's own client (`lab.pki.client`), never by this project's. As faults, each with what it
turns, they are in `lab.faults.certificates`, `certificate_servers`, `certificate_files` and `certificate_names`, under
the authorities of `lab.pki.trusted`, which their hosts' policies trust.
"""

from lab.pki.authority import Pki, crl, ocsp_response, pki
from lab.pki.client import Seen, seen
from lab.pki.issuing import CLIENT, SERVER, Issued, intermediate, issue, root, rsa_key
from lab.pki.ports import Responder, odd_port, responder
from lab.pki.sites import Site, Web, web
from lab.pki.starttls import Starttls, database, mail

__all__ = [
    "CLIENT",
    "SERVER",
    "Issued",
    "Pki",
    "Responder",
    "Seen",
    "Site",
    "Starttls",
    "Web",
    "crl",
    "database",
    "intermediate",
    "issue",
    "mail",
    "ocsp_response",
    "odd_port",
    "pki",
    "responder",
    "root",
    "rsa_key",
    "seen",
    "web",
]
