"""Small truths of names in their one form: A-labels, lower case, no final dot, `.` for the root."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address

from shipworthy import dns_messages
from shipworthy.dns_messages import NoName, Reply

METADATA = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")))
"""Where clouds tell machines their secrets, beside link-local addresses: Alibaba, Azure, AWS, Google."""


def labels_of(name: str) -> int:
    """How many labels a name has; none for the root."""
    return 0 if name == "." else name.count(".") + 1


def name_of(name: str, labels: int) -> str:
    """The last `labels` labels of a name."""
    return ".".join(name.split(".")[-labels:])


def belongs(name: str, zone: str) -> bool:
    """Whether a name is in a zone, its top included."""
    return zone == "." or name == zone or name.endswith(f".{zone}")


def parent_side(reply: Reply, zone: str) -> list[str]:
    """The name servers of `zone` that an answer names: a referral, or the zone's own answer."""
    referral = reply.authority if not reply.authoritative else ()
    records = [record for record in (*reply.answer, *referral) if record.type == "NS" and record.name == zone]
    return usable_names(record.text for record in records)


def usable_names(texts: Iterable[str]) -> list[str]:
    """Names that servers said, in their one form, each once; those that no host can have are left out."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            found[dns_messages.ascii_name(text)] = None
        except NoName:
            continue
    return list(found)


def usable_addresses(texts: Iterable[str]) -> list[str]:
    """Addresses that servers said, each once, but for those that are no server's: nobody is to send us there."""
    return [text for text in dict.fromkeys(texts) if not _is_nobodys(ip_address(text))]


def _is_nobodys(at: IPv4Address | IPv6Address) -> bool:
    if isinstance(at, IPv6Address) and at.ipv4_mapped is not None:  # which the kernel connects to over IPv4
        at = at.ipv4_mapped
    return at.is_link_local or at.is_multicast or at.is_unspecified or at in METADATA
