"""Addresses as the kernel's tables of sockets print them → as people write them.

In: hexadecimal digits (`0100007F`), the byte order of the machine that printed them. Out: `127.0.0.1`.
Source: net/ipv4/tcp_ipv4.c, net/ipv6/tcp_ipv6.c: each 32-bit word of network order is printed as a number of the host.
"""

import socket
from binascii import hexlify, unhexlify
from functools import lru_cache

from shipworthy.probes.runtime.errors import ParseError

_MAPPED = b"\0" * 10 + b"\xff\xff"
"""How an IPv4 address begins that stands in the place of an IPv6 one."""
_PRINTED_MAPPED = (b"0000000000000000FFFF0000", b"00000000000000000000FFFF")
"""The same as it is printed in either byte order."""


@lru_cache(maxsize=4096)
def address_of(text: bytes, order: str = "little") -> str:
    """An address of 8 or 32 digits; a mapped one (`::ffff:192.0.2.1`) as IPv4."""
    try:
        return written(_turned(unhexlify(text), order))
    except ValueError:
        raise ParseError("{!r} is not an address as /proc/net has them".format(text[:40])) from None


def written(packed: bytes) -> str:
    """An address of 4 or 16 bytes in network order; a mapped one as IPv4. Raises ValueError."""
    if len(packed) == 16 and packed.startswith(_MAPPED):
        packed = packed[12:]
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def printed(packed: bytes, order: str) -> bytes:
    """An address of 4 or 16 bytes in network order as the kernel prints it."""
    return hexlify(_turned(packed, order)).upper()


def unmapped(text: bytes) -> bytes:
    """A printed address; of a mapped one the last 8 digits, which are IPv4's."""
    return text[24:] if len(text) == 32 and text[:24] in _PRINTED_MAPPED else text


def _turned(packed: bytes, order: str) -> bytes:
    """From network order to printed words, and back."""
    if order != "little":
        return packed
    return b"".join(packed[at : at + 4][::-1] for at in range(0, len(packed), 4))
