"""Every way a login can break: its rung, one line, and within its deadline."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, SOON, Lab, fail, free_port, keygen, sshd, stalled, tcp_server
from shipworthy.errors import LinkError
from shipworthy.inventory import Secret
from shipworthy.links import open_link


def test_refused(lab: Lab) -> None:
    port = free_port()
    error, rungs, _ = fail(lab.host(port=port))
    assert (error.rung, error.reason) == ("connect", f"127.0.0.1 port {port}: connection refused")
    assert list(rungs) == ["resolve", "connect"]


def test_packets_that_are_dropped(lab: Lab) -> None:
    # A full queue of a server that never accepts answers no further SYN.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        port = silent.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for opened in waiting:
            opened.setblocking(False)
            opened.connect_ex(("127.0.0.1", port))
        error, _, seconds = fail(lab.host(port=port), replace(PATIENT, connect=1))
        for opened in waiting:
            opened.close()
    assert error.rung == "connect"
    assert error.reason.startswith(f"127.0.0.1 port {port}: no answer within ")
    assert seconds < SOON


def test_no_banner(lab: Lab) -> None:
    with tcp_server(lambda _: None) as port:
        error, rungs, seconds = fail(lab.host(port=port), replace(PATIENT, banner=0.3))
    assert (error.rung, error.reason) == ("banner", "connected, but no SSH banner within 300 ms")
    assert list(rungs) == ["resolve", "connect", "banner"]
    assert seconds < SOON


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "the connection was closed before an SSH banner came"),
        (b"HTTP/1.1 400 Bad Request\r\n" * 101, "the connection was closed before an SSH banner came: Indecipherable"),
        (b"\xff\xfe\x00\x01" * 50 + b"\n", "the connection was closed before an SSH banner came"),
        (b"SSH-1.5-old\r\n", "the connection was closed before an SSH banner came: Incompatible version"),
    ],
)
def test_something_that_is_no_ssh_server(lab: Lab, said: bytes, reason: str) -> None:
    def serve(opened: socket.socket) -> None:
        opened.sendall(said)
        opened.shutdown(socket.SHUT_WR)

    with tcp_server(serve) as port:
        error, _, _ = fail(lab.host(port=port))
    assert error.rung == "banner"
    assert error.reason.startswith(reason)


def test_a_banner_that_drips_is_given_its_time_and_no_more(lab: Lab) -> None:
    def serve(opened: socket.socket) -> None:
        while True:
            opened.sendall(b".")
            time.sleep(0.05)

    with tcp_server(serve) as port:
        error, _, seconds = fail(lab.host(port=port), replace(PATIENT, banner=0.5))
    assert error.rung == "banner"
    assert seconds < SOON


def test_a_stall_in_the_key_exchange(lab: Lab) -> None:
    with tcp_server(lambda opened: opened.sendall(b"SSH-2.0-stalled\r\n")) as port:
        error, _, seconds = fail(lab.host(port=port), replace(PATIENT, banner=2))
    assert (error.rung, error.reason) == ("host key", "the key exchange was not over within 2 s")
    assert seconds < SOON
    assert not [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]


def test_a_stall_in_authentication(lab: Lab, folder: Path) -> None:
    lines = ("AuthorizedKeysCommand /bin/sleep 100", "AuthorizedKeysCommandUser root")
    with sshd(folder / "stalls", folder / "no-keys", *lines) as server:
        lab.home.joinpath(".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        error, _, seconds = fail(lab.host(port=server.port), replace(PATIENT, authentication=1))
    assert (error.rung, error.reason) == ("authentication", "no answer within 1 s")
    assert seconds < SOON


def test_a_stall_after_authentication(lab: Lab) -> None:
    rungs: dict[str, float] = {}
    with open_link(lab.host(), PATIENT, rungs) as link, stalled(lab.server):
        link._deadlines = replace(PATIENT, authentication=0.5)  # type: ignore[attr-defined]  # the login had its time
        begun = time.monotonic()
        with pytest.raises(LinkError, match="session: logged in, but no answer within 500 ms"):
            link.run("true", seconds=120)
        assert time.monotonic() - begun < SOON
    assert "session" in rungs


def test_the_whole_host_has_one_deadline_over_all_rungs(lab: Lab) -> None:
    with tcp_server(lambda _: None) as port:
        error, _, seconds = fail(lab.host(port=port), replace(PATIENT, whole=2))
    assert error.rung == "banner"
    assert seconds < SOON


def test_a_key_that_is_not_accepted(lab: Lab, folder: Path) -> None:
    other = keygen(folder / "other" / "id_other")
    error, _, _ = fail(lab.host(private_key_file=str(other)))
    assert error.rung == "authentication"
    assert error.reason.startswith(f"not accepted as root: key {other} (SHA256:")
    assert error.reason.endswith("; the server takes publickey")


def test_a_key_file_that_is_missing_or_none(lab: Lab, tmp_path: Path) -> None:
    error, _, _ = fail(lab.host(private_key_file=str(tmp_path / "none")))
    assert error.rung == "authentication"
    assert error.reason == f"nothing to log in with as root: key file {tmp_path}/none: no such file or directory"
    (tmp_path / "junk").write_text("junk")
    error, _, _ = fail(lab.host(private_key_file=str(tmp_path / "junk")))
    assert error.reason.endswith(f"key file {tmp_path}/junk holds no private key that paramiko knows")


def test_a_password_where_none_is_taken_is_named_and_not_told(lab: Lab) -> None:
    error, _, _ = fail(lab.host(private_key_file=None, password=Secret("hunter2")))
    assert error.rung == "authentication"
    assert error.reason == "not accepted as root; the server takes publickey"


def test_a_name_that_does_not_resolve(lab: Lab) -> None:
    error, _, _ = fail(lab.host(address="no-such-host.invalid"))
    assert error.rung == "resolve"
    assert error.reason.startswith("no-such-host.invalid: ")


def test_a_resolver_that_is_dead_has_a_deadline(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: answered.wait(100) and [])
    error, _, seconds = fail(lab.host(address="slow.example"), replace(PATIENT, connect=0.3))
    answered.set()
    assert (error.rung, error.reason) == ("resolve", "slow.example: no answer from the resolver within 300 ms")
    assert seconds < SOON


def test_a_server_that_ends_every_session(lab: Lab, folder: Path) -> None:
    with sshd(folder / "no-sessions", Path(f"{lab.key}.pub"), "MaxSessions 0") as server:
        lab.home.joinpath(".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        error, _, _ = fail(lab.host(port=server.port))
    assert error.rung == "session"
    assert error.reason.startswith("the server refuses a session: ")
