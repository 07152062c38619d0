"""What the network stack has counted since boot: segments, datagrams, frames, and what of them it threw away.

In: /proc/net/{snmp,netstat,snmp6,dev,softnet_stat}, carrier_changes. Out: numbers by the kernel's own names
(`TcpExt.ListenDrops`, `Udp6.RcvbufErrors`, `eth0.rx_errors`), of one moment; what moved between two.
All but softnet_stat are of the network namespace; softnet_stat is the machine's.
Source: net/ipv4/proc.c, net/ipv6/proc.c, net/core/net-procfs.c, Documentation/networking/statistics.rst.
"""

import re
from functools import partial
from typing import Callable, Dict, Iterable, List, NamedTuple, Tuple

from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number, only_number
from shipworthy.probes.runtime.seen import why

SNMP, NETSTAT, SNMP6 = "/proc/net/snmp", "/proc/net/netstat", "/proc/net/snmp6"
DEV, SOFTNET = "/proc/net/dev", "/proc/net/softnet_stat"
KEPT = {
    SNMP: (
        "Tcp.PassiveOpens", "Tcp.InSegs", "Tcp.OutSegs", "Tcp.RetransSegs",
        "Udp.InDatagrams", "Udp.OutDatagrams", "Udp.RcvbufErrors", "Udp.SndbufErrors",
    ),
    SNMP6: ("Udp6.InDatagrams", "Udp6.OutDatagrams", "Udp6.RcvbufErrors", "Udp6.SndbufErrors"),
    NETSTAT: (
        "TcpExt.SyncookiesSent", "TcpExt.ListenOverflows", "TcpExt.ListenDrops", "TcpExt.TCPBacklogDrop",
        "TcpExt.TCPReqQFullDrop", "TcpExt.TCPAbortOnMemory", "TcpExt.TCPMemoryPressures", "TcpExt.TCPSynRetrans",
        "TcpExt.TCPSpuriousRTOs",
    ),
}  # fmt: skip
"""What is judged; the kernel tells some three hundred."""

_DEV_FIELDS = (
    "rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo", "rx_frame", "rx_compressed", "rx_multicast",
    "tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_fifo", "tx_collisions", "tx_carrier", "tx_compressed",
)  # fmt: skip
_DEV_KEPT = (0, 1, 2, 3, 8, 9, 10, 11)
_HEX = re.compile("[0-9a-f]{8}")
_WRAP = 2**32
_CPU_COLUMN = 12
"""Which CPU a row is of (Linux 5.10); before, the row's number, which is the same as long as all are online."""


class Backlog(NamedTuple):
    """One CPU's receive queue over the window."""

    cpu: int
    processed: int
    dropped: int
    """Packets that found the queue full (net.core.netdev_max_backlog)."""
    squeezed: int
    """Rounds that ended with packets left (net.core.netdev_budget)."""


class Sample(NamedTuple):
    """All of it, at one moment; a file that could not be read is missing, and why is told by its path."""

    counters: Dict[str, int]
    softnet: Dict[int, Tuple[int, int, int]]
    unseen: Dict[str, str]


def take_sample(machine: Machine, interfaces: Iterable[str]) -> Sample:
    """Look once, at these interfaces. Raises ParseError."""
    counters: Dict[str, int] = {}
    unseen: Dict[str, str] = {}
    names = set(interfaces)

    def look(path: str, parse: Callable[[str, str], Dict[str, int]]) -> None:
        try:
            counters.update(parse(machine.read(path), path))
        except OSError as error:
            unseen[path] = why(error)

    look(SNMP, parse_pairs)
    look(NETSTAT, parse_pairs)
    look(SNMP6, parse_snmp6)
    look(DEV, lambda text, path: parse_dev(text, path, names))
    for name in sorted(names):
        path = "/sys/class/net/{}/carrier_changes".format(name)
        if machine.exists(path):
            look(path, partial(_carrier_changes, name))
    softnet: Dict[int, Tuple[int, int, int]] = {}
    try:
        softnet = parse_softnet(machine.read(SOFTNET))
    except OSError as error:
        unseen[SOFTNET] = why(error)
    return Sample(counters, softnet, unseen)


def _carrier_changes(name: str, text: str, path: str) -> Dict[str, int]:
    return {name + ".carrier_changes": only_number(text, path)}


