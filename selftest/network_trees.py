"""Small recorded trees of a host's network, made from one that is well by a few edits; and readings of them.

In: files by path (None: not there), the same after the window, an earlier run's counters, what policy says.
Out: `Judged`, as the suite would tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from selftest import judged
from shipworthy.checks import Item
from shipworthy.outcome import Judged
from shipworthy.policy import HostPolicy
from shipworthy.probes.network import Network, Request
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

_SNMP = {
    "Tcp": ("PassiveOpens", "InSegs", "OutSegs", "RetransSegs"),
    "Udp": ("InDatagrams", "OutDatagrams", "RcvbufErrors", "SndbufErrors"),
}
_NETSTAT = {
    "TcpExt": (
        "SyncookiesSent", "ListenOverflows", "ListenDrops", "TCPAbortOnMemory", "TCPMemoryPressures",
        "TCPSpuriousRTOs", "TCPBacklogDrop", "TCPReqQFullDrop", "TCPSynRetrans",
    )
}  # fmt: skip
_DEV_HEAD = (
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|"
    "bytes    packets errs drop fifo colls carrier compressed\n"
)
SOCKETS_HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROUTE_HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
DEFAULT = "eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
CONNECTED = "eth0\t0000000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
DEFAULT6 = f"{'0' * 32} 00 {'0' * 32} 00 fe80{'0' * 27}1 00000400 00000001 00000000 00450003     eth0\n"
NOWHERE6 = f"{'0' * 32} 00 {'0' * 32} 00 {'0' * 32} ffffffff 00000001 00000000 00200200       lo\n"
PUBLIC6 = "2a000000000000000000000000000007 02 40 00 80     eth0\n"
LOCAL6 = "fd000000000000000000000000000007 02 40 00 80     eth0\n"
LINK6 = "fe800000000000000000000000000007 02 40 20 80     eth0\n"


def _pairs(names: Mapping[str, tuple[str, ...]], counters: Mapping[str, int]) -> str:
    lines = []
    for head, columns in names.items():
        lines.append(f"{head}: {' '.join(columns)}")
        lines.append(f"{head}: {' '.join(str(counters.get(f'{head}_{each}', 0)) for each in columns)}")
    return "\n".join(lines) + "\n"


def snmp(**counters: int) -> str:
    """`Tcp_RetransSegs=5`: the others are 0."""
    return _pairs(_SNMP, counters)


def netstat(**counters: int | None) -> str:
    """`TCPBacklogDrop=5`; None: this kernel does not count it."""
    names = tuple(name for name in _NETSTAT["TcpExt"] if counters.get(name, 0) is not None)
    return _pairs({"TcpExt": names}, {f"TcpExt_{name}": value or 0 for name, value in counters.items()})


def snmp6(**counters: int) -> str:
    names = ("InDatagrams", "OutDatagrams", "RcvbufErrors", "SndbufErrors")
    return "".join(f"Udp6{name:<28}\t{counters.get(name, 0)}\n" for name in names)


def dev(**interfaces: tuple[int, ...]) -> str:
    """Bytes, packets, errors and drops, received and sent, of each; `lo` is there too."""
    lines = {"lo": (9, 9, 0, 0, 9, 9, 0, 0), **interfaces}
    form = "{:>6}: {} {} {} {} 0 0 0 0 {} {} {} {} 0 0 0 0\n"
    return _DEV_HEAD + "".join(form.format(name, *numbers) for name, numbers in lines.items())


def softnet(*rows: tuple[int, int, int]) -> str:
    return "".join(" ".join(f"{number:08x}" for number in (*row, *[0] * 6)) + "\n" for row in rows)


def trie(*addresses: str) -> str:
    return "Local:\n" + "".join(f"           |-- {each}\n              /32 host LOCAL\n" for each in addresses)


def interface(name: str, **files: str | None) -> Files:
    """A real one that is up, of a gigabit; `device` and the like are files as well."""
    told = {"flags": "0x1003", "carrier": "1", "speed": "1000", "duplex": "full", "device/vendor": "0x1", **files}
    return {
        f"/sys/class/net/{name}/{path.replace('__', '/')}": text if text is None else f"{text}\n"
        for path, text in told.items()
    }


def tcp(*lines: str) -> str:
    return SOCKETS_HEAD + "".join(f"{index:4}: {line}\n" for index, line in enumerate(lines))


def socket(state: str, *, local: str = "0100000A:01BB", peer: str = "0200000A:9C40", timer: str = "00:00000000") -> str:
    return f"{local} {peer} {state} 00000000:00000000 {timer} 00000000     0        0 7 1 0000000000000000"


WELL: Files = {
    "/proc/net/snmp": snmp(),
    "/proc/net/netstat": netstat(),
    "/proc/net/snmp6": snmp6(),
    "/proc/net/dev": dev(eth0=(0, 0, 0, 0, 0, 0, 0, 0)),
    "/proc/net/softnet_stat": softnet((0, 0, 0), (0, 0, 0)),
    "/proc/net/route": ROUTE_HEAD + DEFAULT + CONNECTED,
    "/proc/net/fib_trie": trie("10.0.0.1", "127.0.0.1"),
    "/proc/net/if_inet6": LINK6,
    "/proc/net/ipv6_route": NOWHERE6,
    "/proc/net/tcp": tcp(),
    "/proc/net/tcp6": tcp(),
    "/proc/net/udp": tcp(),
    "/proc/net/udp6": tcp(),
    "/proc/sys/net/ipv4/tcp_syncookies": "1\n",
    **interface("eth0"),
}
"""A host of IPv4 alone, on which nothing moves."""


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    outcome: str
    message: str
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    previous: Previous = NOTHING_BEFORE
    policy: Mapping[str, Any] = field(default_factory=dict)
    """What a play would say of the network."""
    families: tuple[str, ...] = ()
    """What a policy says that the estate speaks."""
    seconds: float = 1.0
    item: str = ""
    """The name of what the check is made for; `of` is where the policy has it."""
    of: str = ""
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the reading that no tree can have."""


def before(seconds_ago: float = 28_800.0, **counters: int) -> Previous:
    """An earlier run; the first `_` in a counter's name stands for its dot."""
    told = {name.replace("_", ".", 1): value for name, value in counters.items()}
    return Previous("2026-11-23T00:00:00Z", seconds_ago, "boot", {"network": told})


def policy(case: Case) -> HostPolicy:
    made = judged.policy(network=case.policy)
    return replace(made, families=case.families, families_from="one.yml:1") if case.families else made


def concluded(case: Case, check: str, tmp_path: Path) -> Judged:
    """What the check called `check` says of the case."""
    first = judged.write(tmp_path / "before", {**WELL, **case.files})
    last = judged.write(tmp_path / "then", {**WELL, **case.files, **case.then})
    by = policy(case)
    request = Request(declared=sorted(by.network.interfaces))
    network: Network = judged.read("network", first, last, request, case.seconds)
    network = network._replace(**case.reading)
    item = Item(case.item, getattr(by.network, case.of)[case.item]) if case.item else None
    return judged.judge("network", check, network=network, policy=by, previous=case.previous, item=item)


def told(case: Case, check: str, tmp_path: Path) -> Judged:
    said = concluded(case, check, tmp_path)
    assert (said.outcome, said.message) == (case.outcome, case.message)
    return said
