"""Ask the hosts: one login and one command each, many at once; and a second command where certificates are met.

In: hosts, one request per host, deadlines. Out: one snapshot per host, as soon as it is there, whichever is first.
What goes wrong with a host becomes data here, and stays that host's own.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from shipworthy import links
from shipworthy.asking import Asker
from shipworthy.errors import AnswerError, LinkError
from shipworthy.exchange import NO_EXCHANGES, Exchanges
from shipworthy.inventory import Host
from shipworthy.links import Deadlines, Link, handshake
from shipworthy.links.opened import Era, current, within
from shipworthy.probes import runtime
from shipworthy.snapshot import MAX_ANSWER, MAX_MET, Answer, Failure, Login, Snapshot, answer_from, plain
from shipworthy.vantage.meeting import Met, Wanted, nothing_met

MEETING = 20.0
"""Seconds for what is met from a host, its deadline aside."""
MARGIN = 1.0
"""Seconds that a host must end before its deadline, so that its answer still arrives."""
PATIENCE = 0.25
"""Seconds between the first host that was asked and the last that is waited for before anything else is done."""


@dataclass(frozen=True)
class Request:
    """What one host is asked: a request for each probe, and how long to look at what moves (seconds)."""

    probes: Mapping[str, Any]
    window: float = 1.0
    long_window: float = 10.0
    wanted: Wanted | None = None
    """What is met from the host, when it has answered: over the same link, but that OpenSSH's logs in again."""

    def document(self, deadline: float) -> dict[str, Any]:
        """The request as the probe runtime reads it; `exchanges` only where a probe's request wants some."""
        exchanges = max((getattr(request, "exchanges", 0) for request in self.probes.values()), default=0)
        return {
            "probes": {name: plain(request) for name, request in self.probes.items()},
            "window": self.window,
            "long_window": self.long_window,
            "deadline": deadline,
            **({"exchanges": exchanges} if exchanges else {}),
        }


def measure(host: Host, request: Request, deadlines: Deadlines) -> bytes:
    """Log in to `host`, ask, log out: a snapshot as bytes (`snapshot.from_bytes`), also when the host is unreachable.

    Takes and gives only values that can be pickled, so it runs on any `concurrent.futures.Executor`. Never raises
    for anything that a host does.
    """
    with ExitStack() as stack:
        snapshot, _ = _measured(stack, host, request, deadlines, {})
    return snapshot.to_bytes()


def _measured(
    stack: ExitStack,
    host: Host,
    request: Request,
    deadlines: Deadlines,
    rungs: dict[str, float],
    when_asked: Callable[[], object] = bool,
) -> tuple[Snapshot, Link | None]:
    """As `measure`; the link, if it could be opened, is left open on `stack`."""
    until = time.monotonic() + deadlines.whole
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    asked = request.document(deadlines.whole)
    link, answer, exchanges, failed, met = None, None, NO_EXCHANGES, None, None
    try:
        link = stack.enter_context(links.open_link(host, deadlines, rungs))
        asked = request.document(max(until - time.monotonic() - MARGIN, 1.0))
        answer, exchanges = _ask(link, host, asked, until, rungs, when_asked)
        if request.wanted:
            met = _meet(link, host, request.wanted)
    except LinkError as error:
        failed = Failure(error.rung, error.reason)
    except AnswerError as error:
        failed = Failure("answer", str(error))
    except Exception as error:  # noqa: BLE001 -- a mistake of ours on one host must not take the others' results along
        failed = Failure("session", f"internal error: {type(error).__name__}: {error}")
    login = Login(rungs, failed, link.address if link else None)
    return Snapshot(host.name, at, host.connection, login, asked, answer, exchanges=exchanges, met=met), link


def _ask(
    link: Link,
    host: Host,
    asked: dict[str, Any],
    until: float,
    rungs: dict[str, float],
    when_asked: Callable[[], object],
) -> tuple[Answer, Exchanges]:
    with _begun(link, host, until, rungs) as (talk, begun):
        started = time.monotonic()
        talk.write(runtime.bundle(asked["probes"], begun.magic) + runtime.block(json.dumps(asked).encode("ascii")))
        when_asked()
        asker = Asker(asked.get("exchanges", 0))
        data = _read_answer(talk, begun.rest, until, asker)
        rungs["command"] = time.monotonic() - started
    return answer_from(data), asker.exchanges


