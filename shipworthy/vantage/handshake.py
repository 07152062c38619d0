"""One conversation with one address: TCP, what is said before TLS, and the handshake.

In: from what place, to where, how, and a monotonic time until which it has to be over, however slowly the other side
speaks. Out: `Handshake`: how far it came and what was seen on the way; never an error for what servers do.
No certificate is judged here: whoever shows one is listened to, also over protocol versions that are long past.
"""

from __future__ import annotations

import time
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from OpenSSL import SSL, crypto

from shipworthy.vantage import starttls
from shipworthy.vantage.connecting import Unreached, received, told
from shipworthy.vantage.meeting import Place, Stream, family_of

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
_FATAL = 2
_ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    22: "record_overflow",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}
"""Source: IANA's registry of TLS alerts."""


class Way(NamedTuple):
    """How a handshake is asked for."""

    server_name: str
    starttls: str = ""
    alpn: tuple[str, ...] = ()
    version: str = ""
    """The only one that is offered; every one where it is empty."""
    key: str = ""
    """The only kind of key that is offered, which cannot be said in TLS 1.3: that is not offered then."""


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
    begun: bool = False
    """OpenSSL here was willing to try."""
    timed_out: bool = False
    alert: str = ""
    """The last that the server sent."""


def shake(place: Place, address: str, port: int, way: Way, until: float) -> Handshake:
    """Go as far as it goes."""
    begun = time.monotonic()
    seen = Handshake()
    try:
        with closing(place.connected(address, port, until)) as stream:
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


def _speak(stream: Stream, way: Way, until: float) -> None:
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


def _shake(stream: Stream, way: Way, until: float, seen: Handshake) -> None:
    connection = SSL.Connection(_context(way.version, way.alpn, way.key))
    connection.set_app_data(seen)
    if name := _indicated(way.server_name):
        connection.set_tlsext_host_name(name)
    connection.request_ocsp()
    connection.set_connect_state()
    try:
        _handshake(connection, stream, until)
        seen.alpn = connection.get_alpn_proto_negotiated().decode("ascii", "replace")
        connection.shutdown()
    except SSL.ZeroReturnError:
        raise Unreached("closed in the handshake") from None
    except SSL.Error as failed:
        raise Unreached(_words(failed, seen)) from None
    finally:
        _take(connection, seen)
        with suppress(OSError):
            _send(connection, stream, until)  # that we leave, or why


def _handshake(connection: SSL.Connection, stream: Stream, until: float) -> None:
    is_first = True
    while True:
        try:
            connection.do_handshake()
        except SSL.WantReadError:
            _send(connection, stream, until)
        else:
            return _send(connection, stream, until)
        data = received(stream, until)
        if not data:
            raise Unreached("closed in the handshake")
        if is_first and data[0] not in _RECORDS:  # OpenSSL would call it a wrong version
            raise Unreached(f"speaks no TLS: plain text {starttls.shown(data)!r}")
        is_first = False
        connection.bio_write(data)


def _send(connection: SSL.Connection, stream: Stream, until: float) -> None:
    """What OpenSSL has to say, if anything."""
    with suppress(SSL.WantReadError):
        data = connection.bio_read(65536)
        stream.settimeout(max(0.001, until - time.monotonic()))
        stream.sendall(data)


def _words(failed: SSL.Error, seen: Handshake) -> str:
    reasons = [str(reason) for *_, reason in failed.args[0]] if failed.args else []
    reason = reasons[0] if reasons else "failed without a reason"
    if not seen.begun:
        return f"OpenSSL here: {reason}"
    return f"alert {seen.alert}" if seen.alert else f"OpenSSL: {reason}"


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
    return b"" if family_of(server_name) else server_name.encode("ascii")


@lru_cache(64)
def _context(version: str, alpn: tuple[str, ...], key: str) -> SSL.Context:
    """What is offered. Old protocols need security level 0, without which OpenSSL refuses them by itself."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(_VERSIONS[version or "TLSv1"])
    context.set_max_proto_version(_VERSIONS[version or ("TLSv1.2" if key else "TLSv1.3")])
    ciphers = f"a{key}:!eNULL" if key else "ALL" if version else "DEFAULT"
    context.set_cipher_list(f"{ciphers}:@SECLEVEL=0".encode("ascii"))
    context.set_options(SSL.OP_LEGACY_SERVER_CONNECT)
    context.set_verify(SSL.VERIFY_NONE)
    context.set_info_callback(_note)
    context.set_ocsp_client_callback(_note_staple)
    if alpn:
        context.set_alpn_protos([protocol.encode("ascii") for protocol in alpn])
    return context


def _note(connection: SSL.Connection, where: int, value: int) -> None:
    seen = connection.get_app_data()
    if where == SSL.SSL_CB_READ_ALERT:
        number = value & 0xFF  # above it, the level: a warning may be followed by more
        seen.alert = _ALERTS.get(number, str(number)) if value >> 8 == _FATAL else ""
    state = connection.get_state_string()
    seen.begun |= state.endswith(b"write client hello")
    seen.agreed |= state.endswith(b"read server hello")
    seen.asks_for_certificate |= state.endswith(b"read server certificate request")


def _note_staple(connection: SSL.Connection, staple: bytes, _data: None) -> bool:
    connection.get_app_data().staple = staple
    return True
