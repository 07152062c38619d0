"""paramiko's Transport with what a fleet needs: rungs that can be told apart, bounded memory, and quick ends.

In: a connected socket and `Settings`. Out: a transport whose server is who it should be, ready for authentication.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

import paramiko
from paramiko.common import (
    MSG_CHANNEL_DATA,
    MSG_CHANNEL_EXTENDED_DATA,
    MSG_CHANNEL_REQUEST,
    MSG_CHANNEL_WINDOW_ADJUST,
)
from paramiko.packet import Packetizer

from shipworthy.errors import LinkError
from shipworthy.inventory import HostKeyChecking
from shipworthy.links import known_hosts
from shipworthy.links.ssh_config import Settings
from shipworthy.links.text import one_line, seconds_as_text

# It tells its troubles to standard error, from threads of its own; we tell them as reasons.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False
logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)

WINDOW_BYTES = 2**21
_PACKET_BYTES = 2**18 + 2**10
"""OpenSSH's own bound, and room for what frames it."""

Socket = socket.socket | paramiko.Channel


def hang_up(opened: Socket) -> None:
    """End a stream under whoever sleeps on it."""
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        if isinstance(opened, socket.socket):
            opened.shutdown(socket.SHUT_RDWR)
        else:
            opened.close()


def _acknowledging(opened: Socket) -> Callable[[], None] | None:
    """Acknowledges at once what came. sshd sends the next message only then, and the kernel would wait for 40 ms."""
    option = getattr(socket, "TCP_QUICKACK", None)  # Linux's own; it lasts for a few packets only
    if option is None or not isinstance(opened, socket.socket) or opened.family == socket.AF_UNIX:
        return None

    def acknowledge() -> None:
        with contextlib.suppress(OSError):
            opened.setsockopt(socket.IPPROTO_TCP, option, 1)

    return acknowledge


class _Packetizer(Packetizer):
    acknowledge: Callable[[], None] | None = None

    def read_all(self, n: int, check_rekey: bool = False) -> bytes:
        """Nothing is set aside for a packet that no honest server sends."""
        if n > _PACKET_BYTES:
            raise paramiko.SSHException(f"a packet of {n} bytes")
        if self.acknowledge:
            self.acknowledge()
        return super().read_all(n, check_rekey)

    def start_handshake(self, timeout: float) -> None:
        """No timer: it would be a thread for each host, which outlives its host; our deadlines are outside."""


def _bounded(feed: Callable[..., None]) -> Callable[[paramiko.Channel, paramiko.Message], None]:
    """A server that sends more than the window allows is not kept in memory but hung up on."""

    def handle(channel: paramiko.Channel, message: paramiko.Message) -> None:
        feed(channel, message)
        if len(channel.in_buffer) + len(channel.in_stderr_buffer) > 2 * WINDOW_BYTES:
            raise paramiko.SSHException("the server sends more than it may")

    return handle


def _waking(handler: Callable[..., None]) -> Callable[[paramiko.Channel, paramiko.Message], None]:
    """After the message, whoever waits on the channel looks again."""

    def handle(channel: paramiko.Channel, message: paramiko.Message) -> None:
        handler(channel, message)
        wake = getattr(channel, "shipworthy_wake", None)
        if wake:
            wake()

    return handle


def _request(channel: paramiko.Channel, message: paramiko.Message) -> None:
    """`exit-signal`, which paramiko does not know, and then whatever it does know."""
    start = message.packet.tell()
    if message.get_text() == "exit-signal":
        message.get_boolean()
        name = f"SIG{message.get_text()}"
        channel.exit_status = -signal.Signals[name].value if name in signal.Signals.__members__ else -1
        channel.status_event.set()
        return
    message.packet.seek(start)
    paramiko.Channel._handle_request(channel, message)  # type: ignore[attr-defined]  # no public place to stand


_HANDLERS: dict[int, Callable[..., None]] = dict(paramiko.Transport._channel_handler_table)  # type: ignore[attr-defined]


class Transport(paramiko.Transport):
    """One SSH connection. It is not compressed, forwards no agent, and logs nothing."""

    _channel_handler_table: ClassVar = {
        **_HANDLERS,
        MSG_CHANNEL_DATA: _bounded(_HANDLERS[MSG_CHANNEL_DATA]),
        MSG_CHANNEL_EXTENDED_DATA: _bounded(_HANDLERS[MSG_CHANNEL_EXTENDED_DATA]),
        MSG_CHANNEL_REQUEST: _waking(_request),
        MSG_CHANNEL_WINDOW_ADJUST: _waking(_HANDLERS[MSG_CHANNEL_WINDOW_ADJUST]),
    }

    def __init__(self, opened: Socket) -> None:
        super().__init__(opened, default_window_size=WINDOW_BYTES, packetizer_class=_Packetizer)
        self.packetizer.acknowledge = _acknowledging(opened)  # type: ignore[attr-defined]
        self._opened = opened
        self._banner_done = threading.Event()
        self._greeted = False
        self._keys_done = threading.Event()
        # Ours are the deadlines; paramiko's must only not come first.
        self.banner_timeout = self.handshake_timeout = self.auth_timeout = self.channel_timeout = 3600.0

    def run(self) -> None:
        try:
            super().run()
        finally:
            self._banner_done.set()
            self._keys_done.set()

    def _check_banner(self) -> None:
        super()._check_banner()  # type: ignore[misc]
        self._greeted = True
        self._banner_done.set()

    def greet(self, seconds: float) -> None:
        """Exchange version lines. Raises `LinkError("banner", …)`."""
        self.start_client(event=self._keys_done)
        if not self._banner_done.wait(seconds):
            raise LinkError("banner", f"connected, but no SSH banner within {seconds_as_text(seconds)}")
        if not self._greeted:
            raise LinkError("banner", self._why("the connection was closed before an SSH banner came"))

    def exchange_keys(self, seconds: float) -> None:
        """Agree on keys; the server proves that it has its host key. Raises `LinkError("host key", …)`."""
        if not self._keys_done.wait(seconds):
            raise LinkError("host key", f"the key exchange was not over within {seconds_as_text(seconds)}")
        if not self.is_active():
            raise LinkError("host key", self._why("the connection was closed during the key exchange"))

    def _why(self, otherwise: str) -> str:
        error = self.get_exception()
        if error is None or isinstance(error, EOFError):
            return otherwise
        said = one_line(str(error))
        if said.startswith("Error reading SSH protocol banner"):
            return otherwise
        return f"{otherwise}: {said}" if said else otherwise

    def close(self) -> None:
        """End at once: a thread that sleeps on the socket is woken."""
        hang_up(self._opened)
        super().close()
        self._opened.close()