@contextmanager
def _begun(
    link: Link, host: Host, until: float, rungs: dict[str, float]
) -> Iterator[tuple[links.Conversation, handshake.Started]]:
    """A command that waits for its bundle."""
    nonce = secrets.token_hex(16)
    command = runtime.shell_command(host.python, nonce)
    if host.become:
        command = handshake.as_user(command, host.become, nonce)
    with link.converse(command) as talk:
        yield talk, handshake.start(talk, become=host.become, nonce=nonce, until=until, rungs=rungs)


def _meet(link: Link, host: Host, wanted: Wanted) -> Met:
    """What is met from `host`, within MEETING seconds. Raises nothing: what goes wrong is told in it."""
    from shipworthy.relay import Relay
    from shipworthy.vantage.visiting import visit  # pyOpenSSL: only for those who ask for it

    until = time.monotonic() + MEETING
    given_up = threading.Event()
    request = json.dumps({"deadline": MEETING + MARGIN}).encode("ascii")
    try:
        with current().closing("command", given_up.set), _begun(link, host, until, {}) as (talk, begun):
            talk.write(runtime.bundle((), begun.magic, "relay") + runtime.block(request))
            with Relay(talk, begun.rest, until) as relay:
                met = visit(wanted, relay, until - time.monotonic() - MARGIN, given_up, MAX_MET)
            return _kept(wanted, met._replace(error=met.error or relay.error))
    except LinkError as error:
        why = f"{error.rung}: {error.reason}"
    except Exception as error:  # noqa: BLE001 -- nor must one here take along what the host has answered
        why = f"internal error: {type(error).__name__}: {error}"
    return nothing_met(wanted, why)


def _kept(wanted: Wanted, met: Met) -> Met:
    """What was met, if a snapshot can hold it."""
    size = len(json.dumps(plain(met)))
    bound = 2 * MAX_MET
    return met if size <= bound else nothing_met(wanted, f"over {bound >> 20} MiB were met: too much to be kept")


def _read_answer(talk: links.Conversation, first: bytes, until: float, asker: Asker) -> bytes:
    """The document; what `asker` asks meanwhile, and the answers to that, are its own."""
    parts, size, stderr = [asker.hear(first)], len(first), b""
    while not talk.finished:
        asker.ask(talk)
        out, err = talk.read(min(until, asker.next))
        parts.append(asker.hear(out))
        size += len(out)
        stderr = (stderr + err)[-2000:]
        if size > MAX_ANSWER:
            raise AnswerError(f"more than {MAX_ANSWER // 2**20} MiB")
        if time.monotonic() >= until and not talk.finished:
            raise LinkError("command", f"no end of the answer within the deadline, {size} bytes so far")
    data = b"".join(parts)
    if not data.endswith(b"\n"):
        raise LinkError("command", _cut_short(size, talk.exit_status, stderr))
    return data


def _cut_short(size: int, exit_status: int | None, stderr: bytes) -> str:
    how = "the connection went" if exit_status is None else f"exit status {exit_status}"
    last = (stderr.decode("utf-8", "replace").strip().splitlines() or [""])[-1]
    return f"the answer breaks off after {size} bytes ({how})" + (f": {last[:200]}" if last else "")


@dataclass
class _Turn:
    """One host's turn: what the progress line and SIGUSR1 tell of it."""

    host: Host
    started: float | None = None
    rungs: dict[str, float] = field(default_factory=dict)
    asked: threading.Event = field(default_factory=threading.Event)
    """Or over, without having been."""


