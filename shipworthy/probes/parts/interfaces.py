"""The interfaces that matter: real ones, those that carry addresses or routes, and those that policy names.

In: /sys/class/net of the network namespace. Out: `Interface`s, with the members of a bond. The peers of a container
host's many virtual pairs are left out: they are the containers' business.
Source: Documentation/ABI/testing/sysfs-class-net, bonding.rst; bonds as node_exporter's bonding collector reads them.
"""

import errno
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.errors import ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import only_number

CLASS = "/sys/class/net"
AT_MOST = 64

_UP = 0x1
_MEGABIT = 10**6 // 8
_UNKNOWN_SPEEDS = {"-1", "0", "65535", "4294967295"}
"""What drivers and kernels say when they do not know."""


class Member(NamedTuple):
    """One link of a bond."""

    name: str
    state: Optional[str]
    """The link as the bond monitors it: up, down, going down, going back; None where this kernel does not tell."""
    aggregated: bool
    """Of LACP: it is in the aggregate that carries the traffic. True for other kinds of bonds."""
    failures: int


class Bond(NamedTuple):
    """What makes an interface of several."""

    mode: str
    members: List[Member]


class Interface(NamedTuple):
    """One interface."""

    name: str
    real: bool
    """It has a device behind it."""
    used: bool
    """It has an address, or a route leads out of it."""
    up: bool
    """Somebody wants it to be up."""
    carrier: Optional[bool]
    """The link is there; None while it is down, or where nobody can tell."""
    may_idle: bool
    """It is a bridge without a real link, a tunnel, or a radio: without carrier nobody misses anything."""
    bytes_per_second: Optional[int]
    """Its speed; None where it has none, as most virtual ones."""
    duplex: Optional[str]
    """full or half; None where it is unknown."""
    bond: Optional[Bond]


def choose(machine: Machine, used: Iterable[str], declared: Iterable[str]) -> Tuple[List[str], int]:
    """The names of those that matter, in use first, and how many more there would be. Raises OSError."""
    named, inuse = set(declared), set(used)
    there = [name for name in machine.list(CLASS) if name not in ("lo", "bonding_masters")]
    rank = {name: 0 if name in named else 1 if name in inuse else 2 for name in there}
    wanted = [name for name in there if rank[name] < 2 or _is_real(machine, name) or _is_bond(machine, name)]
    wanted.sort(key=lambda name: (rank[name], name))
    return wanted[:AT_MOST], max(0, len(wanted) - AT_MOST)


def read_interfaces(machine: Machine, names: Iterable[str], used: Iterable[str]) -> List[Interface]:
    """What they are now; one that is gone meanwhile is left out."""
    inuse = set(used)
    found = []
    for name in names:
        flags = _text(machine, name, "flags")
        if flags is None:
            continue
        real = _is_real(machine, name)
        found.append(
            Interface(
                name=name,
                real=real,
                used=name in inuse,
                up=bool(_hexadecimal(flags, "{}/{}/flags".format(CLASS, name)) & _UP),
                carrier={"0": False, "1": True}.get(_text(machine, name, "carrier") or ""),
                may_idle=_may_idle(machine, name),
                bytes_per_second=parse_speed(_text(machine, name, "speed"), "{}/{}/speed".format(CLASS, name)),
                duplex={"full": "full", "half": "half"}.get(_text(machine, name, "duplex") or ""),
                bond=_bond(machine, name),
            )
        )
    return found


def parse_speed(text: Optional[str], path: str) -> Optional[int]:
    """Mbit/s → bytes/s; None where the interface has no speed, or does not know it."""
    if text is None or text in _UNKNOWN_SPEEDS:
        return None
    return only_number(text, path) * _MEGABIT


def _bond(machine: Machine, name: str) -> Optional[Bond]:
    if not _is_bond(machine, name):
        return None
    mode = (_text(machine, name, "bonding/mode") or "").split(" ")[0]
    aggregate = _text(machine, name, "bonding/ad_aggregator") if mode == "802.3ad" else None
    slaves = (_text(machine, name, "bonding/slaves") or "").split()
    return Bond(mode, [_member(machine, slave, aggregate) for slave in slaves])


def _member(machine: Machine, name: str, aggregate: Optional[str]) -> Member:
    own = _text(machine, name, "bonding_slave/ad_aggregator_id") if aggregate is not None else None
    failures = _text(machine, name, "bonding_slave/link_failure_count")
    path = "{}/{}/bonding_slave/link_failure_count".format(CLASS, name)
    return Member(
        name=name,
        state=_text(machine, name, "bonding_slave/mii_status"),
        aggregated=own is None or own == aggregate,
        failures=only_number(failures, path) if failures else 0,
    )


def _may_idle(machine: Machine, name: str) -> bool:
    """A bridge of containers has no carrier while there are none; nor has a tunnel that nobody uses; radios roam."""
    folder = "{}/{}".format(CLASS, name)
    if machine.exists(folder + "/tun_flags") or machine.exists(folder + "/phy80211"):
        return True
    if not machine.exists(folder + "/bridge"):
        return False
    try:
        ports = machine.list(folder + "/brif")
    except OSError:
        return True
    return not any(_is_real(machine, port) or _is_bond(machine, port) or _is_above(machine, port) for port in ports)


def _is_real(machine: Machine, name: str) -> bool:
    return machine.exists("{}/{}/device".format(CLASS, name))


def _is_bond(machine: Machine, name: str) -> bool:
    return machine.exists("{}/{}/bonding/slaves".format(CLASS, name))


def _is_above(machine: Machine, name: str) -> bool:
    """It is a VLAN or the like, with a link below it."""
    try:
        return any(entry.startswith("lower_") for entry in machine.list("{}/{}".format(CLASS, name)))
    except OSError:
        return False


def _text(machine: Machine, name: str, file: str) -> Optional[str]:
    """A file of an interface; None where the kernel refuses to tell, as of one that is down, or where there is none."""
    try:
        return machine.read("{}/{}/{}".format(CLASS, name, file)).strip()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EINVAL, errno.EOPNOTSUPP, errno.ENODEV):
            return None
        raise


def _hexadecimal(text: str, path: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise ParseError("{}: {!r} is not a hexadecimal number".format(path, text)) from None


def reasons(interfaces: Iterable[Interface]) -> Dict[str, str]:
    """Why the state of a bond's member is not known, by the bond."""
    found = {}
    for each in interfaces:
        silent = [member.name for member in each.bond.members if member.state is None] if each.bond else []
        if silent:
            reason = "{}/{}/bonding_slave: this kernel does not tell".format(CLASS, silent[0])
            found["interfaces." + each.name] = reason
    return found
