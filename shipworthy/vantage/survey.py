"""The walk from a root down to the zones of names, with every name server on the way asked by itself.

In: names and the types that are asked for of each, where to begin, over which families. Out: `Authority`.
All names are walked together, level by level. A server that is silent is waited for only where no other answers; what
it says later is still kept. Bounded in time, zones, servers, questions, labels and aliases; and so loops end.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from threading import Event

from shipworthy.vantage.addresses import Addresses, Place, glue
from shipworthy.vantage.authority import Asked, Authority, Zone
from shipworthy.vantage.iana import ROOT_SERVERS
from shipworthy.vantage.names import belongs, labels_of, name_of, parent_side, usable_names
from shipworthy.vantage.questions import Question, Questions
from shipworthy.vantage.wire import NO_ROUTE

FAMILIES = ("ipv4", "ipv6")
ZONES = 200
SERVERS = 16
"""Name servers of one zone; the Internet's largest have 13."""
LABELS = 20
"""Steps from one zone to the next: reverse names of IPv6 have 34 labels, and few of them without a zone."""
ALIASES = 8
"""Aliases on the way of one name."""
FEW = 3
"""Servers, in each family, that are asked for what is the Internet's own: its root, and top-level domains."""
GRACE = 0.3
"""Seconds that the other servers of a zone are waited for when one has answered."""
SECOND_LOOK = 2.0
"""Seconds after which servers with different serials are asked again: a transfer may have been under way."""

Names = Mapping[str, Sequence[str]]


def survey(
    names: Names,
    roots: Sequence[str] | None = None,
    families: Collection[str] = FAMILIES,
    wait: float = 2.0,
    deadline: float = 8.0,
    given_up: Event | None = None,
) -> Authority:
    """Walk to `names`, of each of which the types are asked for; done within `deadline` seconds.

    Whoever does not need it any more sets `given_up`: nothing is asked from then on.

    `roots` are addresses; without them, the root servers of the Internet. Names are in their one form
    (`dns_messages.ascii_name`). Raises nothing for what servers do.
    """
    questions = Questions(wait, time.monotonic() + deadline, given_up or Event())
    try:
        walk = _Walk(questions, roots, families, wait)
        walk.to(names)
        walk.look_again()
        return walk.authority()
    finally:
        questions.close()


@dataclass(eq=False)
class _Cut:
    """A zone that the walk has come to."""

    name: str
    parent: str
    servers: dict[str, list[str]]
    whole: bool
    """Whether every server is asked."""
    from_parent: list[Question] = field(default_factory=list)
    asked: list[Question] = field(default_factory=list)

    def places(self, families: Collection[str], few: int = FEW) -> list[Place]:
        """Whom to ask."""
        all = [Place(name, address) for name, addresses in self.servers.items() for address in addresses]
        by_family = ([place for place in all if place.family == family] for family in families)
        return list(chain.from_iterable(places if self.whole else places[:few] for places in by_family))

    def said(self, type: str) -> list[Asked]:
        """What was said until now of the zone's own records of a type."""
        told = chain.from_iterable(question.told() for question in self.asked)
        return [asked for asked in told if asked.name == self.name and asked.type == type]


_Level = dict[_Cut, dict[str, Sequence[str]]]
"""Names by the zone that the walk has come to with them."""


