"""Disks: room on each file system and whether it answers, what block devices do, and what storage networks say.

In: which parts are wanted. Out: `Disks`; sizes in bytes, times in seconds, rates over the window. What could not be
seen is None, with its reason in `unseen` by field name; so is a part that was not asked for.
Source: linux.md, section 5; the files in probes/parts name their own.
"""

from typing import Dict, Generator, List, NamedTuple, Optional

from shipworthy.probes.parts.blocks import BlockSample, Device, read_devices, take_blocks
from shipworthy.probes.parts.corruption import Corruption, read_corruption
from shipworthy.probes.parts.deleted import DeletedFiles, read_deleted
from shipworthy.probes.parts.expected import Expected, ReadOnly, read_expected, read_read_only
from shipworthy.probes.parts.mapper import ThinPool, read_thin_pools
from shipworthy.probes.parts.mounts import Mounted, Mounts, can_fill, read_mounts
from shipworthy.probes.parts.nfs import Calls, Totals, read_calls, take_nfs
from shipworthy.probes.parts.san import FcPort, San, read_ports, read_san
from shipworthy.probes.parts.space import FileSystems, read_file_systems
from shipworthy.probes.runtime.child import Abandoned
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

VERSION = 2

_NOT_ASKED = "not asked"


class Request(NamedTuple):
    """Which parts are wanted, and beyond which values one short window is not enough to judge by."""

    space: bool = True
    """Ask every file system how much is left; whoever does not answer is found by that."""
    thin: bool = True
    """How full thin pools are: runs dmsetup where there are some."""
    devices: bool = True
    """What block devices do: needs the sampling window."""
    nfs: bool = True
    """How calls to NFS servers fare: needs the window as well."""
    san: bool = True
    """Fibre Channel, iSCSI, multipath: needs the window as well."""
    read_only: bool = True
    corruption: bool = True
    deleted: bool = True
    """Deleted files that are held open: reads every /proc/PID/fd."""
    deleted_whole_percent: float = 80.0
    """How much of a file system must be used for every single descriptor to be read; otherwise what lies between two
    sockets of a process that has very many is taken for sockets."""
    mounts: Dict[str, str] = {}  # noqa: RUF012 -- never changed, as those below: a NamedTuple's default
    """The mounts that a policy expects: paths, and from where; empty where it does not say."""
    answer_seconds: float = 5.0
    """How long file systems are given to answer, all together."""
    top: int = 5
    """How many deleted files are named of each file system."""
    at_most: int = 200
    """How many file systems are told."""
    doubt_wait_seconds: Optional[float] = None
    """Of a mean request to a block device, where there were at least `least_operations` of them."""
    least_operations: int = 50
    doubt_operations_per_second: Dict[str, float] = {}  # noqa: RUF012
    """By device."""
    doubt_bytes_per_second: Dict[str, float] = {}  # noqa: RUF012
    doubt_trip_seconds: Optional[float] = None
    """Of a mean NFS call, where there were at least `least_calls` of them."""
    least_calls: int = 20


class Disks(NamedTuple):
    """The reading."""

    file_systems: Optional[FileSystems]
    thin: Optional[List[ThinPool]]
    read_only: Optional[List[ReadOnly]]
    """What is read-only and should not be."""
    devices: Optional[List[Device]]
    corruption: Optional[List[Corruption]]
    deleted: Optional[DeletedFiles]
    network: Optional[List[Mounted]]
    """What is mounted from another machine."""
    calls: Optional[List[Calls]]
    """NFS, by mount."""
    san: Optional[San]
    mounts: Dict[str, Expected]
    """What is mounted where the policy expects something, by path."""
    seconds: Optional[float]
    """The window."""
    counters: Dict[str, int]
    """For the next run: what was left on each file system, and errors of devices and ports."""
    unseen: Dict[str, str]


READING = Disks


class Sample(NamedTuple):
    """What rates are made of, at one moment; None is what was not asked for, or not seen."""

    blocks: Optional[BlockSample]
    nfs: Optional[Dict[str, Totals]]
    ports: List[FcPort]


def probe(machine: Machine, request: Request) -> Generator[None, float, Disks]:
    """Measure. Yields once when rates are wanted, and again when they look too bad to judge them by one window."""
    eyes = Eyes(machine)
    before = after = Sample(None, None, [])
    seconds = 0.0
    if request.devices or request.nfs or request.san:
        before = _sample(eyes, request)
        seconds = yield
        after = _sample(eyes, request)
        if _in_doubt(request, machine, before, after, seconds):
            seconds = yield
            after = _sample(eyes, request)
    return _read(eyes, request, before, after, seconds)


def available_counter(mounted: Mounted) -> str:
    """The name of the counter that holds what was left; what is mounted there later is another file system."""
    return "available {} {}".format(mounted.path, mounted.device)


def _sample(eyes: Eyes, request: Request) -> Sample:
    machine = eyes.machine
    return Sample(
        eyes.see("devices", lambda: take_blocks(machine)) if request.devices else None,
        eyes.see("calls", lambda: take_nfs(machine)) if request.nfs else None,
        read_ports(machine) if request.san else [],
    )


