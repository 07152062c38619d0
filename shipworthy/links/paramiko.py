"""SSH by paramiko, the default link: one connection a host, each rung of the login with its own deadline.

In: a `Host`. Out: a `Link`. Which host certificates or GSSAPI need is what links/openssh.py is for.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence

import paramiko

from shipworthy.errors import LinkError
from shipworthy.inventory import Host, Secret
from shipworthy.links import Completed, Conversation, Deadlines, Link
from shipworthy.links.authentication import authenticate
from shipworthy.links.bastion import Bastion, bastions_of, route
from shipworthy.links.conversation import WRITE_SECONDS, Streams, run
from shipworthy.links.opened import Era, current
from shipworthy.links.ssh_config import Settings, settings_of
from shipworthy.links.tcp import address_of, connect, proxied, resolve
from shipworthy.links.text import one_line, seconds_as_text
from shipworthy.links.transport import Socket, Transport, handshake, hang_up, remaining, timed
from shipworthy.links.watchdog import guard

_CHUNK = 2**20
_GRACE_SECONDS = 0.5


class ChannelTalk(Streams):
    """A conversation over one SSH channel."""

    def __init__(self, channel: paramiko.Channel) -> None:
        super().__init__()
        self._channel = channel
        self._woken = threading.Event()
        channel.settimeout(0.0)
        # Both streams, the window and the end wake the same sleeper: no select(), no polling.
        wakes = _Wakes(self._woken)
        channel.in_buffer.set_event(wakes)  # type: ignore[arg-type]  # it only sets and clears
        channel.in_stderr_buffer.set_event(wakes)  # type: ignore[arg-type]
        channel.shipworthy_wake = self._woken.set  # type: ignore[attr-defined]

    def write(self, data: bytes, until: float | None = None) -> None:
        until = time.monotonic() + WRITE_SECONDS if until is None else until
        transport = self._channel.get_transport()
        # The window may have room when the network has none: then paramiko's send does not return.
        with guard(until + _GRACE_SECONDS, transport.close) as deadline:
            super().write(data, until)
        if deadline.fired:
            raise LinkError("command", "the host took no more input, and was hung up on")

    def _send(self, data: memoryview) -> int:
        try:
            return self._channel.send(bytes(data[: 2**15]))
        except TimeoutError:
            return 0
        except (EOFError, paramiko.SSHException) as error:
            raise BrokenPipeError from error

    def _receive(self) -> tuple[bytes, bytes]:
        self._woken.clear()
        out = err = b""
        # Receiving also tells the host that it may send more, which fails when the connection has ended.
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            out = self._channel.recv(_CHUNK) if self._channel.recv_ready() else b""
            err = self._channel.recv_stderr(_CHUNK) if self._channel.recv_stderr_ready() else b""
        return out, err

    def _wait(self, until: float, *, to_send: bool) -> None:
        del to_send  # what lets us send wakes us too
        self._woken.wait(max(0.0, until - time.monotonic()))

    def _rouse(self) -> None:
        self._woken.set()

    def _ended(self) -> bool:
        channel = self._channel
        at_end = channel.closed or (channel.eof_received and channel.status_event.is_set())
        return bool(at_end) and not channel.recv_ready() and not channel.recv_stderr_ready()

    @property
    def exit_status(self) -> int | None:
        known = self._channel.status_event.is_set() and self._channel.exit_status != -1
        return self._channel.exit_status if known else None

    def close_input(self) -> None:
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._channel.shutdown_write()

    def close(self) -> None:
        if self._ended():
            hang_up(self._channel)
        else:
            # A host that takes nothing any more would hold us up until its transport is closed.
            threading.Thread(target=hang_up, args=(self._channel,), daemon=True).start()


class _Wakes:
    """What paramiko's buffers take for an event; that one of them is empty does not put the sleeper to sleep."""

    def __init__(self, event: threading.Event) -> None:
        self.set = event.set

    def clear(self) -> None:
        pass


class ParamikoLink:
    """An authenticated transport."""

    def __init__(
        self,
        transport: Transport,
        rungs: dict[str, float],
        deadlines: Deadlines,
        until: float,
        notices: tuple[str, ...],
        address: str | None,
    ) -> None:
        self.rungs = rungs
        self.notices = notices
        self.address = address
        self._transport = transport
        self._deadlines = deadlines
        self._until = until

    @contextlib.contextmanager
    def converse(self, command: str) -> Iterator[Conversation]:
        talk = ChannelTalk(self._start(command))
        try:
            yield talk
        finally:
            talk.close()

    def _start(self, command: str) -> paramiko.Channel:
        # The first session belongs to the login, and to its time; later ones have only their own.
        first = "session" not in self.rungs
        until = self._until if first else time.monotonic() + self._deadlines.authentication
        seconds = remaining(until, self._deadlines.authentication)
        ignored: dict[str, float] = {}
        with (
            timed("session", self.rungs if first else ignored),
            guard(time.monotonic() + seconds, self._transport.close) as deadline,
        ):
            try:
                channel = self._transport.open_session(timeout=seconds + 1)
                channel.exec_command(command)
            except paramiko.ChannelException as error:
                raise LinkError("session", f"the server refuses a session: {one_line(error.text)}") from None
            except (paramiko.SSHException, EOFError, OSError) as error:
                if deadline.fired:
                    waited = seconds_as_text(seconds)
                    raise LinkError("session", f"logged in, but no answer within {waited}") from None
                why = "the server refuses to run a command" if self._transport.is_active() else "the connection ended"
                said = "" if isinstance(error, EOFError) else one_line(str(error))
                raise LinkError("session", f"{why}{f': {said}' if said else ''}") from None
        return channel

    def run(self, command: str, *, input: bytes = b"", seconds: float, at_most: int = 2**21) -> Completed:
        return run(self, command, input=input, seconds=seconds, at_most=at_most)