class _Walk:
    def __init__(
        self, questions: Questions, roots: Sequence[str] | None, families: Collection[str], wait: float
    ) -> None:
        self._questions = questions
        self._families = families
        self._wait = wait
        self._public = roots is None
        self._root = _Cut(".", "", {"": list(roots or ROOT_SERVERS)}, whole=roots is not None)
        self._cuts: dict[str, _Cut] = {".": self._root}
        self._addresses = Addresses(questions, self._root.places(families), families)
        self._zone_of: dict[str, str] = {}
        self._stopped: dict[str, str] = {}

    def to(self, names: Names) -> None:
        """Walk to every name, and on to where their aliases lead."""
        for _ in range(ALIASES + 1):
            self._down_to(names)
            targets = self._aliases(names)
            names = {name: types for name, types in targets.items() if name not in self._zone_of | self._stopped}
            if not names:
                return

    def look_again(self) -> None:
        """Where serials differ, ask for them once more, a little later."""
        self._questions.wait([cut.asked for cut in self._cuts.values()], self._until(), self._wait)
        differing = [cut for cut in self._cuts.values() if len(_serials(cut)) > 1]
        if not differing or time.monotonic() + SECOND_LOOK > self._questions.until:
            return
        time.sleep(SECOND_LOOK)
        for cut in differing:
            asked = [asked for asked in cut.said("SOA") if asked.transport == "udp" and asked.message]
            cut.asked += [self._questions.again(each) for each in asked]
        self._questions.wait([cut.asked for cut in differing], self._until(), self._wait)

    def authority(self) -> Authority:
        """What was found."""
        everything = chain.from_iterable((*cut.from_parent, *cut.asked) for cut in self._cuts.values())
        self._questions.wait([[question] for question in everything], self._until())
        zones = {
            cut.name: Zone(cut.name, cut.parent, cut.servers, _told(cut.from_parent), _told(cut.asked))
            for cut in self._cuts.values()
        }
        return Authority(zones, self._zone_of, self._stopped, self._unroutable(zones.values()))

    def _down_to(self, names: Names) -> None:
        level: _Level = {self._root: dict(names)}
        while level:
            self._enter(level)
            level, here = self._steps(level)
            self._hear_of_more_servers(level | here)
            for cut, inside in here.items():
                for name, types in inside.items():
                    self._zone_of[name] = cut.name
                    self._put(cut, name, types)

    def _enter(self, cuts: Iterable[_Cut]) -> None:
        """Ask what every zone is asked, of those that were not yet."""
        new = [cut for cut in cuts if not cut.asked]
        self._find_addresses(new)
        for cut in new:
            self._ask_of_itself(cut, cut.places(self._families))

    def _ask_of_itself(self, cut: _Cut, places: Sequence[Place]) -> None:
        put = self._questions.put
        for place in places:
            cut.asked.append(put(*place, cut.name, "DNSKEY"))
            if cut.whole:
                cut.asked += [put(*place, cut.name, "SOA"), put(*place, cut.name, "NS")]
                cut.asked.append(put(*place, cut.name, "SOA", "tcp"))

    def _put(self, cut: _Cut, name: str, types: Iterable[str]) -> list[Question]:
        put = [self._questions.put(*place, name, type) for place in cut.places(self._families) for type in types]
        cut.asked += put
        return put

    def _find_addresses(self, cuts: Iterable[_Cut]) -> None:
        """Of name servers that came without any."""
        missing = [(cut, server) for cut in cuts for server, found in cut.servers.items() if not found]
        found = self._addresses.of({server for _, server in missing}, self._until(3.0))
        for cut, server in missing:
            addresses, asked = found[server]
            cut.servers[server] = addresses
            cut.asked += asked

    def _steps(self, level: _Level) -> tuple[_Level, _Level]:
        """One level down: which zones come next, and which names have no zone below this one."""
        below: _Level = defaultdict(dict)
        here: _Level = defaultdict(dict)
        walking = [(cut, name, labels_of(cut.name) + 1) for cut, names in level.items() for name in names]
        while walking:
            steps = {(cut, name_of(name, labels)) for cut, name, labels in walking}
            put = {(cut, step): self._ask_for(cut, step) for cut, step in steps}
            self._questions.wait(put.values(), self._until(self._wait), GRACE)
            onward = []
            for cut, name, labels in walking:
                step = name_of(name, labels)
                child = self._child(cut, step, put[cut, step])
                types = level[cut][name]
                if isinstance(child, str):
                    self._stopped[name] = child
                elif child:
                    below[child][name] = types
                elif step == name or labels >= labels_of(cut.name) + LABELS:
                    here[cut][name] = types
                else:
                    onward.append((cut, name, labels + 1))
            walking = onward
        return below, here

    def _ask_for(self, cut: _Cut, step: str) -> list[Question]:
        return [self._questions.put(*place, step, "NS") for place in cut.places(self._families)]

    def _child(self, cut: _Cut, step: str, put: list[Question]) -> _Cut | str | None:
        """The zone that begins at `step`; None where none does; a text where nobody says."""
        if step == cut.name:
            return None
        if step in self._cuts:
            return self._cuts[step]
        told = list(chain.from_iterable(question.told() for question in put))
        replies = [reply for asked in told if (reply := asked.heard())]
        servers: dict[str, list[str]] = {}
        for reply in replies:
            for server in parent_side(reply, step)[:SERVERS]:
                if server in servers or len(servers) < SERVERS:
                    known = servers.setdefault(server, [])
                    known += [each for each in glue(reply, server, cut.name) if each not in known]
        if not servers:
            says = any(reply.authoritative and reply.rcode in {"NOERROR", "NXDOMAIN"} for reply in replies)
            return None if says else _why_stopped(cut, told, time_is_up=time.monotonic() >= self._questions.until)
        if len(self._cuts) >= ZONES:
            return f"more than {ZONES} zones"
        child = _Cut(step, cut.name, servers, whole=not (self._public and labels_of(step) == 1))
        child.from_parent = put + [self._questions.put(*place, step, "DS") for place in cut.places(self._families)]
        self._cuts[step] = child
        return child

    def _hear_of_more_servers(self, cuts: Iterable[_Cut]) -> None:
        """A zone itself may name servers that its parent does not; and knows best where its own are."""
        cuts = [cut for cut in cuts if cut.whole and cut is not self._root]
        self._enter(cuts)
        own = [[question for question in cut.asked if question.unasked.type == "NS"] for cut in cuts]
        self._questions.wait(own, self._until(self._wait), GRACE)
        added: dict[_Cut, list[str]] = {}
        for cut in cuts:
            replies = [reply for asked in cut.said("NS") if (reply := asked.heard())]
            for reply in replies:
                for server in parent_side(reply, cut.name):
                    if server not in cut.servers and len(cut.servers) < SERVERS:
                        cut.servers[server] = glue(reply, server, cut.name)
                        added.setdefault(cut, []).append(server)
        self._find_addresses(added)
        for cut, servers in added.items():
            self._ask_of_itself(cut, [place for place in cut.places(self._families) if place.server in servers])
        for cut in cuts:
            self._ask_for_more(cut)

    def _ask_for_more(self, cut: _Cut) -> None:
        """What two servers are enough for: how the zone hashes, and where it says that its own servers are."""
        speaking = [asked for asked in cut.said("SOA") if asked.transport == "udp" and asked.message][:2]
        inside = [server for server in cut.servers if belongs(server, cut.name)]
        for asked in speaking:
            cut.asked.append(self._questions.put(asked.server, asked.address, cut.name, "NSEC3PARAM"))
            for server in inside:
                for type in ("A", "AAAA"):
                    cut.asked.append(self._questions.put(asked.server, asked.address, server, type))

    def _aliases(self, names: Names) -> dict[str, Sequence[str]]:
        """Where the names' aliases lead, as far as their zones are known."""
        put = {name: self._put_already(name, types) for name, types in names.items() if name in self._zone_of}
        self._questions.wait(put.values(), self._until(self._wait), GRACE)
        targets: dict[str, Sequence[str]] = {}
        for name, questions in put.items():
            for asked in chain.from_iterable(question.told() for question in questions):
                reply = asked.heard()
                for target in usable_names(reply.data("CNAME") if reply else ()):
                    targets[target] = names[name]
        return targets

    def _put_already(self, name: str, types: Sequence[str]) -> list[Question]:
        cut = self._cuts[self._zone_of[name]]
        return [self._questions.put(*place, name, type) for place in cut.places(self._families) for type in types]

    def _until(self, seconds: float = 60.0) -> float:
        return min(self._questions.until, time.monotonic() + seconds)

    def _unroutable(self, zones: Iterable[Zone]) -> dict[str, str]:
        everything = [asked for zone in zones for asked in (*zone.from_parent, *zone.asked)]
        speaking = {asked.family for asked in everything if asked.message}
        found = {}
        for family in self._families:
            its = [asked for asked in everything if asked.family == family]
            if its and all(asked.error == NO_ROUTE for asked in its):
                found[family] = NO_ROUTE
            elif its and self._public and speaking and family not in speaking:
                found[family] = "no server answers over it, of the Internet's root neither"
        return found


def _told(questions: Iterable[Question]) -> list[Asked]:
    """In order, and each once: a question that was put twice stands in two lists."""
    return list(dict.fromkeys(chain.from_iterable(question.told() for question in questions)))


def _serials(cut: _Cut) -> set[str]:
    replies = [reply for asked in cut.said("SOA") if (reply := asked.heard())]
    return {text.split()[2] for reply in replies if reply.authoritative for text in reply.data("SOA")}


def _why_stopped(cut: _Cut, told: Sequence[Asked], *, time_is_up: bool) -> str:
    zone = "the root" if cut.name == "." else cut.name
    if not told:
        return f"{zone}: its name servers have no addresses"
    if time_is_up:
        return f"{zone}: the time was up"
    if all(asked.error == NO_ROUTE for asked in told):
        return f"{zone}: no route to any of its servers"
    return f"{zone}: none of its servers answers"
