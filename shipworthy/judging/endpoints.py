"""Ends of connections, who holds them, and lists of findings, as messages have them."""

from __future__ import annotations

from collections.abc import Sequence

from shipworthy.probes.parts.owners import Owner


def endpoint(address: str, port: int) -> str:
    """`192.0.2.1:443`, `[2001:db8::1]:443`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def held_by(owners: Sequence[Owner] | None) -> str:
    """`nginx[812], nginx[813]`; three at most."""
    if owners is None:
        return "somebody (who it is needs root)"
    return ", ".join(f"{owner.comm}[{owner.pid}]" for owner in owners[:3]) or "no process that can be seen here"


def listed(what: str, told: Sequence[object], total: int) -> str:
    """A message that names the first and counts the others; beneath it a line for each."""
    if not told:
        return what
    more = f", and {total - 1:,} more" if total > 1 else ""
    return "\n".join([f"{what}{told[0]}{more}", *map(str, told)])
