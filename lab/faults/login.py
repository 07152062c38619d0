"""Faults of the login itself: a port, a banner, a key, a shell; each breaks another rung.

All of them leave the host's processes alone: only who asks over SSH meets them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import NOTHING, confirm, fault, unreachable
from lab.host import LabHost
from lab.waiting import wait_until

_KEY = "/etc/ssh/ssh_host_ed25519_key"
_SSHD_CONFIG = "/etc/ssh/sshd_config"
_CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 22), timeout=float(sys.argv[2])) as link:
        print("banner" if link.recv(100) else "closed")
except TimeoutError:
    print("timeout")
except ConnectionRefusedError:
    print("refused")
"""
_MUTE = """
import socket
with socket.create_server(("::", 22), family=socket.AF_INET6, dualstack_ipv6=True, backlog=50) as server:
    kept = []
    while True:
        kept.append(server.accept())
"""


@fault(turns=unreachable)
def refused(host: LabHost) -> Iterator[None]:
    """Nobody listens: the connection is refused."""
    with _without_sshd(host):
        _confirm_connecting(host, "refused")
        yield


@fault(turns=unreachable)
def dropped(host: LabHost) -> Iterator[None]:
    """Packets to the host arrive, and nothing ever comes back."""
    routes = (["-4", "10.77.0.1/32"], ["-6", "fd77::1/128"])
    for family, here in routes:
        host.run(["ip", family, "route", "add", "blackhole", here])
    try:
        _confirm_connecting(host, "timeout")
        yield
    finally:
        for family, here in routes:
            host.run(["ip", family, "route", "del", "blackhole", here])


@fault(turns=unreachable)
def no_banner(host: LabHost) -> Iterator[None]:
    """Something listens, accepts, and never says a word."""
    with _without_sshd(host), host.background(["python3", "-I", "-c", _MUTE]):
        wait_until(lambda: _connecting(host) == "timeout", within=10, what=f"{host.name}'s mute listener")
        yield


@fault(turns=unreachable)
def wrong_host_key(host: LabHost) -> Iterator[None]:
    """The host shows another key than the one that is known."""
    before = host.read(_KEY)
    with _without_sshd(host):
        host.shell(
            f"ssh-keygen -q -t ed25519 -N '' -f /run/other-key && cat /run/other-key >{_KEY} && rm /run/other-key*"
        )
    try:
        confirm("REMOTE HOST IDENTIFICATION HAS CHANGED" in host.login("true").stderr, host, "another host key")
        yield
    finally:
        with _without_sshd(host):
            host.write(_KEY, before, mode="600")


@fault(turns=unreachable)
def wrong_user_key(host: LabHost) -> Iterator[None]:
    """The key that the inventory offers is not authorized."""
    with _rewritten(host, "/root/.ssh/authorized_keys", "# nobody\n", mode="600"):
        confirm("Permission denied" in host.login("true").stderr, host, "a key that is not authorized")
        yield


@fault(turns=unreachable)
def stalled_shell(host: LabHost) -> Iterator[None]:
    """After authentication the login shell says nothing and does nothing."""
    stall = "sleep 86401"
    try:
        with _shell(host, f"exec {stall}"):
            confirm(_never_ends(host), host, "a shell that stalls")
            yield
    finally:
        stalled = [str(pid) for pid, command in host.processes().items() if command == stall]
        host.run(["kill", *stalled])


@fault(turns=unreachable)
def failing_shell(host: LabHost) -> Iterator[None]:
    """The login shell ends at once with status 1."""
    with _shell(host, "echo 'This account is currently not available.'; exit 1"):
        confirm(host.login("true").returncode == 1, host, "a shell that exits 1")
        yield


@fault(turns=NOTHING)
def talkative_shell(host: LabHost) -> Iterator[None]:
    """The login shell prints a message of the day, on both streams, before it runs the command. To be borne."""
    motd = "echo '*** Welcome to {}. {\"protocol\": 1} ***'; echo 'Disk quota: ok' >&2"
    with _shell(host, f'{motd}; exec /bin/bash "$@"'):
        confirm("Welcome" in host.login("true").stdout, host, "a message of the day")
        yield


@fault(turns=NOTHING)
def forwarding_disabled(host: LabHost) -> Iterator[None]:
    """sshd forwards nothing for anybody. To be borne."""
    configuration = host.read(_SSHD_CONFIG)
    with _without_sshd(host):
        host.write(_SSHD_CONFIG, f"{configuration}DisableForwarding yes\n")
    try:
        said = host.login("-W", "127.0.0.1:22").stderr
        confirm("administratively prohibited" in said, host, f"a connection is forwarded: {said}")
        yield
    finally:
        with _without_sshd(host):
            host.write(_SSHD_CONFIG, configuration)


def _connecting(host: LabHost, seconds: float = 0.5) -> str:
    """What comes of connecting to the host's port 22: banner, closed, refused, timeout, or '' for anything else."""
    command = ["python3", "-I", "-c", _CONNECT, host.address, str(seconds)]
    return host.here.run(command, check=False).stdout.strip()


def _confirm_connecting(host: LabHost, expected: str) -> None:
    said = _connecting(host)
    confirm(said == expected, host, f"connecting says {said!r}, not {expected!r}")


def _never_ends(host: LabHost) -> bool:
    try:
        host.login("true", seconds=1)
    except subprocess.TimeoutExpired:
        return True
    return False


@contextmanager
def _without_sshd(host: LabHost) -> Iterator[None]:
    """Inside, nobody listens on port 22; afterwards sshd does again, with whatever configuration is there then."""
    host.shell('kill "$(cat /run/sshd.pid)"')
    wait_until(lambda: not _listens(host), within=5, what=f"{host.name}'s sshd to end")
    host.run(["rm", "-f", "/run/sshd.pid"])
    try:
        yield
    finally:
        wait_until(lambda: not _listens(host), within=5, what=f"{host.name}'s port 22 to be free")
        host.run(["/usr/sbin/sshd"])
        wait_until(lambda: host.exists("/run/sshd.pid"), within=5, what=f"{host.name}'s sshd")


def _listens(host: LabHost) -> bool:
    sockets = host.read("/proc/net/tcp") + host.read("/proc/net/tcp6")
    return any(line.split()[1].endswith(":0016") and line.split()[3] == "0A" for line in sockets.splitlines())


@contextmanager
def _rewritten(host: LabHost, path: str, text: str, *, mode: str = "644") -> Iterator[None]:
    before = host.read(path)
    host.write(path, text, mode=mode)
    try:
        yield
    finally:
        host.write(path, before, mode=mode)


@contextmanager
def _shell(host: LabHost, script: str) -> Iterator[None]:
    """Inside, root's login shell is this script."""
    shell = "/usr/local/bin/lab-shell"
    host.write(shell, f"#!/bin/sh\n{script}\n", mode="755")
    passwd = host.read("/etc/passwd").replace("/root:/bin/bash", f"/root:{shell}")
    try:
        with _rewritten(host, "/etc/passwd", passwd):
            yield
    finally:
        host.run(["rm", shell])
