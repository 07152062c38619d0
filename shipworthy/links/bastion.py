"""Hosts behind one bastion share one transport to it, and log in through it at a pace that it bears.

In: a host's settings. Out: a socket-like channel to the host. The registry is the process's; `close_all` empties it.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import paramiko

from shipworthy.errors import LinkError
from shipworthy.links.opened import Era
from shipworthy.links.ssh_config import Settings, settings_of_bastion
from shipworthy.links.text import one_line, seconds_as_text
from shipworthy.links.transport import Transport

_FAILURE_SECONDS = 30.0
"""For so long a bastion's failure is told to the next hosts without another try: a dead one costs them nothing."""

_MOST_HOPS = 16

Chain = tuple[tuple[str, int, str], ...]
"""(address, port, user) of every hop, nearest first."""


def route(jumps: Sequence[str], config: str | None, depth: int = 0) -> tuple[Settings, ...]:
    """The hops of a ProxyJump, nearest first; before the first one come those that its own configuration asks for."""
    if depth > _MOST_HOPS:
        raise LinkError("connect", f"ProxyJump goes in a circle at {jumps[0]}")
    hops = tuple(settings_of_bastion(jump, config) for jump in jumps)
    before = route(hops[0].proxy_jump, config, depth + 1) if hops[0].proxy_jump else ()
    return before + hops


@dataclass
class Bastion:
    """One shared transport, or the reason why there is none."""

    name: str
    done: threading.Event = field(default_factory=threading.Event)
    transport: Transport | None = None
    failure: str | None = None
    failed_at: float = 0.0
    next_login: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def stale(self) -> bool:
        """It ended, or failed long enough ago: the next host opens it anew."""
        if not self.done.is_set():
            return False
        if self.failure:
            return time.monotonic() - self.failed_at > _FAILURE_SECONDS
        return self.transport is None or not self.transport.is_active()

    def channel(self, settings: Settings, *, seconds: float) -> paramiko.Channel:
        """A channel to `settings`' address, from the bastion on. Raises `LinkError("connect", …)`."""
        assert self.transport
        target = f"{settings.address} port {settings.port}"
        try:
            return self.transport.open_channel(
                "direct-tcpip", (settings.address, settings.port), ("127.0.0.1", 0), timeout=seconds
            )
        except paramiko.ChannelException as error:
            said = one_line(error.text)
            if error.code == 1:
                raise LinkError("connect", f"bastion {self.name} forbids forwarding to {target}: {said}") from None
            raise LinkError("connect", f"bastion {self.name} does not reach {target}: {said}") from None
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not self.transport.is_active():
                raise LinkError("connect", f"bastion {self.name}: the connection to it ended") from None
            if "Timeout" in str(error):
                waited = seconds_as_text(seconds)
                raise LinkError(
                    "connect", f"no answer from {target} behind bastion {self.name} within {waited}"
                ) from None
            raise LinkError("connect", f"bastion {self.name}: {one_line(str(error))}") from None

    def take_turn(self, rate: float, until: float, era: Era) -> None:
        """Wait for this host's place in the row of logins. Raises `LinkError("connect", …)` if it comes too late."""
        with self.lock:
            now = time.monotonic()
            turn = max(now, self.next_login)
            if turn > until:
                raise LinkError("connect", f"no turn at bastion {self.name} in time, at {rate:g} logins a second")
            self.next_login = turn + random.uniform(0.5, 1.5) / rate  # noqa: S311 jitter, no secret
        woken = threading.Event()
        with era.closing("connect", woken.set):
            woken.wait(turn - now)
        era.check("connect")


class Bastions:
    """The bastions of one era."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bastions: dict[Chain, Bastion] = {}

    def get(
        self, hops: Sequence[Settings], dial: Callable[[contextlib.ExitStack], Transport], *, until: float, era: Era
    ) -> Bastion:
        """The open bastion at the end of `hops`; the first who asks opens it by `dial`, the others wait for it."""
        chain = tuple((hop.address, hop.port, hop.user) for hop in hops)
        with self._lock:
            bastion = self._bastions.get(chain)
            first = bastion is None or bastion.stale
            if bastion is None or first:
                bastion = self._bastions[chain] = Bastion(hops[-1].name)
        if first:
            _open(bastion, dial, era)
        else:
            with era.closing("connect", bastion.done.set):
                bastion.done.wait(max(0.0, until - time.monotonic()))
        era.check("connect")
        if bastion.failure:
            raise LinkError("connect", bastion.failure)
        if bastion.transport is None:
            raise LinkError("connect", f"bastion {bastion.name}: not open in time")
        return bastion


def _open(bastion: Bastion, dial: Callable[[contextlib.ExitStack], Transport], era: Era) -> None:
    with contextlib.ExitStack() as stack:
        try:
            transport = dial(stack)
            stack.callback(transport.close)
            era.add("connect", stack.pop_all().close)
            bastion.transport = transport
        except LinkError as error:
            # The failure of a hop before this one names that hop already.
            told = error.reason if error.reason.startswith("bastion ") else None
            bastion.failure = told or f"bastion {bastion.name}: {error.rung}: {error.reason}"
            bastion.failed_at = time.monotonic()
        finally:
            bastion.done.set()


_registry: weakref.WeakKeyDictionary[Era, Bastions] = weakref.WeakKeyDictionary()
_registry_lock = threading.Lock()


def bastions_of(era: Era) -> Bastions:
    """The process's bastions, until `close_all`."""
    with _registry_lock:
        return _registry.setdefault(era, Bastions())
