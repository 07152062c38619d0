"""What a person needs to believe a claim about a certificate, and the command that shows the same.

In: what was met at one address. Out: lines. All text of certificates is printable and cut.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from cryptography.hazmat.primitives import hashes

from shipworthy.judging.chains import Chain, moment, serial, written
from shipworthy.judging.endpoints import endpoint as written_endpoint
from shipworthy.judging.wording import first_of
from shipworthy.vantage.chain import names
from shipworthy.vantage.chain.certificate import Certificate, shown
from shipworthy.vantage.meeting import Endpoint, family_of

_NAMES, _SERVED = 10, 10


def evidence(where: str, chain: Chain, command: str) -> Iterator[str]:
    """Of a chain: what was served, in that order; more of its leaf, what the verifiers say, and how to see it."""
    yield f"{where}:"
    yield from map(_served, chain.served[:_SERVED])
    if len(chain.served) > _SERVED:
        yield f"and {len(chain.served) - _SERVED} more"
    if chain.leaf:
        yield f"for {_names(chain.leaf)}"
        yield f"serial {serial(chain.leaf)}, SHA-256 {_fingerprint(chain.leaf)}"
    yield from (each.sentence for each in chain.findings if each.by != "ours" or each.code == "verifiers-disagree")
    yield command


def command_for(endpoint: Endpoint, address: str, server_name: str, key: str = "") -> str:
    """What shows the same to a person. `key`: the only kind of key that is offered."""
    words = ["openssl", "s_client", "-connect", written_endpoint(address, endpoint.port)]
    words += ["-servername", server_name] if server_name and not family_of(server_name) else ["-noservername"]
    words += ["-no_tls1_3", "-cipher", f"a{key}:@SECLEVEL=0"] if key else []
    words += ["-showcerts", *(["-starttls", endpoint.starttls] if endpoint.starttls else [])]
    return f"{shlex.join(words)} </dev/null"


def _served(certificate: Certificate) -> str:
    parsed, (begin, end) = certificate.parsed, certificate.validity()
    return f"served {written(parsed.subject)}, by {written(parsed.issuer)}, from {moment(begin)} to {moment(end)}"


def _names(certificate: Certificate) -> str:
    return first_of([shown(str(each)) for each in names.of(certificate)], most=_NAMES) or "no name"


def _fingerprint(certificate: Certificate) -> str:
    """As openssl writes it."""
    return certificate.parsed.fingerprint(hashes.SHA256()).hex(":").upper()
