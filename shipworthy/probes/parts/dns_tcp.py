"""One name server over TCP: a connection for each question, a few at a time.

In: questions. Out: `Said`s. An answer is two bytes of length and as many of message, so it is bounded by itself.
Source: RFC 7766.
"""

import selectors
import socket
import time
from collections import deque
from typing import Callable, Deque, Dict, List, Mapping, Optional, Set

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
    with_id,
    words,
)

_AT_ONCE = 4
_BLOCK = 65536
_MOST_OTHERS = 10
"""Answers to something else on one connection."""


class Tcp:
    """The conversation with one server."""

    def __init__(
        self,
        target: Target,
        questions: Mapping[int, Question],
        wait: float,
        selector: selectors.BaseSelector,
        answers: Answers,
    ) -> None:
        self.said: Dict[int, Said] = {}
        self.ignored = 0
        self._target = target
        self._questions = questions
        self._wait = wait
        self._selector = selector
        self._answers = answers
        self._waiting: Deque[int] = deque()
        self._known: Set[int] = set()
        self._open: List[_Connection] = []
        self._failed = 0
        self.heard = False
        """Anything at all has come."""
        self._answered = False
        self._ids = Ids()

    @property
    def done(self) -> bool:
        return not (self._waiting or self._open)

    def add(self, question: int) -> None:
        """Have it asked; once."""
        if question not in self._known:
            self._known.add(question)
            self._waiting.append(question)

    def fill(self, budget: Budget) -> None:
        """Open connections for those that may be asked now."""
        while self._waiting and len(self._open) < _AT_ONCE:
            index = self._waiting.popleft()
            if self._failed >= _AT_ONCE and not self._answered:
                self._no(index, given_up(self._failed, " over TCP"))
            elif budget.take():
                self._connect(index)
            else:
                self._no(index, spent(budget.most))

    def look_at_clock(self, now: float) -> None:
        for connection in list(self._open):
            if now - connection.started >= self._wait:
                self._fail(connection, silence(self._wait))

    def end(self) -> None:
        """The time is up."""
        for connection in list(self._open):
            self._fail(connection, NO_TIME)
        while self._waiting:
            self._no(self._waiting.popleft(), NO_TIME_LEFT)

    def give_up(self, after: float) -> None:
        """Nobody has answered anything for so long."""
        for connection in list(self._open):
            self._fail(connection, silence(after))
        while self._waiting:
            self._no(self._waiting.popleft(), given_up(self._failed, " over TCP"))

    def _connect(self, index: int) -> None:
        try:
            one = socket.socket(family_of(self._target), socket.SOCK_STREAM)
        except OSError as error:
            self._failed += 1
            self._no(index, words(error.errno, at_once=True))
            return
        one.setblocking(False)
        wire = with_id(bytes(bytearray.fromhex(self._questions[index].wire)), self._ids.fresh())
        connection = _Connection(one, index, wire, self._ready)
        self._open.append(connection)
        self._selector.register(one, selectors.EVENT_WRITE, connection.ready)
        try:
            one.connect(self._target)
        except BlockingIOError:
            pass
        except OSError as error:
            self._fail(connection, words(error.errno, at_once=True))

    def _ready(self, connection: "_Connection") -> None:
        """Go on with a connection that can be written to, or has something to say."""
        try:
            if connection.out:
                self._write(connection)
            else:
                self._read(connection)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(connection, words(error.errno))

    def _write(self, connection: "_Connection") -> None:
        error = connection.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(connection, words(error))
            return
        connection.out = connection.out[connection.socket.send(connection.out) :]
        if not connection.out:
            self._selector.modify(connection.socket, selectors.EVENT_READ, connection.ready)

    def _read(self, connection: "_Connection") -> None:
        data = connection.socket.recv(_BLOCK)
        connection.read += data
        self.heard = self.heard or bool(data)
        message = connection.message()
        while message is not None:
            if len(message) >= 2 and message_id(message) == connection.id:
                self._answered = True
                seconds = time.monotonic() - connection.started
                self._close(connection)
                self.said[connection.question] = self._answers.said(connection.question, message, seconds)
                return
            self.ignored += 1
            connection.others += 1
            if connection.others == _MOST_OTHERS:
                self._fail(connection, "other answers than to what was asked")
                return
            message = connection.message()
        if not data:
            self._fail(connection, "closed within the answer" if connection.read else "closed without an answer")

    def _fail(self, connection: "_Connection", error: str) -> None:
        self._failed += 1
        self._close(connection)
        self._no(connection.question, error)

    def _close(self, connection: "_Connection") -> None:
        self._open.remove(connection)
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def _no(self, index: int, error: str) -> None:
        self.said[index] = Said(index, -1, error, 0.0, None)


class _Connection:
    """One question on its way."""

    def __init__(
        self, opened: socket.socket, question: int, wire: bytes, ready: Callable[["_Connection"], None]
    ) -> None:
        self.socket = opened
        self.question = question
        self.id = message_id(wire)
        self.out = len(wire).to_bytes(2, "big") + wire
        self.read = b""
        self.others = 0
        self.started = time.monotonic()
        self._ready = ready

    def ready(self) -> None:
        self._ready(self)

    def message(self) -> Optional[bytes]:
        """The next whole message of what has been read."""
        if len(self.read) < 2:
            return None
        size = 2 + message_id(self.read)
        if len(self.read) < size:
            return None
        message, self.read = self.read[2:size], self.read[size:]
        return message
