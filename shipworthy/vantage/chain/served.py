"""What a server showed beside its leaf, against what its path needs: order, duplicates, roots, strangers.

Clients put up with all of it, so these are warnings; each costs bytes in every handshake, or breaks an older client.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.chain.findings import Finding, ours
from shipworthy.vantage.chain.paths import Path

_MOST_NAMED = 3


def examine(path: Path, served: Sequence[Certificate], roots: set[bytes]) -> Iterator[Finding]:
    """Judge what was served, by the path that was found."""
    leaf = path[0].der
    ders = [each.der for each in served]
    issuers = [each.der for each in path[1:]]
    if len(set(ders)) < len(ders) or leaf in ders:
        yield ours("served-twice", "a certificate was served more than once", fatal=False)
    shown = list(dict.fromkeys(each for each in served if each.der != leaf))
    order = [issuers.index(each.der) for each in shown if each.der in issuers]
    if order != sorted(order):
        yield ours("served-out-of-order", "the certificates were not served in the order of their issuers", fatal=False)
    if rooted := [each.label for each in shown if each.der in roots and each.is_self_issued]:
        yield ours("root-served", f"a root was served, which clients have: {_named(rooted)}", fatal=False)
    unused = [each.label for each in shown if each.der not in issuers and each.der not in roots]
    if unused:
        yield ours("served-unused", f"served, and not needed: {_named(unused)}", fatal=False)


def _named(labels: list[str]) -> str:
    some = ", ".join(labels[:_MOST_NAMED])
    return some if len(labels) <= _MOST_NAMED else f"{some} and {len(labels) - _MOST_NAMED} more"