def _in_doubt(request: Request, machine: Machine, before: Sample, after: Sample, seconds: float) -> bool:
    devices = read_devices(machine, before.blocks, after.blocks, seconds) if before.blocks and after.blocks else []
    calls = read_calls(before.nfs, after.nfs) if before.nfs and after.nfs else []
    return any(_device_in_doubt(request, device) for device in devices) or any(
        _beyond(one.trip_seconds, request.doubt_trip_seconds) and one.calls >= request.least_calls for one in calls
    )


def _device_in_doubt(request: Request, device: Device) -> bool:
    rates = device.rates
    if rates is None:
        return False
    names = (device.name, device.label)
    return (
        bool(rates.in_flight and not rates.completed)
        or (
            _beyond(rates.wait_seconds, request.doubt_wait_seconds)
            and rates.reads + rates.writes >= request.least_operations
        )
        or any(_beyond(rates.operations_per_second, request.doubt_operations_per_second.get(name)) for name in names)
        or any(_beyond(rates.bytes_per_second, request.doubt_bytes_per_second.get(name)) for name in names)
    )


def _beyond(value: Optional[float], bound: Optional[float]) -> bool:
    return value is not None and bound is not None and value > bound


def _read(eyes: Eyes, request: Request, before: Sample, after: Sample, seconds: float) -> Disks:
    """Everything that has no rate, after the window, so that the probe does not disturb it."""
    machine, see = eyes.machine, eyes.see
    mounts = see("network", lambda: read_mounts(machine))
    if mounts is None:
        for field in ("file_systems", "read_only", "deleted"):
            eyes.unseen[field] = eyes.unseen["network"]
    asked = {
        "file_systems": request.space,
        "thin": request.thin,
        "read_only": request.read_only,
        "devices": request.devices,
    }
    asked.update(corruption=request.corruption, deleted=request.deleted, calls=request.nfs, san=request.san)
    eyes.unseen.update({name: _NOT_ASKED for name, wanted in asked.items() if not wanted})
    file_systems = _file_systems(machine, request, mounts) if mounts and request.space else None
    devices = calls = None
    if before.blocks is not None and after.blocks is not None:
        devices = read_devices(machine, before.blocks, after.blocks, seconds)
    if before.nfs is not None and after.nfs is not None:
        calls = read_calls(before.nfs, after.nfs)
    san = read_san(machine, before.ports, after.ports) if request.san else None
    return Disks(
        file_systems=file_systems,
        thin=see("thin", lambda: read_thin_pools(machine)) if request.thin else None,
        read_only=see("read_only", lambda: read_read_only(machine, mounts)) if mounts and request.read_only else None,
        devices=devices,
        corruption=see("corruption", lambda: read_corruption(machine)) if request.corruption else None,
        deleted=see("deleted", lambda: _deleted(machine, request, mounts, file_systems))
        if mounts and request.deleted
        else None,
        network=[mounted for mounted in mounts.all if mounted.server] if mounts else None,
        calls=calls,
        san=san,
        mounts=see("mounts", lambda: read_expected(machine, request.mounts)) or {} if request.mounts else {},
        seconds=see("seconds", lambda: _window(seconds)),
        counters=_counters(file_systems, devices, san),
        unseen=eyes.unseen,
    )


def _file_systems(machine: Machine, request: Request, mounts: Mounts) -> FileSystems:
    named = {path.rstrip("/") or "/" for path in request.mounts}
    return read_file_systems(machine, mounts.all, request.answer_seconds, request.at_most, named)


def _deleted(machine: Machine, request: Request, mounts: Mounts, file_systems: Optional[FileSystems]) -> DeletedFiles:
    whole = file_systems is None or _fills(file_systems, request.deleted_whole_percent)
    try:
        return read_deleted(machine, mounts.all, request.answer_seconds, request.top, whole)
    except Abandoned as doing:
        raise NotSeen("the sizes of deleted files: {}".format(doing)) from None


def _fills(file_systems: FileSystems, percent: float) -> bool:
    """Whether more than `percent` is used of one; those that are not told are better off."""
    spaces = (one.space for one in file_systems.told if can_fill(one.mounted))
    return any(space is not None and 100.0 - space.available_percent > percent for space in spaces)


def _window(seconds: float) -> float:
    if seconds <= 0:
        raise NotSeen("there was no window")
    return round(seconds, 6)


def _counters(
    file_systems: Optional[FileSystems], devices: Optional[List[Device]], san: Optional[San]
) -> Dict[str, int]:
    found = {}
    for one in file_systems.told if file_systems else ():
        if one.space is not None:
            found[available_counter(one.mounted)] = one.space.available_bytes
    for device in devices or ():
        for name, count in (("io_errors", device.io_errors), ("timeouts", device.timeouts)):
            if count is not None:
                found["{} {}".format(name, device.name)] = count
    for port in san.ports if san else ():
        found["fc_errors {}".format(port.name)] = sum(port.errors.values())
    return found
