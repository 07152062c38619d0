"""Signed proofs that there is nothing: NSEC and NSEC3 records, their own signatures judged elsewhere.

In: the records of an answer's authority section. Out: whether they prove that a name has nothing of a type.
Sources: RFC 4035 5.4; RFC 5155 8; RFC 9276. Whether a wildcard could have answered instead is not looked at.
"""

from __future__ import annotations

from base64 import b32hexencode
from collections.abc import Iterable
from typing import Any

import dns.dnssec
import dns.name
import dns.rdatatype
import dns.rrset

MOST_ITERATIONS = 500
"""NSEC3 with more is taken at its word: to hash so often is what an attacker wants, and their number is judged."""
_OPT_OUT = 0x01


def denies(records: Iterable[dns.rrset.RRset], name: dns.name.Name, type: str) -> bool:
    """Whether `records` prove that `name` has no records of `type`: it has others only, or does not exist."""
    records = list(records)
    nsec = [(rrset.name, data) for rrset in records if rrset.rdtype == dns.rdatatype.NSEC for data in rrset]
    nsec3 = [(rrset.name, data) for rrset in records if rrset.rdtype == dns.rdatatype.NSEC3 for data in rrset]
    return any(_by_nsec(owner, data, name, type) for owner, data in nsec) or _by_nsec3(nsec3, name, type)


def iterations(records: Iterable[dns.rrset.RRset]) -> int | None:
    """The most that NSEC3 and NSEC3PARAM records say; None where there are none."""
    kinds = {dns.rdatatype.NSEC3, dns.rdatatype.NSEC3PARAM}
    return max((data.iterations for rrset in records if rrset.rdtype in kinds for data in rrset), default=None)


def _by_nsec(owner: dns.name.Name, data: Any, name: dns.name.Name, type: str) -> bool:
    if owner == name:
        return _lacks(data, type)
    # The last one leads back to the zone's own name.
    return owner < name and (name < data.next or data.next <= owner) and not _is_above(data, owner, name)


def _is_above(data: Any, owner: dns.name.Name, name: dns.name.Name) -> bool:
    """What lies below a delegation is not the parent's to deny."""
    return bool(name.is_subdomain(owner) and _has(data, "NS") and not _has(data, "SOA"))


def _by_nsec3(records: list[tuple[dns.name.Name, Any]], name: dns.name.Name, type: str) -> bool:
    if not records:
        return False
    _, first = records[0]
    if first.iterations > MOST_ITERATIONS:
        return True
    covered = _covering(records, name, first)
    for owner, data in records:
        if _label(owner) == _hash(name, first):
            return _lacks(data, type)
    if type == "DS" and covered is not None and covered.flags & _OPT_OUT:
        return True
    return _no_such_name(records, name, first)


def _no_such_name(records: list[tuple[dns.name.Name, Any]], name: dns.name.Name, first: Any) -> bool:
    """An ancestor that exists, and below it nothing on the way to the name."""
    owners = {_label(owner) for owner, _ in records}
    while len(name) > 1:
        parent = name.parent()
        if _hash(parent, first) in owners:
            return _covering(records, name, first) is not None
        name = parent
    return False


def _covering(records: list[tuple[dns.name.Name, Any]], name: dns.name.Name, first: Any) -> Any:
    hashed = _hash(name, first)
    for owner, data in records:
        begins, ends = _label(owner), b32hexencode(data.next).decode("ascii").upper()
        if begins < hashed < ends or (ends <= begins and (hashed > begins or hashed < ends)):
            return data
    return None


def _hash(name: dns.name.Name, first: Any) -> str:
    return dns.dnssec.nsec3_hash(name, first.salt, first.iterations, first.algorithm).upper()


def _label(owner: dns.name.Name) -> str:
    return owner.labels[0].decode("ascii", "replace").upper()


def _lacks(data: Any, type: str) -> bool:
    """Of a DS it must be the parent's own word: that of a delegation."""
    if type == "DS":
        return not _has(data, "DS") and not _has(data, "SOA")
    return not _has(data, type) and not _has(data, "CNAME")


def _has(data: Any, type: str) -> bool:
    number = int(dns.rdatatype.from_text(type))
    window, octet, bit = number >> 8, (number & 0xFF) >> 3, 0x80 >> (number & 7)
    return any(at == window and octet < len(bits) and bool(bits[octet] & bit) for at, bits in data.windows)
