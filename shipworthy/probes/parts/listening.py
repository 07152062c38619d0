"""TCP sockets that listen, and those that are only bound: how full their queues are, and what no table tells of them.

In: socket diagnosis, which needs no privilege; where there is none, the beginnings of /proc/net/{tcp,tcp6}, where those
that listen stand. Out: queues by inode, `Diagnosis`.
"""

from typing import Dict, NamedTuple, Set

from shipworthy.probes.parts.addresses import written
from shipworthy.probes.parts.gather import listener
from shipworthy.probes.parts.sock_diag import BOUND_INACTIVE, LISTEN, MESSAGE, attribute, dump, packed_address
from shipworthy.probes.parts.sockets import body, byte_order
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

_V6ONLY = 11


class Diagnosis(NamedTuple):
    """What socket diagnosis tells, of both families."""

    backlogs: Dict[int, int]
    """Of each listener, by inode: how many connections may wait to be accepted; one more is let in."""
    v6only: Set[int]
    """Inodes of IPv6 listeners that do not serve IPv4."""
    bound: Dict[str, Set[int]]
    """Ports by address that a socket is bound to which neither listens nor has a peer; before Linux 6.8 always none."""


class Waiting(NamedTuple):
    """A TCP listener at one moment."""

    address: str
    port: int
    queued: int


def read_queues(machine: Machine) -> Dict[int, Waiting]:
    """Every TCP listener now, by inode. Raises OSError, ParseError."""
    if not machine.recorded:
        try:
            return _asked_queues()
        except OSError:
            pass  # a kernel without socket diagnosis
    return _printed_queues(machine)


def _asked_queues() -> Dict[int, Waiting]:
    found = {}
    for message in dump(1 << LISTEN):
        family, _, _, port, _, address, _, queued, _, _, inode = MESSAGE.unpack_from(message)
        found[inode] = Waiting(written(packed_address(family, address)), int.from_bytes(port, "big"), queued)
    return found


def _printed_queues(machine: Machine) -> Dict[int, Waiting]:
    """The same by the tables, which are left at their first other socket."""
    found = {}
    for table in ("tcp", "tcp6"):
        path = "/proc/net/" + table
        if table == "tcp6" and not machine.exists(path):
            continue  # a machine without IPv6 has one table only
        for number, line in enumerate(body(path, machine.lines(path)), 2):
            fields = line.split()
            if len(fields) < 10 or fields[3] != b"0A":
                break
            one = listener(table, path, number, fields, byte_order(machine))
            found[one.inode] = Waiting(one.address, one.port, one.queued)
    return found


def read_diagnosis(machine: Machine) -> Diagnosis:
    """What the kernel says of listeners and bound sockets, once. Raises NotSeen, ParseError."""
    if machine.recorded:
        raise NotSeen("a recorded tree does not answer socket diagnosis")
    return machine.once("socket diagnosis", _read)


def _read() -> Diagnosis:
    try:
        return _diagnosis()
    except OSError as error:
        raise NotSeen("socket diagnosis: {}".format(error.strerror or error)) from None


def _diagnosis() -> Diagnosis:
    backlogs: Dict[int, int] = {}
    v6only: Set[int] = set()
    bound: Dict[str, Set[int]] = {}
    for message in dump(1 << LISTEN | 1 << BOUND_INACTIVE):
        family, state, _, port, _, address, _, _, most, _, inode = MESSAGE.unpack_from(message)
        if state == LISTEN:
            backlogs[inode] = most
            if attribute(message, _V6ONLY) == b"\1":
                v6only.add(inode)
        else:
            bound.setdefault(written(packed_address(family, address)), set()).add(int.from_bytes(port, "big"))
    return Diagnosis(backlogs, v6only, bound)
