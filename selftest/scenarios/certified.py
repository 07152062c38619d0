"""Two hosts whose certificates are right in everything, in every way in which they are served and stored.

    well ─┬─ 443    nginx: www.example.test, web.example.test, both hosts' own names; a staple; no name needed
    fine ─┘  8443   nginx, for clients with certificates
             25     SMTP with STARTTLS
             5432   PostgreSQL
             8080   the CRL, and the OCSP responder, that the certificate names: on well
             /etc/ssl/lab/…   all of it on disk, with keys, and a certificate to log in with elsewhere

In: the hosts, of a lab with an estate. Out: while inside, they are so; and what a policy says of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from lab import LabHost
from lab.pki import Site, crl, database, mail, ocsp_response, responder, web
from lab.pki.files import DIRECTORY, files
from lab.pki.trusted import authorities, own_name

NAME = "www.example.test"
ROOTS = "/etc/ssl/lab-roots.pem"
"""The root's file on each host."""
_RESPONDER = 8080
_MUTUAL = 8443


@contextmanager
def certified(hosts: Sequence[LabHost]) -> Iterator[None]:
    """While inside, the hosts serve the same certificate, as one does behind a balancer."""
    at = replace(authorities(), responder=f"http://{hosts[0].address}:{_RESPONDER}")
    leaf = at.server(NAME, "web.example.test", *(own_name(host) for host in hosts))
    staple = ocsp_response(leaf)
    with ExitStack() as held:
        held.enter_context(responder(hosts[0], _RESPONDER, crl=crl(at.issuing), responses={leaf: staple}))
        for host in hosts:
            sites = Site(leaf.chain, staple=staple), Site(leaf.chain, port=_MUTUAL, clients=at.clients)
            host.write(ROOTS, at.root.pem)
            held.callback(host.run, ["rm", ROOTS])
            held.enter_context(web(host, *sites))
            held.enter_context(mail(host, leaf.chain))
            held.enter_context(database(host, leaf.chain))
            held.enter_context(files(host, "deploy", at.client("deploy").chain))
        yield


def policy(hosts: Sequence[LabHost], roots: str) -> dict[str, Any]:
    """What stands below `certificates:` of a host that names all of it; `roots` is the root's file here."""

    def served(port: int, **more: object) -> dict[str, object]:
        first, *others = (f"{own_name(host)}:{port}" for host in hosts)
        return {"connect": first, "backends": others, "name": NAME, "roots": roots, **more}

    public = {"public": True, "caa": "ca.example.test", "issuer": "Lab Issuing"}
    inside = {"vantage": "host", "roots": ROOTS}
    return {
        "www": served(443, names=["web.example.test"], without_name=True, **public),
        "www-inside": served(443, **inside, **public),
        "mutual": served(_MUTUAL, client_certificate=True),
        "smtp": served(25, starttls="smtp"),
        "smtp-inside": served(25, starttls="smtp", **inside),
        "postgres": served(5432, starttls="postgres"),
        "postgres-inside": served(5432, starttls="postgres", **inside),
        "files": {
            f"{DIRECTORY}/*.pem": {},
            **_file("site0", served_by="www"),
            **_file("mail", served_by="smtp-inside", key_mode="0600"),
            **_file("postgres", served_by="postgres", key_owner="deploy"),
            **_file("deploy", purpose="client"),
            ROOTS: {"purpose": "authority"},
        },
    }


def _file(name: str, **more: object) -> dict[str, dict[str, object]]:
    return {f"{DIRECTORY}/{name}.pem": {"key": f"{DIRECTORY}/{name}.key", **more}}
