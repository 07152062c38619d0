"""Who vouches for a served chain: the way to a root that OpenSSL accepts, names and purposes aside.

For asking issuers about their certificates, so the whole judgement of a public server's chain is not needed here.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime

from shipworthy.vantage.chain import loading, openssl
from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.chain.paths import Path, Paths

_MOST_SERVED = 20
"""Beside the leaf."""
_MOST_PATHS = 8


def vouched(served: Sequence[bytes], roots: Sequence[bytes], at: datetime) -> Path | None:
    """The first such way of `served`, DER with the leaf first, at a time; None where there is none among the first."""
    found = [each for der in served[: _MOST_SERVED + 1] for each in _read(der)]
    if not found or found[0].der != served[0]:
        return None
    trusted = [each for der in roots for each in loading.load_root(der).certificates]
    for path in itertools.islice(Paths(found[0], found[1:], trusted, at).found(), _MOST_PATHS):
        if openssl.judge(path[0], path[1:-1], path[-1:], at, strict=False).accepts:
            return path
    return None


def _read(der: bytes) -> tuple[Certificate, ...]:
    return loading.load(der, most=1).certificates
