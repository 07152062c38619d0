"""A host's name servers, and how its resolv.conf and nsswitch.conf ask them.

In: a reading of the dns probe, a policy. Out: lines of what is wrong, and verdicts.
Source: resolv.conf(5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from shipworthy.judging.lookups import is_mute, silence_of, unasked
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.probes.dns import Dns, Resolver, Server
from shipworthy.probes.parts.resolv_conf import MOST_ASKED, address

SHOWN = 5


def dead(servers: Iterable[Server]) -> list[str]:
    """Those that answer nothing, over one transport or both."""
    return [_silent(server, how) for server in servers for how in _silences(server) if not unasked(how)]


def out_of_reach(servers: Iterable[Server]) -> list[str]:
    """Those that were not asked, for want of a route, of budget, of time."""
    return [_silent(server, how) for server in servers for how in _silences(server) if unasked(how)]


def ignored(servers: Iterable[Server]) -> list[str]:
    """What came and was no answer, by server."""
    return [
        f"{each.address}: {each.ignored} answers with another id or from elsewhere" for each in servers if each.ignored
    ]


def misconfigured(dns: Dns, resolver: Resolver, names: Sequence[str]) -> str:
    """Why the C library does not ask the servers that it should; `names` are those that it is to look up there."""
    if strange := [each for each in resolver.nameservers if not address(each)]:
        return f"name servers that are no addresses: {', '.join(strange[:SHOWN])}"
    if names and dns.sources and not {"dns", "resolve"} & set(dns.sources):
        return f"nsswitch.conf looks hosts up in {', '.join(dns.sources)}, and not in DNS"
    return ""


def resolver_verdicts(resolver: Resolver, names: Sequence[str], policy: HostPolicy) -> Iterator[Verdict]:
    """How many servers there are, how long it waits for them, and how many names are tried in vain."""
    limits, asked = policy.dns, resolver.nameservers[:MOST_ASKED]
    yield limits.nameservers.allows(len(resolver.nameservers), evidence=resolver.nameservers[MOST_ASKED:])
    wait = f"{resolver.timeout} s × {resolver.attempts} attempts × {len(asked)} name servers"
    yield limits.worst_wait.allows(resolver.timeout * resolver.attempts * len(asked), evidence=[wait])
    if names:
        before = max((_asked_first(name, resolver) for name in names), key=len)
        yield limits.searches.allows(len(before), evidence=before)


def _silent(server: Server, how: str) -> str:
    return f"name server {server.address}: {how}"


def _silences(server: Server) -> list[str]:
    """Over which transport a server answers nothing, and why."""
    found = {"UDP": silence_of(server)} if is_mute(server) else {}
    if server.tcp and not any(said.message >= 0 for said in server.tcp):
        found["TCP"] = server.tcp[0].error
    if len(set(found.values())) == 1 and len(found) == 2:
        return [f"{found['UDP']}, over UDP and TCP" if not unasked(found["UDP"]) else found["UDP"]]
    return [f"{why}, over {how}" if not unasked(why) else why for how, why in found.items()]


def _asked_first(name: str, resolver: Resolver) -> list[str]:
    """The names that the C library tries before `name` itself (resolv.conf(5), ndots)."""
    tried = name.count(".") < resolver.ndots
    return [f"{name}.{domain.strip('.')}" for domain in resolver.search] if tried else []
