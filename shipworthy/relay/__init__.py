"""A host's place in the network, by the relay that runs there (`probes/runtime/relay.py`): a `vantage.meeting.Place`.

In: a conversation with a relay that was sent its request, and the monotonic time until which all has to be over. Out:
names as the host resolves them, streams that it connects, what its trust stores have.
One thread has the conversation; all others wait for what concerns them. The host is not trusted: what it says is
bounded and validated, and one wrong word is the end of the relay. Whatever waits for one that has ended gets an error.
"""

from __future__ import annotations

import base64
import itertools
import json
import threading
import time
from collections.abc import Callable, Collection, Iterator
from queue import Empty, SimpleQueue
from threading import Event
from types import TracebackType

from shipworthy.errors import AnswerError, LinkError
from shipworthy.links import Conversation
from shipworthy.links.text import last_line, one_line
from shipworthy.probes.runtime import frames
from shipworthy.probes.runtime.frames import Frame, Frames, packed
from shipworthy.relay import answers
from shipworthy.relay.stream import Relayed
from shipworthy.vantage.connecting import NO_ROUTE, Unreached, has_no_route
from shipworthy.vantage.meeting import Resolved, Store
from shipworthy.vantage.names import usable_addresses

SENDING = 5.0
"""Seconds that the host has for taking what is sent."""
_LEAVING = 2.0
_LOOK = 0.1
"""Seconds between two looks at whether it was given up."""
_STDERR = 2000

_Take = Callable[[bytes | None], None]
"""What is done with an answer, or without one. Raises ValueError, AnswerError for what is none."""


