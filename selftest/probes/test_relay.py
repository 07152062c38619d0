"""The relay's own end of its wire: how it begins, and everything that ends it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from selftest.links.servers import children, wait_until
from selftest.probes.interpreters import MARKER, NONCE, interpreters, started, told_magic
from selftest.vantage.tls_servers import serving, until_closed
from shipworthy.probes import runtime
from shipworthy.probes.runtime import frames
from shipworthy.probes.runtime.frames import Frame, Frames, packed
from shipworthy.probes.runtime.switch import GONE

SOON = 20.0
SENT = ("what it knows", "source")


def request(deadline: float = 60.0) -> bytes:
    return runtime.block(json.dumps({"deadline": deadline}).encode())


@contextmanager
def relay(
    deadline: float = 60.0, python: str | None = None, *, source: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    """A relay that was sent its request."""
    with started(python) as process:
        assert process.stdin
        magic = told_magic(process)
        process.stdin.write(runtime.bundle((), "" if source else magic, "relay") + request(deadline))
        process.stdin.flush()
        yield process


def pid_of(process: subprocess.Popen[bytes]) -> int:
    """Of Python itself, behind its shells."""
    pid = process.pid
    while below := children(pid):
        (pid,) = below
    return pid


def say(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin
    process.stdin.write(data)
    process.stdin.flush()


def heard(process: subprocess.Popen[bytes], kind: bytes) -> Frame:
    """The first frame of that kind."""
    assert process.stdout
    read, until = Frames(), time.monotonic() + SOON
    while time.monotonic() < until:
        for frame in read.feed(process.stdout.read1(1)):  # type: ignore[attr-defined]  # no more than is wanted
            if frame.kind == kind:
                return frame
    raise AssertionError(f"no frame {kind!r}")


@pytest.mark.parametrize("sent", SENT)
@pytest.mark.parametrize("python", interpreters())
def test_every_python_is_ready(python: str, sent: str) -> None:
    with relay(python=python, source=sent == "source") as process:
        assert heard(process, frames.READY) == Frame(frames.READY, 0, b"")
        say(process, packed(frames.RESOLVE, 7, b"ipv4 localhost"))
        answer = heard(process, frames.RESOLVE)
        assert answer.number == 7
        assert json.loads(answer.data)["addresses"] == ["127.0.0.1"]


def test_it_is_small() -> None:
    assert len(runtime.bundle((), "", "relay")) < 20_000
    assert len(runtime.bundle((), runtime.MAGIC, "relay")) < 50_000


@pytest.mark.parametrize("how", ["end of input", "nonsense", signal.SIGTERM, signal.SIGHUP], ids=str)
def test_what_ends_it(how: str | signal.Signals) -> None:
    with serving(until_closed) as port, relay() as process:
        heard(process, frames.READY)
        say(process, packed(frames.CONNECT, 1, b"127.0.0.1 %d" % port))
        heard(process, frames.CONNECT)
        begun = time.monotonic()
        if isinstance(how, signal.Signals):
            os.kill(pid_of(process), how)
        elif how == "nonsense":
            say(process, b"hello, is anybody there?")
        else:
            assert process.stdin
            process.stdin.close()
        assert process.wait(SOON) == GONE
        assert time.monotonic() - begun < 5


def test_it_ends_at_its_deadline() -> None:
    with relay(0.5) as process:
        assert process.wait(SOON) == 0


@pytest.mark.parametrize("sent", ["bundle", "request"])
def test_a_connection_cut_in_a_block_ends_it_in_one_line(sent: str) -> None:
    data = runtime.bundle((), "", "relay")
    data = data[:-5] if sent == "bundle" else data + request()[:-5]
    with started(None) as process:
        stdout, stderr = process.communicate(data, timeout=SOON)
    assert MARKER.fullmatch(stdout)
    assert (process.returncode, stderr.decode()) == (1, f"standard input ended within the {sent}\n")


def test_whoever_does_not_read_it_does_not_make_it_grow() -> None:
    held_up: list[socket.socket] = []

    def flood(stream: socket.socket) -> None:
        stream.settimeout(1)
        try:
            while True:
                stream.sendall(bytes(2**20))
        except TimeoutError:
            held_up.append(stream)
        stream.settimeout(None)
        until_closed(stream)

    with serving(flood) as port, relay() as process:
        heard(process, frames.READY)
        for number in range(1, frames.CONNECTIONS + 1):
            say(process, packed(frames.CONNECT, number, b"127.0.0.1 %d" % port))
        wait_until(lambda: len(held_up) == frames.CONNECTIONS, what="all to be held up")
        status = Path(f"/proc/{pid_of(process)}/status").read_text()
        assert int(status.partition("VmHWM:")[2].split()[0]) * 1024 < 40_000_000
        assert process.poll() is None


def test_more_connections_than_it_has_are_refused() -> None:
    with serving(until_closed) as port, relay() as process:
        heard(process, frames.READY)
        for number in range(1, frames.CONNECTIONS + 2):
            say(process, packed(frames.CONNECT, number, b"127.0.0.1 %d" % port))
        assert heard(process, frames.END) == Frame(frames.END, frames.CONNECTIONS + 1, b"EMFILE")


def test_input_and_output_may_be_one_socket() -> None:
    """As some SSH servers have it: one that does not block would be neither."""
    ours, theirs = socket.socketpair()
    command = runtime.shell_command(sys.executable, NONCE)
    with ours, subprocess.Popen(["sh", "-c", command], stdin=theirs.fileno(), stdout=theirs.fileno()) as process:
        theirs.close()
        ours.settimeout(SOON)
        try:
            data = b""
            while not data.endswith(b"\n"):
                data += ours.recv(1)
            assert MARKER.fullmatch(data)
            ours.sendall(runtime.bundle((), "", "relay") + request())
            read, found = Frames(), list[Frame]()
            while not found:
                found += read.feed(ours.recv(1000))
            assert found == [Frame(frames.READY, 0, b"")]
            ours.sendall(packed(frames.STORE, 5, b'{"path": "/none", "issuers": []}'))
            found.clear()
            while not found:
                found += read.feed(ours.recv(1000))
            assert json.loads(found[0].data)["error"] == "No such file or directory"
            ours.shutdown(socket.SHUT_WR)
            assert process.wait(SOON) == GONE
        finally:
            process.kill()
