"""What a trust store has of the issuers of what was served: a file of many certificates, of which few are wanted.

In: the file's bytes, or its path, and names of issuers in DER. Out: the certificates of those, and of their issuers.
Names are the same if RFC 5280 (7.1) has them so: in whatever kind of string, letters large or small, spaces folded.
"""

import os
import stat
from base64 import b64encode
from typing import Collection, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.pem import header, read_pem

PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Where systems have their own: Debian and Alpine, Fedora and RHEL, older RHEL, SUSE, BSD and macOS."""
MOST_BYTES = 8 * 2**20
MOST_CERTIFICATES = 4000
MOST_KEPT = 2**18
"""Bytes of what is wanted of it, in all."""

_SEQUENCE, _SET, _INTEGER, _VERSION, _OID = 0x30, 0x31, 0x02, 0xA0, 0x06
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x14: "latin-1", 0x16: "ascii", 0x1C: "utf-32-be", 0x1E: "utf-16-be"}
Name = Tuple[object, ...]


class Store(NamedTuple):
    """What a trust store has."""

    path: str
    """The one that was read; empty where the system has none."""
    size: int
    """Certificates in it, in all."""
    roots: List[str]
    """Those that were sought: DER in base64."""
    error: str


class _Names(NamedTuple):
    subject: Name
    issuer: Name
    der: bytes


def matching(data: bytes, issuers: Collection[bytes]) -> Tuple[int, List[bytes]]:
    """How many certificates `data` holds, PEM one after the other; and those of `issuers`, and of their own issuers.

    What is damaged is the end of it, and no more than MOST_CERTIFICATES are looked at.
    """
    held = read_pem(data.splitlines(), MOST_CERTIFICATES).certificates
    return len(held), _sought(held, issuers)


def _sought(held: Iterable[bytes], issuers: Iterable[bytes]) -> List[bytes]:
    by_subject: Dict[Name, List[_Names]] = {}
    for der in held:
        one = _names_of(der)
        if one:
            by_subject.setdefault(one.subject, []).append(one)
    wanted = [_plain(name) for name in issuers]
    found: Dict[bytes, None] = {}
    seen = set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        for one in by_subject.get(name, ()):
            found[one.der] = None
            wanted.append(one.issuer)
    return list(found)


def read_store(path: str, issuers: Collection[bytes]) -> Store:
    """The same of the file at `path`, or of the system's own where that is empty. Raises nothing: an error is told."""
    path = path or next((place for place in PLACES if os.path.exists(place)), "")
    if not path:
        return Store("", 0, [], "this system has no trust store in any of the usual places")
    try:
        data = _read(path)
    except OSError as error:
        return Store(path, 0, [], error.strerror or str(error))
    except ValueError as error:
        return Store(path, 0, [], str(error))
    held, _, damage = read_pem(data.splitlines(), MOST_CERTIFICATES)
    size, roots = len(held), _sought(held, issuers)
    if sum(map(len, roots)) > MOST_KEPT:
        return Store(path, size, [], "what it has of them takes more than {} KiB".format(MOST_KEPT // 1024))
    damage = damage or ("" if held else "no certificate in it")
    return Store(path, size, [b64encode(der).decode("ascii") for der in roots], damage)


def _read(path: str) -> bytes:
    """A regular file, whole. Raises OSError, ValueError."""
    name = path.encode("utf-8", "surrogateescape")
    if not stat.S_ISREG(os.stat(name).st_mode):
        raise ValueError("no regular file")
    descriptor = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError("more than {} MiB".format(MOST_BYTES // 2**20))
    return data


def _names_of(der: bytes) -> Optional[_Names]:
    """TBSCertificate ::= SEQUENCE { [0] version, serial, signature, issuer, validity, subject, … }."""
    at = header(der, header(der, 0, _SEQUENCE)[1], _SEQUENCE)[1]
    at = header(der, at, _VERSION)[0] or at
    parts: List[bytes] = []
    for tag in (_INTEGER, _SEQUENCE, _SEQUENCE, _SEQUENCE, _SEQUENCE):
        end = header(der, at, tag)[0]
        if not end:
            return None
        parts.append(der[at:end])
        at = end
    return _Names(_plain(parts[4]), _plain(parts[2]), der)


def _plain(name: bytes) -> Name:
    """A name in the one form in which it is compared; what cannot be read is itself."""
    end, at = header(name, 0, _SEQUENCE)
    if end != len(name):
        return (name,)
    sets = _elements(name[at:], _SET)
    return tuple(tuple(sorted(map(_attribute, _elements(one, _SEQUENCE)), key=repr)) for one in sets)


def _attribute(data: bytes) -> Tuple[bytes, object]:
    end = header(data, 0, _OID)[0]
    value = data[end:]
    begin = header(value, 0, value[0])[1] if value else 0
    if not begin or value[0] not in _STRINGS:
        return data[:end], value
    try:
        text = value[begin:].decode(_STRINGS[value[0]])
    except UnicodeDecodeError:
        return data[:end], value
    return data[:end], " ".join(text.casefold().split())


def _elements(data: bytes, tag: int) -> Iterator[bytes]:
    """The contents of the elements that follow each other in `data`; from another one on, the rest as it is."""
    while data:
        end, begin = header(data, 0, tag)
        if not end or end > len(data):
            yield data
            return
        yield data[begin:end]
        data = data[end:]
