"""Servers with certificates serve exactly theirs, over both families; take others; and leave nothing behind."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate, ocsp

from lab import Lab, LabError, LabHost
from lab.pki import Site, Starttls, crl, database, mail, ocsp_response, odd_port, pki, responder, web
from lab.pki.client import endpoint
from selftest.labs.test_faults import state
from selftest.labs.test_pki import AUTHORITIES, NAME, RIGHT, both, certificates, served

pytestmark = pytest.mark.xdist_group("pki")

RESPONDER = "http://10.77.0.11:8080"
OLD = AUTHORITIES.server(NAME, since=-80, until=10)


def left(host: LabHost) -> str:
    """What servers might leave behind."""
    return host.shell("ls /run /etc/ssl; find /etc/ssl/lab /dev/shm 2>&1; ipcs")


def test_names_get_their_own_certificate(fleet: Lab) -> None:
    _, host = fleet
    other = AUTHORITIES.server("other.example.test")
    with web(host, Site(RIGHT.chain), Site(other.chain, names=("other.example.test",))):
        assert served(fleet, host) == [certificates(*RIGHT.chain)] * 2
        assert served(fleet, host, name="other.example.test") == [certificates(*other.chain)] * 2
        assert served(fleet, host, name="") == [certificates(*RIGHT.chain)] * 2


def test_sni_required(fleet: Lab) -> None:
    _, host = fleet
    with web(host, Site(RIGHT.chain, names=(NAME,))):
        assert served(fleet, host) == [certificates(*RIGHT.chain)] * 2
        for name in ("", "unknown.example.test"):
            refused = both(fleet, host, name=name).values()
            assert all(not one.chain and "unrecognized name" in one.said for one in refused)


def test_ipv6_serves_another_certificate(fleet: Lab) -> None:
    _, host = fleet
    with web(host, Site(RIGHT.chain, addresses=("0.0.0.0",)), Site(OLD.chain, addresses=("::",))):
        assert served(fleet, host) == [certificates(*RIGHT.chain), certificates(*OLD.chain)]


def test_one_backend_of_two_has_the_old_one(fleet: Lab) -> None:
    db, host = fleet
    with web(host, Site(RIGHT.chain)), web(db, Site(OLD.chain)):
        assert served(fleet, host) == [certificates(*RIGHT.chain)] * 2
        assert served(fleet, db) == [certificates(*OLD.chain)] * 2


def test_renewed_on_disk_and_then_reloaded(fleet: Lab) -> None:
    _, host = fleet
    with web(host, Site(OLD.chain)) as running:
        running.renew(RIGHT.chain)
        assert host.read(running.files[0].chain) == "".join(one.pem for one in RIGHT.chain)
        assert served(fleet, host) == [certificates(*OLD.chain)] * 2
        running.reload()
        assert served(fleet, host) == [certificates(*RIGHT.chain)] * 2


@pytest.mark.parametrize("server", [mail, database])
def test_starttls(fleet: Lab, server: Callable[..., AbstractContextManager[Starttls]]) -> None:
    _, host = fleet
    with server(host, OLD.chain) as running:

        def now() -> list[list[Certificate]]:
            return served(fleet, host, running.port, starttls=running.protocol)

        assert now() == [certificates(*OLD.chain)] * 2
        assert not any(one.chain for one in both(fleet, host, running.port).values()), "TLS without being asked"
        running.renew(RIGHT.chain)
        assert now() == [certificates(*OLD.chain)] * 2
        running.reload(RIGHT.chain)
        assert now() == [certificates(*RIGHT.chain)] * 2


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("silent", r"\Ano answer in 3 s\Z"),
        ("plain", "wrong version number|packet length too long"),
        ("reset", "errno=104"),
    ],
)
def test_ports_that_are_odd(fleet: Lab, how: str, says: str) -> None:
    _, host = fleet
    with odd_port(host, how):
        for address, one in both(fleet, host, 8443).items():
            assert not one.chain and re.search(says, one.said), (address, one.said)


def test_what_is_revoked_is_told_over_both_families(fleet: Lab, tmp_path: Path) -> None:
    db, host = fleet
    at = pki(RESPONDER)
    good, revoked, unknown = (at.server(NAME) for _ in range(3))
    for name, one in {"good": good, "revoked": revoked, "unknown": unknown, "issuing": at.issuing}.items():
        (tmp_path / name).write_text(one.pem)
    (tmp_path / "root").write_text(at.root.pem)
    said = {good: ocsp_response(good), revoked: ocsp_response(revoked, revoked=True)}
    with responder(db, crl=crl(at.issuing, revoked), responses=said), web(host, Site(revoked.chain)):
        for address in (db.address, db.address6):
            url = f"http://{endpoint(address, 8080)}"
            for name, status in {"good": "good", "revoked": "revoked", "unknown": "unauthorized"}.items():
                ask = ["openssl", "ocsp", "-issuer", f"{tmp_path}/issuing", "-cert", f"{tmp_path}/{name}", "-no_nonce"]
                done = fleet.here.run([*ask, "-url", f"{url}/ocsp", "-CAfile", f"{tmp_path}/root"], check=False)
                assert status in done.stdout + done.stderr
                assert "Response verify OK" in done.stderr or name == "unknown"
            fleet.here.run(["curl", "--silent", "--fail", "--output", f"{tmp_path}/crl", f"{url}/issuing.crl"])
            check = ["-crl_check", "-CRL", f"{tmp_path}/crl", "-CRLform", "DER", "-CAfile", f"{tmp_path}/root"]
            for handshake in both(fleet, host, 443, *check).values():
                assert "verify error:num=23:certificate revoked" in handshake.said


def test_what_a_responder_says_may_change(fleet: Lab, tmp_path: Path) -> None:
    """An OCSP question may be a GET, too."""
    db, _ = fleet
    builder = ocsp.OCSPRequestBuilder().add_certificate(RIGHT.certificate, AUTHORITIES.issuing.certificate, SHA1())
    path = quote(b64encode(builder.build().public_bytes(Encoding.DER)), safe="")

    def answer() -> ocsp.OCSPCertStatus:
        fleet.here.run(["curl", "--silent", "--fail", "--output", f"{tmp_path}/answer", f"{RESPONDER}/ocsp/{path}"])
        return ocsp.load_der_ocsp_response((tmp_path / "answer").read_bytes()).certificate_status

    with responder(db, responses={RIGHT: ocsp_response(RIGHT)}) as running:
        assert answer() is ocsp.OCSPCertStatus.GOOD
        running.say(responses={RIGHT: ocsp_response(RIGHT, revoked=True)})
        assert answer() is ocsp.OCSPCertStatus.REVOKED


def test_all_of_it_is_there_at_once_and_then_gone(fleet: Lab) -> None:
    db, host = fleet
    before = state(host), state(db), left(host)
    with ExitStack() as running:
        for server in (mail, database):
            running.enter_context(server(host, RIGHT.chain))
        running.enter_context(web(host, Site(RIGHT.chain)))
        running.enter_context(responder(host, crl=crl(AUTHORITIES.issuing)))
        running.enter_context(odd_port(host, "silent"))
    assert (state(host), state(db), left(host)) == before


def test_a_server_that_does_not_start_says_why(fleet: Lab) -> None:
    _, host = fleet
    before = left(host)
    stranger = replace(RIGHT, key=OLD.key)
    said = pytest.raises(LabError, match=r"(?s)ended before the certificate of 127\.0\.0\.1:443.+key values mismatch")
    with said, web(host, Site([stranger])):
        pass
    assert left(host) == before


def test_it_needs_its_servers(fleet: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    for server in (web(fleet[0]), mail(fleet[0], RIGHT.chain)):
        with pytest.raises(LabError, match=r"needs \w+: see selftest/packages\.txt"), server:
            pass
