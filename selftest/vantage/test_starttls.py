"""What is said before TLS: each protocol's consent is understood, whatever else is said is words."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from lab import wait_until
from selftest.chains import pki
from selftest.vantage.tls_servers import PLACE, Handle, context, made, serving, tls, until_closed
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import Endpoint, Seen
from shipworthy.vantage.starttls import PROTOCOLS, Declined, Read, dialogue

HERE = "127.0.0.1"
WAIT = 0.5
SILENT = f"no answer within {WAIT:g} s"
Script = Sequence[tuple[bytes, bytes]]
"""What is awaited from the client, and what is said then."""

FEATURES = (
    b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
)
STREAM = b"<?xml version='1.0'?><stream:stream from='example.com' id='1' version='1.0'>"
EXTENDED = bytes.fromhex("300c02010178070a010004000400")
GREETING = b"".join(
    [
        b"\x0a",
        b"8.4.0\0",
        b"\x01\0\0\0",
        b"saltsalt",
        b"\0",
        b"\xff\xff",
        b"\xff\x02\0\xff\xdf\x15",
        bytes(10),
        b"more\0",
    ]
)
"""Protocol 10, version, thread, salt, filler, capabilities, and the rest."""


def packet(payload: bytes, number: int = 0) -> bytes:
    """MySQL's."""
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