@contextlib.contextmanager
def open_paramiko(host: Host, deadlines: Deadlines, rungs: dict[str, float]) -> Iterator[Link]:
    """Log in to `host` by SSH. Raises `LinkError`."""
    login = _Login(deadlines, current(), host.ssh_config)
    settings = settings_of(host)
    with contextlib.ExitStack() as stack:
        transport = _logged_in(login, host, settings, rungs, stack)
        with login.era.closing("session", transport.close):
            yield ParamikoLink(transport, rungs, deadlines, login.until, settings.notices, login.address)


def _logged_in(
    login: _Login, host: Host, settings: Settings, rungs: dict[str, float], stack: contextlib.ExitStack
) -> Transport:
    """A login that fails may do so for want of what the configuration says elsewhere: its notices go along."""
    sudo_password = host.become.password if host.become else None
    passwords = host.password is not None or sudo_password is not None
    try:
        with contextlib.ExitStack() as opened:
            stream = login.reach(settings, rungs, opened, host.known_at)
            login.address = address_of(stream)
            transport = login.climb(stream, settings, host.password, rungs, passwords=passwords)
            opened.callback(transport.close)
            stack.push(opened.pop_all())
    except LinkError as error:
        notices = f" ({'; '.join(settings.notices)})" if settings.notices else ""
        raise LinkError(error.rung, f"{error.reason}{notices}") from None
    return transport


class _Login:
    """One host's way in, hop by hop, within one host's time."""

    def __init__(self, deadlines: Deadlines, era: Era, config: str | None) -> None:
        self.deadlines = deadlines
        self.era = era
        self.config = config
        self.address: str | None = None
        """The host's own, where it is connected to directly."""
        self.until = time.monotonic() + deadlines.whole

    def reach(
        self, settings: Settings, rungs: dict[str, float], stack: contextlib.ExitStack, known_at: str | None
    ) -> Socket:
        """A stream to the host's SSH port: TCP, a ProxyCommand, or a channel through its bastions."""
        seconds = settings.connect_timeout or self.deadlines.connect
        if settings.proxy_jump:
            bastion = self._bastion(route(settings.proxy_jump, self.config))
            bastion.take_turn(self.deadlines.login_rate, self.until, self.era)
            with timed("connect", rungs):
                return bastion.channel(settings, seconds=remaining(self.until, seconds))
        return self._directly(settings, rungs, stack, known_at)

    def _directly(
        self, settings: Settings, rungs: dict[str, float], stack: contextlib.ExitStack, known_at: str | None = None
    ) -> Socket:
        seconds = settings.connect_timeout or self.deadlines.connect
        if settings.proxy_command:
            with timed("connect", rungs):
                return stack.enter_context(proxied(settings.proxy_command, self.era))
        with timed("resolve", rungs):
            addresses = resolve(
                known_at or settings.address,
                settings.port,
                family=settings.family,
                seconds=remaining(self.until, seconds),
                era=self.era,
            )
        with timed("connect", rungs):
            return connect(addresses, seconds=remaining(self.until, seconds), era=self.era)

    def _bastion(self, hops: Sequence[Settings]) -> Bastion:
        *before, last = hops

        def dial(stack: contextlib.ExitStack) -> Transport:
            seconds = remaining(self.until, last.connect_timeout or self.deadlines.connect)
            if before:
                opened: Socket = self._bastion(before).channel(last, seconds=seconds)
            else:
                opened = self._directly(last, {}, stack)
            return self.climb(opened, last, None, {}, passwords=False)

        return bastions_of(self.era).get(hops, dial, until=self.until, era=self.era)

    def climb(
        self, opened: Socket, settings: Settings, password: Secret | None, rungs: dict[str, float], *, passwords: bool
    ) -> Transport:
        """From a stream to an authenticated transport."""
        with self.era.closing("banner", lambda: hang_up(opened)):
            transport = handshake(
                opened,
                settings,
                banner=self.deadlines.banner,
                until=self.until,
                rungs=rungs,
                passwords=passwords,
            )
            try:
                with timed("authentication", rungs):
                    seconds = remaining(self.until, self.deadlines.authentication)
                    authenticate(transport, settings, password, seconds=seconds)
                self.era.check("authentication")
            except BaseException:
                transport.close()
                raise
        return transport
