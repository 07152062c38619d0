"""All that is to be found out from one place: endpoints met, trust stores read, and revocation asked for.

In: `Wanted`, and the place: `Here`, this machine, or a host over its link. Out: `Met`; what could not be found out says
why. Nothing is judged here: what is kept can be judged at whatever time.
"""

from __future__ import annotations

import base64
import socket
from collections.abc import Callable, Collection, Iterator
from threading import Event

from shipworthy.vantage import connecting, resolving
from shipworthy.vantage.meeting import Resolved, Store, Stream

ReadStore = Callable[[str, Collection[bytes]], tuple[str, int, list[bytes], str]]
"""Of a path (empty for the system's own) and issuers, names in DER: the path, certificates in it, roots, an error."""


class Here:
    """This machine as a `Place`."""

    def __init__(self, read_store: ReadStore) -> None:
        self._read_store = read_store

    def resolve(self, asked: Collection[tuple[str, str]], until: float, given_up: Event) -> Iterator[Resolved]:
        """By the C library."""
        return resolving.resolve(asked, until, given_up)

    def connected(self, address: str, port: int, until: float) -> Stream:
        """A socket."""
        return connecting.connected(address, port, socket.SOCK_STREAM, until)

    def store(self, path: str, issuers: Collection[bytes], _until: float) -> Store:
        """A file here. Reading cannot be interrupted: whoever asks does so in a thread that nobody joins."""
        where, size, roots, error = self._read_store(path, issuers)
        return Store(where, size, [base64.b64encode(der).decode("ascii") for der in roots], error)
