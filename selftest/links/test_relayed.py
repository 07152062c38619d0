"""The relay over real sshds: one that forbids all forwarding, ssh's own client, sudo; and hosts that go meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, SOON, Lab, children, sshd, wait_until, with_users
from selftest.relayed import relay_on
from selftest.vantage.tls_servers import PLACE, context, serving, tls, until_closed
from shipworthy import snapshot
from shipworthy.collect import Request, measure
from shipworthy.inventory import Become, Host, Secret
from shipworthy.links import close_all, open_link
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import Endpoint, Met, Wanted


@pytest.fixture
def python(tmp_path: Path) -> str:
    """One by a name that no other process has."""
    (tmp_path / "python3").symlink_to(Path(sys.executable).resolve())
    return str(tmp_path / "python3")


def run_by(python: str) -> list[str]:
    """What runs there still."""
    lines = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if line.startswith(f"{python} -I -S")]


@pytest.mark.parametrize("way", ["paramiko", "openssh"])
def test_where_forwarding_is_forbidden_it_is_met_all_the_same(lab: Lab, folder: Path, way: str) -> None:
    with (
        serving(tls(context())) as port,
        sshd(folder / f"cis-{way}", Path(f"{lab.key}.pub"), "DisableForwarding yes") as server,
    ):
        (lab.home / ".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        host = (lab.host if way == "paramiko" else lab.openssh)(port=server.port)
        endpoints = [Endpoint("127.0.0.1", port, "www.example"), Endpoint("localhost", port, "www.example")]
        asked = Request({}, wanted=Wanted(endpoints, ["ipv4"], wait=SOON))
        said = snapshot.from_bytes(measure(host, asked, PATIENT))
        found, here = said.meeting(), meet(endpoints, PLACE, ["ipv4"])
        logins = server.log.count("Accepted publickey")
        close_all()
    assert said.login.failed is None
    assert [[one._replace(seconds=0) for one in found.at(each) or ()] for each in endpoints] == [
        [one._replace(seconds=0) for one in here[each]] for each in endpoints
    ]
    assert found.seen[0][0].chain
    assert found.error == ""
    assert logins == (1 if way == "paramiko" else 2), "ssh's own client has one login for each command"


@pytest.mark.parametrize("way", ["password", "no password"])
def test_by_sudo_too(lab: Lab, folder: Path, etc: Path, way: str) -> None:
    inside = with_users(etc, "correct horse")
    user, become = (
        ("asks", Become("root", Secret("correct horse"))) if way == "password" else ("passwordless", Become())
    )
    with (
        serving(tls(context())) as port,
        sshd(folder / f"sudo-{user}", Path(f"{lab.key}.pub"), inside=inside) as server,
    ):
        (lab.home / ".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        host = lab.host(port=server.port, user=user, become=become)
        wanted = Wanted([Endpoint("127.0.0.1", port)], ["ipv4"], wait=SOON)
        said = snapshot.from_bytes(measure(host, Request({}, wanted=wanted), PATIENT))
        assert said.meeting().seen[0][0].chain, said.met
        close_all()


def test_when_the_host_goes_whoever_waits_is_told_and_nothing_runs_there(lab: Lab, folder: Path, python: str) -> None:
    with serving(until_closed) as port, sshd(folder / "goes-too", Path(f"{lab.key}.pub")) as server:
        (lab.home / ".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        host = lab.host(port=server.port, python=python)
        with open_link(host, PATIENT, {}) as link, relay_on(link, host) as relay:
            stream = relay.connected("127.0.0.1", port, time.monotonic() + SOON)
            stream.settimeout(None)
            assert run_by(python)
            for child in children(server.pid):
                os.kill(child, signal.SIGKILL)
            with pytest.raises(ConnectionAbortedError, match="the connection went"):
                stream.recv(1)
    wait_until(lambda: not run_by(python), what="the end of the relay")


def test_ctrl_c_ends_it_at_once(lab: Lab, python: str) -> None:
    met: list[Met | None] = []
    arrived = threading.Event()

    def silent(stream: object) -> None:
        arrived.set()
        until_closed(stream)  # type: ignore[arg-type]

    def go(host: Host, wanted: Wanted) -> None:
        met.append(snapshot.from_bytes(measure(host, Request({}, wanted=wanted), PATIENT)).met)

    with serving(silent) as port:
        wanted = Wanted([Endpoint("127.0.0.1", port)], ["ipv4"], wait=3600.0)
        thread = threading.Thread(target=go, args=(lab.host(python=python), wanted))
        thread.start()
        assert arrived.wait(SOON)
        assert run_by(python)
        begun = time.monotonic()
        close_all()
        thread.join(SOON)
        assert not thread.is_alive()
        assert time.monotonic() - begun < 3
    assert met[0] is not None
    assert met[0].error
    wait_until(lambda: not run_by(python), what="the end of the relay")
