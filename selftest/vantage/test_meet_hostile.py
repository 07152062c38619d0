"""Servers of TLS that behave as none should: each is one line of words, in time, and nothing else."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from OpenSSL import SSL

from selftest.chains import pki
from selftest.labs.possible import require_lab
from selftest.vantage.servers import apart
from selftest.vantage.tls_servers import PLACE, Handle, context, made, serving, tls, until_closed
from shipworthy.vantage import handshake
from shipworthy.vantage.handshake import CERTIFICATES
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import VERSIONS, Endpoint, Seen

HERE = "127.0.0.1"
WAIT = 0.4
SILENT = f"no answer within {WAIT:g} s"


def seen(handle: Handle, *versions: str, wait: float = WAIT) -> Seen:
    with serving(handle) as port:
        endpoint = Endpoint(HERE, port, pki.NAME, versions=versions)
        begun = time.monotonic()
        (only,) = meet([endpoint], PLACE, wait=wait)[endpoint]
        assert time.monotonic() - begun < wait + 1.5
    return only


def hello(stream: socket.socket) -> None:
    assert stream.recv(65536)


def reset(stream: socket.socket) -> None:
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def resets_at_once(stream: socket.socket) -> None:
    reset(stream)


def resets_in_the_handshake(stream: socket.socket) -> None:
    hello(stream)
    reset(stream)


def greets(stream: socket.socket) -> None:
    stream.sendall(b"220 mail.example.com ESMTP\r\n")
    until_closed(stream)


def answers_http(stream: socket.socket) -> None:
    hello(stream)
    stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n<html>")


def drips_text(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"x")
        time.sleep(0.05)


def drips_tls(stream: socket.socket) -> None:
    """A record of 16 KiB, for as long as anybody waits."""
    hello(stream)
    stream.sendall(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc")
    while True:
        stream.sendall(b"\0")
        time.sleep(0.05)


def floods(stream: socket.socket) -> None:
    hello(stream)
    while True:
        stream.sendall(b"\x16\x03\x03\x40\x00" + b"\x02\x00\x3f\xfc" + bytes(0x3FFC))


def warns_forever(stream: socket.socket) -> None:
    hello(stream)
    while True:
        stream.sendall(b"\x15\x03\x03\x00\x02\x01\x70" * 100)


def alerts(stream: socket.socket) -> None:
    hello(stream)
    stream.sendall(b"\x15\x03\x03\x00\x02\x02\x50")


def alerts_with_what_nobody_knows(stream: socket.socket) -> None:
    hello(stream)
    stream.sendall(b"\x15\x03\x03\x00\x02\x02\xf0")


@pytest.mark.parametrize(
    ("handle", "error"),
    [
        (until_closed, SILENT),
        (greets, "speaks no TLS: plain text '220 mail.example.com ESMTP'"),
        (answers_http, "speaks no TLS: plain text 'HTTP/1.1 400 Bad Request'"),
        (drips_text, "speaks no TLS: plain text"),
        (resets_in_the_handshake, "reset in the handshake"),
        (hello, "closed in the handshake"),
        (drips_tls, SILENT),
        (floods, "OpenSSL: "),
        (warns_forever, "OpenSSL: too many warn alerts"),
        (alerts, "alert internal_error"),
        (alerts_with_what_nobody_knows, "alert 240"),
    ],
)
def test_a_server_that_does_not_shake_hands(handle: Handle, error: str) -> None:
    met = seen(handle)
    assert met.rung == "tls"
    assert met.error.startswith(error), met
    assert not met.chain


def test_a_server_that_resets_at_once() -> None:
    """Before or after the connect, as the kernel has it."""
    assert seen(resets_at_once).error in {"reset", "reset in the handshake"}


def test_nobody_listens() -> None:
    with socket.create_server((HERE, 0)) as listener:
        port = listener.getsockname()[1]
    endpoint = Endpoint(HERE, port, versions=VERSIONS)
    (met,) = meet([endpoint], PLACE)[endpoint]
    assert (met.rung, met.error) == ("tcp", "refused")
    assert {(each.taken, each.words) for each in met.tried} == {(None, "refused")}


def test_who_is_silent_is_not_asked_again() -> None:
    met = seen(until_closed, *VERSIONS)
    assert {(each.taken, each.words) for each in met.tried} == {(None, SILENT)}


def test_who_speaks_plain_text_takes_no_version() -> None:
    assert {each.taken for each in seen(answers_http, *VERSIONS).tried} == {False}


def old_ones_hang(stream: socket.socket) -> None:
    """A server that answers nobody who is older than TLS 1.2."""
    first = stream.recv(4096, socket.MSG_PEEK)
    if b"\x03\x04" not in first and b"\x03\x03" not in first[:12]:
        until_closed(stream)
    else:
        tls(context())(stream)


def test_a_version_that_is_met_with_silence_is_not_known() -> None:
    with serving(old_ones_hang) as port:
        endpoint = Endpoint(HERE, port, versions=("TLSv1.1", "TLSv1.2"))
        (met,) = meet([endpoint], PLACE, wait=WAIT)[endpoint]
    assert not met.error
    assert [each[:2] for each in met.tried] == [("TLSv1.1", None), ("TLSv1.2", True)]
    assert met.tried[0].words == SILENT


def test_what_openssl_here_refuses_says_nothing_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real context of a usual security level, at which OpenSSL does not even begin with TLS 1.0."""
    usual = SSL.Context(SSL.TLS_CLIENT_METHOD)
    usual.set_min_proto_version(SSL.TLS1_VERSION)
    usual.set_max_proto_version(SSL.TLS1_VERSION)
    usual.set_cipher_list(b"ALL:@SECLEVEL=2")
    usual.set_info_callback(handshake._note)
    all = handshake._context
    monkeypatch.setattr(handshake, "_context", lambda version, *more: usual if version else all(version, *more))
    met = seen(tls(context(versions=(SSL.TLS1_VERSION, SSL.TLS1_3_VERSION))), "TLSv1")
    assert not met.error
    assert met.tried == [("TLSv1", None, "OpenSSL here: no protocols available")]


