"""Block devices: what each does in the window, how long a request takes, and what never comes back.

In: /proc/diskstats twice, /sys/block. Out: `Device`s. Loop devices, RAM disks and drives for removable media are none.
A device that lies on others (LVM, RAID, multipath) names them, so that nothing is counted twice.
Source: Documentation/admin-guide/iostats.rst, block/genhd.c; scsi: drivers/scsi/scsi_sysfs.c, nvme: drivers/nvme/host.
"""

import re
from typing import Dict, List, NamedTuple, Optional

from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import lines_of, number

DISKSTATS = "/proc/diskstats"
BLOCK = "/sys/block"

_SECTOR = 512
_NO_DISK = re.compile(r"(?:loop|ram|zram|sr|fd)[0-9]+")
_HEXADECIMAL = re.compile(r"(?:0x)?[0-9a-f]{1,16}")
_NEGATIVE = 2**31
"""Some kernels (RHEL 6, 7) let this gauge slip below zero, and print it without its sign."""
_ONCE = "a rate needs a second sample (--then)"


class Counts(NamedTuple):
    """A device's line of diskstats: what was completed since boot, and what is on its way."""

    reads: int
    read_bytes: int
    read_milliseconds: int
    writes: int
    written_bytes: int
    write_milliseconds: int
    others: int
    """Discards and flushes."""
    in_flight: int


class Rates(NamedTuple):
    """What a device did in the window."""

    reads: int
    writes: int
    completed: int
    """With discards and flushes."""
    in_flight: int
    """At its end; 0 if nothing was on its way at its beginning."""
    operations_per_second: float
    bytes_per_second: float
    read_seconds: Optional[float]
    """Of a mean read, waiting included; None without one."""
    write_seconds: Optional[float]
    wait_seconds: Optional[float]
    """Of a mean read or write."""


class Device(NamedTuple):
    """One block device, without its partitions."""

    name: str
    label: str
    """What the device mapper calls it, as in /dev/mapper; otherwise empty."""
    below: List[str]
    """The devices that it lies on."""
    state: str
    """As its driver has it: `running` (SCSI) and `live` (NVMe) are well; empty where there is none."""
    rates: Optional[Rates]
    not_seen: str
    """Why there are no rates."""
    io_errors: Optional[int]
    """Since boot, of SCSI devices: commands that came back with an error; refused queries are among them."""
    io_errors_in_window: int
    timeouts: Optional[int]
    timeouts_in_window: int


class BlockSample(NamedTuple):
    """All devices at one moment."""

    counts: Dict[str, Counts]
    errors: Dict[str, int]
    timeouts: Dict[str, int]


def take_blocks(machine: Machine) -> BlockSample:
    """Look once. Raises OSError, ParseError."""
    counts = parse_diskstats(machine.read(DISKSTATS))
    names = disks(machine)
    return BlockSample(
        {name: counts[name] for name in names if name in counts},
        _of_each(machine, names, "ioerr_cnt"),
        _of_each(machine, names, "iotmo_cnt"),
    )


def disks(machine: Machine) -> List[str]:
    """The names of whole devices, as in /dev. Raises OSError."""
    # A `/` in a name (cciss/c0d0) is a `!` there.
    names = [name.replace("!", "/") for name in machine.list(BLOCK)]
    return [name for name in names if not _NO_DISK.fullmatch(name)]


def read_devices(machine: Machine, before: BlockSample, after: BlockSample, seconds: float) -> List[Device]:
    """All devices that were there in both samples."""
    return [_device(machine, name, before, after, seconds) for name in after.counts]