def verify_host_key(transport: Transport, settings: Settings, *, passwords: bool) -> None:
    """Hold the server's key against known_hosts, as `settings` says. Raises `LinkError("host key", …)`.

    `passwords` says that a password may be sent to this host; then no key is taken on trust.
    """
    key = transport.get_remote_server_key()
    shown = f"{_kind(key.get_name())} key {known_hosts.fingerprint(key.asbytes())}"
    entries = _known(settings)
    plain = [entry for entry in entries if not entry.marker]
    for entry in entries:
        if entry.marker == "@revoked" and entry.key == key.asbytes():
            raise LinkError("host key", f"{shown} is revoked at {entry.place}")
    if any(entry.key == key.asbytes() for entry in plain):
        return
    if settings.host_key_checking == "off":
        if plain and passwords:
            raise LinkError("host key", f"{shown} differs from {plain[0].place}: no password is sent to it")
        return
    if plain:
        same = [entry for entry in plain if entry.kind == key.get_name()] or plain
        known = f"{_kind(same[0].kind)} key {known_hosts.fingerprint(same[0].key)} at {same[0].place}"
        raise LinkError("host key", f"host key differs: the host has {shown}, known is {known}")
    _greet_stranger(key, shown, settings.host_key_checking, settings, passwords=passwords)


def _greet_stranger(
    key: paramiko.PKey, shown: str, checking: HostKeyChecking, settings: Settings, *, passwords: bool
) -> None:
    name = _names(settings)[0]
    if checking == "yes":
        files = ", ".join(map(str, settings.known_hosts[:1])) or "any known_hosts"
        authority = known_hosts.authority_for(settings.known_hosts, _names(settings))
        hint = (
            f"; {authority.place} names a host certificate authority: --connection=openssh follows it"
            if authority
            else ""
        )
        raise LinkError(
            "host key",
            f"host key is not known: the host has {shown}, and {files} has none for {name}{hint}",
        )
    if passwords:
        raise LinkError("host key", f"host key is not known ({shown}): accept-new is never used with a password")
    if settings.known_hosts:
        try:
            known_hosts.add(
                settings.known_hosts[0], name, key.get_name(), key.asbytes(), hashed=settings.hash_known_hosts
            )
        except OSError as error:
            raise LinkError("host key", f"{settings.known_hosts[0]}: {error.strerror}") from None


def prefer_known_keys(transport: Transport, settings: Settings) -> None:
    """Ask the server first for the kinds of host key that are known of it."""
    kinds = {entry.kind for entry in _known(settings) if not entry.marker}
    if "ssh-rsa" in kinds:
        kinds |= {"rsa-sha2-512", "rsa-sha2-256"}
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda kind: kind not in kinds)


def _known(settings: Settings) -> list[known_hosts.Entry]:
    return known_hosts.entries_for(settings.known_hosts, _names(settings))


def _names(settings: Settings) -> list[str]:
    """What known_hosts may call this host; as in OpenSSH, a key of the bare name serves for every port."""
    if settings.host_key_alias:
        return [settings.host_key_alias.lower()]
    return list(dict.fromkeys([known_hosts.host_name(settings.address, settings.port), settings.address.lower()]))


def _kind(name: str) -> str:
    return name.removeprefix("ssh-").partition("-sha2-")[0].upper()


def remaining(until: float, seconds: float) -> float:
    """The smaller of a step's own `seconds` and what is left until the whole host's time."""
    return max(0.0, min(seconds, until - time.monotonic()))


def handshake(
    opened: Socket, settings: Settings, *, banner: float, until: float, rungs: dict[str, float], passwords: bool
) -> Transport:
    """Banner, key exchange and host key on a connected socket. Raises `LinkError`; the socket is then closed."""
    transport = Transport(opened)
    try:
        prefer_known_keys(transport, settings)
        with timed("banner", rungs):
            transport.greet(remaining(until, banner))
        with timed("host key", rungs):
            transport.exchange_keys(remaining(until, banner))
            verify_host_key(transport, settings, passwords=passwords)
    except BaseException:
        transport.close()
        raise
    return transport


@contextlib.contextmanager
def timed(rung: str, rungs: dict[str, float]) -> Iterator[None]:
    """Write the body's seconds to `rungs`, also when it fails."""
    begun = time.monotonic()
    try:
        yield
    finally:
        rungs[rung] = rungs.get(rung, 0.0) + time.monotonic() - begun
