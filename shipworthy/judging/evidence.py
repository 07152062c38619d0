"""What a person needs to believe a claim about a certificate, and the command that shows the same.

In: what was met at one address. Out: lines. All text of certificates is printable and cut.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from ipaddress import ip_address

from cryptography.hazmat.primitives import hashes

from shipworthy.judging.chains import Chain, moment, serial, written
from shipworthy.judging.endpoints import endpoint as written_endpoint
from shipworthy.vantage.chain import names
from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.meeting import Endpoint

_NAMES, _SERVED = 10, 10


def evidence(where: str, chain: Chain, command: str) -> Iterator[str]:
    """Of a chain: its leaf in full, the chain as it was served, what OpenSSL says, and how to see it."""
    yield f"{where}:"
    if chain.leaf:
        yield from of_certificate(chain.leaf)
    for number, each in enumerate(chain.served[:_SERVED]):
        yield f"served {number}: {written(each.parsed.subject)}, by {written(each.parsed.issuer)}, {_dates(each)}"
    if len(chain.served) > _SERVED:
        yield f"and {len(chain.served) - _SERVED} more"
    yield from (finding.sentence for finding in chain.findings if finding.by == "openssl")
    yield command


def of_certificate(certificate: Certificate) -> Iterator[str]:
    """Subject, names, issuer, serial, dates, fingerprint."""
    parsed = certificate.parsed
    mine = [shown(str(each)) for each in names.of(certificate)]
    more = f" and {len(mine) - _NAMES} more" if len(mine) > _NAMES else ""
    yield f"subject {written(parsed.subject)}"
    yield f"names {', '.join(mine[:_NAMES]) + more or 'none'}"
    yield f"issuer {written(parsed.issuer)}"
    yield f"serial {serial(certificate)}, {_dates(certificate)}"
    yield f"SHA-256 {fingerprint(certificate)}"


def fingerprint(certificate: Certificate) -> str:
    """SHA-256, as openssl writes it."""
    return certificate.parsed.fingerprint(hashes.SHA256()).hex(":").upper()


def command_for(endpoint: Endpoint, address: str, server_name: str) -> str:
    """What shows the same to a person."""
    words = ["openssl", "s_client", "-connect", written_endpoint(address, endpoint.port)]
    words += ["-servername", server_name] if _is_name(server_name) else ["-noservername"]
    words += ["-showcerts", *(["-starttls", endpoint.starttls] if endpoint.starttls else [])]
    return f"{shlex.join(words)} </dev/null"


def _is_name(server_name: str) -> bool:
    try:
        ip_address(server_name)
    except ValueError:
        return bool(server_name)
    return False


def _dates(certificate: Certificate) -> str:
    begin, end = certificate.validity()
    return f"from {moment(begin)} to {moment(end)}"
