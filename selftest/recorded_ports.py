"""Small recorded trees of sockets over those of a host that is well, and the real ports checks' verdicts on them.

In: files by path (None: not there), the same after the window, a policy as people write it. Out: `Judged`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selftest import judged
from selftest.socket_tables import Socket, connections, tcp, tcp6, udp, udp6
from shipworthy.checks import CHECKS, Item, catalogue
from shipworthy.outcome import Judged
from shipworthy.policy import HostPolicy
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

ALL = frozenset(id for id, check in catalogue([CHECKS]).items() if check.subject == "ports")
ANY, ANY6 = "0.0.0.0", "::"
HERE, DB, WEB = "192.0.2.1", "192.0.2.9", "192.0.2.10"
HEAD = "entries clashres insert_failed drop early_drop\n"
NET = "/proc/sys/net/ipv4/"
REUSE, TIMESTAMPS, RANGE = NET + "tcp_tw_reuse", NET + "tcp_timestamps", NET + "ip_local_port_range"
RESERVED, TCP, TCP6, UDP, UDP6 = (
    NET + "ip_local_reserved_ports",
    "/proc/net/tcp",
    "/proc/net/tcp6",
    "/proc/net/udp",
    "/proc/net/udp6",
)
COUNT = "/proc/sys/net/netfilter/nf_conntrack_count"
LOST = "/proc/net/stat/nf_conntrack"
WELL: Files = {
    RANGE: "40000\t40099\n",
    RESERVED: "\n",
    REUSE: "2\n",
    TIMESTAMPS: "1\n",
    "/proc/sys/net/ipv6/bindv6only": "0\n",
    "/proc/sys/net/core/somaxconn": "4096\n",
    COUNT: "10\n",
    COUNT.replace("count", "max"): "1000\n",
    LOST: f"{HEAD}0a 00 05 05 00\n0a 00 00 0a 00\n",
    TCP: tcp(),
    TCP6: tcp6(),
    UDP: udp(),
    UDP6: udp6(),
}
"""A host of a hundred ephemeral ports, on which nothing happens."""


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    outcome: str
    message: str = ""
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    policy: Mapping[str, Any] = field(default_factory=dict)
    item: str = ""
    previous: Previous = NOTHING_BEFORE
    asked: Mapping[str, Any] | None = None
    """The policy by which the host was asked, where it is another."""
    families: tuple[str, ...] = ("ipv4", "ipv6")


def holding(pid: int, comm: str, *inodes: int) -> Files:
    """A process that holds these sockets."""
    held = {f"/proc/{pid}/fd/{number}": f"link:socket:[{inode}]" for number, inode in enumerate(inodes, 3)}
    return {**held, f"/proc/{pid}/comm": f"{comm}\n"}


def told(case: Case, check: str, tmp_path: Path) -> Judged:
    policy = _policy(case, case.policy)
    asked = policy if case.asked is None else _policy(case, case.asked)
    before = judged.write(tmp_path / "before", {**WELL, **case.files})
    then = judged.write(tmp_path / "then", {**WELL, **case.files, **case.then})
    request = asked.ports.request(ALL)
    reading = judged.read("ports", before, then, request)
    item = Item(case.item, policy.ports.listen[case.item]) if case.item else None
    arguments = {"ports": reading, "policy": policy, "previous": case.previous, "item": item}
    said = judged.judge("ports", check, **arguments)
    assert (said.outcome, said.message) == (case.outcome, case.message)
    return said


def _policy(case: Case, said: Mapping[str, Any]) -> HostPolicy:
    return judged.policy(families=case.families, ports=dict(said))


def outgoing(count: int, peer: str = DB, *, first: int = 40000, step: int = 1, **more: Any) -> list[Socket]:
    return connections(HERE, range(first, first + count * step, step), peer, 5432, **more)


def early(count: int, peer: str) -> list[Socket]:
    """Connections from ports of the other parity, as those that were bound before."""
    return outgoing(count, peer, first=40001, step=2)
