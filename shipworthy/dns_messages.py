"""DNS names and messages: as people write them, as bytes on the wire, and as typed values.

In: names of a policy, answers of servers that are not trusted. Out: `query` bytes to be carried by whoever can, and
`Reply`s. All dnspython of the judging side is here; what is sent and when is `probes/dns.py`'s and `vantage/`'s affair.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

PAYLOAD = 1232
"""Bytes that a UDP answer may have: DNS Flag Day 2020, what passes every path unfragmented."""

MOST_RECORDS = 500
"""Records of a message: 64 KiB hold 4,600, and with long names those take seconds to read."""


class NoName(ValueError):
    """A text is no DNS name; the message says why, to be read behind the text."""


class NoRecord(ValueError):
    """A text is no data of a record of its type; the message says why, to be read behind the text."""


class Garbled(ValueError):
    """Bytes are no answer to the question that was asked; the message says why."""


class Record(NamedTuple):
    """One resource record."""

    name: str
    """As `ascii_name` writes it."""
    type: str
    """`A`, `AAAA`, `CNAME`, …; `TYPE65400` where it has no name."""
    ttl: int
    """Seconds."""
    text: str
    """Its data in the one form for comparing that `record_text` gives."""


class Reply(NamedTuple):
    """A server's answer."""

    rcode: str
    """`NOERROR`, `NXDOMAIN`, `SERVFAIL`, `REFUSED`, …"""
    authoritative: bool
    truncated: bool
    authenticated: bool
    """AD: the resolver says that it has validated it."""
    answer: tuple[Record, ...]
    """In the wire's order."""
    authority: tuple[Record, ...]
    additional: tuple[Record, ...]
    errors: tuple[str, ...]
    """Extended errors (RFC 8914), in words."""
    payload: int
    """Bytes over UDP that the server advertises by EDNS; 0 where it does not speak it."""

    def data(self, type: str) -> tuple[str, ...]:
        """The data of the answer's records of one type, in the wire's order."""
        return tuple(record.text for record in self.answer if record.type == type)


def ascii_name(text: str) -> str:
    """A name in its one form for comparing: A-labels, lower case, without the final dot (`.` for the root).

    IDNA 2008, mapped as browsers do. Raises NoName.
    """
    if not text:
        raise NoName("is no DNS name: it is empty")
    try:
        name = dns.name.from_text(text, idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise NoName(f"is no DNS name: {_reason(error)}") from None
    for label in name.labels:
        if not all(character in _HOST_CHARACTERS for character in label.lower()):
            raise NoName("is no DNS name: a label holds what no host name has")
    if name.labels[:-1] and _NUMBER.fullmatch(name.labels[-2].lower()):
        raise NoName("is no DNS name: it ends in a number, as an address does")
    return _told(name)


def record_text(type: str, text: str) -> str:
    """A record's data, written as in a zone file, in its one form for comparing: names in it in lower case, with their
    final dot; the strings of a TXT joined. A TXT without quotes is one string, blanks and all. Raises NoRecord.
    """
    if type == "TXT" and not text.lstrip().startswith('"'):
        return _text_of(text.encode())
    try:
        data = dns.rdata.from_text("IN", type, text, dns.name.root, False, idna_codec=dns.name.IDNA_2008_Practical)
        return _canonical(data)
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        raise NoRecord(f"is no {type} record's data: {_reason(error)}") from None


def query(name: str, type: str, *, dnssec: bool = False, recursion: bool = True) -> bytes:
    """A question on the wire, its id 0: whoever sends it puts a fresh one there. EDNS with a payload of 1232."""
    message = dns.message.make_query(name, type, use_edns=0, payload=PAYLOAD, want_dnssec=dnssec, id=0)
    if not recursion:
        message.flags &= ~dns.flags.RD
    return message.to_wire()


def reply(data: bytes, name: str, type: str) -> Reply:
    """The answer in `data` to the question for `name` and `type`, whatever its id. Raises Garbled."""
    message = parsed(data)
    if not message.flags & dns.flags.QR:
        raise Garbled("is a question, and no answer")
    asked = [(_told(each.name), dns.rdatatype.to_text(each.rdtype)) for each in message.question]
    if asked and asked != [(ascii_name(name), type)]:
        raise Garbled(f"answers another question, {' '.join(asked[0])}")
    flags = message.flags
    return Reply(
        dns.rcode.to_text(message.rcode()),
        bool(flags & dns.flags.AA),
        bool(flags & dns.flags.TC),
        bool(flags & dns.flags.AD),
        _records(message.answer),
        _records(message.authority),
        _records(message.additional),
        tuple(error.to_text() for error in message.extended_errors()),
        int(message.payload) if message.edns >= 0 else 0,
    )


def parsed(data: bytes) -> dns.message.Message:
    """The message in `data`, for what needs its signatures. Raises Garbled."""
    if sum(struct.unpack("!4H", data[4:12].ljust(8, b"\0"))) > MOST_RECORDS:
        raise Garbled(f"is longer than any that is meant well: more than {MOST_RECORDS} records")
    try:
        return dns.message.from_wire(data, one_rr_per_rrset=False)
    except Exception as error:  # noqa: BLE001 -- hostile bytes: dnspython raises more than its own exceptions for some
        raise Garbled(f"is no DNS message: {_reason(error)}") from None


_NUMBER = re.compile(rb"[0-9]+|0x[0-9a-f]*")
"""As C libraries and browsers read one: with it at its end, a name is an address to them. Source: URL Standard."""
_HOST_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_*")


def _records(section: list[dns.rrset.RRset]) -> tuple[Record, ...]:
    return tuple(
        Record(_told(rrset.name), dns.rdatatype.to_text(rrset.rdtype), rrset.ttl, _canonical(data))
        for rrset in section
        for data in rrset
    )


_NAMING = frozenset({"CNAME", "DNAME", "MX", "NS", "PTR", "SOA", "SRV"})
"""The types whose data hold names."""


def _canonical(data: dns.rdata.Rdata) -> str:
    if isinstance(data, TXT):
        return _text_of(b"".join(data.strings))
    if dns.rdatatype.to_text(data.rdtype) not in _NAMING:
        return data.to_text()
    wire = data.to_digestable()
    return dns.rdata.from_wire(data.rdclass, data.rdtype, wire, 0, len(wire)).to_text()


def _text_of(text: bytes) -> str:
    return '"' + "".join(_character(each) for each in text) + '"'


def _character(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"


def _told(name: dns.name.Name) -> str:
    return name.canonicalize().to_text(omit_final_dot=True)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".") or type(error).__name__
