"""What a server with a certificate must serve before anybody relies on it.

In: a running server, and a chain. Out: nothing, once openssl sees exactly that chain at every address.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.daemon import Daemon
from lab.pki.client import endpoint, seen
from lab.pki.issuing import Issued

BOTH = ("0.0.0.0", "::")
"""Every address of a host, of both families."""
BY_RSA = ("-no_tls1_3", "-cipher", "aRSA:@SECLEVEL=0")
"""Options of openssl, by which it is a client that knows RSA alone."""
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""By which a host reaches what listens there."""


def prove(
    running: Daemon,
    chain: Sequence[Issued],
    addresses: Sequence[str],
    port: int,
    *options: str,
    name: str = "",
    starttls: str = "",
) -> None:
    """Wait until exactly this chain is served at each address that is listened at; `options` are openssl's."""
    wanted = [one.certificate for one in chain]
    for address in (_LOCAL.get(address, address) for address in addresses):

        def serves(to: str = address) -> bool:
            return list(seen(running.host, to, port, *options, name=name, starttls=starttls).chain) == wanted

        running.wait_for(serves, f"the certificate of {endpoint(address, port)}")