@pytest.mark.parametrize("version", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_more_certificates_than_are_kept(version: int) -> None:
    many = [made().issuing.der] * (CERTIFICATES + 9)
    met = seen(tls(context(beside=many, versions=(version, version))), wait=2)
    assert not met.error
    assert len(met.chain) == CERTIFICATES


def test_more_bytes_than_openssl_takes() -> None:
    large = pki.intermediate(made().root, pki.san(*pki.dns(*(f"{number}.{'x' * 60}.example" for number in range(300)))))
    met = seen(tls(context(beside=[large.der] * 10)), wait=2)
    assert met.error == "OpenSSL: excessive message size"
    assert not met.chain


@contextmanager
def answering(first: bytes) -> Iterator[Endpoint]:
    def handle(stream: socket.socket) -> None:
        hello(stream)
        stream.sendall(first)

    with serving(handle) as port:
        yield Endpoint(HERE, port, pki.NAME)


def as_record(body: bytes) -> bytes:
    return b"\x16\x03\x03" + len(body).to_bytes(2, "big") + body


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=400) | st.binary(max_size=400).map(as_record))
def test_bytes_that_mean_nothing(first: bytes) -> None:
    with answering(first) as endpoint:
        (met,) = meet([endpoint], PLACE, wait=2)[endpoint]
    assert met.error
    assert met.error.isprintable()


def test_a_chain_that_is_no_chain() -> None:
    """A real first flight of TLS 1.2, where it is in the clear, with every seventh byte changed in turn."""
    flight: list[bytes] = []
    server = SSL.Connection(context(versions=(SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION)))
    server.set_accept_state()
    client_context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    client = SSL.Connection(client_context)
    client.set_connect_state()
    for side, other in ((client, server), (server, client)):
        with pytest.raises(SSL.WantReadError):
            side.do_handshake()
        flight.append(side.bio_read(65536))
        other.bio_write(flight[-1])
    place = 0

    def handle(stream: socket.socket) -> None:
        hello(stream)
        stream.sendall(flight[1][:place] + bytes([flight[1][place] ^ 0xFF]) + flight[1][place + 1 :])

    with serving(handle) as port:
        for place in range(5, len(flight[1]), 7):  # noqa: B007 -- the server reads it
            endpoint = Endpoint(HERE, port, pki.NAME)
            (met,) = meet([endpoint], PLACE, wait=2)[endpoint]
            assert met.error


def test_a_machine_without_ipv6_is_told_apart() -> None:
    require_lab()
    with apart() as network:
        network.address("10.9.0.1")
        network.command("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1")
        endpoints = [Endpoint("2001:db8::1", 443), Endpoint("10.9.0.1", 443), Endpoint("10.8.0.1", 443)]
        met = network.run(lambda: meet_in_this_thread(endpoints))
    assert met == ["no route", "refused", "no route"]


def meet_in_this_thread(endpoints: list[Endpoint]) -> list[str]:
    """Threads that are started from a network of its own are in it."""
    return [each.error for met in meet(endpoints, PLACE, wait=WAIT).values() for each in met]
