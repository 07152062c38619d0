"""Small truths of names in their one form: A-labels, lower case, no final dot, `.` for the root."""

from __future__ import annotations

from shipworthy.dns_messages import Reply


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
    return list(dict.fromkeys(record.text.lower().rstrip(".") or "." for record in records))
