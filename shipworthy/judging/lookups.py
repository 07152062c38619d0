"""What was said of one name where it is looked up: by the C library, and by each name server.

In: a reading of the dns probe, the questions that it answers, a name. Out: `Looked`. Answers are understood here,
once each. A server that answers nothing that it is asked is told of once (`dns.nameservers`), and
left out here, so that each name is judged by what is answered.
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from shipworthy.errors import NotMeasured
from shipworthy.policy._dns_items import FAMILIES, Family
from shipworthy.probes.dns import Dns, Question, Resolved, Said, Server
from shipworthy.probes.parts.dns_answers import NO_TIME
from shipworthy.probes.parts.resolv_conf import PATH
from shipworthy.snapshot import Snapshot

if TYPE_CHECKING:
    from shipworthy.dns_messages import Reply

TYPES: Mapping[Family, str] = {"ipv4": "A", "ipv6": "AAAA"}
VERSIONS: Mapping[Family, int] = {"ipv4": 4, "ipv6": 6}
MAPPED = "::ffff:"
LIBRARY = "the C library"
FOUND = frozenset({"NOERROR", "NXDOMAIN"})
"""The codes of an answer; with any other, a server says that it could or would not answer."""

_ALIASES_SHOWN = 5
_SILENT = ("EAI_AGAIN", "EAI_FAIL", "EAI_SYSTEM", "no answer ", "not asked: the C library answered none ")


@dataclass(frozen=True)
class Answer:
    """What one server made of one question."""

    server: str
    type: str
    said: Said
    reply: Reply | None
    error: str
    """Why there is no reply; empty where there is one."""
    unknown: bool
    """The question was not put to the server, or its answer cannot be understood: that says nothing of the name."""

    @property
    def status(self) -> str:
        """`NOERROR`, `SERVFAIL`, …, `no answer within 2 s`, …"""
        return self.reply.rcode if self.reply else self.error

    @property
    def broken(self) -> bool:
        """Whoever asks this server learns nothing of whether there is such a record."""
        return not self.unknown and self.status not in FOUND

    @property
    def data(self) -> tuple[str, ...]:
        """Of the type that was asked for, in the wire's order; an IPv4-mapped address is no AAAA."""
        found = self.reply.data(self.type) if self.reply else ()
        return tuple(each for each in found if not (self.type == "AAAA" and each.startswith(MAPPED)))

    def __str__(self) -> str:
        aliases = self.reply.data("CNAME")[:_ALIASES_SHOWN] if self.reply and self.type != "CNAME" else ()
        found = ", ".join(self.data) or (f"no {self.type}" if self.status == "NOERROR" else self.status)
        told = ", ".join([*(f"alias of {each.rstrip('.')}" for each in aliases), found])
        why = f" ({self.reply.errors[0]})" if self.reply and self.reply.errors else ""
        return f"{self.server} {self.type}: {told}{why}"


@dataclass(frozen=True)
class Looked:
    """All that is known of a name."""

    name: str
    reading: Dns = field(repr=False)  # pytest shows a failing claim's values: 200 names' answers for each of them
    questions: Sequence[Question] = field(repr=False)
    servers: list[str] | None = None
    """As the policy has them: None for the host's own."""

    @cached_property
    def libc(self) -> Mapping[Family, Resolved]:
        """What the C library says, by family; empty where it has nothing to do with the name."""
        said = {} if self.servers else self.reading.libc.get(self.name, {})
        return {family: said[family] for family in FAMILIES if family in said}

    @cached_property
    def addresses(self) -> Mapping[Family, list[Answer]]:
        """What servers say of its addresses."""
        return {family: self.of(type) for family, type in TYPES.items()}

    def of(self, type: str, name: str = "") -> list[Answer]:
        """What those servers say that answer anything; raises NotMeasured where nobody was asked in this run."""
        return [answer for answer, mute in self._asked(type, name or self.name) if not mute]

    @cached_property
    def mute(self) -> Mapping[str, str]:
        """The servers that answer nothing at all, and why."""
        return {answer.server: silence_of(mute) for answer, mute in self._asked("A", self.name) if mute}

    @cached_property
    def lost(self) -> str:
        """Why nothing at all is known of it, in one line that is the same for all names; empty where something is.

        Raises NotMeasured where nobody could be asked.
        """
        if any(self.addresses.values()) or any(said.addresses for said in self.libc.values()):
            return ""
        silent = {server: why for server, why in self.mute.items() if not unasked(why)}
        told = [f"{why} ({', '.join(servers)})" for why, servers in by_words(silent.items()).items()]
        if told:
            return f"no name server answers: {'; '.join(told)}"
        raise NotMeasured(self._why_nobody())

    def _why_nobody(self) -> str:
        if self.mute:
            return "; ".join(f"{server}: {why}" for server, why in self.mute.items())
        return without_servers(self.reading) or "it was asked of nobody"

    def _asked(self, type: str, name: str) -> list[tuple[Answer, Server | None]]:
        """Each with its server where that is mute."""
        if (type, name) not in self._answers:
            self._answers[type, name] = self._answered(type, name)
        return self._answers[type, name]

    @cached_property
    def _answers(self) -> dict[tuple[str, str], list[tuple[Answer, Server | None]]]:
        return {}

    def _answered(self, type: str, name: str) -> list[tuple[Answer, Server | None]]:
        index = self._question(type, name)
        found = []
        for server in self.reading.servers:
            if said := _of(server.udp, index):
                mute = server if is_mute(server) else None
                found.append((_answer(self.reading, server, said, name, type), mute))
        return found

    def _question(self, type: str, name: str) -> int:
        for index, each in enumerate(self.questions):
            if (each.name, each.type) == (name, type) and each.servers == self.servers:
                return index
        raise NotMeasured(f"{name} {type} was not asked for in this run")

    def firsts(self, family: Family) -> list[str]:
        """The first address of each further answer of the first server; those that have none are left out."""
        type = TYPES[family]
        indices = self.reading.samples.get(str(self._question(type, self.name)), [])
        replies = (_understood(_text(self.reading, index), self.name, type) for index in indices)
        return [data[0] for reply in replies if not isinstance(reply, str) and (data := reply.data(type))]

    def evidence(self, *types: str) -> list[str]:
        """What everybody says, a line each."""
        lines = [str(answer) for type in types or TYPES.values() for answer in self.of(type)]
        for family, said in self.libc.items():
            lines.append(f"{LIBRARY} {TYPES[family]}: {', '.join(said.addresses) or said.error}")
        lines += [f"{server}: {why}" for server, why in self.mute.items()]
        if self.reading.upstreams and self.servers is None:
            lines.append(f"this host's stub resolver asks {', '.join(self.reading.upstreams)}")
        return lines

    def told(self, wrong: Iterable[str], *types: str) -> str:
        """All that is wrong in one line, and below it what everybody said: of addresses, and of further types."""
        return "\n".join(["; ".join(wrong), *self.evidence(*TYPES.values(), *types)])


