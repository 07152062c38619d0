"""A server with an RSA and an ECDSA certificate shows one to who knows both: the other is met too, if it has one."""

from __future__ import annotations

import base64
import socket
import time
from collections.abc import Sequence
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, rsa
from OpenSSL import SSL

from selftest.chains import pki
from selftest.vantage.test_meet_hostile import alerts, answers_http, drips_tls, floods, hello, resets_in_the_handshake
from selftest.vantage.tls_servers import PLACE, Handle, context, made, serving, tls, until_closed
from shipworthy.vantage.chain.certificate import read
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import Endpoint, Seen, Served

HERE = "127.0.0.1"
WAIT = 0.5
ONLY_NEW = (SSL.TLS1_3_VERSION, SSL.TLS1_3_VERSION)
OLD = (SSL.TLS1_VERSION, SSL.TLS1_1_VERSION)


@cache
def by_rsa() -> pki.Issued:
    """Of the same name."""
    return pki.leaf(made().issuing, key=rsa.generate_private_key(65537, 2048))


def seen(handle: Handle, *, starttls: str = "", versions: tuple[str, ...] = (), deadline: float = 20) -> Seen:
    with serving(handle) as port:
        endpoint = Endpoint(HERE, port, pki.NAME, starttls, versions=versions)
        (only,) = meet([endpoint], PLACE, wait=WAIT, deadline=deadline)[endpoint]
    return only


def leaves(met: Seen) -> list[bytes]:
    """What was shown, and what was shown to who knows the other kind alone."""
    return [base64.b64decode(chain[0]) for chain in (met.chain, *(each.chain for each in met.others)) if chain]


def first_then(first: Handle, then: Handle, count: int = 1) -> tuple[Handle, list[Handle]]:
    """A server that is another from its second connection on; and how it was, each time."""
    had: list[Handle] = []

    def handle(stream: socket.socket) -> None:
        had.append(first if len(had) < count else then)
        had[-1](stream)

    return handle, had


@pytest.mark.parametrize("versions", [(SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION), OLD], ids=["usual", "old"])
def test_both_are_met(versions: tuple[int, int]) -> None:
    met = seen(tls(context(second=by_rsa(), versions=versions)))
    assert leaves(met) == [made().leaf.der, by_rsa().der]
    (other,) = met.others
    assert (other.server_name, other.error, other.key) == (pki.NAME, "", "RSA")
    assert len(other.chain) == 2


def test_a_server_that_prefers_the_other() -> None:
    """It has no taste for what clients want."""
    server = context(second=by_rsa(), versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION))
    server.set_options(SSL.OP_CIPHER_SERVER_PREFERENCE)
    server.set_cipher_list(b"aRSA:aECDSA:@SECLEVEL=0")
    met = seen(tls(server))
    assert leaves(met) == [by_rsa().der, made().leaf.der]
    assert [each.key for each in met.others] == ["ECDSA"]


@pytest.mark.parametrize("leaf", [by_rsa, lambda: made().leaf], ids=["RSA", "ECDSA"])
def test_a_server_that_has_none(leaf: object) -> None:
    assert callable(leaf)
    met = seen(tls(context(leaf())))
    assert not met.error
    assert [(each.chain, each.error) for each in met.others] == [([], "alert handshake_failure")]


def test_a_server_of_tls_1_3_alone_cannot_be_asked() -> None:
    met = seen(tls(context(second=by_rsa(), versions=ONLY_NEW)))
    assert met.others == [Served(pki.NAME, [], "alert protocol_version", "RSA")]


def test_a_server_that_wants_a_certificate_shows_both_all_the_same() -> None:
    strict = context(second=by_rsa(), versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION))
    strict.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    met = seen(tls(strict))
    assert leaves(met) == [made().leaf.der, by_rsa().der]
    assert (met.error, met.others[0].error) == ("alert handshake_failure",) * 2


def test_one_more_conversation_and_no_more() -> None:
    handle, had = first_then(tls(context()), tls(context()))
    seen(handle)
    assert len(had) == 2


@pytest.mark.parametrize("handle", [until_closed, alerts, answers_http])
def test_who_showed_nothing_is_not_asked(handle: Handle) -> None:
    same, had = first_then(handle, handle)
    assert not seen(same).others
    assert len(had) == 1


@pytest.mark.parametrize(
    ("then", "error"),
    [
        (until_closed, f"no answer within {WAIT:g} s"),
        (drips_tls, f"no answer within {WAIT:g} s"),
        (floods, "OpenSSL: "),
        (hello, "closed in the handshake"),
        (resets_in_the_handshake, "reset in the handshake"),
        (answers_http, "speaks no TLS: "),
    ],
)
def test_whatever_it_says_then_the_first_is_kept(then: Handle, error: str) -> None:
    begun = time.monotonic()
    met = seen(first_then(tls(context()), then)[0])
    assert time.monotonic() - begun < 3 * WAIT
    assert not met.error
    assert leaves(met) == [made().leaf.der]
    assert met.others[0].error.startswith(error)


def test_a_chain_of_the_same_kind_is_no_second_one() -> None:
    """Who shows ECDSA to who did not offer it is not believed."""
    flight = context(versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION))
    with serving(tls(flight)) as port, socket.create_connection((HERE, port)) as stream:
        client = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD))
        client.set_connect_state()
        with pytest.raises(SSL.WantReadError):
            client.do_handshake()
        stream.sendall(client.bio_read(65536))
        recorded = stream.recv(65536)

    def replays(stream: socket.socket) -> None:
        hello(stream)
        stream.sendall(recorded)
        until_closed(stream)

    met = seen(first_then(tls(context()), replays)[0])
    assert leaves(met) == [made().leaf.der]
    assert met.others[0].error.startswith("OpenSSL: ")


def test_when_the_time_is_up_it_is_not_known() -> None:
    met = seen(first_then(tls(context()), until_closed)[0], deadline=0.3 + WAIT / 2)
    assert met.others == [Served(pki.NAME, [], "not met: the time was up", "RSA")]


CONSENT = b"\x0a8.4.0\0\x01\0\0\0saltsalt\0\xff\xff\xff\x02\0\xff\xdf\x15" + bytes(10) + b"more\0"


@pytest.mark.parametrize(("versions", "kinds"), [((), []), (("TLSv1.2",), ["RSA"])])
def test_mysql_is_asked_only_where_it_is_tried_anyway(versions: tuple[str, ...], kinds: Sequence[str]) -> None:
    def mysql(stream: socket.socket) -> None:
        stream.sendall(len(CONSENT).to_bytes(3, "little") + b"\0" + CONSENT)
        stream.recv(36, socket.MSG_WAITALL)
        tls(context(second=by_rsa()))(stream)

    met = seen(mysql, starttls="mysql", versions=versions)
    assert not met.error
    assert [each.key for each in met.others] == kinds


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (ed25519.Ed25519PrivateKey.generate(), "ECDSA"),
        (pki.new_key(), "ECDSA"),
        (mldsa.MLDSA44PrivateKey.generate(), ""),
    ],
)
def test_kinds_of_keys(key: object, kind: str) -> None:
    assert read(pki.leaf(made().issuing, key=key).der).kind_of_key == kind
    assert read(by_rsa().der).kind_of_key == "RSA"
