"""Bytes to certificates: DER, or PEM with one or many, whatever stands around them.

Out: what could be read, and the reasons why the rest could not. Sizes are bounded: no honest certificate comes near.
"""

from __future__ import annotations

import binascii
import itertools
import re
from functools import lru_cache
from typing import NamedTuple

from shipworthy.vantage.chain.certificate import Certificate, read, shown

MOST_BYTES = 128 * 1024
"""Of one certificate. The largest in use, with post-quantum keys or hundreds of names, stay below 64 KiB."""
MOST_BUNDLE_BYTES = 4 * 1024 * 1024
MOST_IN_BUNDLE = 2000
_PEM = re.compile(rb"-----BEGIN (?:X509 )?CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END (?:X509 )?CERTIFICATE-----")


class Loaded(NamedTuple):
    """What one piece of input holds."""

    certificates: tuple[Certificate, ...]
    problems: tuple[str, ...]


def load(data: bytes, most: int = MOST_IN_BUNDLE) -> Loaded:
    """Read DER, or PEM with at most so many."""
    if len(data) > MOST_BUNDLE_BYTES:
        return Loaded((), (f"{len(data)} bytes, more than {MOST_BUNDLE_BYTES}: not looked at",))
    if data[:1] == b"\x30" and data[1:2] >= b"\x80":  # a SEQUENCE of 128 bytes or more; text has no byte above 7F
        return _loaded([data])
    bodies = [found[1] for found in itertools.islice(_PEM.finditer(data), most)]
    if not bodies:
        return Loaded((), ("neither a certificate in DER nor one in PEM",))
    try:
        return _loaded([binascii.a2b_base64(b"".join(body.split()), strict_mode=True) for body in bodies])
    except binascii.Error as error:
        return Loaded((), (f"PEM: {error}",))


load_root = lru_cache(maxsize=1024)(load)
"""The same for roots, of which every chain of a run brings the same 150."""


def _loaded(ders: list[bytes]) -> Loaded:
    certificates: list[Certificate] = []
    problems: list[str] = []
    for der in ders:
        if len(der) > MOST_BYTES:
            problems.append(f"a certificate of {len(der)} bytes, more than {MOST_BYTES}: not looked at")
            continue
        try:
            certificates.append(read(der))
        except ValueError as error:
            problems.append(shown(str(error)))
    return Loaded(tuple(certificates), tuple(problems))
