"""One conversation with one address: TCP, what is said before TLS, and the handshake.

In: where, how, and a monotonic time until which it has to be over, however slowly the other side speaks. Out:
`Handshake`: how far it came and what was seen on the way; never an error for what servers do.
No certificate is judged here: whoever shows one is listened to, also over protocol versions that are long past.
"""

from __future__ import annotations

import re
import select
import socket
import time
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from OpenSSL import SSL, crypto

from shipworthy.vantage import starttls
from shipworthy.vantage.connecting import Unreached, connected, received, told

CERTIFICATES = 200
"""Of one chain, that are kept."""
CHAIN_BYTES = 512 * 1024
"""The same in bytes; OpenSSL itself hangs up on whoever shows more than 100 KiB."""
AUTHORITIES = 100
"""Issuers of client certificates that are kept."""
_VERSIONS = {
    "TLSv1": SSL.TLS1_VERSION,
    "TLSv1.1": SSL.TLS1_1_VERSION,
    "TLSv1.2": SSL.TLS1_2_VERSION,
    "TLSv1.3": SSL.TLS1_3_VERSION,
}
_RECORDS = range(20, 25)
"""What the first byte of TLS can be: the content types of its records."""
_ALERT = re.compile(r"\balert (.+)")


class Way(NamedTuple):
    """How a handshake is asked for."""

    server_name: str
    starttls: str = ""
    alpn: tuple[str, ...] = ()
    version: str = ""
    """The only one that is offered; every one where it is empty."""


@dataclass
class Handshake:
    """How far it came. `error` is empty where it was completed."""

    rung: str = "tcp"
    error: str = ""
    seconds: float = 0.0
    version: str = ""
    cipher: str = ""
    alpn: str = ""
    chain: list[bytes] = field(default_factory=list)
    staple: bytes = b""
    authorities: list[bytes] = field(default_factory=list)
    asks_for_certificate: bool = False
    agreed: bool = False
    """The server took the protocol version, whatever came then."""
    is_local: bool = False
    """OpenSSL here would not even begin."""
    timed_out: bool = False


def shake(address: str, port: int, way: Way, until: float) -> Handshake:
    """Go as far as it goes."""
    begun = time.monotonic()
    seen = Handshake()
    try:
        with connected(address, port, socket.SOCK_STREAM, until) as stream:
            seen.rung = "starttls" if way.starttls else "tls"
            _speak(stream, way, until)
            seen.rung = "tls"
            _shake(stream, way, until, seen)
    except (Unreached, starttls.Declined) as ended:
        seen.error = str(ended)
    except TimeoutError:
        seen.error = f"no answer within {until - begun:.3g} s"
        seen.timed_out = True
    except OSError as failed:
        seen.error = told(failed)
        if seen.rung == "tls":
            seen.error += " in the handshake"
    seen.seconds = time.monotonic() - begun
    return seen


def _speak(stream: socket.socket, way: Way, until: float) -> None:
    """What comes before TLS. Whatever the server says behind its consent is not TLS's, and nobody's to trust."""
    left = starttls.MOST_BYTES
    data = b""
    for step in starttls.dialogue(way.starttls, way.server_name):
        stream.settimeout(max(0.001, until - time.monotonic()))
        stream.sendall(step.send)
        end = 0
        while step.read and not (end := step.read(data)):
            more = received(stream, until, 4096)
            left -= len(more)
            if not more:
                raise Unreached("closed before its answer was whole" if data else "closed without an answer")
            if left < 0:
                raise Unreached(f"says more than {starttls.MOST_BYTES} bytes, and no consent")
            data += more
        data = data[end:]
    if data:
        raise Unreached(f"goes on in plain text: {starttls.shown(data)!r}")


