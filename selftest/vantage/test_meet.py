"""Every address is met by itself; what is seen there is what its server shows."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from OpenSSL import SSL

from selftest.chains import pki
from selftest.labs.possible import require_lab
from selftest.vantage.tls_servers import PLACE, Handle, context, made, serving, staple, tls, until_closed
from shipworthy.vantage import meet as meeting_room
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import VERSIONS, Endpoint, Resolved, Seen, Served, Tried
from shipworthy.vantage.tls import accepted, examine_chain

HERE = "127.0.0.1"
WAIT = 1.0
OLD = (SSL.TLS1_VERSION, SSL.TLS1_VERSION)
NONE_BY_RSA = Served(pki.NAME, [], "alert handshake_failure", "RSA")
"""Of a server with an ECDSA certificate alone."""


def seen(
    handle: Handle,
    *,
    server_name: str = pki.NAME,
    alpn: tuple[str, ...] = (),
    versions: tuple[str, ...] = (),
    also_named: tuple[str, ...] = (),
    wait: float = WAIT,
) -> Seen:
    """What is seen of one server."""
    with serving(handle) as port:
        endpoint = Endpoint(HERE, port, server_name, "", alpn, versions, also_named)
        (only,) = meet([endpoint], PLACE, wait=wait)[endpoint]
    return only


def ders(chain: Sequence[str]) -> list[bytes]:
    return [base64.b64decode(text) for text in chain]


def test_a_server_that_is_right() -> None:
    met = seen(tls(context(alpn=b"h2")), alpn=("h2", "http/1.1"))
    assert (met.address, met.family, met.rung, met.error) == (HERE, "ipv4", "tls", "")
    assert (met.version, met.alpn) == ("TLSv1.3", "h2")
    assert met.cipher.startswith("TLS_")
    assert 0 < met.seconds < WAIT
    leaf, *beside = ders(met.chain)
    assert [leaf, *beside] == [made().leaf.der, made().issuing.der]
    assert accepted(examine_chain(leaf, beside, [made().root.der], pki.NAME, pki.AT))
    assert not met.staple
    assert not met.asks_for_certificate
    assert not met.tried
    assert met.others == [NONE_BY_RSA]


def test_the_chain_is_kept_as_it_was_served() -> None:
    """Wrong order, twice the same, the root: OpenSSL's own order is not asked."""
    beside = [made().root.der, made().other.der, made().issuing.der, made().issuing.der]
    assert ders(seen(tls(context(beside=beside))).chain) == [made().leaf.der, *beside]


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("status", [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED])
def test_a_staple_is_kept(version: int, status: ocsp.OCSPCertStatus) -> None:
    stapled = staple(status)
    met = seen(tls(context(staple=stapled, versions=(version, version))))
    assert base64.b64decode(met.staple) == stapled
    assert ocsp.load_der_ocsp_response(base64.b64decode(met.staple)).certificate_status == status


def test_what_it_is_called_decides_what_is_served() -> None:
    usual, other = context(), context(made().other)

    def choose(connection: SSL.Connection) -> None:
        if connection.get_servername() == b"other.example":
            connection.set_context(other)

    usual.set_tlsext_servername_callback(choose)
    met = seen(tls(usual), also_named=("other.example", ""))
    assert ders(met.chain)[0] == made().leaf.der
    *named, by_rsa = met.others
    assert [(each.server_name, ders(each.chain)[0], each.error) for each in named] == [
        ("other.example", made().other.der, ""),
        ("", made().leaf.der, ""),
    ]
    assert by_rsa == NONE_BY_RSA


@pytest.mark.parametrize("server_name", ["", HERE, "::1"])
def test_no_name_is_indicated_for_none_and_for_addresses(server_name: str) -> None:
    heard: list[bytes | None] = []
    usual = context()
    usual.set_tlsext_servername_callback(lambda connection: heard.append(connection.get_servername()))
    assert not seen(tls(usual), server_name=server_name).error
    assert set(heard) == {None}


