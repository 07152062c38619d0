"""Name servers, each asked by itself, all at the same time, over UDP and TCP.

In: questions as bytes, and addresses. Out: what each server said, the answers, and how many questions that took. One
thread, no socket that blocks, and an end that is known from the start.
"""

import selectors
import socket
import time
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from shipworthy.probes.parts.dns_answers import BEYOND, Answers, Budget, Question, Said, Server, Target, words
from shipworthy.probes.parts.dns_tcp import Tcp
from shipworthy.probes.parts.dns_udp import Udp
from shipworthy.probes.parts.resolv_conf import address

PORT = 53
MOST_SERVERS = 100

_TICK = 0.02
_NO_ADDRESS = "not asked: it is no address here"
_TOO_MANY = "not asked: more than {} name servers".format(MOST_SERVERS)


class Asked(NamedTuple):
    """What came of it."""

    servers: List[Server]
    """In the order in which the questions name them."""
    messages: List[str]
    samples: Dict[str, List[int]]
    silent: bool
    """All were given up: after half of the wait, nobody had answered anything."""


def ask(
    questions: Sequence[Question],
    usual: Sequence[str],
    wait: float,
    budget: Budget,
    port: int = PORT,
    alive: str = "",
) -> Asked:
    """Ask `questions` of their servers, or of the `usual` ones; over within `wait` and a moment.

    `alive`: asked of each server besides. If then nobody answers anything, it is over after half of `wait`.
    """
    begun = time.monotonic()
    answers = Answers()
    told: Dict[str, Server] = {}
    conversations: Dict[str, _Conversation] = {}
    with selectors.DefaultSelector() as selector:
        for name, (every, firsts) in _by_server(questions, usual).items():
            target = _target(name, port)
            if target is None or len(conversations) == MOST_SERVERS:
                told[name] = _not_asked(name, every, _TOO_MANY if target else _NO_ADDRESS)
                continue
            try:
                conversations[name] = _Conversation(target, every, firsts, wait, selector, answers, alive)
            except OSError as error:
                told[name] = _not_asked(name, every, words(error.errno, at_once=True))
        try:
            silent = _converse(list(conversations.values()), selector, budget, begun, wait)
        finally:
            for one in conversations.values():
                one.close()
    told.update((name, one.told(name)) for name, one in conversations.items())
    samples = {str(index): taken for one in conversations.values() for index, taken in sorted(one.samples.items())}
    return Asked([told[name] for name in _by_server(questions, usual)], answers.messages, samples, silent)


def _not_asked(name: str, questions: Dict[int, Question], why: str) -> Server:
    said = [Said(index, -1, why, 0.0, None) for index in sorted(questions)]
    return Server(name, said, said[:1], 0)


def _by_server(
    questions: Sequence[Question], usual: Sequence[str]
) -> Dict[str, Tuple[Dict[int, Question], Dict[int, Question]]]:
    """By address: its questions, and those of them for which it is the first server."""
    found: Dict[str, Tuple[Dict[int, Question], Dict[int, Question]]] = {}
    for index, question in enumerate(questions):
        for number, server in enumerate(usual if question.servers is None else question.servers):
            every, firsts = found.setdefault(address(server) or server, ({}, {}))
            every[index] = question
            if not number:
                firsts[index] = question
    return found


def _converse(
    conversations: List["_Conversation"], selector: selectors.BaseSelector, budget: Budget, begun: float, wait: float
) -> bool:
    """Until all is said; whether they were given up, since nobody said anything."""
    until = begun + wait + BEYOND
    while True:
        now = time.monotonic()
        going = [one for one in conversations if not one.done]
        for one in going:
            if now >= until:
                one.end()
            else:
                one.go_on(budget, now)
        if now >= until or all(one.done for one in going):
            return False
        for key, _ in selector.select(_TICK):
            key.data()
        if now - begun >= wait / 2 and all(one.mute for one in conversations):  # all that came until `now` is heard
            for one in going:
                one.give_up(wait / 2)
            return True


class _Conversation:
    """All that is asked of one server."""

    def __init__(
        self,
        target: Target,
        questions: Dict[int, Question],
        firsts: Dict[int, Question],
        wait: float,
        selector: selectors.BaseSelector,
        answers: Answers,
        alive: str,
    ) -> None:
        self._udp = Udp(target, questions, firsts, wait, selector, answers, alive)
        self._tcp = Tcp(target, questions, wait, selector, answers)
        self._tcp.add(min(questions))

    @property
    def done(self) -> bool:
        return self._udp.done and self._tcp.done and not self._udp.cut

    @property
    def mute(self) -> bool:
        """It was asked what a living server has at hand, and has not said anything."""
        return self._udp.asked_alive and not (self._udp.heard or self._tcp.heard)

    @property
    def samples(self) -> Dict[int, List[int]]:
        return self._udp.samples

    def go_on(self, budget: Budget, now: float) -> None:
        self._udp.look_at_clock(budget, now)
        self._tcp.look_at_clock(now)
        while self._udp.cut:
            self._tcp.add(self._udp.cut.pop(0))
        self._tcp.fill(budget)
        self._udp.fill(budget, now)

    def end(self) -> None:
        self._udp.end()
        self._tcp.end()

    def give_up(self, after: float) -> None:
        self._udp.give_up(after)
        self._tcp.give_up(after)

    def close(self) -> None:
        self._udp.close()

    def told(self, name: str) -> Server:
        udp, tcp = self._udp.said, self._tcp.said
        ignored = self._udp.ignored + self._tcp.ignored
        return Server(name, [udp[index] for index in sorted(udp)], [tcp[index] for index in sorted(tcp)], ignored)


def _target(name: str, port: int) -> Optional[Target]:
    """What a socket takes for an address: of two parts for IPv4, of four for IPv6. None for what is no address here."""
    if not address(name):
        return None
    if ":" not in name:
        return (name, port)
    plain, _, scope = name.partition("%")
    try:
        return (plain, port, 0, int(scope) if scope.isdigit() else socket.if_nametoindex(scope) if scope else 0)
    except OSError:
        return None
