"""What each address family has here: addresses that others can answer to, and a default route.

In: /proc/net/{route,fib_trie,if_inet6,ipv6_route} of the network namespace; not rtnetlink, which no tree can record.
Out: `Routing`. IPv4 addresses stand in fib_trie alone, which a router fills with megabytes: beyond one, they are not
seen. The main table is looked at, not those of policy routing.
Source: net/ipv4/fib_trie.c, net/ipv6/{addrconf,route}.c, include/uapi/linux/{route,if_addr}.h.
"""

import errno
import ipaddress
import re
import socket
from typing import Dict, List, NamedTuple, Optional, Set, Tuple

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

ROUTE, ROUTE6 = "/proc/net/route", "/proc/net/ipv6_route"
TRIE, ADDRESSES6 = "/proc/net/fib_trie", "/proc/net/if_inet6"

_MOST_ROUTES = 5000
_UP, _REJECT = 0x1, 0x200
_TENTATIVE, _DUPLICATE = 0x40, 0x08
_LOCAL = re.compile(r"\|-- ([0-9.]+)\n +/32 host LOCAL")
_NAMED = 8


class Family(NamedTuple):
    """One address family."""

    addresses: Optional[List[str]]
    """Those of global scope, eight at most: no loopback, no link-local ones. None: they could not be seen."""
    public: bool
    """One of them is of the Internet at large, and so wants a way there; private and unique local ones need none."""
    default_routes: List[str]
    """The interfaces that a default route leads out of."""


class Routing(NamedTuple):
    """Both families, and which interfaces have a part in either."""

    ipv4: Family
    ipv6: Family
    interfaces: List[str]


def read_routing(eyes: Eyes) -> Routing:
    """Both families. Raises OSError where there is no /proc/net/route, ParseError."""
    defaults, used = _routes(eyes.machine)
    addresses, addressed = _addresses6(eyes.machine)
    defaults6, used6 = _routes6(eyes.machine)
    own = eyes.see("routing.ipv4.addresses", lambda: parse_trie(eyes.machine.read(TRIE)))
    return Routing(
        Family(own[:_NAMED] if own is not None else None, any(map(_is_public, own or ())), defaults),
        Family(addresses[:_NAMED], any(map(_is_public, addresses)), defaults6),
        sorted(used | used6 | set(addressed)),
    )


def _routes(machine: Machine) -> Tuple[List[str], Set[str]]:
    """IPv4: default routes come first in the table, so a router's is not read to its end."""
    lines = machine.lines(ROUTE)
    if not next(lines, b"").startswith(b"Iface"):
        raise ParseError("{}: the first line is no head of a table".format(ROUTE))
    defaults: List[str] = []
    used: Set[str] = set()
    for count, line in enumerate(lines, 2):
        fields = line.split()
        try:
            name, flags = fields[0].decode("utf-8", "surrogateescape"), int(fields[3], 16)
            target, mask = int(fields[1], 16), int(fields[7], 16)
        except (IndexError, ValueError):
            raise ParseError("{}: line {}: not a route: {!r}".format(ROUTE, count, line[:80])) from None
        if flags & _UP and not flags & _REJECT:
            used.add(name)
            if not target and not mask and name not in defaults:
                defaults.append(name)
        if count > _MOST_ROUTES:
            break
    return defaults, used


def _routes6(machine: Machine) -> Tuple[List[str], Set[str]]:
    """IPv6; a kernel without it has no table, and so no route."""
    defaults: List[str] = []
    try:
        for count, line in enumerate(machine.lines(ROUTE6), 1):
            fields = line.split()
            try:
                anywhere = int(fields[0], 16) == 0 and int(fields[1], 16) == 0
                flags, name = int(fields[8], 16), fields[9].decode("utf-8", "surrogateescape")
            except (IndexError, ValueError):
                raise ParseError("{}: line {}: not a route: {!r}".format(ROUTE6, count, line[:80])) from None
            if anywhere and flags & _UP and not flags & _REJECT and name != "lo" and name not in defaults:
                defaults.append(name)
            if count > _MOST_ROUTES * 4:
                break
    except OSError as error:
        _require_absent(error)
    return defaults, set(defaults)


def _addresses6(machine: Machine) -> Tuple[List[str], List[str]]:
    try:
        return parse_if_inet6(machine.read(ADDRESSES6))
    except OSError as error:
        _require_absent(error)
        return [], []


def parse_if_inet6(text: str, path: str = ADDRESSES6) -> Tuple[List[str], List[str]]:
    """Addresses of global scope that are in use, and their interfaces; not tentative ones, nor duplicates."""
    found: Dict[str, str] = {}
    for index, line in enumerate(text.splitlines(), 1):
        fields = line.split()
        try:
            address = socket.inet_ntop(socket.AF_INET6, bytes(bytearray.fromhex(fields[0])))
            scope, flags, name = int(fields[3], 16), int(fields[4], 16), fields[5]
        except (IndexError, ValueError, OSError):
            raise ParseError("{}: line {}: not an address: {!r}".format(path, index, line[:80])) from None
        if scope == 0 and not flags & (_TENTATIVE | _DUPLICATE):
            found[address] = name
    return list(found), sorted(set(found.values()))


def parse_trie(text: str) -> List[str]:
    """This host's own IPv4 addresses: `|-- 192.0.2.2`, and below it `/32 host LOCAL`."""
    found = dict.fromkeys(_LOCAL.findall(text))
    return [each for each in found if not each.startswith(("127.", "169.254."))]


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global


def _require_absent(error: OSError) -> None:
    """A table that is not there is a family that is not there; one that may not be read is another matter."""
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error
