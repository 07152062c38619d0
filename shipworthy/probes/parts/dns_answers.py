"""What is common to questions over UDP and TCP: their bytes, their budget, the answers that are kept, and words.

In: messages. Out: `Said`s. A message is bytes here; of an answer no more is looked at than its id, and whether it says
that it is truncated.
"""

import errno
import os
import socket
import struct
from base64 import b64encode
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

BEYOND = 0.6
"""Seconds after the wait at which all ends."""
NO_TIME = "no answer before the time was up"
"""Of a question that could not be waited for as long as others."""
NO_TIME_LEFT = "not asked: no time was left"

HEADER = 12
"""Bytes that every message has at least; the first two are its id."""

NO_ROUTE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EINVAL)
"""What the kernel says at once when this host has no way to an address."""

_MOST_KEPT = 2**20
_WORDS = {
    errno.ECONNREFUSED: "refused",
    errno.ECONNRESET: "reset",
    errno.EPIPE: "reset",
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ETIMEDOUT: "timed out",
    errno.EPERM: "not permitted by this host's own rules",
    errno.EACCES: "not permitted by this host's own rules",
}


Target = Tuple[Any, ...]
"""An address as sockets take it."""


class Question(NamedTuple):
    """One question for servers."""

    name: str
    """A-labels, without the final dot."""
    type: str
    wire: str
    """The message in hexadecimal, its id 0."""
    servers: Optional[List[str]] = None
    """Addresses; None: those that the host itself asks."""
    samples: int = 0
    """How often, beyond the first two times, the first server is asked it, for how its answers rotate."""


def as_question(told: Any) -> Question:
    """A question of the request, which JSON has made a list or a mapping of."""
    return Question(**told) if isinstance(told, dict) else Question(*told)


class Said(NamedTuple):
    """What became of one question to one server over one transport."""

    question: int
    """Its index in the request."""
    message: int
    """The index of the answer in `Dns.messages`; −1 where there is none."""
    error: str
    """`no answer within 2 s`, `refused`, `no route`, `reset`, `not asked: …`; empty where there is an answer."""
    seconds: float
    """From the question to its answer: the first time, so the server may have had to ask others."""
    warm_seconds: Optional[float]
    """The same for the second time, from the server's cache; None where it was not asked or did not answer."""


class Server(NamedTuple):
    """All that one name server said."""

    address: str
    udp: List[Said]
    tcp: List[Said]
    """The first question, and those whose answer over UDP was truncated: whether a server answers over TCP is its own
    affair, and not each name's."""
    ignored: int
    """Answers that came with another id or from elsewhere."""


class Budget:
    """How many questions may still be put to servers."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked = 0

    @property
    def left(self) -> int:
        return max(0, self.most - self.asked)

    def take(self, count: int = 1) -> bool:
        """Whether there are so many more; they are then spent."""
        if count > self.left:
            return False
        self.asked += count
        return True


class Answers:
    """Answers in base64, each distinct one once, their ids 0; no more than can be sent back."""

    def __init__(self) -> None:
        self.messages: List[str] = []
        self._known: Dict[bytes, int] = {}
        self._left = _MOST_KEPT

    def keep(self, message: bytes) -> int:
        """The answer's index; −1 when no more can be kept."""
        plain = b"\0\0" + message[2:]
        index = self._known.get(plain, -1)
        if index < 0:
            text = b64encode(plain).decode("ascii")
            if len(text) > self._left:
                return -1
            self._left -= len(text)
            index = self._known[plain] = len(self.messages)
            self.messages.append(text)
        return index

    def said(self, question: int, message: bytes, seconds: float, warm: Optional[float] = None) -> Said:
        """What an answer makes of a question."""
        index = self.keep(message)
        error = "" if index >= 0 else "not kept: the answers of this host's servers take more than 1 MiB"
        return Said(question, index, error, round(seconds, 6), warm)


class Ids:
    """Fresh random ids for one socket; a late answer to an earlier question is known by its id."""

    def __init__(self) -> None:
        self._pool: List[int] = []
        self._used: Set[int] = set()

    def fresh(self) -> int:
        while True:
            if not self._pool:
                self._pool = list(struct.unpack("!128H", os.urandom(256)))
            one = self._pool.pop()
            if one not in self._used:
                break
        if len(self._used) > 2**15:
            self._used.clear()  # by now nobody waits for the first of them
        self._used.add(one)
        return one

    def known(self, one: int) -> bool:
        return one in self._used


def family_of(target: Target) -> socket.AddressFamily:
    """The family of an address: IPv6's have a flow and a scope."""
    return socket.AF_INET if len(target) == 2 else socket.AF_INET6


def message_id(data: bytes) -> int:
    """The id of a message of two bytes at least."""
    return data[0] << 8 | data[1]


def with_id(wire: bytes, one: int) -> bytes:
    """`wire` with the id `one`."""
    return struct.pack("!H", one) + wire[2:]


def truncated(message: bytes) -> bool:
    """Whether it says so itself (TC)."""
    return len(message) >= HEADER and bool(message[2] & 2)


def silence(wait: float) -> str:
    """What is said of a question that was waited for so long."""
    return "no answer within {:g} s".format(wait)


def spent(budget: int) -> str:
    """Why a question was not asked that had to give way to others."""
    return "not asked: the budget of {} questions is spent".format(budget)


def words(error: Optional[int], at_once: bool = False) -> str:
    """An error of the system; `at_once`: this host's own kernel said it, before anything was sent."""
    if at_once and error in NO_ROUTE:
        return "no route"
    return _WORDS.get(error or 0) or os.strerror(error or errno.EIO)


def given_up(asked: int, over: str = "") -> str:
    """Why the other questions are not asked of a server that is silent."""
    return "not asked: the server answered none of {}{}".format(asked, over)
