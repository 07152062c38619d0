"""The authorities that the policies of a lab trust, and what openssl, which trusts them too, sees of a host.

In: a host that serves certificates. Out: certificates of its own name, and what is seen of what it serves.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from lab.host import LabHost
from lab.pki.authority import Pki, pki
from lab.pki.client import Seen, seen
from lab.pki.issuing import Issued


@cache
def authorities() -> Pki:
    """One for all labs of a process, so that faults and policies mean the same root."""
    return pki()


def roots(directory: Path) -> Path:
    """The root's file, in a lab's directory: where the suite runs."""
    path = directory / "roots.pem"
    path.write_text(authorities().root.pem)
    return path


def own_name(host: LabHost) -> str:
    """As a lab's estate has it."""
    return f"{host.name}.hosts.test"


def own(host: LabHost) -> Callable[..., Issued]:
    """Makes certificates of the host's own name, right but for what is asked to be otherwise: see `Pki.server`."""
    return partial(authorities().server, own_name(host))


def looked(host: LabHost, port: int = 443, *options: str, name: str = "", starttls: str = "") -> tuple[Seen, Seen]:
    """What openssl says, here, of the host's IPv4 address and its IPv6 address, when it wants its own name or another.

    `-noservername` among the options keeps it from sending one.
    """
    wanted = name or own_name(host)
    trusting = ("-CAfile", str(roots(host.directory)), "-verify_hostname", wanted, *options)
    sent = "" if "-noservername" in options else wanted

    def look(address: str) -> Seen:
        return seen(host.here, address, port, *trusting, name=sent, starttls=starttls)

    with ThreadPoolExecutor(2) as both:  # who says nothing is waited for
        four, six = both.map(look, (host.address, host.address6))
    return four, six


def text(host: LabHost, certificate: x509.Certificate) -> str:
    """All that openssl reads in it."""
    pem = certificate.public_bytes(Encoding.PEM).decode()
    return host.here.run(["openssl", "x509", "-noout", "-text"], input=pem).stdout


def left(certificate: x509.Certificate) -> timedelta:
    """Until it ends."""
    return certificate.not_valid_after_utc - datetime.now(UTC)