def needing_a_name(stream: socket.socket) -> None:
    """Without SNI it hangs up with an alert, as openresty and others do."""
    hello = stream.recv(4096, socket.MSG_PEEK)
    if pki.NAME.encode() not in hello:
        stream.recv(4096)
        stream.sendall(bytes.fromhex("15030300020270"))  # fatal, unrecognized_name
        return
    tls(context())(stream)


def test_a_server_that_needs_a_name() -> None:
    met = seen(needing_a_name, also_named=("",))
    assert not met.error
    assert met.others == [Served("", [], "alert unrecognized_name"), NONE_BY_RSA]
    assert seen(needing_a_name, server_name="").error == "alert unrecognized_name"


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_server_that_wants_a_certificate_is_seen_all_the_same(version: int) -> None:
    strict = context(versions=(version, version))
    strict.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    strict.add_client_ca(made().root.certificate)
    met = seen(tls(strict), versions=("TLSv1.2", "TLSv1.3"))
    assert met.asks_for_certificate
    assert [x509.Name.from_bytes(der) for der in ders(met.client_authorities)] == [made().root.subject]
    assert ders(met.chain) == [made().leaf.der, made().issuing.der]
    assert met.error == ("alert handshake_failure" if version == SSL.TLS1_2_VERSION else "")
    assert [each.taken for each in met.tried] == [version == SSL.TLS1_2_VERSION, version == SSL.TLS1_3_VERSION]


def test_versions_are_tried_by_themselves() -> None:
    met = seen(tls(context()), versions=VERSIONS)
    assert met.tried == [
        Tried("TLSv1", False, "alert protocol_version"),
        Tried("TLSv1.1", False, "alert protocol_version"),
        Tried("TLSv1.2", True, ""),
        Tried("TLSv1.3", True, ""),
    ]


@pytest.mark.parametrize(("number", "version"), [(SSL.TLS1_VERSION, "TLSv1"), (SSL.TLS1_1_VERSION, "TLSv1.1")])
def test_a_server_that_has_only_an_old_version(number: int, version: str) -> None:
    met = seen(tls(context(versions=(number, number))), versions=VERSIONS)
    assert (met.error, met.version) == ("", version)
    assert ders(met.chain)[0] == made().leaf.der
    assert [each.version for each in met.tried if each.taken] == [version]
    assert None not in [each.taken for each in met.tried], met.tried


NAMES = """127.0.0.1 both.example old.example
::1 both.example
2001:db8::1 new.example
169.254.169.254 nobodys.example
"""
ASKING = """
import json, sys
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import Endpoint
from shipworthy.vantage.visiting import Here
met = meet([Endpoint(host, int(sys.argv[1])) for host in sys.argv[2:]], Here(None), wait=0.5)
json.dump({endpoint.host: seen for endpoint, seen in met.items()}, sys.stdout)
"""


def test_both_families_of_a_name_by_themselves(tmp_path: Path) -> None:
    """The names stand in a hosts file, and nowhere else, of a mount namespace; IPv6 serves another certificate."""
    require_lab()
    (tmp_path / "hosts").write_text(NAMES)
    (tmp_path / "nsswitch.conf").write_text("hosts: files\n")
    mounts = "".join(f"mount --bind {tmp_path}/{name} /etc/{name} && " for name in ("hosts", "nsswitch.conf"))
    hosts = ["both.example", "old.example", "new.example", "nobodys.example"]
    with serving(tls(context())) as port, serving(tls(context(made().other)), "::1", port):
        asking = [sys.executable, "-c", ASKING, str(port), *hosts]
        command = ["unshare", "--mount", "sh", "-c", f'{mounts} exec "$@"', "sh", *asking]
        said = subprocess.run(command, check=True, capture_output=True, timeout=30).stdout
    met = {host: [Seen(*each) for each in seen] for host, seen in json.loads(said).items()}
    at = {host: [(each.address, each.family, each.rung) for each in seen] for host, seen in met.items()}
    assert at == {
        "both.example": [(HERE, "ipv4", "tls"), ("::1", "ipv6", "tls")],
        "old.example": [(HERE, "ipv4", "tls"), ("", "ipv6", "resolve")],
        "new.example": [("", "ipv4", "resolve"), ("2001:db8::1", "ipv6", "tcp")],
        "nobodys.example": [("169.254.169.254", "ipv4", "resolve"), ("", "ipv6", "resolve")],
    }
    assert [ders(each.chain)[0] for each in met["both.example"]] == [made().leaf.der, made().other.der]
    assert met["old.example"][1].error in {"no address", "no such name"}
    assert "not met" in met["nobodys.example"][0].error


