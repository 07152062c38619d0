"""What is said before TLS where a protocol begins in plain text: pure, no sockets.

In: what the server has said since the last step, as bytes. Each step sends something, and reads a reply: how many bytes
it has, 0 while it is not whole; `Declined` where the server will not go on.
Source: RFC 3207 (smtp), 3501 (imap), 2595 (pop3), 4217 (ftp), 4511 (ldap), 6120 (xmpp); the protocols' own manuals.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

MOST_BYTES = 16 * 1024
"""Of all replies of one server. Greetings are lines."""
_SHOWN = 60


class Declined(Exception):
    """The server will not: in words, with what it said."""


Read = Callable[[bytes], int]


class Step(NamedTuple):
    """What is sent, and how the reply is read; nothing is awaited where that is None."""

    send: bytes
    read: Read | None


def shown(data: bytes) -> str:
    """The first line of what a server said, for people."""
    line = data.lstrip()[: _SHOWN * 2].splitlines()[:1]
    text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in (line[0] if line else b""))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _lines(final: bytes, good: bytes) -> Read:
    """A reply that ends with a line that matches `final`, and lets us go on if that line matches `good`."""
    ends, goes_on = re.compile(final, re.IGNORECASE), re.compile(good, re.IGNORECASE)

    def read(data: bytes) -> int:
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            line = data[at:end]
            if ends.match(line):
                if not goes_on.match(line):
                    raise Declined(f"declines: {shown(line)!r}")
                return end + 1
            at = end + 1
        return 0

    return read


def _code(code: bytes) -> Read:
    """`220-…` goes on until `220 …`; what has no number at its beginning is some other protocol."""

    def read(data: bytes) -> int:
        if b"\n" not in data:
            return 0
        if not re.match(rb"\d\d\d", data):
            raise Declined(f"speaks something else: {shown(data)!r}")
        return _lines(data[:3] + b"(?!-)", code)(data)

    return read


def _line(good: bytes) -> Read:
    return _lines(b"", good)


def _ldap(data: bytes) -> int:
    """LDAPMessage ::= SEQUENCE { messageID, ExtendedResponse [APPLICATION 24] { resultCode ENUMERATED, … } }."""
    if data[:1] not in (b"", b"\x30"):
        raise Declined(f"speaks something else: {shown(data)!r}")
    message, end = _element(data, 0)
    if not end:
        return 0
    _, after_id = _element(data, message)
    response, _ = _element(data, after_id)
    result = data[response : response + 3]
    if data[after_id : after_id + 1] != b"\x78" or len(result) < 3 or result[:2] != b"\x0a\x01":
        raise Declined("answers no extended request")
    if result[2]:
        raise Declined(f"declines: result code {result[2]}")
    return end


def _element(data: bytes, at: int) -> tuple[int, int]:
    """Where the content of a BER element begins, and where it ends; (0, 0) while it is not whole."""
    if len(data) < at + 2:
        return 0, 0
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4:
            raise Declined("speaks something else: a length that LDAP does not have")
        begin += octets
        size = int.from_bytes(data[at + 2 : begin], "big")
    if size > MOST_BYTES:
        raise Declined(f"an answer of {size} bytes")
    return (begin, begin + size) if len(data) >= begin + size else (0, 0)


def _postgres(data: bytes) -> int:
    if data[:1] in (b"", b"S"):
        return len(data[:1])
    raise Declined("declines: N" if data[:1] == b"N" else f"speaks something else: {shown(data)!r}")


_CLIENT_SSL = 0x0800
_CAPABILITIES = _CLIENT_SSL | 0x0200 | 0x8000
"""CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION."""


def _mysql(data: bytes) -> int:
    """Handshake v10: length (3), sequence, 10, version and NUL, thread (4), salt (8), 0, capabilities (2), …"""
    size = int.from_bytes(data[:3], "little") + 4
    if len(data) < 5:
        return 0
    if size > MOST_BYTES or data[3] or data[4] not in (10, 0xFF):
        raise Declined(f"speaks something else: {shown(data)!r}")
    if len(data) < size:
        return 0
    if data[4] == 0xFF:
        raise Declined(f"declines: {shown(data[7:size])!r}")
    flags = data.find(b"\0", 5, size) + 1 + 4 + 8 + 1
    if flags == 13 or flags + 2 > size:
        raise Declined("its greeting is cut short")
    if not int.from_bytes(data[flags : flags + 2], "little") & _CLIENT_SSL:
        raise Declined("declines: its greeting offers no TLS")
    return size


def _xmpp(good: bytes, bad: bytes) -> Read:
    goes_on, ends = re.compile(good), re.compile(bad)

    def read(data: bytes) -> int:
        if found := goes_on.search(data):
            return found.end()
        if ends.search(data):
            raise Declined("declines: its features have no starttls, or it fails")
        if data.lstrip() and not data.lstrip().startswith(b"<"):
            raise Declined(f"speaks something else: {shown(data)!r}")
        return 0

    return read


_XMPP_HEADER = (
    "<?xml version='1.0'?><stream:stream to={} version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
_ENDS = rb"</stream:stream>|<stream:error|<failure"
_DIALOGUES: dict[str, tuple[Step, ...]] = {
    "smtp": (
        Step(b"", _code(b"220")),
        Step(b"EHLO shipworthy.invalid\r\n", _code(b"250")),
        Step(b"STARTTLS\r\n", _code(b"220")),
    ),
    "imap": (Step(b"", _line(rb"\* OK")), Step(b"a STARTTLS\r\n", _lines(rb"a |\* BYE", rb"a OK"))),
    "pop3": (Step(b"", _line(rb"\+OK")), Step(b"STLS\r\n", _line(rb"\+OK"))),
    "ftp": (Step(b"", _code(b"220")), Step(b"AUTH TLS\r\n", _code(b"234"))),
    "ldap": (Step(b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037", _ldap),),
    "postgres": (Step(b"\0\0\0\x08\x04\xd2\x16\x2f", _postgres),),
    "mysql": (
        Step(b"", _mysql),
        Step(
            b"\x20\0\0\x01" + _CAPABILITIES.to_bytes(4, "little") + b"\0\0\0\x01" + b"\x21" + bytes(23),
            None,
        ),
    ),
    "xmpp": (
        Step(
            _XMPP_HEADER.encode(), _xmpp(rb"(?s)<starttls[\s>/].*</stream:features>", _ENDS + rb"|</stream:features>")
        ),
        Step(
            b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", _xmpp(rb"<proceed[^>]*(/>|>\s*</proceed>)", _ENDS)
        ),
    ),
}
PROTOCOLS = tuple(_DIALOGUES)


def dialogue(protocol: str, server_name: str) -> tuple[Step, ...]:
    """The steps of a protocol of `PROTOCOLS`; none for the empty one. XMPP tells its server name."""
    if not protocol:
        return ()
    steps = _DIALOGUES[protocol]
    if protocol == "xmpp":
        return (steps[0]._replace(send=_XMPP_HEADER.format(quoteattr(server_name)).encode()), *steps[1:])
    return steps