CONSENTS: dict[str, Script] = {
    "smtp": [
        (b"", b"220-mail.example.com\r\n220 ESMTP\r\n"),
        (b"EHLO shipworthy.invalid\r\n", b"250-mail\r\n250-SIZE 1\r\n250 STARTTLS\r\n"),
        (b"STARTTLS\r\n", b"220 2.0.0 Ready\r\n"),
    ],
    "imap": [
        (b"", b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
        (b"a STARTTLS\r\n", b"* CAPABILITY IMAP4rev1\r\na OK begin\r\n"),
    ],
    "pop3": [(b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK begin\r\n")],
    "ftp": [(b"", b"220-Welcome\r\nto all of you\r\n331 of you\r\n220 ready\r\n"), (b"AUTH TLS\r\n", b"234 begin\r\n")],
    "ldap": [(bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037", EXTENDED)],
    "postgres": [(b"\0\0\0\x08\x04\xd2\x16\x2f", b"S")],
    "mysql": [(b"", packet(GREETING)), (packet(bytes.fromhex("008a0000") + b"\0\0\0\x01\x21" + bytes(23), 1), b"")],
    "xmpp": [
        (b'to="example.com"', STREAM + FEATURES),
        (b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    ],
}


def speaking(script: Script, then: Handle, pieces: int = 4096) -> Handle:
    """Say one's lines, in pieces of so many bytes."""

    def handle(stream: socket.socket) -> None:
        for awaited, said in script:
            data = b""
            while awaited not in data:
                if not (more := stream.recv(1)):  # what follows is TLS's
                    return
                data += more
            for at in range(0, len(said), pieces):
                stream.sendall(said[at : at + pieces])
        then(stream)

    return handle


def seen(handle: Handle, protocol: str, wait: float = 5.0) -> Seen:
    with serving(handle) as port:
        endpoint = Endpoint(HERE, port, pki.NAME, protocol)
        (only,) = meet([endpoint], PLACE, wait=wait)[endpoint]
    return only


def test_every_protocol_has_its_consent() -> None:
    assert set(CONSENTS) == set(PROTOCOLS)


@pytest.mark.parametrize("pieces", [4096, 1])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_consent_leads_to_the_certificate(protocol: str, pieces: int) -> None:
    met = seen(speaking(CONSENTS[protocol], tls(context()), pieces), protocol)
    assert (met.rung, met.error) == ("tls", "")
    assert base64.b64decode(met.chain[0]) == made().leaf.der


def nothing(_stream: socket.socket) -> None:
    """The end."""


@pytest.mark.parametrize(
    ("protocol", "said", "error"),
    [
        ("smtp", b"554 no service\r\n", "declines: '554 no service'"),
        ("smtp", b"SSH-2.0-OpenSSH_9.2\r\n", "speaks something else: 'SSH-2.0-OpenSSH_9.2'"),
        ("smtp", b"220 half a line", "closed before its answer was whole"),
        ("smtp", b"", "closed without an answer"),
        ("smtp", b"220-\r\n" * 4000, "says more than 16384 bytes, and no consent"),
        ("imap", b"* BYE busy\r\n", "declines: '* BYE busy'"),
        ("pop3", b"-ERR \x1b[31mred\x00\r\n", "declines: '-ERR .[31mred.'"),
        ("ftp", b"421 too many\r\n", "declines: '421 too many'"),
        ("ldap", bytes.fromhex("300c02010178070a013404000400"), "declines: result code 52"),
        ("ldap", b"HTTP/1.1 400", "speaks something else: 'HTTP/1.1 400'"),
        ("ldap", bytes.fromhex("30847fffffff"), "an answer of 2147483647 bytes"),
        ("ldap", bytes.fromhex("300302010100"), "answers no extended request"),
        ("postgres", b"N", "declines: N"),
        ("postgres", b"E\0\0\0\x20SFATAL", "speaks something else: 'E... SFATAL'"),
        ("postgres", b"Sand more", "goes on in plain text: 'and more'"),
        ("mysql", packet(b"\xff\x69\x04Host is blocked"), "declines: 'Host is blocked'"),
        ("mysql", packet(GREETING.replace(b"\xff\xff", b"\xff\xf7", 1)), "declines: its greeting offers no TLS"),
        ("mysql", packet(b"\x0a8.4.0"), "its greeting is cut short"),
        ("xmpp", STREAM + b"<stream:features></stream:features>", "declines: its features have no starttls"),
        ("xmpp", STREAM + b"<stream:error>", "declines: its features have no starttls"),
        ("xmpp", b"220 mail\r\n", "speaks something else: '220 mail'"),
    ],
)
def test_who_does_not_consent_is_told(protocol: str, said: bytes, error: str) -> None:
    awaited = CONSENTS[protocol][0][0]
    met = seen(speaking([(awaited, said)], nothing), protocol)
    assert met.rung == "starttls"
    assert met.error.startswith(error), met
    assert not met.chain


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3", "ftp"])
def test_a_server_without_tls_is_told(protocol: str) -> None:
    refusal = {"smtp": b"502 5.5.1", "imap": b"a BAD", "pop3": b"-ERR", "ftp": b"500"}[protocol] + b" unknown\r\n"
    *before, (awaited, _) = CONSENTS[protocol]
    met = seen(speaking([*before, (awaited, refusal)], nothing), protocol)
    assert (met.rung, met.error) == ("starttls", f"declines: {refusal.strip().decode()!r}")


def test_what_is_injected_behind_consent_is_told() -> None:
    *before, (awaited, said) = CONSENTS["smtp"]
    met = seen(speaking([*before, (awaited, said + b"250 injected\r\n")], nothing), "smtp")
    assert met.error == "goes on in plain text: '250 injected'"


def drip(stream: socket.socket) -> None:
    while True:
        stream.sendall(b"2")
        time.sleep(0.02)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_silence_ends_in_time(protocol: str) -> None:
    met = seen(until_closed, protocol, WAIT)
    assert (met.rung, met.error) == ("starttls", SILENT)
    assert WAIT <= met.seconds < WAIT + 0.5


def test_drips_end_in_time() -> None:
    met = seen(drip, "smtp", WAIT)
    assert (met.rung, met.error) == ("starttls", SILENT)


def test_xmpp_says_its_name_as_xml() -> None:
    assert b"to='a\"b&lt;'" in dialogue("xmpp", 'a"b<')[0].send


def is_understood(read: Read, data: bytes) -> bool:
    """Whether it is read to a place within it, or declined in words."""
    try:
        return 0 <= read(data) <= len(data)
    except Declined as declined:
        return str(declined).isprintable()


@given(st.sampled_from(PROTOCOLS), st.integers(0, 2), st.binary(max_size=300))
def test_bytes_that_mean_nothing_are_words(protocol: str, step: int, data: bytes) -> None:
    read = dialogue(protocol, pki.NAME)[step % len(CONSENTS[protocol])].read
    if read is None:
        return
    assert is_understood(read, data)


@given(st.sampled_from(PROTOCOLS), st.data())
def test_consent_that_is_damaged_is_words(protocol: str, data: st.DataObject) -> None:
    """Cut short, or with bytes changed: it is whole only where it is all there."""
    step = data.draw(st.sampled_from(range(len(CONSENTS[protocol]))))
    read, said = dialogue(protocol, pki.NAME)[step].read, bytearray(CONSENTS[protocol][step][1])
    if read is None:
        return
    assert read(bytes(said)) == len(said)
    assert read(bytes(said[: data.draw(st.integers(0, len(said) - 1))])) == 0
    said[data.draw(st.integers(0, len(said) - 1))] ^= data.draw(st.integers(1, 255))
    assert is_understood(read, bytes(said))


@contextmanager
def running(*arguments: str, port: int) -> Iterator[None]:
    """A real server, until it is not needed."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: _listens(port), within=10, what=arguments[0])
            yield
        finally:
            server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as stream:
        return stream.connect_ex((HERE, port)) == 0


def free_port() -> int:
    with socket.create_server((HERE, 0)) as listener:
        return int(listener.getsockname()[1])


def written(place: Path) -> tuple[str, str]:
    """The chain and its key, as files that only we read."""
    chain, key = place / "chain.pem", place / "key.pem"
    chain.write_bytes(b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (made().leaf, made().issuing)))
    key.touch(mode=0o600)
    key.write_bytes(made().leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return str(chain), str(key)


@pytest.mark.skipif(not shutil.which("aiosmtpd"), reason="aiosmtpd is not installed")
def test_a_real_smtp_server(tmp_path: Path) -> None:
    chain, key = written(tmp_path)
    port = free_port()
    with running("aiosmtpd", "-n", "-l", f"{HERE}:{port}", "--tlscert", chain, "--tlskey", key, port=port):
        endpoint = Endpoint(HERE, port, pki.NAME, "smtp", versions=("TLSv1.2", "TLSv1.3"))
        (met,) = meet([endpoint], PLACE)[endpoint]
    assert not met.error
    assert [base64.b64decode(der) for der in met.chain] == [made().leaf.der, made().issuing.der]
    assert [each.taken for each in met.tried] == [True, True]
