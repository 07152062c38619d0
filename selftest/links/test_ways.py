"""The way to a host: ssh's configuration, bastions, proxies.

test ──> bastion (sshd) ──direct-tcpip──> host (sshd)
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from selftest.links.servers import (
    PATIENT,
    SOON,
    Lab,
    Server,
    children,
    fail,
    free_port,
    say,
    sshd,
    tcp_server,
    wait_until,
)
from shipworthy.errors import LinkError
from shipworthy.inventory import Host, Secret
from shipworthy.links import close_all, open_link
from shipworthy.links.opened import current, within
from shipworthy.links.ssh_config import settings_of, settings_of_bastion


@pytest.fixture(scope="module")
def bastion(folder: Path, key: Path) -> Iterator[Server]:
    with sshd(folder / "bastion", Path(f"{key}.pub")) as server:
        yield server


@pytest.fixture(scope="module")
def farther(folder: Path, key: Path) -> Iterator[Server]:
    with sshd(folder / "farther", Path(f"{key}.pub")) as server:
        yield server


def configure(lab: Lab, text: str, *others: Server) -> None:
    (lab.home / ".ssh/config").write_text(text)
    with (lab.home / ".ssh/known_hosts").open("a") as known:
        for server in others:
            known.write(server.known_as(f"[127.0.0.1]:{server.port}"))


def hop(name: str, server: Server, key: Path, more: str = "") -> str:
    return f"Host {name}\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {key}\n {more}\n"


def test_the_configuration_file_says_all_that_the_inventory_does_not(lab: Lab) -> None:
    (lab.home / "id_mine").symlink_to(lab.key)
    configure(
        lab,
        f"Host *.example\n  Port={lab.server.port}\n  User root\n"
        "Host db1.example\n  HostName 127.0.0.1\n  IdentityFile ~/id_mine\n  Port 1\n"
        "Host *\n  IdentitiesOnly yes\n",
    )
    with open_link(Host("db1", "db1.example"), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"
        assert link.notices == ()


def test_the_inventory_goes_before_the_file_and_another_file_instead_of_it(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "ssh_config"
    other.write_text("Host *\n User file\n Port 22\n IdentityFile /file\n HostKeyAlias file\n")
    host = Host(
        "db1",
        "db1",
        ssh_config=str(other),
        user="inventory",
        private_key_file="/inventory",
        ssh_options=(("port", "2222"), ("identityfile", "/option"), ("port", "3333")),
    )
    settings = settings_of(host)
    assert (settings.user, settings.port, settings.host_key_alias) == ("inventory", 2222, "file")
    assert settings.identities == ("/inventory", "/option", "/file")
    with pytest.raises(LinkError, match=f"ssh configuration {tmp_path}/none: No such file"):
        settings_of(Host("db1", "db1", ssh_config=str(tmp_path / "none")))


def test_a_host_key_alias_is_the_name_in_known_hosts(lab: Lab) -> None:
    (lab.home / ".ssh/known_hosts").write_text(lab.server.known_as("the-alias"))
    with open_link(lab.host(ssh_options=(("hostkeyalias", "the-alias"),)), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_known_hosts_may_be_elsewhere(lab: Lab, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (lab.home / ".ssh/known_hosts").rename(elsewhere)
    options = (("userknownhostsfile", f"/dev/null {elsewhere}"), ("globalknownhostsfile", "none"))
    with open_link(lab.host(ssh_options=options), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


@pytest.mark.parametrize(
    ("jump", "expected"),
    [
        ("b1", ("b1", 22, "me")),
        ("root@b1:2222", ("b1", 2222, "root")),
        ("ssh://root@b1:2222", ("b1", 2222, "root")),
        ("root@[fd00::1]:2222", ("fd00::1", 2222, "root")),
        ("[fd00::1]", ("fd00::1", 22, "me")),
    ],
)
def test_a_jump_is_a_user_a_host_and_a_port(lab: Lab, jump: str, expected: tuple[str, int, str]) -> None:
    configure(lab, "User me\n")
    settings = settings_of_bastion(jump, None)
    assert (settings.address, settings.port, settings.user) == expected


def test_hosts_behind_one_bastion_share_one_connection_to_it(lab: Lab, bastion: Server) -> None:
    configure(lab, hop("b1", bastion, lab.key), bastion)
    before = bastion.log.count("Accepted publickey")
    host = lab.host(ssh_options=(("proxyjump", "b1"),))

    def log_in(number: int) -> str:
        with open_link(host, replace(PATIENT, login_rate=100), {}) as link:
            return say(link, f"echo {number}", 60)

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(log_in, range(8))) == [str(number) for number in range(8)]
    assert bastion.log.count("Accepted publickey") == before + 1
    close_all()
    with open_link(host, PATIENT, {}) as link:
        assert say(link, "echo again") == "again"
    assert bastion.log.count("Accepted publickey") == before + 2


def test_logins_through_a_bastion_come_at_their_pace(lab: Lab, bastion: Server) -> None:
    configure(lab, hop("b1", bastion, lab.key), bastion)
    begun = time.monotonic()
    for _ in range(5):
        with open_link(lab.host(ssh_options=(("proxyjump", "b1"),)), replace(PATIENT, login_rate=5), {}):
            pass
    assert time.monotonic() - begun > 4 / 5 * 0.5
    slow = replace(PATIENT, login_rate=0.001)
    with open_link(lab.host(ssh_options=(("proxyjump", "b1"),)), slow, {}):
        error, _, _ = fail(lab.host(ssh_options=(("proxyjump", "b1"),)), slow)
    assert error.reason == "no turn at bastion b1 in time, at 0.001 logins a second"


def test_any_number_of_hops(lab: Lab, bastion: Server, farther: Server) -> None:
    # b2 is reached through b1 because its own configuration says so, the host through b2.
    text = hop("b1", bastion, lab.key) + hop("b2", farther, lab.key, "ProxyJump b1")
    configure(lab, text, bastion, farther)
    for jump in ("b2", "b1,b2"):
        with open_link(lab.host(ssh_options=(("proxyjump", jump),)), PATIENT, {}) as link:
            assert say(link, "echo ok") == "ok"
        close_all()


def test_a_circle_of_jumps_is_said(lab: Lab, bastion: Server) -> None:
    configure(lab, hop("b1", bastion, lab.key, "ProxyJump b1"), bastion)
    error, _, _ = fail(lab.host(ssh_options=(("proxyjump", "b1"),)))
    assert (error.rung, error.reason) == ("connect", "ProxyJump goes in a circle at b1")


def test_a_bastions_own_failure_names_it_and_is_not_tried_again_by_every_host(lab: Lab, bastion: Server) -> None:
    connections: list[object] = []
    with tcp_server(connections.append) as port:
        configure(lab, f"Host b1\n HostName 127.0.0.1\n Port {port}\n")
        host = lab.host(ssh_options=(("proxyjump", "b1"),))
        quick = replace(PATIENT, banner=0.3)
        with ThreadPoolExecutor(4) as threads:
            errors = list(threads.map(lambda _: fail(host, quick)[0], range(4)))
        errors.append(fail(host, quick)[0])
    assert {error.rung for error in errors} == {"connect"}
    assert {error.reason for error in errors} == {"bastion b1: banner: connected, but no SSH banner within 300 ms"}
    assert len(connections) == 1


def test_a_bastion_whose_key_is_unknown(lab: Lab, bastion: Server) -> None:
    configure(lab, hop("b1", bastion, lab.key))
    error, _, _ = fail(lab.host(ssh_options=(("proxyjump", "b1"),)))
    assert error.reason.startswith("bastion b1: host key: host key is not known: ")


def test_a_host_that_its_bastion_does_not_reach(lab: Lab, bastion: Server) -> None:
    configure(lab, hop("b1", bastion, lab.key), bastion)
    port = free_port()
    error, _, _ = fail(lab.host(port=port, ssh_options=(("proxyjump", "b1"),)))
    assert error.rung == "connect"
    assert error.reason.startswith(f"bastion b1 does not reach 127.0.0.1 port {port}: ")


def test_a_bastion_that_forbids_forwarding(lab: Lab, folder: Path) -> None:
    with sshd(folder / "cis", Path(f"{lab.key}.pub"), "DisableForwarding yes") as server:
        configure(lab, hop("b1", server, lab.key), server)
        error, _, _ = fail(lab.host(ssh_options=(("proxyjump", "b1"),)))
        assert error.reason.startswith(f"bastion b1 forbids forwarding to 127.0.0.1 port {lab.server.port}: ")
        close_all()


def test_a_bastion_that_went_is_opened_anew(lab: Lab, folder: Path) -> None:
    with sshd(folder / "goes", Path(f"{lab.key}.pub")) as server:
        configure(lab, hop("b1", server, lab.key), server)
        host = lab.host(ssh_options=(("proxyjump", "b1"),))
        with open_link(host, PATIENT, {}) as link:
            for child in children(server.pid):
                os.kill(child, 9)
            wait_until(lambda: link._transport.is_active() is False, what="the end")  # type: ignore[attr-defined]
        with open_link(host, PATIENT, {}) as link:
            assert say(link, "echo ok") == "ok"
        close_all()


def test_a_proxy_command_is_the_way(lab: Lab) -> None:
    configure(lab, f"Host *\n ProxyCommand {python()} -c '{RELAY}' %h %p\n")
    with open_link(lab.host(), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


RELAY = (
    "import socket,sys,os,threading;s=socket.create_connection((sys.argv[1],int(sys.argv[2])));"
    "t=threading.Thread(target=lambda:[os.write(1,b) for b in iter(lambda:s.recv(9999),bytes())]);t.start();"
    "[s.sendall(b) for b in iter(lambda:os.read(0,9999),bytes())]"
)


def python() -> str:
    import sys

    return sys.executable


def test_a_proxy_command_that_fails_is_quoted(lab: Lab) -> None:
    error, _, _ = fail(lab.host(ssh_options=(("proxycommand", "sh -c 'echo no way >&2; exit 1'"),)))
    assert error.rung == "banner"
    assert error.reason == "the connection was closed before an SSH banner came; ProxyCommand said: no way"


def test_a_proxy_command_that_stays_silent_is_ended(lab: Lab) -> None:
    host = lab.host(ssh_options=(("proxycommand", "sleep 100"),))
    error, _, seconds = fail(host, replace(PATIENT, banner=0.3))
    assert (error.rung, seconds < SOON) == ("banner", True)


def test_no_shell_reads_a_hosts_name(lab: Lab) -> None:
    error, _, _ = fail(lab.host(address="$(reboot)", ssh_options=(("proxycommand", "nc %h %p"),)))
    assert "'$(reboot)' is not fit for a ProxyCommand" in error.reason


def test_a_broken_configuration_is_named(lab: Lab) -> None:
    configure(lab, "Host *\n Port twenty-two\n")
    error, _, _ = fail(Host("db1", "127.0.0.1"))
    assert error.rung == "connect"
    assert error.reason.startswith(f"ssh configuration {lab.home}/.ssh/config, for 127.0.0.1: ")
    configure(lab, "Host *\n StrictHostKeyChecking perhaps\n")
    error, _, _ = fail(Host("db1", "127.0.0.1"))
    assert error.reason.startswith(f"ssh configuration {lab.home}/.ssh/config, for 127.0.0.1: ")


def test_ctrl_c_ends_a_connect_that_nobody_answers(lab: Lab) -> None:
    """And one that waits for a banner, for a bastion, and for its turn at one."""
    begun = threading.Event()

    def serve(opened: object) -> None:
        begun.set()

    errors: list[str] = []
    era = current()

    def log_in(host: Host) -> None:
        try:
            with within(era), open_link(host, PATIENT, {}):
                pass
        except LinkError as error:
            errors.append(error.rung)

    with tcp_server(serve) as port:
        configure(lab, f"Host b1\n HostName 127.0.0.1\n Port {port}\n")
        hosts = [
            lab.host(address="192.0.2.99", port=9),
            lab.host(port=port),
            lab.host(ssh_options=(("proxyjump", "b1"),)),
            lab.host(ssh_options=(("proxyjump", "b1"),)),
        ]
        threads = [threading.Thread(target=log_in, args=(host,)) for host in hosts]
        for thread in threads:
            thread.start()
        assert begun.wait(SOON)
        time.sleep(0.2)  # there is no fact to wait for: all of them are to be waiting, or else ended as they begin
        ended = time.monotonic()
        close_all()
        for thread in threads:
            thread.join(SOON)
        assert time.monotonic() - ended < SOON
    assert len(errors) == 4


def test_a_password_for_the_host_does_not_go_to_the_bastion(lab: Lab, bastion: Server) -> None:
    configure(lab, f"Host b1\n HostName 127.0.0.1\n Port {bastion.port}\n User root\n", bastion)
    error, _, _ = fail(lab.host(password=Secret("hunter2"), ssh_options=(("proxyjump", "b1"),)))
    assert (
        error.reason
        == "bastion b1: authentication: nothing to log in with as root: no key and no password to log in with"
    )
