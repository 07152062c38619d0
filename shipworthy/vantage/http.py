"""One HTTP exchange from a place: a GET or a POST, and the body of its answer, within a time and a size.

In: an `http://` URL that a certificate names, so a stranger's text. Out: bytes. Raises `Unreached` in words.
No redirect is followed, and no proxy of the environment is asked: what answers is where the URL says, seen from there.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from ipaddress import ip_address
from threading import Event
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urlsplit

from shipworthy import dns_messages
from shipworthy.dns_messages import NoName
from shipworthy.vantage.connecting import Unreached, received, told
from shipworthy.vantage.meeting import Place, Stream, family_of
from shipworthy.vantage.names import usable_addresses

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MOST_URL = 2048
HEAD_BYTES = 64 * 1024
"""Of an answer, before its body."""
ADDRESSES = 4
"""Of a name in one family, that are tried."""
_FAMILIES = ("ipv4", "ipv6")
_CUT = "closed before its answer was whole"


class Url(NamedTuple):
    """An `http://` URL."""

    host: str
    """A name in its one form, or an address."""
    port: int
    target: str
    """Path and query."""

    @property
    def authority(self) -> str:
        """What is sent as `Host`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 80 else f"{host}:{self.port}"


def url_of(text: str) -> Url:
    """Read a URL; raises Unreached where it is none that is asked."""
    if len(text) > MOST_URL or not all("!" <= each <= "~" for each in text):
        raise Unreached("no URL: too long, or with characters that no URL has")
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError:
        raise Unreached("no URL") from None
    if parts.scheme != "http":
        raise Unreached("not http: not asked")
    if "@" in parts.netloc:
        raise Unreached("a URL with a password: not asked")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(_host(host), port, target)


def _host(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    try:
        return dns_messages.ascii_name(text)
    except NoName:
        raise Unreached("no URL: its host is no name") from None


def fetch(
    place: Place, url: Url, question: bytes, until: float, given_up: Event, most: int, count: Callable[[int], None]
) -> bytes:
    """Get `url`, or post an OCSP question to it; at most `most` bytes, each block of which is counted by `count`.

    Everything is over by the monotonic time `until`. Every address is tried in turn, IPv4 first, each for its share of
    the time; the first that takes the connection answers. Raises Unreached.
    """
    addresses = _addresses(place, url.host, until, given_up)
    error = ""
    for number, address in enumerate(addresses):
        now = time.monotonic()
        if given_up.is_set():
            raise Unreached("not asked: the time was up")
        try:
            stream = place.connected(address, url.port, now + (until - now) / (len(addresses) - number))
        except (Unreached, OSError) as failed:
            error = error or _words(failed, until - now)
            continue
        try:
            with closing(stream):
                return _exchanged(stream, url, question, until, most, count)
        except RemoteDisconnected:
            raise Unreached("closed without an answer") from None
        except IncompleteRead:
            raise Unreached(_CUT) from None
        except OSError as failed:
            raise Unreached(_words(failed, until - now)) from None
        except (HTTPException, ValueError) as failed:
            raise Unreached(f"speaks no HTTP: {type(failed).__name__}") from None
    raise Unreached(error)


def _addresses(place: Place, host: str, until: float, given_up: Event) -> list[str]:
    found, errors = ([host], []) if family_of(host) else _resolved(place, host, until, given_up)
    usable = usable_addresses(found)
    if not usable:
        words = errors[0] if errors else "no address"
        raise Unreached(f"{host}: {'link-local, multicast or metadata: not asked' if found else words}")
    return usable


def _resolved(place: Place, host: str, until: float, given_up: Event) -> tuple[list[str], list[str]]:
    now = time.monotonic()
    asked = [(host, family) for family in _FAMILIES]
    answers = sorted(place.resolve(asked, now + (until - now) / 2, given_up), key=lambda each: each.family)
    addresses = [address for answer in answers for address in answer.addresses[:ADDRESSES]]
    return addresses, [answer.error for answer in answers if answer.error]


def _exchanged(
    stream: Stream, url: Url, question: bytes, until: float, most: int, count: Callable[[int], None]
) -> bytes:
    stream.settimeout(max(0.001, until - time.monotonic()))
    stream.sendall(_request(url, question))
    reader = _Reader(stream, until, count)
    response = HTTPResponse(cast(socket.socket, reader), method="POST" if question else "GET")
    response.begin()
    if response.status != 200:
        redirect = ": redirects are not followed" if 300 <= response.status < 400 else ""
        raise Unreached(f"HTTP status {response.status}{redirect}")
    if (response.length or 0) > most:
        raise Unreached(f"an answer of {response.length} bytes, more than {most}")
    reader.left += most + most // 4  # chunks have their own overhead
    body = response.read(most + 1)
    if len(body) > most:
        raise Unreached(f"an answer of more than {most} bytes")
    if response.length:
        raise Unreached(_CUT)
    return body


def _request(url: Url, question: bytes) -> bytes:
    lines = [
        f"{'POST' if question else 'GET'} {url.target} HTTP/1.1",
        f"Host: {url.authority}",
        "User-Agent: shipworthy",
        "Accept: */*",
        "Connection: close",
    ]
    if question:
        lines += ["Content-Type: application/ocsp-request", f"Content-Length: {len(question)}"]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii") + question


class _Reader(io.RawIOBase):
    """What comes from a stream, as a file: bounded in time and in bytes, whatever is made of them."""

    def __init__(self, stream: Stream, until: float, count: Callable[[int], None]) -> None:
        self._stream = stream
        self._until = until
        self._count = count
        self.left = HEAD_BYTES

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What a socket does for HTTPResponse."""
        return io.BufferedReader(self, 16 * 1024)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer)
        data = received(self._stream, self._until, len(view))
        self.left -= len(data)
        if self.left < 0:
            raise Unreached("goes on and on")
        self._count(len(data))
        view[: len(data)] = data
        return len(data)


def _words(failed: OSError | Unreached, seconds: float) -> str:
    if isinstance(failed, TimeoutError):
        return f"no answer within {seconds:.3g} s"
    return told(failed) if isinstance(failed, OSError) else str(failed)
