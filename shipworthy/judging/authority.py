"""What the servers of a name's zones do wrong: lame, differing, unlike what their parent says of them.

In: a survey from here. Out: lines that name zone, server and address, the same in every run; nothing where all is well.
Judged are the zone of the name and those above it, but not what is the Internet's own (its root, top-level domains):
of those the survey asked no more than the way down needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import ip_address, ip_network
from typing import NamedTuple

from shipworthy.dns_messages import Reply
from shipworthy.errors import NotMeasured
from shipworthy.vantage.authority import Asked, Authority, Zone
from shipworthy.vantage.names import belongs, labels_of, parent_side
from shipworthy.vantage.wire import NO_ROUTE

_ADDRESSES = ("A", "AAAA")
_OF_ZONES = {"SOA", "NS", "DNSKEY", "NSEC3PARAM", "DS"}
_FAMILIES = {"ipv4": "IPv4", "ipv6": "IPv6"}


def zones_to(authority: Authority, name: str) -> list[Zone]:
    """The zones from the root to that of the name; raises NotMeasured with the reason where it was not come to."""
    if name not in authority.zone_of:
        raise NotMeasured(authority.stopped.get(name) or f"{name} was not surveyed in this run")
    return _down_to(authority, authority.zone_of[name])


def lame(authority: Authority, name: str) -> list[str]:
    """The servers that do not answer with authority for a zone that they are named for, over UDP and TCP each."""
    if name in authority.stopped:
        deepest = max((zone for zone in authority.zones if belongs(name, zone)), key=labels_of)
        path = _down_to(authority, deepest)
    else:
        path = zones_to(authority, name)
    return [line for zone in path for line in _lame_for(zone)]


def unasked(authority: Authority, name: str) -> list[str]:
    """Why addresses could not be asked from here, and how many: `no route over IPv6 to 6 of 12 addresses`.

    No name and no server is in it: what this machine lacks reads the same for every name.
    """
    all = [asked for zone in zones_to(authority, name) for asked in _soa(zone)]
    missed: dict[str, set[str]] = {}
    for asked in all:
        if not _was_put(asked):
            between = "" if asked.error == NO_ROUTE else ","
            missed.setdefault(f"{asked.error}{between} over {_FAMILIES[asked.family]}", set()).add(asked.address)
    whole = len({asked.address for asked in all})
    return [f"{why} to {len(addresses)} of {whole} addresses" for why, addresses in missed.items()]


def serials(authority: Authority, name: str) -> dict[str, int]:
    """The serial of the name's zone on each server, by `ns1.example.org 192.0.2.1`, as it was last said."""
    zone = zones_to(authority, name)[-1]
    found = {}
    for asked in _soa(zone, "udp"):
        reply = asked.heard()
        if reply and reply.authoritative:
            for soa in reply.data("SOA"):
                found[f"{asked.server} {asked.address}".strip()] = int(soa.split()[2])
    return found


def faults(authority: Authority, name: str) -> list[str]:
    """What parents and zones say differently of name servers, and name servers that are none."""
    path = zones_to(authority, name)
    return [line for zone in path if zone.parent and _soa(zone) for line in _faults_of(zone)]


class Lifetime(NamedTuple):
    """How long caches keep a record, as a server of its zone says."""

    seconds: int
    type: str
    server: str


def lifetimes(authority: Authority, name: str) -> list[Lifetime] | None:
    """Of the name's own records, the shortest first; None where no server answers for them with authority.

    What makes a zone (SOA, NS, keys) is left out: by habit, and for good reasons, it is kept for longer.
    """
    zone = zones_to(authority, name)[-1]
    asked = [each for each in zone.asked if each.name == name and each.type not in _OF_ZONES]
    heard = [(each, reply) for each in asked if (reply := each.heard()) and reply.authoritative]
    found = {
        Lifetime(record.ttl, record.type, _place(each.server, each.address))
        for each, reply in heard
        for record in reply.answer
        if record.name == name and record.type != "RRSIG"
    }
    return sorted(found) if heard else None


def payloads(authority: Authority, name: str) -> dict[str, int]:
    """What each server of the name's zone advertises over UDP, in bytes, by server; 0 without EDNS."""
    zone = zones_to(authority, name)[-1]
    return {
        _place(asked.server, asked.address): reply.payload for asked in _soa(zone, "udp") if (reply := asked.heard())
    }


def cut_short(authority: Authority, name: str) -> list[str]:
    """The answers of the name's zone that were truncated over UDP, and did not come whole over TCP."""
    zone = zones_to(authority, name)[-1]
    over_tcp = {each[:2] + each[3:5]: each for each in zone.asked if each.transport == "tcp"}
    wrong = []
    for asked in zone.asked:
        reply = asked.heard() if asked.transport == "udp" else None
        whole = over_tcp.get(asked[:2] + asked[3:5])
        if reply and reply.truncated and whole and _was_put(whole) and (why := _not_whole(whole)):
            where = _place(asked.server, asked.address)
            wrong.append(f"{where}: {asked.name} {asked.type} is truncated over UDP, and over TCP {why}")
    return list(dict.fromkeys(wrong))


class Kept(NamedTuple):
    """The SOA's timers, in seconds."""

    refresh: int
    retry: int
    expire: int
    minimum: int


