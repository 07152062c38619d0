"""The local ports that the kernel gives out by itself, and those that it must leave.

In: /proc/sys/net/ipv4/ip_local_port_range, ip_local_reserved_ports of the network namespace. Out: `PortRange`.
Source: kernel Documentation/networking/ip-sysctl.rst; net/ipv4/inet_hashtables.c __inet_hash_connect.
"""

from typing import List, NamedTuple, Tuple

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import number

RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


class PortRange(NamedTuple):
    """Ephemeral ports, for TCP and UDP and both families alike; both ends belong to it."""

    low: int
    high: int
    reserved: List[Tuple[int, int]]
    """Reserved ports, in it or not, from and to: never given out, but free to be bound by number."""
    usable: int
    """The ports in it that are not reserved."""

    def gives(self, port: int) -> bool:
        """Whether the kernel may choose this port by itself."""
        return self.low <= port <= self.high and not any(first <= port <= last for first, last in self.reserved)

    def is_other(self, port: int) -> bool:
        """Whether it is of the other parity than the first: connect() takes such a port last, and bind() first."""
        return (port - self.low) % 2 == 1


def read_range(machine: Machine) -> PortRange:
    """The range of this network namespace, read once. Raises OSError, ParseError."""
    return machine.once("port range", lambda: _read(machine))


def _read(machine: Machine) -> PortRange:
    fields = machine.read(RANGE).split()
    if len(fields) != 2:
        raise ParseError("{}: {!r} is not two ports".format(RANGE, " ".join(fields)))
    low, high = (_port(field, RANGE) for field in fields)
    if high < low:
        raise ParseError("{}: it ends before it begins: {} {}".format(RANGE, low, high))
    reserved = parse_reserved(machine.read(RESERVED), RESERVED)
    inside = sum(max(0, min(last, high) - max(first, low) + 1) for first, last in reserved)
    return PortRange(low, high, reserved, high - low + 1 - inside)


def parse_reserved(text: str, path: str) -> List[Tuple[int, int]]:
    """`8080,9148-9150` → its ranges, which the kernel prints in order and without overlaps; an empty line is none."""
    found = []
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        ends = _port(first, path), _port(last if dash else first, path)
        if ends[1] < ends[0]:
            raise ParseError("{}: {!r} ends before it begins".format(path, part))
        found.append(ends)
    return found


def range_or_all(machine: Machine) -> PortRange:
    """The range; where it cannot be read, all ports."""
    try:
        return read_range(machine)
    except OSError:
        return PortRange(0, 65535, [], 65536)


def _port(text: str, path: str) -> int:
    port = number(text, path, "port")
    if port > 65535:
        raise ParseError("{}: {} is no port".format(path, port))
    return port