class Collector:
    """Asks many hosts at once, and keeps open the links that are wanted afterwards.

    `keep` names the hosts whose link outlives the passive command: for stages and for users' own tests.
    """

    def __init__(self, deadlines: Deadlines, forks: int = 50, keep: frozenset[str] = frozenset()) -> None:
        self._deadlines = deadlines
        self._forks = forks
        self._keep = keep
        self._kept: dict[str, Link] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._stack = ExitStack()
        self._closed = False
        self._notices: set[str] = set()
        self._lock = threading.Lock()  # over these five, which workers fill
        self._turns: dict[str, _Turn] = {}
        self._executor: ThreadPoolExecutor | None = None
        self._first_asked = threading.Event()

    def collect(self, requests: Mapping[Host, Request], meanwhile: Callable[[], object] = bool) -> Iterator[Snapshot]:
        """A snapshot of each host, in the order in which they arrive; hosts are asked from now on, whoever waits.

        `meanwhile` runs once they were asked, when the first is waited for.
        """
        for request in requests.values():
            runtime.bundle(request.probes, runtime.MAGIC)  # what most are sent: made once, before one waits for it
            if request.wanted:
                runtime.bundle((), runtime.MAGIC, "relay")
        self._executor = ThreadPoolExecutor(max(1, min(self._forks, len(requests))), "shipworthy")
        futures: dict[Future[Snapshot], Host] = {}
        era = current()
        for host, request in requests.items():
            turn = self._turns[host.name] = _Turn(host)
            futures[self._executor.submit(self._take, turn, request, era)] = host
        return self._arriving(futures, meanwhile)

    def _arriving(self, futures: dict[Future[Snapshot], Host], meanwhile: Callable[[], object]) -> Iterator[Snapshot]:
        if futures:
            self._wait_until_asked()
            meanwhile()
        for future in as_completed(futures):
            del self._turns[futures.pop(future).name]  # nor is the snapshot held on to: a fleet's are many
            yield future.result()

    def _wait_until_asked(self) -> None:
        """Until all whose turn it is were asked: what this thread does next would hold up the others' logins.

        Those that are slow, or dead, are waited for no longer than PATIENCE after the first.
        """
        turns = list(self._turns.values())[: self._forks]
        self._first_asked.wait()
        until = time.monotonic() + PATIENCE
        for turn in turns:
            turn.asked.wait(max(0.0, until - time.monotonic()))

    def _take(self, turn: _Turn, request: Request, era: Era) -> Snapshot:
        turn.started = time.monotonic()
        # Of the era that the run began in: a worker that is late, by Ctrl-C, must not open its link in the next one.
        with ExitStack() as stack, within(era):
            told = partial(self._asked, turn)
            stack.callback(told)
            snapshot, link = _measured(stack, turn.host, request, self._deadlines, turn.rungs, told)
            if link is not None:
                self._keep_or_not(turn.host.name, link, stack)
        return snapshot

    def _asked(self, turn: _Turn) -> None:
        turn.asked.set()
        self._first_asked.set()

    def _keep_or_not(self, host: str, link: Link, stack: ExitStack) -> None:
        """Take what is on `stack` if this host's link is wanted later, and there is a later."""
        with self._lock:
            self._notices.update(link.notices)
            if host in self._keep and not self._closed:
                self._kept[host] = link
                self._locks[host] = threading.Lock()
                self._stack.push(stack.pop_all())

    def notices(self) -> list[str]:
        """What a person should know of how hosts were reached, once each, so far."""
        with self._lock:
            return sorted(self._notices)

    def pending(self) -> list[str]:
        """Who has not answered yet, since when, and what it did last; one line a host."""
        now = time.monotonic()
        return [_waiting(turn, now) for turn in list(self._turns.values())]

    def kept(self, host: str) -> bool:
        """Whether there is an open link to `host`."""
        return host in self._kept

    @contextmanager
    def reserve(self, *hosts: str) -> Iterator[tuple[Link, ...]]:
        """The kept links of `hosts`, all to oneself: taken in sorted order, so two reservations never wait in a ring.

        Only for hosts that are `kept`.
        """
        with ExitStack() as stack:
            for name in sorted(set(hosts)):
                stack.enter_context(self._locks[name])
            yield tuple(self._kept[name] for name in hosts)

    def close(self) -> None:
        """End everything, at once: connections first, since threads that wait on a dead host do so until then."""
        if self._executor:
            self._executor.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
        links.close_all()
        self._stack.close()


def _waiting(turn: _Turn, now: float) -> str:
    if turn.started is None:
        return f"{turn.host.name}: waits for its turn"
    last = next(reversed(turn.rungs), None)
    return f"{turn.host.name}: {now - turn.started:.1f} s, " + (f"got past {last}" if last else "not connected yet")
