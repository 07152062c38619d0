"""What file systems themselves have counted as wrong with them.

In: /sys/fs/ext4/*/errors_count, /sys/fs/btrfs/*/devinfo/*/error_stats. Out: `Corruption`s, of those that tell.
Both are kept on the disk: ext4's until fsck has mended it, btrfs's until `btrfs device stats --reset`.
Source: Documentation/ABI/testing/sysfs-fs-ext4, fs/ext4/sysfs.c, fs/btrfs/sysfs.c.
"""

from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import only_number, parse_keyed

_EXT4 = "/sys/fs/ext4"
_BTRFS = "/sys/fs/btrfs"


class Corruption(NamedTuple):
    """One file system, or one device of one."""

    type: str
    device: str
    errors: int
    last: str
    """Of ext4, the function of the kernel that met the last one; of btrfs, the kinds and how many of each."""
    last_seconds: Optional[int]
    """When that was, in seconds since 1970; None where it is not told."""


def read_corruption(machine: Machine) -> List[Corruption]:
    """All file systems of both types, with errors or without."""
    return _ext4(machine) + _btrfs(machine)


def _ext4(machine: Machine) -> List[Corruption]:
    found = []
    for device in _folders(machine, _EXT4):
        folder = "{}/{}/".format(_EXT4, device)
        if not machine.exists(folder + "errors_count"):
            continue  # features is no file system
        errors = only_number(machine.read(folder + "errors_count"), folder + "errors_count")
        last, when = "", None
        if errors and machine.exists(folder + "last_error_func"):
            last = machine.read(folder + "last_error_func").strip()
        if errors and machine.exists(folder + "last_error_time"):
            when = only_number(machine.read(folder + "last_error_time"), folder + "last_error_time")
        found.append(Corruption("ext4", device, errors, last, when or None))
    return found


def _btrfs(machine: Machine) -> List[Corruption]:
    found = []
    for uuid in _folders(machine, _BTRFS):
        for device in _folders(machine, "{}/{}/devinfo".format(_BTRFS, uuid)):
            path = "{}/{}/devinfo/{}/error_stats".format(_BTRFS, uuid, device)
            if machine.exists(path):  # Linux 5.14
                counts = parse_keyed(machine.read(path), path)
                found.append(_counted(counts, "{} device {}".format(uuid, device)))
    return found


def _counted(counts: Dict[str, int], device: str) -> Corruption:
    # `corruption_errs 3` → `corruption 3`
    last = ", ".join("{} {}".format(name.replace("_errs", ""), count) for name, count in counts.items() if count)
    return Corruption("btrfs", device, sum(counts.values()), last, None)


def _folders(machine: Machine, path: str) -> List[str]:
    try:
        return machine.folders(path)
    except OSError:
        return []
