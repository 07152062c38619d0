"""TCP sockets that listen, and those that are only bound: how full their queues are, and what no table tells of them.

In: the beginnings of /proc/net/{tcp,tcp6}, where those that listen stand; the kernel's socket diagnosis over netlink,
which needs no privilege. Out: queues by inode, `Diagnosis`.
Source: sock_diag(7); linux/inet_diag.h; net/ipv4/tcp_diag.c tcp_diag_get_info: of a listener, rqueue is what waits to
be accepted, and wqueue the most that may.
"""

import os
import socket
import struct
from typing import Dict, Iterator, NamedTuple, Optional, Set, Tuple

from shipworthy.probes.parts.addresses import written
from shipworthy.probes.parts.sockets import body, byte_order, listener
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine

_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x301
_TCP = 6
_LISTEN, _BOUND_INACTIVE = 10, 13
_V6ONLY = 11
_HEADER = struct.Struct("=IHHII")
_MESSAGE = struct.Struct("=BBBB2s2s16s16sIQIIIII")
"""inet_diag_msg: family, state, timer, retransmits; ports, addresses, interface, cookie; expiry, queues, uid, inode."""
_ATTRIBUTE = struct.Struct("=HH")
_SECONDS = 2.0


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
    """Every TCP listener now, by inode. Raises OSError, ParseError.

    It costs little, since the tables are left at their first other socket.
    """
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
    for family in (socket.AF_INET, socket.AF_INET6):
        for message in _dump(family, 1 << _LISTEN | 1 << _BOUND_INACTIVE):
            _, state, _, _, port, _, address, _, _, _, _, _, most, _, inode = _MESSAGE.unpack_from(message)
            if state == _LISTEN:
                backlogs[inode] = most
                if _attribute(message[_MESSAGE.size :], _V6ONLY) == b"\1":
                    v6only.add(inode)
            else:
                packed = address[:4] if family == socket.AF_INET else address
                bound.setdefault(written(packed), set()).add(int.from_bytes(port, "big"))
    return Diagnosis(backlogs, v6only, bound)


def _dump(family: int, states: int) -> Iterator[bytes]:
    """The kernel's messages on all TCP sockets of a family in these states."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _SOCK_DIAG) as link:
        link.settimeout(_SECONDS)
        ask = struct.pack("=BBBxI48x", family, _TCP, 0, states)
        link.send(_HEADER.pack(_HEADER.size + len(ask), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + ask)
        while True:
            for kind, message in _messages(link.recv(65536)):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    number = -struct.unpack_from("=i", message)[0]
                    raise OSError(number, os.strerror(number))
                if len(message) < _MESSAGE.size:
                    raise ParseError("socket diagnosis: a message of {} bytes".format(len(message)))
                yield message


def _messages(data: bytes) -> Iterator[Tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind = _HEADER.unpack_from(data)[:2]
        if not _HEADER.size <= length <= len(data):
            raise ParseError("socket diagnosis: a message of {} bytes in {}".format(length, len(data)))
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def _attribute(data: bytes, wanted: int) -> Optional[bytes]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if kind == wanted:
            return data[_ATTRIBUTE.size : length]
        data = data[max(_ATTRIBUTE.size, (length + 3) & ~3) :]
    return None
