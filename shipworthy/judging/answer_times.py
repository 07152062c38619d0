"""How long a name's answers take: each server's, and the C library's.

In: what was said of a name, and what a policy says of it. Out: verdicts; none where nothing was answered.
"""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy.judging.lookups import LIBRARY, TYPES, Looked, knows
from shipworthy.policy import Verdict
from shipworthy.policy._dns_items import Name


def time_verdicts(looked: Looked, limits: Name) -> list[Verdict]:
    """The slowest answer of each server, first asked and asked again, and of the C library."""
    return [*_of_servers(looked, limits), *_of_library(looked, limits)]


def _of_servers(looked: Looked, limits: Name) -> Iterator[Verdict]:
    """Failing takes its time, and is told as such."""
    by_server: dict[str, list[tuple[str, float, float | None]]] = {}
    for type in TYPES.values():
        for each in looked.of(type):
            if each.reply and not each.broken:
                by_server.setdefault(each.server, []).append((type, each.said.seconds, each.said.warm_seconds))
    for server, said in by_server.items():
        warm = [(seconds, type) for type, _, seconds in said if seconds is not None]
        if warm:
            seconds, type = max(warm)
            yield limits.within.allows(seconds, what=f"{looked.name} {type}: {server} answers after")
        seconds, type = max((seconds, type) for type, seconds, _ in said)
        yield limits.cold_within.allows(seconds, what=f"{looked.name} {type}: {server} answers, first asked, after")


def _of_library(looked: Looked, limits: Name) -> Iterator[Verdict]:
    said = [(each.seconds, TYPES[family]) for family, each in looked.libc.items() if knows(each)]
    if said:
        seconds, type = max(said)
        yield limits.cold_within.allows(seconds, what=f"{looked.name} {type}: {LIBRARY} answers after")
