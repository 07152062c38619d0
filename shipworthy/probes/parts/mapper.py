"""The device mapper, as dmsetup tells it: multipath devices that wait for ever, thin pools and how full they are.

In: /sys/block/dm-*/dm, and what dmsetup says where there is something to ask for; that needs root. Out: values by name.
Source: admin-guide/device-mapper/thin-provisioning; drivers/md/dm-mpath.c, multipath_status; dmsetup(8).
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.parts.blocks import BLOCK, attribute, folder
from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number

_DMSETUP = "/sbin/dmsetup"  # a login over SSH need not have it in its PATH
_SECONDS = 2.0


class ThinPool(NamedTuple):
    """One thin pool; what of it is used, None where it has failed."""

    label: str
    mode: str
    """`rw` is well; `ro`, `out_of_data_space` and `Fail` are not."""
    data_percent: Optional[float]
    metadata_percent: Optional[float]


def mapped(machine: Machine) -> Dict[str, str]:
    """The mapper's devices: their ids by name. The beginning or the end of an id says whose they are."""
    try:
        names = [name for name in machine.list(BLOCK) if name.startswith("dm-")]
    except OSError:
        return {}
    return {name: attribute(machine, folder(name) + "/dm/uuid") for name in names}


def read_thin_pools(machine: Machine) -> List[ThinPool]:
    """All thin pools; where there is none, nothing is run. Raises NotSeen."""
    if not any(id.endswith("-tpool") for id in mapped(machine).values()):
        return []
    if machine.uid() != 0:
        raise NotSeen("thin pools: needs root")
    return parse_thin_pools(_dmsetup(machine, "status", "thin-pool"))


def read_queueing(machine: Machine) -> Dict[str, bool]:
    """Whether each multipath device lets I/O wait for ever when no path is left; nothing where it cannot be told."""
    try:
        return parse_queueing(_dmsetup(machine, "table", "multipath"))
    except NotSeen:
        return {}


def parse_thin_pools(text: str, path: str = _DMSETUP + " status") -> List[ThinPool]:
    """`vg-pool-tpool: 0 2097152 thin-pool 1 26/1024 11/8192 - rw discard_passdown …`: metadata, then data."""
    found = []
    for line in lines_of(text):
        label, _, rest = line.partition(": ")
        words = rest.split()
        if words[2:3] != ["thin-pool"]:
            continue  # `No devices found`
        if words[3:] in (["Fail"], ["Error"]):
            found.append(ThinPool(label, words[3], None, None))
            continue
        if len(words) < 8:
            raise ParseError("{}: {!r} has not 8 fields".format(path, line))
        found.append(ThinPool(label, words[7], _used(words[5], path, "data"), _used(words[4], path, "metadata")))
    return found


def parse_queueing(text: str) -> Dict[str, bool]:
    """`mpatha: 0 2097152 multipath 1 queue_if_no_path …`: a count of features, and they."""
    found = {}
    for line in lines_of(text):
        label, _, table = line.partition(": ")
        words = table.split()
        if words[2:3] == ["multipath"] and words[3:]:
            features = number(words[3], _DMSETUP + " table", "features of {}".format(label))
            found[label] = "queue_if_no_path" in words[4 : 4 + features]
    return found


def _used(share: str, path: str, place: str) -> float:
    used, _, total = share.partition("/")
    whole = number(total, path, place)
    return round(100.0 * number(used, path, place) / whole, 4) if whole else 0.0


def _dmsetup(machine: Machine, what: str, target: str) -> str:
    try:
        done = machine.run([_DMSETUP, what, "--target", target], _SECONDS)
    except Abandoned as doing:
        raise NotSeen("dmsetup: {}".format(doing)) from None
    if done.exit_status:
        raise NotSeen("dmsetup: {}".format(done.stderr.decode("utf-8", "replace").strip() or "it failed"))
    return done.stdout.decode("utf-8", "replace")
