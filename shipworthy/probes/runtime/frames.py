"""What the two sides of the relay say to each other, and how much of it: frames, one after the other, both ways.

A frame is a kind (one byte), a number (4 bytes, big-endian), a length (4 bytes), and so many bytes, LONGEST at most.
The caller chooses the number, each once; what the host says goes with the number that it answers.

    kind       to the host                               from the host
    READY                                                nothing; the first one, before which it hears nothing
    RESOLVE    `ipv4 NAME` or `ipv6 NAME`                JSON: `Resolution`
    CONNECT    `ADDRESS PORT`                            nothing: it is connected; END, where it cannot be
    DATA       1 to PIECE bytes                          the same
    TAKEN      how many bytes of DATA went on, 4 bytes   the same
    END        nothing: let it go                        nothing: all was said; or errno's name, `ECONNREFUSED`
    STORE      JSON: `path`, and `issuers` in base64     JSON: `trust_store.Store`

Of one connection, each side has at most WINDOW bytes on their way for which it has not heard TAKEN; there are at most
CONNECTIONS at once. What comes late, for a number that was let go, is passed over.
"""

import struct
from typing import Iterator, List, NamedTuple

READY, RESOLVE, CONNECT, DATA, TAKEN, END, STORE = b"Y", b"R", b"C", b"D", b"T", b"E", b"S"
KINDS = frozenset((READY, RESOLVE, CONNECT, DATA, TAKEN, END, STORE))
LONGEST = 2**20
PIECE = 2**14
WINDOW = 2**15
CONNECTIONS = 128
ADDRESSES = 256
"""Of one name in one family, that are told."""

_HEADER = struct.Struct("!cII")
_COUNT = struct.Struct("!I")


class Frame(NamedTuple):
    """One of them."""

    kind: bytes
    number: int
    data: bytes


class Resolution(NamedTuple):
    """What the C library says of a name."""

    addresses: List[str]
    error: str
    """The name of getaddrinfo's, `EAI_NONAME`, empty where there is none,"""
    words: str
    """and the error in words; they alone, where it is none of getaddrinfo's."""
    seconds: float


class Frames:
    """Bytes, as they come → frames, as they are whole."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Those that are whole with `data`. Raises ValueError for what is no frame."""
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            kind, number, length = _HEADER.unpack_from(self._rest)
            if kind not in KINDS:
                raise ValueError("{!r} is no kind of frame".format(kind))
            if length > (PIECE if kind == DATA else LONGEST) or (kind == DATA and not length):
                raise ValueError("a frame {!r} of {} bytes".format(kind, length))
            end = _HEADER.size + length
            if len(self._rest) < end:
                return
            frame = Frame(kind, number, bytes(self._rest[_HEADER.size : end]))
            del self._rest[:end]
            yield frame


def packed(kind: bytes, number: int, data: bytes = b"") -> bytes:
    """A frame as bytes."""
    return _HEADER.pack(kind, number, len(data)) + data


def packed_taken(number: int, count: int) -> bytes:
    """A frame that says that so many bytes went on."""
    return packed(TAKEN, number, _COUNT.pack(count))


def taken(frame: Frame) -> int:
    """How many it says. Raises ValueError."""
    if len(frame.data) != _COUNT.size:
        raise ValueError("a frame {!r} of {} bytes".format(frame.kind, len(frame.data)))
    count = _COUNT.unpack(frame.data)[0]
    assert isinstance(count, int)
    return count
