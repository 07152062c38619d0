"""The OpenSSH link: one ssh process, the same rungs, the same one-line failures."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from selftest.links.servers import (
    PATIENT,
    SOON,
    Lab,
    children,
    fail,
    free_port,
    keygen,
    say,
    sshd,
    tcp_server,
    wait_until,
)
from shipworthy.errors import LinkError
from shipworthy.inventory import Become, Secret
from shipworthy.links import Deadlines, open_link
from shipworthy.links.openssh import arguments


def test_a_command_runs_and_each_rung_has_its_seconds(lab: Lab) -> None:
    rungs: dict[str, float] = {}
    with open_link(lab.openssh(), PATIENT, rungs) as link:
        done = link.run("cat; echo err >&2; exit 3", input=b"in", seconds=100)
    assert (done.exit_status, done.stdout, done.stderr) == (3, b"in", b"err\n")
    assert list(rungs) == ["resolve", "connect", "banner", "host key", "authentication", "session"]
    assert all(seconds >= 0 for seconds in rungs.values())


def test_nothing_is_left_of_ssh_when_the_conversation_is_closed(lab: Lab) -> None:
    with open_link(lab.openssh(), PATIENT, {}) as link, link.converse("echo here; sleep 100") as talk:
        assert talk.read(time.monotonic() + SOON)[0] == b"here\n"
        began = time.monotonic()
        ssh = talk._process.pid  # type: ignore[attr-defined]
        assert ssh in children(os.getpid())
    assert time.monotonic() - began < SOON
    wait_until(lambda: ssh not in children(os.getpid()), what="the end of ssh")


def test_a_large_answer_and_both_streams(lab: Lab) -> None:
    with open_link(lab.openssh(), PATIENT, {}) as link:
        done = link.run("head -c 8000000 /dev/zero; head -c 8000000 /dev/zero >&2", seconds=100, at_most=1000)
    assert (done.exit_status, len(done.stdout), len(done.stderr)) == (0, 1000, 1000)


def test_refused(lab: Lab) -> None:
    port = free_port()
    error, _, _ = fail(lab.openssh(port=port))
    assert error.rung == "connect"
    assert error.reason == f"connect to host 127.0.0.1 port {port}: Connection refused"


def test_a_name_that_does_not_resolve(lab: Lab) -> None:
    error, _, _ = fail(lab.openssh(address="no-such-host.invalid"))
    assert error.rung == "resolve"
    assert error.reason.startswith("Could not resolve hostname no-such-host.invalid: ")


def test_no_banner(lab: Lab) -> None:
    with tcp_server(lambda _: None) as port:
        error, _, seconds = fail(lab.openssh(port=port), replace(PATIENT, banner=0.5))
    assert error.rung == "banner"
    assert seconds < SOON


def test_closed_before_a_banner(lab: Lab) -> None:
    with tcp_server(lambda opened: opened.shutdown(socket.SHUT_RDWR)) as port:
        error, _, _ = fail(lab.openssh(port=port))
    assert error.rung == "banner"
    assert "kex_exchange_identification" in error.reason


def test_a_stall_in_the_key_exchange(lab: Lab) -> None:
    with tcp_server(lambda opened: opened.sendall(b"SSH-2.0-stalled\r\n")) as port:
        error, _, seconds = fail(lab.openssh(port=port), replace(PATIENT, banner=1))
    assert error.rung in ("host key", "banner")
    assert seconds < SOON


def test_an_unknown_and_a_different_host_key(lab: Lab, folder: Path) -> None:
    file = lab.home / ".ssh/known_hosts"
    file.write_text("")
    error, rungs, _ = fail(lab.openssh())
    assert error.rung == "host key"
    assert error.reason.startswith("host key is not known; the host has ssh-ed25519 SHA256:")
    assert "authentication" not in rungs
    public = Path(f"{keygen(folder / 'ssh-other' / 'key')}.pub").read_text()
    file.write_text(f"[127.0.0.1]:{lab.server.port} {public}")
    error, _, _ = fail(lab.openssh())
    assert error.rung == "host key"
    assert error.reason.startswith(f"Offending ED25519 key in {file}:1; the host has ssh-ed25519 SHA256:")


def test_a_key_that_is_not_accepted(lab: Lab, folder: Path) -> None:
    error, _, _ = fail(lab.openssh(private_key_file=str(keygen(folder / "ssh-other-user" / "id"))))
    assert error.rung == "authentication"
    assert error.reason == "root@127.0.0.1: Permission denied (publickey)."


def test_a_stall_in_authentication(lab: Lab, folder: Path) -> None:
    lines = ("AuthorizedKeysCommand /bin/sleep 100", "AuthorizedKeysCommandUser root")
    with sshd(folder / "ssh-stalls", folder / "no-keys", *lines) as server:
        (lab.home / ".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        error, _, seconds = fail(lab.openssh(port=server.port), replace(PATIENT, authentication=1))
    assert error.rung == "authentication"
    assert error.reason.startswith("no answer within 1")
    assert seconds < SOON


def test_a_host_that_hangs_up_in_the_middle_has_no_exit_status(lab: Lab) -> None:
    with open_link(lab.openssh(), PATIENT, {}) as link, link.converse("echo $PPID; sleep 60") as talk:
        out, _ = talk.read(time.monotonic() + SOON)
        os.kill(int(out), 9)
        until = time.monotonic() + SOON
        while not talk.finished and time.monotonic() < until:
            talk.read(until)
        wait_until(lambda: talk.exit_status is None, what="ssh's last words")


def test_login_passwords_are_refused_in_words(lab: Lab) -> None:
    with (
        pytest.raises(LinkError, match="the OpenSSH link takes no login password: use a key, or --connection=paramiko"),
        open_link(lab.openssh(password=Secret("hunter2")), PATIENT, {}),
    ):
        pass


def test_no_key_is_accepted_where_a_sudo_password_would_go(lab: Lab) -> None:
    (lab.home / ".ssh/known_hosts").write_text("")
    error, _, _ = fail(lab.openssh(host_key_checking="accept-new", become=Become("root", Secret("hunter2"))))
    assert error.reason.endswith("; accept-new is never used with a password")
    with open_link(lab.openssh(host_key_checking="accept-new"), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


@pytest.mark.parametrize("said", ["accept-new", "no"])
def test_no_key_is_accepted_there_by_ssh_s_own_configuration(lab: Lab, tmp_path: Path, said: str) -> None:
    known = lab.home / ".ssh/known_hosts"
    known.write_text("")
    (tmp_path / "config").write_text(f"StrictHostKeyChecking {said}\n")
    host = lab.openssh(ssh_config=str(tmp_path / "config"))
    error, rungs, _ = fail(replace(host, become=Become("root", Secret("hunter2"))))
    assert error.rung == "host key"
    assert error.reason.endswith("; no key is taken on trust where a password goes")
    assert "authentication" not in rungs
    assert known.read_text() == ""
    with open_link(host, PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_unchecked_a_host_may_be_new_for_a_sudo_password_and_not_another(lab: Lab, folder: Path) -> None:
    known = lab.home / ".ssh/known_hosts"
    host = lab.openssh(host_key_checking="off", become=Become("root", Secret("hunter2")))
    other = keygen(folder / "ssh-changed" / "key").with_suffix(".pub").read_text()
    known.write_text(f"* {other}")
    error, rungs, _ = fail(host)
    assert error.rung == "host key"
    assert error.reason.endswith("; no password is sent to it")
    assert "authentication" not in rungs
    known.write_text("")
    with open_link(host, PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_no_secret_is_on_its_command_line_and_no_agent_goes_along(lab: Lab) -> None:
    host = lab.openssh(become=Become("root", Secret("hunter2")))
    line = arguments(host, Deadlines(), "true", "/dev/null")
    assert "hunter2" not in " ".join(line)
    assert {"ForwardAgent=no", "BatchMode=yes", "ControlMaster=no"} <= set(line)


def test_the_inventory_goes_before_its_options_and_those_before_our_defaults(lab: Lab, tmp_path: Path) -> None:
    key = tmp_path / "a key"
    key.symlink_to(lab.key)
    options = (
        ("port", "1"),
        ("connecttimeout", "77"),
        ("batchmode", "no"),
        ("proxycommand", "nc %h %p"),
    )
    line = arguments(lab.openssh(private_key_file=str(key), ssh_options=options), Deadlines(), "true", "/dev/null")
    told = subprocess.run([line[0], "-G", *line[1:]], capture_output=True, text=True, check=True).stdout.splitlines()
    assert {f"port {lab.server.port}", "connecttimeout 77", "batchmode yes", "proxycommand nc %h %p"} <= set(told)
    assert f"identityfile {key}" in told