def looked_of(snapshot: Snapshot, name: str, servers: list[str] | None) -> Looked:
    """What a snapshot says of a name, made once for all its checks; raises NotMeasured with the reason."""
    reading, known = snapshot.reading("dns"), snapshot.understood
    key = ("looked", name, None if servers is None else tuple(servers))
    if key not in known:
        questions = known.get(("questions",)) or known.setdefault(("questions",), asked_of(snapshot))
        known[key] = Looked(name, reading, questions, servers)
    looked: Looked = known[key]
    return looked


def asked_of(snapshot: Snapshot) -> list[Question]:
    """The questions that a snapshot's reading answers, by whose indices it speaks of them."""
    asked = snapshot.asked["probes"].get("dns", {})
    return [Question(**question) for question in asked.get("questions", ())]


def is_mute(server: Server) -> bool:
    """Whether it answers nothing over UDP, by which everybody asks first."""
    return not any(said.message >= 0 for said in server.udp)


def silence_of(server: Server) -> str:
    """Why a server that is mute answers nothing."""
    return next((said.error for said in server.udp if not unasked(said.error)), server.udp[0].error)


def knows(said: Resolved) -> bool:
    """Whether the C library says what there is, or that there is nothing; and not that it does not know."""
    return not (said.error.startswith(_SILENT) or unasked(said.error))


def unasked(error: str) -> bool:
    """Whether the question was not put, or nobody waited for its answer: for want of a route, of budget, of time."""
    gave_up = " answered none of " in error
    return error in {"no route", NO_TIME} or (error.startswith(("not asked: ", "not kept: ")) and not gave_up)


def without_servers(reading: Dns) -> str:
    """Why this host has no name servers; empty where it has."""
    if reading.resolver is None:
        return reading.unseen.get("resolver", f"no {PATH}")
    return "" if reading.resolver.nameservers else f"no name server is configured in {PATH}"


def by_words(said: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Who says what → what is said by whom."""
    found: dict[str, list[str]] = {}
    for who, words in said:
        found.setdefault(words, []).append(who)
    return found


def _of(said: Sequence[Said], index: int) -> Said | None:
    """The one of a question; they are in the order of questions."""
    at = bisect_left(said, index, key=lambda each: each.question)
    return said[at] if at < len(said) and said[at].question == index else None


def _answer(reading: Dns, server: Server, said: Said, name: str, type: str) -> Answer:
    """The answer over UDP, or over TCP where the other says that it is cut short."""
    answer = _over(reading, server.address, said, name, type)
    if not (answer.reply and answer.reply.truncated):
        return answer
    whole = next((each for each in server.tcp if each.question == said.question), None)
    if whole is None:
        return Answer(server.address, type, said, None, "cut short over UDP, and not asked over TCP", unknown=True)
    told = _over(reading, server.address, whole, name, type)
    error = f"cut short over UDP, and over TCP: {told.error}" if told.error else ""
    return Answer(server.address, type, said, told.reply, error, told.unknown)


def _over(reading: Dns, server: str, said: Said, name: str, type: str) -> Answer:
    if said.message < 0:
        return Answer(server, type, said, None, said.error, unasked(said.error))
    reply = _understood(_text(reading, said.message), name, type)
    if isinstance(reply, str):
        return Answer(server, type, said, None, f"its answer {reply}", unknown=True)
    return Answer(server, type, said, reply, "", unknown=False)


def _text(reading: Dns, index: int) -> str:
    return reading.messages[index] if 0 <= index < len(reading.messages) else "?"


@lru_cache(maxsize=8192)
def _understood(text: str, name: str, type: str) -> Reply | str:
    """The answer in base64; or why it is none. Several checks look at each, and servers often say the same."""
    from shipworthy import dns_messages  # only where names are looked up: dnspython takes its time to load

    try:
        return dns_messages.reply(base64.b64decode(text, validate=True), name, type)
    except (dns_messages.Garbled, binascii.Error) as error:
        return str(error) if isinstance(error, dns_messages.Garbled) else "is no base64"
