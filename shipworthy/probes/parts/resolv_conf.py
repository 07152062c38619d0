"""/etc/resolv.conf: whom the C library asks, and what it makes of a name before it asks.

In: the file's text, and the host's own name. Out: `Resolver`. The C library passes over what it does not understand,
and so nothing here is refused.
Source: resolv.conf(5); glibc's resolv/res_init.c, which says what the manual does not: comments are whole lines, a
keyword begins its line, what follows an address is passed over, the last of `search` and `domain` counts.
"""

import re
import socket
from typing import List, NamedTuple, Optional

from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of

PATH = "/etc/resolv.conf"
MOST_ASKED = 3
"""MAXNS: the C library never asks a fourth server, of glibc and musl alike."""

_RESOLVED = "127.0.0.53"
_OF_RESOLVED = "/run/systemd/resolve/resolv.conf"
_HOSTNAME = "/proc/sys/kernel/hostname"
_MOST_NDOTS, _MOST_TIMEOUT, _MOST_ATTEMPTS = 15, 30, 5
_KEPT = 100
_LONGEST = 255
_LEADING_NUMBER = re.compile(r"[0-9]{0,9}")


class Resolver(NamedTuple):
    """/etc/resolv.conf, as the C library understands it."""

    nameservers: List[str]
    """All that the file names, in order; glibc asks the first three. What is no address stands as it is written."""
    search: List[str]
    ndots: int
    timeout: int
    """Seconds."""
    attempts: int
    options: List[str]
    """As they are written: `rotate`, `use-vc`, `edns0`, …"""


def read_resolver(machine: Machine) -> Resolver:
    """This host's. Raises OSError where there is none."""
    text = machine.read(PATH)
    return parse_resolv_conf(text, _hostname(machine))


def asked_servers(resolver: Optional[Resolver]) -> List[str]:
    """The addresses that the C library asks, each once."""
    addresses = [address(name) for name in resolver.nameservers] if resolver else []
    return list(dict.fromkeys([one for one in addresses if one][:MOST_ASKED]))


def upstreams_of(machine: Machine, resolver: Optional[Resolver]) -> List[str]:
    """Whom systemd-resolved asks, where it is the one that is asked here. Raises `NotSeen`, OSError."""
    if _RESOLVED in asked_servers(resolver):
        return parse_resolv_conf(machine.read(_OF_RESOLVED)).nameservers
    if any(one.startswith("127.") or one == "::1" for one in asked_servers(resolver)):
        raise NotSeen("a stub resolver that does not say whom it asks")
    return []


def parse_resolv_conf(text: str, hostname: str = "") -> Resolver:
    """The file's text; without `search` or `domain`, the domain of `hostname` is searched."""
    nameservers: List[str] = []
    options: List[str] = []
    search: Optional[List[str]] = None
    for line in lines_of(text):
        keyword, *values = line.split() or [""]
        if line[:1].isspace() or not values:
            continue  # comments are among those: no keyword begins with `#` or `;`
        if keyword == "nameserver":
            nameservers.append(address(values[0]) or values[0][:_LONGEST])
        elif keyword == "search":
            search = values
        elif keyword == "domain":
            search = values[:1]
        elif keyword == "options":
            options += values
    if search is None:
        search = [hostname.partition(".")[2]] if hostname.partition(".")[2] else []
    return Resolver(
        nameservers=nameservers[:_KEPT],
        search=[name[:_LONGEST] for name in search[:_KEPT]],
        ndots=_option(options, "ndots:", 1, _MOST_NDOTS),
        timeout=_option(options, "timeout:", 5, _MOST_TIMEOUT),
        attempts=_option(options, "attempts:", 2, _MOST_ATTEMPTS),
        options=[option[:_LONGEST] for option in options[:_KEPT]],
    )


def address(text: str) -> str:
    """An address in its one form, with its scope (`fe80::1%eth0`); empty for what is none.

    As glibc takes them here: `127.1` and `0x7f.1` are IPv4 addresses.
    """
    try:
        if ":" not in text:
            return socket.inet_ntoa(socket.inet_aton(text))
        plain, percent, scope = text.partition("%")
        return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, plain)) + percent + scope[:15]
    except (OSError, ValueError):
        return ""


def _option(options: List[str], name: str, default: int, most: int) -> int:
    """The last one of that name; without a number it is 0, as atoi(3) has it."""
    found = [option[len(name) :] for option in options if option.startswith(name)]
    if not found:
        return default
    digits = _LEADING_NUMBER.match(found[-1])
    return min(int((digits and digits.group()) or 0), most)


def _hostname(machine: Machine) -> str:
    try:
        return machine.read(_HOSTNAME).strip()
    except OSError:
        return ""
