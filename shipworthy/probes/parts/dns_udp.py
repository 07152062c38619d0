"""One name server over UDP: every question twice, a few in flight at a time, each answer timed by itself.

In: questions, and a moment at which all ends. Out: `Said`s, the questions that must be asked over TCP as well, and
further answers to some. A question whose answer is lost on the way is asked once more after half of its time, as every
client does, and then counts as slow, and not as unanswered.
Source: RFC 1035 4.2.1; RFC 5452 for ids; ip(7) for IP_RECVERR, by which a refusal is known for the question it is of.
"""

import errno
import selectors
import socket
import struct
import time
from collections import deque
from contextlib import suppress
from typing import Container, Deque, Dict, List, Mapping, NamedTuple, Tuple

from shipworthy.probes.parts.dns_answers import (
    NO_TIME,
    NO_TIME_LEFT,
    Answers,
    Budget,
    Ids,
    Question,
    Said,
    Target,
    family_of,
    given_up,
    message_id,
    silence,
    spent,
    truncated,
    with_id,
    words,
)

IN_FLIGHT = 20
"""Questions that wait for an answer of one server at a time."""
OF_ONE_TYPE = 10
"""Of these, how many of a type that it has not answered yet: one that is silent for AAAA says all it knows of A."""

_STUCK = 0.25
"""Seconds after which a question holds nobody back, if the server has answered others."""
_MOST_STUCK = 200
_LONGEST = 65535
_AT_ONCE = 200
"""Datagrams that are taken from one server before others are looked at."""
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}
_ERROR_QUEUE = 0x2000
_COLD, _WARM, _SAMPLE = 0, 1, 2


class Flight(NamedTuple):
    """A question on its way."""

    question: int
    kind: int
    sent: float
    again: bool
    """It has been sent a second time."""


