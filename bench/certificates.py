"""Five hundred endpoints, each with its own certificate: what it takes to meet and to judge them, in one process.

In: a directory. Out: `Judged`. nginx serves them on loopback addresses, and lists of the revoked; what is measured is
all that a run does for them from here: handshakes, every protocol version by itself, without SNI, by RSA alone, the
trust store, the lists, and each chain's judgement. `python -m bench.certificates DIRECTORY` is the half that does it.
"""

from __future__ import annotations

import base64
import json
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from cryptography.hazmat.primitives.asymmetric import ec

from bench.measured import measured
from lab import wait_until
from lab.daemon import need
from lab.pki import crl, issuing
from lab.pki.sites import nginx

ENDPOINTS = 500
PORT = 24443
LISTS = "127.77.0.1"
"""Where lists of the revoked are, on the port after that."""
_ROOT = Path(__file__).parents[1]
_TIMES = 3
_HTTP = """\
ssl_certificate_key {place}/key.pem;
server {{ listen {lists}:{list_port}; root {place}/lists; }}
{sites}"""
_SITE = "server {{ listen {address}:{port} ssl backlog=64; ssl_certificate {place}/{number}.pem; return 204; }}\n"


@dataclass(frozen=True)
class Judged:
    """What one process took, from nothing to every finding; medians of several."""

    seconds: float
    met_seconds: float
    """Of these, for what is met: handshakes, the store, the list."""
    cpu_seconds: float
    """The process's own, the start of Python included."""
    handshakes: int


def address(number: int) -> str:
    return f"127.77.{number // 250 + 1}.{number % 250 + 1}"


def name(number: int) -> str:
    return f"www{number}.example.test"


def judged(home: Path) -> Judged:
    """Meet and judge them, several times."""
    place = home / "certificates"
    command = [sys.executable, "-m", "bench.certificates", str(place)]
    with served(place):
        told = [json.loads(measured(command, cwd=_ROOT, seconds=120).output) for _ in range(_TIMES)]
    return Judged(*(statistics.median(column) for column in zip(*told, strict=True)))


@contextmanager
def served(place: Path) -> Iterator[None]:
    """While inside, every endpoint serves its certificate, and the list is there."""
    root = issuing.root()
    above = issuing.intermediate(root, crl=f"http://{LISTS}:{PORT + 1}/root.crl")
    key = ec.generate_private_key(ec.SECP256R1())
    (place / "lists").mkdir(parents=True)
    (place / "root.pem").write_text(root.pem)
    (place / "lists/root.crl").write_bytes(crl(root))
    (place / "lists/issuing.crl").write_bytes(crl(above))
    url = f"http://{LISTS}:{PORT + 1}/issuing.crl"
    for number in range(ENDPOINTS):
        leaf = issuing.issue(name(number), above, names=[name(number)], key=key, crl=url)
        (place / f"{number}.pem").write_text(leaf.pem + above.pem)
    (place / "key.pem").touch(mode=0o600)
    (place / "key.pem").write_text(leaf.key_pem)
    sites = [
        _SITE.format(address=address(number), port=PORT, place=place, number=number) for number in range(ENDPOINTS)
    ]
    http = _HTTP.format(place=place, lists=LISTS, list_port=PORT + 1, sites="".join(sites))
    (place / "nginx.conf").write_text(nginx(str(place), http))
    need("nginx")
    with subprocess.Popen(["nginx", "-e", "stderr", "-c", f"{place}/nginx.conf"]) as running:
        try:
            wait_until(_listens, within=20, what="nginx")
            yield
        finally:
            running.terminate()


def _listens() -> bool:
    with socket.socket() as stream:
        return stream.connect_ex((address(ENDPOINTS - 1), PORT)) == 0


def _measure(place: Path) -> list[float]:
    """Meet and judge every endpoint, and see that nothing is wrong with it."""
    begun = time.monotonic()
    from shipworthy.probes.parts.trust_store import read_store
    from shipworthy.vantage.meeting import VERSIONS, Endpoint, Wanted
    from shipworthy.vantage.tls import accepted, examine_chain
    from shipworthy.vantage.visiting import Here, visit

    root = str(place / "root.pem")
    endpoints = [
        Endpoint(address(number), PORT, name(number), versions=VERSIONS, also_named=("",))
        for number in range(ENDPOINTS)
    ]
    wanted = Wanted(endpoints, ["ipv4", "ipv6"], stores=[root], revocation=True)
    met = visit(wanted, Here(read_store), 60.0, Event(), 16 * 2**20)
    met_seconds = time.monotonic() - begun
    roots = [base64.b64decode(text) for text in met.stores[root].roots]
    bad = [met.error] if met.error else []
    for endpoint, (seen,) in zip(endpoints, met.seen, strict=True):
        leaf, *beside = [base64.b64decode(text) for text in seen.chain] or [b""]
        findings = examine_chain(leaf, beside, roots, endpoint.server_name, datetime.now(UTC))
        taken = [each.taken for each in seen.tried]
        if seen.error or not accepted(findings) or taken != [False, False, True, True]:
            bad.append(f"{endpoint.host}: {seen.error} {taken} {findings}")
    seconds = time.monotonic() - begun
    bad += [f"{each.url}: {each.error}" for each in met.asked if not (each.listed and each.listed.signed)]
    if bad or len(met.asked) != ENDPOINTS + 1:
        raise RuntimeError(f"{len(bad)} things went wrong, {len(met.asked)} lists were told: {bad[:3]}")
    handshakes = sum(1 + len(seen.tried) + len(seen.others) for (seen,) in met.seen)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return [seconds, met_seconds, used.ru_utime + used.ru_stime, handshakes]


if __name__ == "__main__":
    print(json.dumps(_measure(Path(sys.argv[1]))))
