"""Packets that are lost, late, untracked, on a machine whose kernel has netem and connection tracking to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost

PEER, PEER6 = "10.77.0.11", "fd77::b"
"""The first machine of a lab: only what goes there is spoiled."""
_SPOIL = """
set -e
tc qdisc add dev eth0 root handle 1: prio
tc qdisc add dev eth0 parent 1:3 handle 30: netem $3 $4
tc filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst $1/32 flowid 1:3
tc filter add dev eth0 parent 1: protocol ipv6 prio 2 u32 match ip6 dst $2/128 flowid 1:3
"""
_MOST = 64
_RULES = """
table inet lab {
  chain out { type filter hook output priority 0; ct state new accept; }
  chain raw_in { type filter hook prerouting priority raw; tcp dport 22 notrack; udp sport 123 notrack; }
  chain raw_out { type filter hook output priority raw; tcp sport 22 notrack; udp dport 123 notrack; }
}
"""
_CONNECT = """
import socket, time
listener = socket.create_server(("127.0.0.1", 7000), backlog=200)
held = []
try:
    while len(held) < 200:
        held.append(socket.create_connection(("127.0.0.1", 7000), timeout=0.5))
        held.append(listener.accept()[0])
except OSError:
    print("refused", len(held) // 2, flush=True)
time.sleep(86400)
"""


@fault(turns={"network.peer_loss": "failed"})
def packets_lost(host: LabHost) -> Iterator[None]:
    """Of what goes to a peer, over either family, three packets in ten are lost."""
    with _spoiled(host, "loss", "30%"):
        yield


@fault(turns={"network.peer_round_trip": "failed"})
def packets_late(host: LabHost) -> Iterator[None]:
    """What goes to a peer, over either family, takes 120 ms longer."""
    with _spoiled(host, "delay", "120ms"):
        for address in (PEER, PEER6):
            told = host.run(["ping", "-q", "-c", "3", "-i", "0.2", address]).stdout
            confirm(float(told.rpartition("= ")[2].split("/")[0]) >= 120, host, told)
        yield


@fault(turns={"ports.conntrack": "failed", "limits.already_hit": "failed"})
def tracking_full(host: LabHost) -> Iterator[None]:
    """Connections are tracked, and the table is full: the kernel drops what it cannot track."""
    limit = "/proc/sys/net/netfilter/nf_conntrack_max"
    host.run(["nft", "-f", "-"], input=_RULES)
    before = host.read(limit).strip()
    host.shell(f"echo {_MOST} >{limit}")
    try:
        with host.background(["python3", "-c", _CONNECT]):
            host.shell("until dmesg | grep -q 'nf_conntrack: table full, dropping packet'; do sleep 0.1; done")
            tracked = int(host.read("/proc/sys/net/netfilter/nf_conntrack_count"))
            confirm(tracked >= _MOST - 2, host, f"{tracked} connections are tracked")
            yield
    finally:
        host.shell(f"echo {before} >{limit}")
        host.run(["nft", "delete", "table", "inet", "lab"])


@contextmanager
def _spoiled(host: LabHost, *how: str) -> Iterator[None]:
    host.run(["sh", "-c", _SPOIL, "sh", PEER, PEER6, *how])
    try:
        yield
    finally:
        host.run(["tc", "qdisc", "delete", "dev", "eth0", "root"])