def test_an_address_is_taken_as_it_is() -> None:
    """The server on the other family, at the same port, is nobody's to fall back to."""
    with serving(tls(context())) as port:
        endpoint = Endpoint("::1", port, pki.NAME)
        (met,) = meet([endpoint], PLACE, families=["ipv4"])[endpoint]
    assert (met.address, met.family, met.error) == ("::1", "ipv6", "refused")


def test_a_family_that_is_not_asked_for_is_not_met() -> None:
    with serving(tls(context())) as port:
        endpoint = Endpoint("localhost", port)
        assert {each.family for each in meet([endpoint], PLACE, families=["ipv4"])[endpoint]} == {"ipv4"}


def test_a_family_without_addresses_is_told() -> None:
    endpoint = Endpoint("no-such-name.invalid", 443)
    met = meet([endpoint], PLACE)[endpoint]
    assert [(each.address, each.family, each.rung) for each in met] == [
        ("", "ipv4", "resolve"),
        ("", "ipv6", "resolve"),
    ]
    assert all(each.error for each in met)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "nul\0.example", "ü" * 300])
def test_what_is_no_name_is_told(host: str) -> None:
    endpoint = Endpoint(host, 443)
    assert [each.rung for each in meet([endpoint], PLACE)[endpoint]] == ["resolve", "resolve"]


def test_more_addresses_than_are_met() -> None:
    meetings = meeting_room._Meetings(PLACE, WAIT, time.monotonic(), Event())
    many = Resolved("many.example", "ipv4", [f"127.0.1.{number}" for number in range(40)], "", 0.0)
    *met, told = [meetings.seen(each) for each in meetings.put_all(Endpoint("many.example", 1), many)]
    assert len(met) == meeting_room.ADDRESSES
    assert told.error == "40 addresses: only the first 32 were met"
    assert {each.error for each in met} == {"not met: the time was up"}


def test_given_up_is_over() -> None:
    given_up = Event()
    given_up.set()
    endpoint, named = Endpoint(HERE, 1, versions=VERSIONS), Endpoint("localhost", 1)
    begun = time.monotonic()
    seen = meet([endpoint, named], PLACE, given_up=given_up)
    assert time.monotonic() - begun < 1
    assert all(each.error.startswith("no") for each in seen[named])
    (met,) = seen[endpoint]
    assert met.error == "not met: the time was up"
    assert {each.taken for each in met.tried} == {None}


def test_the_time_of_all_is_kept() -> None:
    with serving(until_closed) as port:
        endpoints = [Endpoint(HERE, port, str(number)) for number in range(250)]
        begun = time.monotonic()
        met = meet(endpoints, PLACE, wait=5, deadline=0.6)
    assert time.monotonic() - begun < 2
    assert all(error.startswith("no") for (each,) in met.values() for error in [each.error])


def test_five_hundred_endpoints_are_met_within_seconds() -> None:
    """Their servers run in this process too. Alone, with nginx serving: 0.65 s."""
    with serving(tls(context()), "0.0.0.0") as port:
        endpoints = [Endpoint(f"127.1.{number // 250}.{number % 250 + 1}", port, pki.NAME) for number in range(500)]
        begun = time.monotonic()
        met = meet(endpoints, PLACE)
        seconds = time.monotonic() - begun
    assert [each.error for (each,) in met.values()] == [""] * 500
    assert seconds < 15
