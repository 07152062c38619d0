"""What a client sees of a server, by openssl's own: what is served is proved by it, and by nothing of this project.

In: a place (a host, or a lab's `here`), an address, a port. Out: the chain as served, the protocol, the staple.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cryptography import x509

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
_SECONDS, _TIMED_OUT = 3, 124


class Place(Protocol):
    """Where commands run."""

    def run(
        self, command: Sequence[str], *, check: bool = True, input: str = "", seconds: float = 20.0
    ) -> subprocess.CompletedProcess[str]: ...


class Seen(NamedTuple):
    """Of one handshake."""

    chain: tuple[x509.Certificate, ...]
    """As served; empty where there was no handshake."""
    protocol: str
    """`TLSv1.3`, …"""
    staple: str
    """`good`, `revoked`; empty without a staple."""
    said: str
    """All of it."""


def seen(place: Place, address: str, port: int = 443, *options: str, name: str = "", starttls: str = "") -> Seen:
    """Shake hands with one address, sending a name or none; `options` are s_client's."""
    command = ["timeout", str(_SECONDS), "openssl", "s_client", "-connect", endpoint(address, port), "-showcerts"]
    command += ["-status", "-cipher", "ALL:@SECLEVEL=0"]
    command += ["-servername", name] if name else ["-noservername"]
    command += ["-starttls", starttls] if starttls else []
    done = place.run([*command, *options], check=False)
    said = done.stdout + done.stderr + (f"no answer in {_SECONDS} s" if done.returncode == _TIMED_OUT else "")
    chain = tuple(x509.load_pem_x509_certificate(pem.encode()) for pem in _CERTIFICATE.findall(done.stdout))
    made = re.search(r"^New, (TLS\S+),", said, re.MULTILINE)
    session = re.search(r"^    Protocol  *: (\S+)", said, re.MULTILINE)  # up to TLS 1.2 `made` is the cipher's own
    staple = re.search(r"Cert Status: (\w+)", said)
    protocol = (session or made)[1] if made else ""
    return Seen(chain if protocol else (), protocol, staple[1] if staple else "", said)


def endpoint(address: str, port: int) -> str:
    """`[fd77::b]:443`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