class Relay:
    """One host's, while it is entered. `error` says why it ended, if it did before that."""

    def __init__(self, talk: Conversation, first: bytes, until: float) -> None:
        """`first` is what the host has said already."""
        self.error = ""
        self.until = until
        self._talk = talk
        self._first = first
        self._frames = Frames()
        self._ready = False
        self._over = False
        self._stderr = b""
        self._room = threading.BoundedSemaphore(frames.CONNECTIONS)
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()  # over what follows
        self._out: list[bytes] = []
        self._ended = ""
        self._streams: dict[int, Relayed] = {}
        self._asked: dict[int, tuple[bytes, _Take]] = {}
        self._late = 0
        """Bytes that may still come for what was let go."""
        self._thread = threading.Thread(target=self._work, name="relay", daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._over = True
        self._talk.wake()
        self._thread.join(SENDING + _LEAVING)

    def resolve(self, asked: Collection[tuple[str, str]], until: float, given_up: Event) -> Iterator[Resolved]:
        """Each, as its answer comes; those without one too, at the end."""
        begun = time.monotonic()
        until = min(until, self.until)
        told: SimpleQueue[Resolved | None] = SimpleQueue()
        missing = {each: self._ask_for(*each, told) for each in dict.fromkeys(asked)}
        while missing and time.monotonic() < until and not given_up.is_set():
            try:
                resolved = told.get(timeout=min(_LOOK, max(0.001, until - time.monotonic())))
            except Empty:
                continue
            if resolved is None:
                break
            del missing[resolved.host, resolved.family]
            yield resolved
        self._let_go(missing.values())
        seconds = time.monotonic() - begun
        for host, family in missing:
            yield Resolved(host, family, [], self.error or f"no answer within {seconds:.3g} s", seconds)

    def connected(self, address: str, port: int, until: float) -> Relayed:
        """A stream to one address. Raises Unreached, TimeoutError, OSError, as `connecting.connected` does."""
        if not _is_usable(address):
            raise Unreached("link-local, multicast or unspecified: not met")
        until = min(until, self.until)
        if not self._room.acquire(timeout=max(0.0, until - time.monotonic())):
            raise TimeoutError
        number = next(self._numbers)
        stream = Relayed(self, number)
        with self._lock:
            self._streams[number] = stream
            ended = self._ended
        if ended:
            stream.break_off(ended)
        try:
            self.say(packed(frames.CONNECT, number, f"{address} {port}".encode("ascii")))
            stream.wait(until)
        except BaseException as error:
            stream.close()
            if isinstance(error, OSError) and has_no_route(error):
                raise Unreached(NO_ROUTE) from None
            raise
        return stream

    def store(self, path: str, issuers: Collection[bytes], until: float) -> Store:
        """What a trust store of the host has; why there is nothing is told in it."""
        begun = time.monotonic()
        wanted = {"path": path, "issuers": [base64.b64encode(issuer).decode("ascii") for issuer in issuers]}
        data = json.dumps(wanted).encode("ascii")
        if len(data) > frames.LONGEST:
            return Store(path, 0, [], f"more than {frames.LONGEST // 2**20} MiB of issuers")
        told: SimpleQueue[Store | None] = SimpleQueue()

        def take(said: bytes | None) -> None:
            told.put(None if said is None else answers.store(path, said))

        number = self._ask(frames.STORE, data, take)
        try:
            found = told.get(timeout=max(0.0, min(until, self.until) - begun))
        except Empty:
            self._let_go([number])
            return Store(path, 0, [], f"no answer within {time.monotonic() - begun:.3g} s")
        return found or Store(path, 0, [], self._ended)

    def say(self, frame: bytes) -> None:
        """Have a frame sent; to a relay that has ended nothing is."""
        with self._lock:
            if self._ended:
                return
            self._out.append(frame)
        self._talk.wake()

    def forget(self, number: int) -> None:
        """Nobody wants this stream any more."""
        with self._lock:
            if self._streams.pop(number, None) is None:
                return
            self._late += frames.WINDOW
        self.say(packed(frames.END, number))
        self._room.release()

    def _ask_for(self, host: str, family: str, told: SimpleQueue[Resolved | None]) -> int:
        def take(said: bytes | None) -> None:
            told.put(None if said is None else answers.resolved(host, family, said))

        return self._ask(frames.RESOLVE, f"{family} {host}".encode(), take)

    def _ask(self, kind: bytes, data: bytes, take: _Take) -> int:
        number = next(self._numbers)
        with self._lock:
            ended = self._ended
            if not ended:
                self._asked[number] = (kind, take)
        if ended:
            take(None)
        self.say(packed(kind, number, data))
        return number

    def _let_go(self, numbers: Collection[int]) -> None:
        with self._lock:
            for number in numbers:
                if self._asked.pop(number, None):
                    self._late += frames.LONGEST

    def _work(self) -> None:
        """The only thread that has the conversation."""
        why = ""
        try:
            self._hear(self._first)
            while not (self._over or why):
                self._write()
                why = self._read()
        except LinkError as error:
            why = error.reason
        except (AnswerError, ValueError) as error:
            why = f"it says what no relay of ours does: {one_line(str(error))}"
        except Exception as error:  # noqa: BLE001 -- a mistake of ours must leave nobody waiting
            why = f"internal error: {type(error).__name__}: {error}"
        self._break_off(why)

    def _write(self) -> None:
        if self._ready:
            with self._lock:
                data, self._out = b"".join(self._out), []
            if data:
                self._talk.write(data, time.monotonic() + SENDING)

    def _read(self) -> str:
        """Hear what there is; why it is over, if it is."""
        out, err = self._talk.read(self.until)
        self._stderr = (self._stderr + err)[-_STDERR:]
        self._hear(out)
        if time.monotonic() >= self.until:
            return "its time was up"
        if out or not self._talk.finished:
            return ""
        status = self._talk.exit_status
        said = last_line(self._stderr)
        how = "the connection went" if status is None else f"exit status {status}"
        return how + (f": {said}" if said else "")

    def _break_off(self, why: str) -> None:
        if why:
            self.error = f"the relay on the host is gone: {why}"
        with self._lock:
            self._ended = self.error or "the relay on the host was let go"
            streams, asked = list(self._streams.values()), list(self._asked.values())
            self._asked.clear()
        for stream in streams:
            stream.break_off(self._ended)
        for _, take in asked:
            take(None)

    def _hear(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if self._ready == (frame.kind == frames.READY):
                raise ValueError(f"a frame {frame.kind!r} out of turn")
            if self._ready:
                self._take(frame)
            self._ready = True

    def _take(self, frame: Frame) -> None:
        with self._lock:
            stream = self._streams.get(frame.number)
            kind, take = self._asked.get(frame.number, (b"", None))
            if not (stream or take):
                self._late -= len(packed(*frame))
        if stream:
            stream.hear(frame)
        elif take and kind == frame.kind:
            take(frame.data)
            with self._lock:
                self._asked.pop(frame.number, None)
        elif take or self._late < 0:
            raise ValueError(f"a frame {frame.kind!r} for nobody")


def _is_usable(address: str) -> bool:
    try:
        return bool(usable_addresses([address]))
    except ValueError:
        return False