class Udp:
    """The conversation with one server."""

    def __init__(
        self,
        target: Target,
        questions: Mapping[int, Question],
        firsts: Container[int],
        wait: float,
        selector: selectors.BaseSelector,
        answers: Answers,
        alive: str = "",
    ) -> None:
        """`firsts`: those of the questions for which this is the first server, the one that is asked for samples.

        `alive`: what is asked before all else, once, in hexadecimal; nobody waits for its answer.

        Raises OSError for a family that this host does not speak.
        """
        self.said: Dict[int, Said] = {}
        self.samples: Dict[int, List[int]] = {}
        self.cut: List[int] = []
        """Questions whose answers were truncated."""
        self.ignored = 0
        self.answered = 0
        self.heard = False
        """Anything at all has come."""
        self.asked_alive = False
        self._alive = bytes(bytearray.fromhex(alive))
        self._target = target
        self._questions = questions
        self._wires = {index: bytes(bytearray.fromhex(each.wire)) for index, each in questions.items()}
        self._wait = wait
        self._cold: Deque[int] = deque(questions)
        self._warm: Deque[int] = deque()
        self._samples: Deque[int] = deque()
        self._firsts = firsts
        self._answers = answers
        self._flights: Dict[int, Flight] = {}
        self._of_type: Dict[str, List[int]] = {each.type: [0, 0, 0] for each in questions.values()}
        """By type: asked, answered, failed."""
        self._ids = Ids()
        self._socket = _open(family_of(target))
        selector.register(self._socket, selectors.EVENT_READ, self.hear)

    @property
    def done(self) -> bool:
        return not (self._cold or self._warm or self._samples or self._flights)

    def close(self) -> None:
        self._socket.close()

    def fill(self, budget: Budget, now: float) -> None:
        """Send what may be sent now."""
        self._ask_alive(budget)
        while self._has_room(now):
            index, kind = self._next()
            if index < 0:
                return
            if not budget.take():
                if kind == _COLD:
                    self._cold.append(index)
                self._all_that_is_left(spent(budget.most))
                return
            one = self._ids.fresh()
            self._flights[one] = Flight(index, kind, time.monotonic(), again=False)
            if kind == _COLD:
                self._of_type[self._questions[index].type][0] += 1
            if not self._send(one):
                return

    def hear(self) -> None:
        """Take what has come; of a flood so much that the others have their turn, and the clock."""
        for _ in range(_AT_ONCE):
            try:
                data, source = self._socket.recvfrom(_LONGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # told by the queue of errors as well, which knows of which question it is
            self._answer(data, source)
        self._hear_errors()

    def look_at_clock(self, budget: Budget, now: float) -> None:
        """Give up what has had its time, and ask once more what has had half of it."""
        for one, flight in list(self._flights.items()):
            age = now - flight.sent
            if age >= self._wait:
                self._fail(one, silence(self._wait))
            elif age >= self._wait / 2 and flight.kind == _COLD and not flight.again:
                self._flights[one] = flight._replace(again=True)
                if budget.take():
                    self._send(one)

    def end(self) -> None:
        """The time is up."""
        for one in list(self._flights):
            self._fail(one, NO_TIME)
        self._all_that_is_left(NO_TIME_LEFT)

    def give_up(self, after: float) -> None:
        """Nobody has answered anything for so long."""
        for one in list(self._flights):
            self._fail(one, silence(after))
        self._all_that_is_left(given_up(sum(each[0] for each in self._of_type.values())))

    def _ask_alive(self, budget: Budget) -> None:
        if self._alive and not self.asked_alive and budget.take():
            self.asked_alive = True
            with suppress(OSError):  # the first question says so as well
                self._socket.sendto(with_id(self._alive, self._ids.fresh()), self._target)

    def _has_room(self, now: float) -> bool:
        if len(self._flights) < IN_FLIGHT:
            return True
        if not self.answered or len(self._flights) >= _MOST_STUCK:
            return False
        return sum(now - flight.sent < _STUCK for flight in self._flights.values()) < IN_FLIGHT

    def _next(self) -> Tuple[int, int]:
        """The next question and its kind; −1 when there is none that may be asked now."""
        for _ in range(len(self._cold)):
            index = self._cold.popleft()
            asked, answered, failed = self._of_type[self._questions[index].type]
            if answered or asked < OF_ONE_TYPE:
                return index, _COLD
            if failed < asked:  # all that are of its type and on their way may still be answered
                self._cold.append(index)
            else:
                over = " for " + self._questions[index].type if self.answered else ""
                self._no(index, given_up(asked if over else sum(each[0] for each in self._of_type.values()), over))
        for kind, queue in ((_WARM, self._warm), (_SAMPLE, self._samples)):
            if queue:
                return queue.popleft(), kind
        return -1, _COLD

    def _send(self, one: int) -> bool:
        """Send the question with this id; False when the host itself says that it cannot."""
        data = with_id(self._wires[self._flights[one].question], one)
        for _ in range(3):
            try:
                self._socket.sendto(data, self._target)
            except BlockingIOError:
                pass  # as if it were lost: it is sent once more
            except ConnectionRefusedError:
                continue  # of an earlier one
            except OSError as error:
                if self.answered:
                    self._fail(one, words(error.errno, at_once=True))
                    return True
                self._fail_all(words(error.errno, at_once=True))
                return False
            return True
        return True

    def _answer(self, data: bytes, source: Target) -> None:
        now = time.monotonic()
        self.heard = True
        one = message_id(data) if len(data) >= 2 else -1
        if _plain(source) != _plain(self._target) or not self._ids.known(one):
            self.ignored += 1
            return
        flight = self._flights.pop(one, None)
        if flight is None:
            return  # a second answer, or one that came too late
        index, seconds = flight.question, round(now - flight.sent, 6)
        if flight.kind == _SAMPLE:
            kept = self._answers.keep(data)
            if kept >= 0:
                self.samples[index].append(kept)
            return
        if flight.kind == _WARM:
            self.said[index] = self.said[index]._replace(warm_seconds=seconds)
        else:
            self.answered += 1
            self._of_type[self._questions[index].type][1] += 1
            self.said[index] = self._answers.said(index, data, seconds)
            self._warm.append(index)
            if truncated(data):
                self.cut.append(index)
            return
        if index in self._firsts and self._questions[index].samples:
            self.samples[index] = []
            self._samples.extend([index] * self._questions[index].samples)

    def _hear_errors(self) -> None:
        """What routers and the server's kernel said, each with the question that it is of."""
        for _ in range(_AT_ONCE):
            try:
                data, told, _, _ = self._socket.recvmsg(512, 512, _ERROR_QUEUE)
            except OSError:
                return
            one = message_id(data) if len(data) >= 2 else -1
            code = struct.unpack_from("=I", told[0][2])[0] if told and len(told[0][2]) >= 4 else errno.ECONNREFUSED
            if one not in self._flights:
                continue
            if self.answered:
                self._fail(one, words(code))
            else:
                self._fail_all(words(code))

    def _fail_all(self, error: str) -> None:
        """A server that has answered nothing yet is not asked for more."""
        for one in list(self._flights):
            self._fail(one, error)
        while self._cold:
            self._no(self._cold.popleft(), error)

    def _fail(self, one: int, error: str) -> None:
        flight = self._flights.pop(one)
        if flight.kind == _COLD:
            self._of_type[self._questions[flight.question].type][2] += 1
            self._no(flight.question, error)

    def _all_that_is_left(self, error: str) -> None:
        while self._cold:
            self._no(self._cold.popleft(), error)
        self._warm.clear()
        self._samples.clear()

    def _no(self, index: int, error: str) -> None:
        self.said[index] = Said(index, -1, error, 0.0, None)


def _open(family: socket.AddressFamily) -> socket.socket:
    one = socket.socket(family, socket.SOCK_DGRAM)
    one.setblocking(False)
    with suppress(OSError):  # where a sandbox has no such option, a refusal is silence
        one.setsockopt(*_RECVERR[family], 1)
    return one


def _plain(target: Target) -> Tuple[str, int]:
    return str(target[0]).partition("%")[0], int(target[1])
