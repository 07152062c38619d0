"""Real TLS servers on loopback, and such as behave as no server should; each a thread, gone with its `with`.

In: what to do with a connection. Out: the port. `PKI` is the certificates that they show.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import NamedTuple

from cryptography import x509
from cryptography.x509 import ocsp
from OpenSSL import SSL

from selftest.chains import authority, pki
from shipworthy.vantage.visiting import Here

Handle = Callable[[socket.socket], None]
ALL = b"ALL:@SECLEVEL=0"
PLACE = Here(lambda path, _issuers: (path, 0, [], "no trust store here"))
"""This machine."""


class Pki(NamedTuple):
    root: pki.Issued
    issuing: pki.Issued
    leaf: pki.Issued
    other: pki.Issued
    """Another leaf, for another name."""


@cache
def made() -> Pki:
    root = pki.root()
    issuing = pki.intermediate(root)
    other = pki.leaf(issuing, pki.san(*pki.dns("other.example")), subject="CN=other.example")
    return Pki(root, issuing, pki.leaf(issuing), other)


@contextmanager
def serving(handle: Handle, address: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """Each connection gets a thread in which `handle` has it; it is closed afterwards."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=1024) as listener:
        threading.Thread(target=_accept, args=(listener, handle), daemon=True).start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, handle: Handle) -> None:
    with suppress(OSError):
        while True:
            stream, _ = listener.accept()
            threading.Thread(target=_have, args=(stream, handle), daemon=True).start()


def _have(stream: socket.socket, handle: Handle) -> None:
    stream.settimeout(10)
    with stream, suppress(OSError, SSL.Error):
        handle(stream)


def until_closed(stream: socket.socket) -> None:
    while stream.recv(65536):
        pass


def context(
    leaf: pki.Issued | None = None,
    beside: Sequence[bytes] | None = None,
    versions: tuple[int, int] = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION),
    staple: bytes = b"",
    alpn: bytes = b"",
    second: pki.Issued | None = None,
) -> SSL.Context:
    """A server's; leaf and intermediate of `made` unless told otherwise. `second` has a key of another kind."""
    leaf = leaf or made().leaf
    made_context = SSL.Context(SSL.TLS_SERVER_METHOD)
    made_context.set_cipher_list(ALL)
    made_context.set_min_proto_version(versions[0])
    made_context.set_max_proto_version(versions[1])
    for each in (leaf, second) if second else (leaf,):
        made_context.use_certificate(each.certificate)
        made_context.use_privatekey(each.key)
    for der in [made().issuing.der] if beside is None else beside:
        made_context.add_extra_chain_cert(x509.load_der_x509_certificate(der))
    if staple:
        made_context.set_ocsp_server_callback(lambda _connection, _data: staple)
    if alpn:
        made_context.set_alpn_select_callback(lambda _connection, _offered: alpn)
    return made_context


def tls(server: SSL.Context) -> Handle:
    """Shake hands, then listen until the other side has had enough."""

    def handle(stream: socket.socket) -> None:
        stream.settimeout(None)
        connection = SSL.Connection(server, stream)
        connection.set_accept_state()
        connection.do_handshake()
        while connection.recv(4096):
            pass

    return handle


def staple(status: ocsp.OCSPCertStatus) -> bytes:
    """What the issuer of the leaf says of it."""
    return authority.response(made().leaf, made().issuing, status)
