"""Storage over a network of its own: Fibre Channel ports, iSCSI sessions, multipath devices and their paths.

In: /sys/class/fc_host, fc_remote_ports, iscsi_session, /sys/block/dm-*. Out: lists that are empty where there is none.
Source: Documentation/ABI, drivers/scsi/scsi_transport_fc.c, scsi_transport_iscsi.c; multipath-tools: DM_UUID "mpath-".
"""

import re
from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.blocks import attribute, below, folder, hexadecimal
from shipworthy.probes.parts.mapper import mapped, read_queueing
from shipworthy.probes.runtime.machine import Machine

_HOSTS = "/sys/class/fc_host"
_REMOTE = "/sys/class/fc_remote_ports"
_SESSIONS = "/sys/class/iscsi_session"
_LINK_ERRORS = (
    "link_failure_count",
    "loss_of_sync_count",
    "loss_of_signal_count",
    "invalid_crc_count",
    "invalid_tx_word_count",
)
_NOT_COUNTED = (2**64 - 1, 2**32 - 1)
"""What a driver that does not count writes."""
_ADDRESS = re.compile(r"([0-9]+):[0-9]+:[0-9]+:[0-9]+")


class FcPort(NamedTuple):
    """One Fibre Channel port of this host."""

    name: str
    state: str
    port_name: str
    speed: str
    errors: Dict[str, int]
    """Since the driver was loaded, by kind; those that it does not count are left out."""
    errors_in_window: int


class FcTarget(NamedTuple):
    """One port of an array, as this host sees it."""

    name: str
    state: str
    port_name: str
    dev_loss_tmo: str
    """Seconds after which it is given up; `fast_io_fail_tmo` those after which its I/O fails, or off."""
    fast_io_fail_tmo: str


class Session(NamedTuple):
    """One iSCSI session."""

    name: str
    state: str
    target: str


class Path(NamedTuple):
    """One path of a multipath device."""

    device: str
    state: str
    """As its driver has it; `running` and `live` are well."""
    host: Optional[int]
    """The SCSI host (an adapter's port, a session) that it leads through; None where there is none."""


class Multipath(NamedTuple):
    """One multipath device."""

    device: str
    label: str
    paths: List[Path]
    queues: Optional[bool]
    """Whether I/O waits for ever when no path is left; None where dmsetup does not tell (it needs root)."""


class San(NamedTuple):
    """All of it."""

    ports: List[FcPort]
    targets: List[FcTarget]
    sessions: List[Session]
    multipaths: List[Multipath]


def read_ports(machine: Machine) -> List[FcPort]:
    """Every Fibre Channel port, with its counters."""
    return [_port(machine, name) for name in _names(machine, _HOSTS)]


def read_san(machine: Machine, before: List[FcPort], after: List[FcPort]) -> San:
    """All of it; the ports were looked at twice, before the window and after it."""
    first = {port.name: port.errors for port in before}
    return San(
        ports=[port._replace(errors_in_window=_more(first.get(port.name, {}), port.errors)) for port in after],
        targets=[_target(machine, name) for name in _names(machine, _REMOTE) if _is_target(machine, name)],
        sessions=[_session(machine, name) for name in _names(machine, _SESSIONS)],
        multipaths=_multipaths(machine),
    )


def _multipaths(machine: Machine) -> List[Multipath]:
    ours = [name for name, id in mapped(machine).items() if id.startswith("mpath-")]
    queueing = read_queueing(machine) if ours else {}
    found = []
    for name in ours:
        label = attribute(machine, folder(name) + "/dm/name")
        paths = [_path(machine, path) for path in below(machine, name)]
        found.append(Multipath(name, label, paths, queueing.get(label)))
    return found


def _path(machine: Machine, device: str) -> Path:
    try:
        address = machine.link(folder(device) + "/device").rpartition("/")[2]
    except OSError:
        address = ""
    found = _ADDRESS.fullmatch(address)
    return Path(device, attribute(machine, folder(device) + "/device/state"), int(found.group(1)) if found else None)


def _port(machine: Machine, name: str) -> FcPort:
    base = "{}/{}/".format(_HOSTS, name)
    errors = {}
    for kind in _LINK_ERRORS:
        path = base + "statistics/" + kind
        text = attribute(machine, path)
        value = hexadecimal(text, path) if text else _NOT_COUNTED[0]
        if value not in _NOT_COUNTED:
            errors[kind] = value
    return FcPort(
        name,
        attribute(machine, base + "port_state"),
        attribute(machine, base + "port_name"),
        attribute(machine, base + "speed"),
        errors,
        0,
    )


def _more(before: Dict[str, int], after: Dict[str, int]) -> int:
    return sum(max(0, count - before.get(kind, count)) for kind, count in after.items())


def _is_target(machine: Machine, name: str) -> bool:
    return "FCP Target" in attribute(machine, "{}/{}/roles".format(_REMOTE, name))


def _target(machine: Machine, name: str) -> FcTarget:
    base = "{}/{}/".format(_REMOTE, name)
    files = ("port_state", "port_name", "dev_loss_tmo", "fast_io_fail_tmo")
    state, port_name, loss, fast = [attribute(machine, base + file) for file in files]
    return FcTarget(name, state, port_name, loss, fast)


def _session(machine: Machine, name: str) -> Session:
    base = "{}/{}/".format(_SESSIONS, name)
    return Session(name, attribute(machine, base + "state"), attribute(machine, base + "targetname"))


def _names(machine: Machine, path: str) -> List[str]:
    try:
        return machine.list(path)
    except OSError:
        return []
