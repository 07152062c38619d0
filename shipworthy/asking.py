"""Questions for a host's time, asked while its answer is awaited; the host's side is `probes/runtime/exchange.py`.

In: what the host says, from the marker on. Out: the document in it, and the `Exchanges`.
The host says when it hears questions; then one is asked at a time, and the next a little after its answer. A host is
not trusted: what it answers wrongly, or unasked, ends the asking and is kept as the reason; the document is read all
the same. A host that does not answer is not waited for: the document ends it.
"""

from __future__ import annotations

import math
import re
import time

from shipworthy.errors import LinkError
from shipworthy.exchange import Exchange, Exchanges
from shipworthy.links import Conversation

SPACING = 0.05
"""Seconds between an answer and the next question: eight are through in half a second, and see eight moments."""

_BEGINS = b"at "
_ANSWER = re.compile(rb"at ([0-9]{1,3}) ([0-9]{1,11}\.[0-9]{6})")
_LONGEST = 64
_MOST_LINES = 100
"""What begins like an answer and goes on for longer, or for more lines than this, is no answer but the document."""
_SENDING = 1.0


class Asker:
    """Asks one host `agreed` times, at most."""

    def __init__(self, agreed: int) -> None:
        self.next = math.inf
        """The monotonic time of the next question."""
        self._agreed = agreed
        self._rounds: list[Exchange] = []
        self._fault: str | None = None
        self._asked = 0
        self._sent: float | None = None
        self._heard = False
        self._lines = 0
        self._rest = b""
        self._in_document = not agreed
        # Clocks are set, in the middle of an exchange too: this one is read once, and goes on by one that is not.
        self._ahead = time.time() - time.monotonic()

    @property
    def exchanges(self) -> Exchanges:
        return Exchanges(self._agreed, self._rounds, self._fault)

    def ask(self, talk: Conversation) -> None:
        """Send the next question if its time has come."""
        if time.monotonic() < self.next:
            return
        self.next = math.inf
        self._asked += 1
        self._sent = self._now()
        try:
            talk.write(b"%d\n" % self._asked, time.monotonic() + _SENDING)
        except LinkError as error:
            self._blame(error.reason)

    def hear(self, data: bytes) -> bytes:
        """The part of `data` that is the document's."""
        if self._in_document:
            return data
        received = self._now()
        self._rest += data
        while self._rest.startswith(_BEGINS):
            line, newline, rest = self._rest.partition(b"\n")
            if len(line) > _LONGEST or self._lines == _MOST_LINES:
                break
            if not newline:
                return b""
            self._lines += 1
            self._rest = rest
            self._take(line, received)
        if _BEGINS.startswith(self._rest):
            return b""
        self._in_document, self.next = True, math.inf
        document, self._rest = self._rest, b""
        return document

    def _take(self, line: bytes, received: float) -> None:
        match = _ANSWER.fullmatch(line)
        number = int(match[1]) if match else None
        if match and number == 0 and not self._heard:
            self._heard = True
            self.next = time.monotonic()
        elif match and self._sent is not None and number == self._asked:
            self._rounds.append(Exchange(self._sent, received, float(match[2])))
            self._sent = None
            self.next = time.monotonic() + SPACING if self._asked < self._agreed else math.inf
        else:
            self._blame(f"{line.decode('ascii', 'replace')!a} answers nothing that was asked")

    def _blame(self, fault: str) -> None:
        """The first fault is the one that is told; after it, nothing more is asked."""
        self._fault = self._fault or fault
        self._sent, self.next = None, math.inf

    def _now(self) -> float:
        return self._ahead + time.monotonic()
