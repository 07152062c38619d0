"""Addresses of name servers that came without: looked up from here, by walking as well.

In: names of servers. Out: their addresses, and the questions that told them. Delegations on the way are followed by
the first server that answers: they are the way to a server, and not what is surveyed.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from ipaddress import ip_address
from typing import NamedTuple

from shipworthy.dns_messages import Reply
from shipworthy.vantage.names import belongs, labels_of, parent_side, usable_addresses
from shipworthy.vantage.questions import Question, Questions

AT_ONCE = 16
TRIES = 3
"""Servers that one question is put to, one after the other."""
ZONES = 12
"""Delegations that are followed to one name."""
NESTED = 3
"""How deep servers of servers may be without addresses."""
ADDRESSES = 8
"""Of one server, in each family."""


class Place(NamedTuple):
    """Whom to ask: a server, at one of its addresses."""

    server: str
    address: str

    @property
    def family(self) -> str:
        """`ipv4` or `ipv6`."""
        return f"ipv{ip_address(self.address).version}"


Found = tuple[list[str], list[Question]]


class Addresses:
    """What is known of where servers are."""

    def __init__(self, questions: Questions, roots: list[Place], families: Collection[str]) -> None:
        self._questions = questions
        self._families = families
        self._ways = {".": roots}
        """By zone: whom to ask."""

    def of(self, servers: Iterable[str], until: float) -> dict[str, Found]:
        """The addresses of each, of both families; none where they could not be found in time."""
        servers = list(servers)
        if not servers:
            return {}
        pool = ThreadPoolExecutor(min(AT_ONCE, len(servers)), "addresses from here")
        futures = {server: pool.submit(self._find, server, frozenset[str]()) for server in servers}
        wait(futures.values(), max(0.0, until - time.monotonic()))
        pool.shutdown(wait=False, cancel_futures=True)
        return {server: future.result() if future.done() else ([], []) for server, future in futures.items()}

    def _find(self, server: str, seen: frozenset[str]) -> Found:
        zone = max((zone for zone in list(self._ways) if belongs(server, zone)), key=labels_of)
        for _ in range(ZONES):
            asked, reply = self._ask(self._ways[zone], server, "A")
            if asked is None or reply is None:
                return [], []
            below = [record.name for record in reply.authority if record.type == "NS" and record.name != zone]
            if reply.authoritative or not below or not belongs(server, below[0]) or not belongs(below[0], zone):
                return self._both(asked, server)
            zone, parent = below[0], zone
            self._ways[zone] = self._way(reply, zone, parent, seen | {server})
        return [], []

    def _both(self, asked: Question, server: str) -> Found:
        """What the server that told of its IPv4 addresses says of IPv6."""
        other = self._questions.put(asked.unasked.server, asked.unasked.address, server, "AAAA")
        self._questions.wait([[other]], self._questions.until)
        replies = [reply for each in (*asked.told(), *other.told()) if (reply := each.heard())]
        found = [address for reply in replies for address in (*reply.data("A"), *reply.data("AAAA"))]
        return usable_addresses(found)[: 2 * ADDRESSES], [asked, other]

    def _way(self, reply: Reply, zone: str, parent: str, seen: frozenset[str]) -> list[Place]:
        servers = parent_side(reply, zone)
        way = [Place(server, address) for server in servers for address in glue(reply, server, parent)]
        for server in servers:
            if way or len(seen) > NESTED:
                break
            if server not in seen:
                way = [Place(server, address) for address in self._find(server, seen)[0]]
        return [place for place in way if place.family in self._families]

    def _ask(self, places: list[Place], name: str, type: str) -> tuple[Question, Reply] | tuple[None, None]:
        """The first answer that says something, of a few servers."""
        for place in places[:TRIES]:
            question = self._questions.put(*place, name, type)
            self._questions.wait([[question]], self._questions.until)
            for asked in question.told():
                reply = asked.heard()
                if reply and not reply.truncated and reply.rcode in {"NOERROR", "NXDOMAIN"}:
                    return question, reply
        return None, None


def glue(reply: Reply, server: str, zone: str) -> list[str]:
    """The addresses that an answer brings along for a server, where those who answer may speak of it."""
    if not belongs(server, zone):
        return []
    records = [each for each in reply.additional if each.name == server and each.type in {"A", "AAAA"}]
    return usable_addresses(record.text for record in records)[: 2 * ADDRESSES]
