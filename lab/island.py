"""A second network of a host, with one machine on it: where a fault may lose, delay and refuse what it likes.

    host ── eth1 10.78.0.1/24, fd78::1/64 ┄ veth ┄ eth0 10.78.0.2, fd78::2 ── the island, a network namespace

Nothing but this host ever sees it. The island is a process of the host, and gone with it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lab.host import LabHost
from lab.waiting import wait_until

ADDRESS, ADDRESS6 = "10.78.0.2", "fd78::2"
_PROGRAM = "/run/island"
_CONFIGURE = """
set -e
ip address add {1}/24 dev {0}
ip address add {2}/64 dev {0} nodad
ip link set {0} up
"""


@dataclass(frozen=True)
class Island:
    """The machine at the other end of the host's eth1."""

    host: LabHost
    pid: int
    """Its process, as the host numbers it."""

    def command(self, *command: str) -> list[str]:
        """`command` as the host must start it to run there."""
        return ["nsenter", f"--net=/proc/{self.pid}/ns/net", "--", *command]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.host.run(self.command(*command))

    def drop(self, *rule: str, ipv6: bool = False) -> None:
        """Let it drop what comes in and matches an iptables rule."""
        self.run("ip6tables-legacy" if ipv6 else "iptables-legacy", "-A", "INPUT", *rule, "-j", "DROP")


@contextmanager
def island(host: LabHost) -> Iterator[Island]:
    """While inside, the host has an eth1, and the island at its other end."""
    host.run(["cp", "/bin/sleep", _PROGRAM])
    with host.background(["unshare", "--net", _PROGRAM, "infinity"]):
        pid = wait_until(lambda: _pid(host), within=5, what=f"{host.name}: the island")
        made = Island(host, pid)
        try:
            host.run(["ip", "link", "add", "eth1", "type", "veth", "peer", "name", "eth0", "netns", str(pid)])
            host.shell(_CONFIGURE.format("eth1", "10.78.0.1", "fd78::1"))
            made.run("sh", "-c", _CONFIGURE.format("eth0", ADDRESS, ADDRESS6))
            yield made
        finally:
            host.run(["ip", "link", "delete", "eth1"], check=False)
    host.run(["rm", _PROGRAM])


def _pid(host: LabHost) -> int:
    return next((pid for pid, command in host.processes().items() if command.split()[0] == _PROGRAM), 0)
