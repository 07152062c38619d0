"""Certificates out of a file's lines: CERTIFICATE blocks, and of all else no more than that it is there.

In: lines, one after the other, none of which is held on to but those of a certificate. Out: DER. What is in such a
block and is no certificate, a key under a wrong name for one, is never given away.
Source: RFC 7468; OpenSSL's PEM_read_bio_X509, which takes the three labels.
"""

import re
from base64 import b64decode
from typing import Iterable, List, NamedTuple, Optional, Tuple

_EDGE = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]{1,40})-----\s*\Z")
_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE", b"TRUSTED CERTIFICATE")
_KEY = b"PRIVATE KEY"
_LONGEST = 2**17
"""Bytes of one certificate in base64."""
_SEQUENCE, _INTEGER, _VERSION = 0x30, 0x02, 0xA0


class Pem(NamedTuple):
    """What a file holds."""

    certificates: List[bytes]
    """In DER, in order."""
    holds_key: bool
    error: str
    """Of a block that is no certificate, or `more than …`; empty where all were taken."""


def read_pem(lines: Iterable[bytes], most: int) -> Pem:
    """The certificates in `lines`, at most so many. One that cannot be read is the end."""
    found: List[bytes] = []
    holds_key = False
    block: Optional[List[bytes]] = None
    size = 0
    for line in lines:
        edge = _EDGE.match(line) if line.startswith(b"-----") else None
        if edge and edge.group(1) == b"BEGIN":
            holds_key = holds_key or edge.group(2).endswith(_KEY)
            block, size = ([] if edge.group(2) in _LABELS else None), 0
        elif edge and block is not None:
            der = certificate_of(_decoded(block))
            block = None
            if der is None:
                return Pem(found, holds_key, "certificate {} in it is damaged".format(len(found) + 1))
            if len(found) == most:
                return Pem(found, holds_key, "more than {} certificates in it".format(most))
            found.append(der)
        elif block is not None:
            size += len(line)
            if size > _LONGEST:
                return Pem(found, holds_key, "certificate {} in it is longer than any is".format(len(found) + 1))
            block.append(line)
    return Pem(found, holds_key, "certificate {} in it is cut short".format(len(found) + 1) if block else "")


def certificate_of(data: bytes) -> Optional[bytes]:
    """The DER that `data` begins with, if that looks like a certificate; a key, in whatever form, does not."""
    end = looks_like_certificate(data)
    return data[:end] if end and end <= len(data) else None


def looks_like_certificate(head: bytes) -> int:
    """How long a certificate is that begins so; 0 where it is none.

    SEQUENCE { SEQUENCE { [0] version or INTEGER serial number, …; keys begin with an INTEGER, or with an OID within.
    """
    whole, outer = header(head, 0, _SEQUENCE)
    inner = header(head, outer, _SEQUENCE)[1] if outer else 0
    return whole if inner and head[inner : inner + 1] in (bytes([_VERSION]), bytes([_INTEGER])) else 0


def header(data: bytes, at: int, tag: int) -> Tuple[int, int]:
    """Where the element at `at` ends, and where its content begins; (0, 0) where there is none of that tag."""
    if len(data) < at + 2 or data[at] != tag:
        return 0, 0
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        if not 1 <= octets <= 4 or len(data) < begin + octets:
            return 0, 0
        size, begin = int.from_bytes(data[begin : begin + octets], "big"), begin + octets
    return begin + size, begin


def _decoded(block: List[bytes]) -> bytes:
    try:
        return b64decode(b"".join(b"".join(block).split()), validate=True)
    except ValueError:
        return b""