def parse_diskstats(text: str, path: str = DISKSTATS) -> Dict[str, Counts]:
    """Its lines by device. Before Linux 2.6.25 partitions have four numbers only: they are left out."""
    found: Dict[str, Counts] = {}
    for index, line in enumerate(lines_of(text), 1):
        fields = line.split()
        if len(fields) == 7:
            continue
        if len(fields) < 14:
            raise ParseError("{}: line {}: {} fields, not at least 14".format(path, index, len(fields)))
        place = "line {} {!r}".format(index, fields[2])
        values = [number(field, path, place) for field in fields[3:]]
        discards, flushes = (values[11] if len(values) > 14 else 0), (values[15] if len(values) > 16 else 0)
        found[fields[2]] = Counts(
            reads=values[0],
            read_bytes=values[2] * _SECTOR,
            read_milliseconds=values[3],
            writes=values[4],
            written_bytes=values[6] * _SECTOR,
            write_milliseconds=values[7],
            others=discards + flushes,
            in_flight=values[8] if values[8] < _NEGATIVE else 0,
        )
    return found


def rates_of(before: Counts, after: Counts, seconds: float) -> Rates:
    """What was done between two counts. Raises NotSeen when one of them went back: it was reset, or has come round."""
    if seconds <= 0:
        raise NotSeen(_ONCE)
    gone = Counts(*[last - first for first, last in zip(before, after)])
    if min(gone[:-1]) < 0:
        raise NotSeen("{}: its counters went back".format(DISKSTATS))
    done = gone.reads + gone.writes
    return Rates(
        reads=gone.reads,
        writes=gone.writes,
        completed=done + gone.others,
        in_flight=after.in_flight if before.in_flight else 0,
        operations_per_second=round(done / seconds, 4),
        bytes_per_second=round((gone.read_bytes + gone.written_bytes) / seconds, 4),
        read_seconds=_mean(gone.read_milliseconds, gone.reads),
        write_seconds=_mean(gone.write_milliseconds, gone.writes),
        wait_seconds=_mean(gone.read_milliseconds + gone.write_milliseconds, done),
    )


def hexadecimal(text: str, path: str) -> int:
    """The number in a file that the kernel writes with `%x`, with or without `0x`."""
    value = text.strip()
    if not _HEXADECIMAL.fullmatch(value):
        raise ParseError("{}: {!r} is not a hexadecimal number".format(path, value))
    return int(value, 16)


def attribute(machine: Machine, path: str) -> str:
    """The one line of a file in /sys, or nothing: devices come and go, and not every driver has every file."""
    try:
        return machine.read(path).strip()
    except OSError:
        return ""


def folder(name: str) -> str:
    """Where /sys tells of a device."""
    return "{}/{}".format(BLOCK, name.replace("/", "!"))


def _device(machine: Machine, name: str, before: BlockSample, after: BlockSample, seconds: float) -> Device:
    rates, not_seen = None, "it was not there when the window began"
    if name in before.counts:
        try:
            rates, not_seen = rates_of(before.counts[name], after.counts[name], seconds), ""
        except NotSeen as reason:
            not_seen = str(reason)
    return Device(
        name=name,
        label=attribute(machine, folder(name) + "/dm/name") if name.startswith("dm-") else "",
        below=below(machine, name),
        state=attribute(machine, folder(name) + "/device/state"),
        rates=rates,
        not_seen=not_seen,
        io_errors=after.errors.get(name),
        io_errors_in_window=_more(before.errors, after.errors, name),
        timeouts=after.timeouts.get(name),
        timeouts_in_window=_more(before.timeouts, after.timeouts, name),
    )


def below(machine: Machine, name: str) -> List[str]:
    """The devices that `name` lies on; of a partition, the device that it is part of."""
    try:
        return machine.list(folder(name) + "/slaves")
    except OSError:
        return []


def _of_each(machine: Machine, names: List[str], file: str) -> Dict[str, int]:
    found = {}
    for name in names:
        path = "{}/device/{}".format(folder(name), file)
        text = attribute(machine, path)
        if text:
            found[name] = hexadecimal(text, path)
    return found


def _more(before: Dict[str, int], after: Dict[str, int], name: str) -> int:
    return max(0, after.get(name, 0) - before.get(name, after.get(name, 0)))


def _mean(milliseconds: int, operations: int) -> Optional[float]:
    return round(milliseconds / 1000.0 / operations, 6) if operations else None
