"""Hosts are not trusted: a server of paramiko's own that breaks the rules after, or before, the login."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from selftest.links.servers import PATIENT, SOON, Lab, fail, resident_bytes, stalled, tcp_server, wait_until
from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.links import open_link

Behave = Callable[[paramiko.Channel], None]


class Rogue(paramiko.ServerInterface):
    """Lets everybody in, and then, when it is told to, does as it likes."""

    def __init__(self, behave: Behave | None, told: threading.Event) -> None:
        self._behave = behave
        self._told = told

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:  # noqa: ARG002
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        return OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:  # noqa: ARG002
        if self._behave is None:
            self._told.wait(100)
            return False
        threading.Thread(target=self._misbehave, args=(channel,), daemon=True).start()
        return True

    def _misbehave(self, channel: paramiko.Channel) -> None:
        assert self._behave
        self._told.wait(100)
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
            self._behave(channel)


@dataclass(frozen=True)
class Running:
    """A rogue at work; `go` is set when its client is ready for it."""

    port: int
    go: threading.Event = field(default_factory=threading.Event)

    def host(self, lab: Lab) -> Host:
        return lab.host(port=self.port, host_key_checking="off")


@contextlib.contextmanager
def rogue(behave: Behave | None) -> Iterator[Running]:
    transports = []
    go = threading.Event()

    def serve(opened: socket.socket) -> None:
        transport = paramiko.Transport(opened)
        transport.add_server_key(paramiko.ECDSAKey.generate())
        transport.start_server(event=threading.Event(), server=Rogue(behave, go))
        transports.append(transport)

    with tcp_server(serve) as port:
        try:
            yield Running(port, go)
        finally:
            go.set()
            for transport in transports:
                transport.close()


def test_a_server_that_ignores_the_window_is_hung_up_on(lab: Lab) -> None:
    def flood(channel: paramiko.Channel) -> None:
        channel.out_window_size = 2**40
        for _ in range(20_000):
            channel.sendall(bytes(30_000))

    with (
        rogue(flood) as server,
        open_link(server.host(lab), PATIENT, {}) as link,
        link.converse("x") as talk,
    ):
        memory = resident_bytes()
        server.go.set()
        wait_until(lambda: not link._transport.is_active(), within=120, what="the end")  # type: ignore[attr-defined]
        assert resident_bytes() - memory < 30_000_000
        assert talk.exit_status is None


def test_an_unknown_signal_is_still_an_end(lab: Lab) -> None:
    def end(channel: paramiko.Channel) -> None:
        message = paramiko.Message()
        message.add_byte(b"\x62")
        message.add_int(channel.remote_chanid)
        message.add_string("exit-signal")
        message.add_boolean(False)
        message.add_string("NONSENSE")
        channel.transport._send_user_message(message)  # type: ignore[union-attr]
        channel.close()

    with (
        rogue(end) as server,
        open_link(server.host(lab), PATIENT, {}) as link,
        link.converse("x") as talk,
    ):
        server.go.set()
        assert talk.read(time.monotonic() + 100) == (b"", b"")
        assert talk.finished
        assert talk.exit_status is None


def test_a_server_that_does_not_answer_exec_is_given_its_time(lab: Lab) -> None:
    with rogue(None) as server, open_link(server.host(lab), PATIENT, {}) as link:
        link._deadlines = replace(PATIENT, authentication=0.5)  # type: ignore[attr-defined]  # the login had its time
        begun = time.monotonic()
        with pytest.raises(LinkError, match="session: logged in, but no answer within 500 ms"):
            link.run("x", seconds=120)
        assert time.monotonic() - begun < SOON


def test_a_packet_of_two_gigabytes_is_not_waited_for(lab: Lab) -> None:
    def serve(opened: socket.socket) -> None:
        opened.sendall(b"SSH-2.0-rogue\r\n\x7f\xff\xff\xfc" + bytes(100))

    with tcp_server(serve) as port:
        error, _, seconds = fail(lab.host(port=port))
    assert error.rung == "host key"
    assert error.reason.startswith("the connection was closed during the key exchange: a packet of 2147")
    assert seconds < SOON


def test_a_host_that_takes_nothing_any_more_is_hung_up_on(lab: Lab) -> None:
    with (
        open_link(lab.host(), PATIENT, {}) as link,
        link.converse("cat > /dev/null") as talk,
        stalled(lab.server),
    ):
        begun = time.monotonic()
        with pytest.raises(LinkError, match="command: "):
            talk.write(bytes(20_000_000), begun + 0.5)
        assert time.monotonic() - begun < SOON