def moved(before: Sample, after: Sample) -> Dict[str, int]:
    """What was added in the window. A counter that went back was reset, and one that is new has no past."""
    pairs = ((name, value, before.counters.get(name)) for name, value in after.counters.items())
    return {name: value - first for name, value, first in pairs if first is not None and value >= first}


def backlogs(before: Sample, after: Sample) -> List[Backlog]:
    """What each CPU's queue did in the window; the counters have 32 bits, and wrap. Raises NotSeen."""
    for sample in (before, after):
        if SOFTNET in sample.unseen:
            raise NotSeen(sample.unseen[SOFTNET])
    found = []
    for cpu, row in sorted(after.softnet.items()):
        if cpu in before.softnet:
            found.append(Backlog(cpu, *[(last - first) % _WRAP for first, last in zip(before.softnet[cpu], row)]))
    return found


def parse_pairs(text: str, path: str) -> Dict[str, int]:
    """snmp and netstat: a line of names and one of values, both after `Tcp:`; kernels differ in what stands there."""
    lines = lines_of(text)
    wanted = set(KEPT.get(path, ()))
    found: Dict[str, int] = {}
    if not lines or len(lines) % 2:
        raise ParseError("{}: {} lines are no pairs of names and values".format(path, len(lines)))
    for index in range(0, len(lines), 2):
        names, values = lines[index].split(), lines[index + 1].split()
        if len(names) != len(values) or not names or names[0] != values[0] or not names[0].endswith(":"):
            raise ParseError("{}: lines {} and {} do not belong together".format(path, index + 1, index + 2))
        for name, value in zip(names[1:], values[1:]):
            full = "{}.{}".format(names[0][:-1], name)
            if full in wanted:
                found[full] = number(value, path, "{} {}".format(names[0], name))
    return found


def parse_snmp6(text: str, path: str = SNMP6) -> Dict[str, int]:
    """`Udp6RcvbufErrors   0`, told as `Udp6.RcvbufErrors`."""
    wanted = {name.replace(".", ""): name for name in KEPT[SNMP6]}
    found: Dict[str, int] = {}
    for index, line in enumerate(lines_of(text), 1):
        fields = line.split()
        if len(fields) != 2:
            raise ParseError("{}: line {} {!r}: not of the form `name number`".format(path, index, line))
        if fields[0] in wanted:
            found[wanted[fields[0]]] = number(fields[1], path, "line {} {!r}".format(index, line))
    return found


def parse_dev(text: str, path: str, names: Iterable[str]) -> Dict[str, int]:
    """Bytes, packets, errors and drops of these interfaces, in both directions."""
    lines = lines_of(text)
    if len(lines) < 2 or "|bytes" not in lines[1]:
        raise ParseError("{}: there is no head".format(path))
    found: Dict[str, int] = {}
    for index, line in enumerate(lines[2:], 3):
        name, colon, rest = line.partition(":")
        name, fields = name.strip(), rest.split()
        if not colon or len(fields) != len(_DEV_FIELDS):
            raise ParseError("{}: line {}: not an interface with 16 numbers: {!r}".format(path, index, line[:80]))
        if name in names:
            place = "line {} ({})".format(index, name)
            found.update({name + "." + _DEV_FIELDS[at]: number(fields[at], path, place) for at in _DEV_KEPT})
    return found


def parse_softnet(text: str, path: str = SOFTNET) -> Dict[int, Tuple[int, int, int]]:
    """Processed, dropped and squeezed by CPU; the numbers are hexadecimal."""
    found: Dict[int, Tuple[int, int, int]] = {}
    for index, line in enumerate(lines_of(text)):
        fields = line.split()
        if len(fields) < 3 or not all(_HEX.fullmatch(field) for field in fields):
            raise ParseError("{}: line {} {!r}: not hexadecimal numbers".format(path, index + 1, line[:80]))
        values = [int(field, 16) for field in fields]
        cpu = values[_CPU_COLUMN] if len(values) > _CPU_COLUMN else index
        found[cpu] = (values[0], values[1], values[2])
    return found


def missing(sample: Sample) -> Dict[str, str]:
    """Why a counter that is judged is not told, by its name."""
    found = {}
    for path, names in KEPT.items():
        for name in names:
            if name not in sample.counters:
                found["counters." + name] = sample.unseen.get(path, "{} has no {}".format(path, name.split(".")[1]))
    return found
