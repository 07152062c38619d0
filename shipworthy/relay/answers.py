"""What a host answers over its relay, validated: an answer that no relay of ours gives is an error, and no answer.

In: what was asked, and bytes. Out: values of `vantage.meeting`. Raises AnswerError, ValueError.
"""

from __future__ import annotations

import base64
import re
import socket
from ipaddress import ip_address

from shipworthy.links.text import one_line
from shipworthy.probes.parts import trust_store
from shipworthy.probes.runtime.frames import ADDRESSES, Resolution
from shipworthy.strict import strict_json, validated
from shipworthy.vantage.meeting import Resolved, Store
from shipworthy.vantage.resolving import WORDS

_ERROR = re.compile(r"EAI_[A-Z]{2,20}")


def resolved(host: str, family: str, data: bytes) -> Resolved:
    """What a name has of a family."""
    said: Resolution = validated(Resolution, strict_json(data), "what a name resolves to")
    if said.seconds < 0 or len(said.addresses) > ADDRESSES:
        raise ValueError(f"{len(said.addresses)} addresses in {said.seconds} s")
    for address in said.addresses:
        if f"ipv{ip_address(address).version}" != family:
            raise ValueError(f"{address[:50]!r} is no address of {family}")
    code = getattr(socket, said.error, 0) if _ERROR.fullmatch(said.error) else 0
    error = WORDS.get(code) or one_line(said.words)
    return Resolved(host, family, said.addresses, error or ("" if said.addresses else "no address"), said.seconds)


def store(path: str, data: bytes) -> Store:
    """What the trust store at `path` has; the system's own, where that is empty."""
    said: trust_store.Store = validated(trust_store.Store, strict_json(data), "what a trust store has")
    if said.path != path and (path or said.path not in ("", *trust_store.PLACES)):
        raise ValueError(f"the trust store {said.path[:50]!r}, which was not asked for")
    if not len(said.roots) <= said.size <= trust_store.MOST_CERTIFICATES:
        raise ValueError(f"{len(said.roots)} certificates of {said.size}")
    for root in said.roots:
        base64.b64decode(root, validate=True)
    return Store(said.path, said.size, said.roots, one_line(said.error))