def _shake(stream: socket.socket, way: Way, until: float, seen: Handshake) -> None:
    stream.setblocking(False)
    connection = SSL.Connection(_context(way.version, way.alpn), stream)
    connection.set_app_data(seen)
    if name := _indicated(way.server_name):
        connection.set_tlsext_host_name(name)
    connection.request_ocsp()
    connection.set_connect_state()
    try:
        _handshake(connection, stream, until, seen)
        seen.alpn = connection.get_alpn_proto_negotiated().decode("ascii", "replace")
        connection.shutdown()
    except SSL.SysCallError as failed:
        raise Unreached("closed in the handshake") if failed.args[0] < 0 else OSError(*failed.args) from None
    except SSL.ZeroReturnError:
        raise Unreached("closed in the handshake") from None
    except SSL.Error as failed:
        raise Unreached(_words(failed, seen)) from None
    finally:
        _take(connection, seen)


def _handshake(connection: SSL.Connection, stream: socket.socket, until: float, seen: Handshake) -> None:
    seen.is_local = True
    poll = select.poll()
    while True:
        try:
            return connection.do_handshake()
        except SSL.WantReadError:
            awaited = select.POLLIN
        except SSL.WantWriteError:
            awaited = select.POLLOUT
        poll.register(stream, awaited)
        left = until - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            seen.is_local = False
            raise TimeoutError
        if seen.is_local and awaited == select.POLLIN:
            seen.is_local = False
            _is_tls(stream)


def _is_tls(stream: socket.socket) -> None:
    """Whether the first bytes are TLS's: OpenSSL would call them a wrong version."""
    first = stream.recv(200, socket.MSG_PEEK)
    if first and first[0] not in _RECORDS:
        raise Unreached(f"speaks no TLS: plain text {starttls.shown(first)!r}")


def _words(failed: SSL.Error, seen: Handshake) -> str:
    reasons = [str(reason) for *_, reason in failed.args[0]] if failed.args else []
    reason = reasons[0] if reasons else "failed without a reason"
    if seen.is_local:
        return f"OpenSSL here: {reason}"
    alert = _ALERT.search(reason)
    return f"alert {alert[1]}" if alert else f"OpenSSL: {reason}"


def _take(connection: SSL.Connection, seen: Handshake) -> None:
    """What was shown, also where the handshake failed later: a server may want a certificate that we do not have."""
    if seen.agreed:
        seen.version = connection.get_protocol_version_name()
        seen.cipher = connection.get_cipher_name() or ""
    left = CHAIN_BYTES
    for certificate in (connection.get_peer_cert_chain() or [])[:CERTIFICATES]:
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        left -= len(der)
        if left < 0:
            break
        seen.chain.append(der)
    seen.authorities = [name.der() for name in connection.get_client_ca_list()[:AUTHORITIES]]


def _indicated(server_name: str) -> bytes:
    """SNI: a name, never an address (RFC 6066, section 3)."""
    try:
        ip_address(server_name)
    except ValueError:
        return server_name.encode("ascii")
    return b""


@lru_cache(64)
def _context(version: str, alpn: tuple[str, ...]) -> SSL.Context:
    """What is offered. Old protocols need security level 0, without which OpenSSL refuses them by itself."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(_VERSIONS[version or "TLSv1"])
    context.set_max_proto_version(_VERSIONS[version or "TLSv1.3"])
    context.set_cipher_list(b"ALL:@SECLEVEL=0" if version else b"DEFAULT:@SECLEVEL=0")
    context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_info_callback(_note)
    context.set_ocsp_client_callback(_note_staple)
    if alpn:
        context.set_alpn_protos([protocol.encode("ascii") for protocol in alpn])
    return context


def _note(connection: SSL.Connection, _where: int, _value: int) -> None:
    seen = connection.get_app_data()
    state = connection.get_state_string()
    seen.agreed |= state.endswith(b"read server hello")
    seen.asks_for_certificate |= state.endswith(b"read server certificate request")


def _note_staple(connection: SSL.Connection, staple: bytes, _data: None) -> bool:
    connection.get_app_data().staple = staple
    return True