def timers(authority: Authority, name: str) -> Kept | None:
    """Those of the newest version of the name's zone; None where no server tells them."""
    zone = zones_to(authority, name)[-1]
    replies = [reply for asked in _soa(zone, "udp") if (reply := asked.heard()) and reply.authoritative]
    numbers = [[int(number) for number in soa.split()[2:]] for reply in replies for soa in reply.data("SOA")]
    return Kept(*max(numbers)[1:]) if numbers else None


def networks(authority: Authority, name: str) -> dict[str, list[str]]:
    """Where the servers of the name's zone are, by family that they have addresses of: its /24, its /48."""
    found: dict[str, set[str]] = {}
    for address in (ip_address(each) for some in zones_to(authority, name)[-1].servers.values() for each in some):
        prefix = 24 if address.version == 4 else 48
        found.setdefault(f"IPv{address.version}", set()).add(str(ip_network(f"{address}/{prefix}", strict=False)))
    return {family: sorted(some) for family, some in sorted(found.items())}


def _down_to(authority: Authority, zone: str) -> list[Zone]:
    path: list[Zone] = []
    while zone in authority.zones and len(path) < len(authority.zones):
        path.append(authority.zones[zone])
        zone = authority.zones[zone].parent
    return path[::-1]


def _lame_for(zone: Zone) -> Iterator[str]:
    by_place: dict[tuple[str, str], dict[str, str]] = {}
    for asked in _soa(zone):
        if _was_put(asked):
            by_place.setdefault((asked.server, asked.address), {})[asked.transport] = _wrong(asked)
    for place, wrong in by_place.items():
        told = set(wrong.values())
        if told == {""}:
            continue
        how = told.pop() if len(told) == 1 else ""
        how = how or ", ".join(f"over {transport.upper()} {why}" for transport, why in sorted(wrong.items()) if why)
        yield f"{_of(zone)}: {_place(*place)}: {how}"


def _wrong(asked: Asked) -> str:
    """What is wrong with an answer to the question for a zone's SOA; nothing where it is right."""
    reply = asked.heard()
    if reply is None:
        return asked.error or "answers what cannot be understood"
    if reply.rcode != "NOERROR":
        return reply.rcode
    if not reply.authoritative:
        return "answers without authority"
    return "" if reply.truncated or reply.data("SOA") else "has no SOA"


def _not_whole(asked: Asked) -> str:
    reply = asked.heard()
    if reply is None:
        return asked.error or "is what cannot be understood"
    return "too" if reply.truncated else ""


def _faults_of(zone: Zone) -> Iterator[str]:
    referrals = [reply for asked in zone.from_parent if asked.type == "NS" and (reply := asked.heard())]
    of_parent = _union(parent_side(reply, zone.name) for reply in referrals)
    own = [reply for asked in zone.asked if _is_own(asked, zone, "NS") and (reply := asked.heard())]
    of_zone = _union(parent_side(reply, zone.name) for reply in own if reply.authoritative)
    if of_parent and of_zone:
        for server in of_parent - of_zone:
            yield f"{zone.name}: {zone.parent} names {server} as a server of it, it itself does not"
        for server in of_zone - of_parent:
            yield f"{zone.name}: it names {server} as a server of its own, {_parent(zone)} does not"
    for server in sorted(zone.servers):
        yield from _faults_of_server(zone, server, referrals)


def _faults_of_server(zone: Zone, server: str, referrals: list[Reply]) -> Iterator[str]:
    said = [asked for asked in zone.asked if asked.name == server and asked.type in _ADDRESSES]
    replies = [reply for asked in said if (reply := asked.heard())]
    if any(record.type == "CNAME" and record.name == server for reply in replies for record in reply.answer):
        yield f"{zone.name}: its name server {server} is an alias"
    elif not zone.servers[server]:
        yield f"{zone.name}: its name server {server} has no address"
    if not belongs(server, zone.name):
        return
    glue = {
        each.text for reply in referrals for each in reply.additional if each.name == server and _is_address(each.type)
    }
    own = {text for reply in replies if reply.authoritative for type in _ADDRESSES for text in reply.data(type)}
    if glue and own and glue != own:
        yield f"{zone.name}: {_parent(zone)} has {server} at {_list(glue)}, it itself at {_list(own)}"


def _soa(zone: Zone, transport: str = "") -> list[Asked]:
    return [each for each in zone.asked if _is_own(each, zone, "SOA") and transport in {"", each.transport}]


def _is_own(asked: Asked, zone: Zone, type: str) -> bool:
    return asked.name == zone.name and asked.type == type


def _was_put(asked: Asked) -> bool:
    return bool(asked.message) or (asked.error != NO_ROUTE and not asked.error.startswith("not asked"))


def _is_address(type: str) -> bool:
    return type in _ADDRESSES


def _union(lists: Iterable[list[str]]) -> set[str]:
    return {each for those in lists for each in those}


def _list(addresses: set[str]) -> str:
    return ", ".join(sorted(addresses))


def _place(server: str, address: str) -> str:
    return f"{server} ({address})" if server else address


def _of(zone: Zone) -> str:
    return "the root" if zone.name == "." else zone.name


def _parent(zone: Zone) -> str:
    return "the root" if zone.parent == "." else zone.parent
