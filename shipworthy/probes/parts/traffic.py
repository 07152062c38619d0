"""What moves in and out of memory, and who waits for it: rates between two samples.

In: two `Sample`s and the seconds between them. Out: `Traffic` and `Pressure`.
Source: mm/vmstat.c, mm/page_io.c (a zswap hit is no pswpin), Documentation/accounting/psi.rst.
"""

import errno
from typing import Callable, Dict, List, NamedTuple, Optional, Tuple

from shipworthy.probes.parts.swap import SwapArea, backing, swap_areas
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import (
    PressureLine,
    Table,
    delta,
    number,
    parse_meminfo,
    parse_pressure,
    parse_vmstat,
)
from shipworthy.probes.runtime.seen import Eyes, table, why

PRESSURE = "/proc/pressure/memory"
VMSTAT = "/proc/vmstat"

_SECTOR = 512
_PAGE_SIZES = (4096, 8192, 16384, 65536)
_STALLS = ("allocstall_dma", "allocstall_dma32", "allocstall_normal", "allocstall_high", "allocstall_movable",
           "allocstall_device")  # fmt: skip
_ONCE = "a rate needs a second sample (--then)"


class Sample(NamedTuple):
    """What rates are made of, at one moment."""

    vmstat: Table
    pressure: Dict[str, PressureLine]
    pressure_unseen: str
    areas: Optional[List[SwapArea]]
    zram_sectors: Dict[str, Tuple[int, int]]
    """Sectors read from and written to each zram device that is swapped to."""
    zram_backing: Dict[str, Tuple[int, int]]
    """Bytes read from and written to the disk behind each of them."""


class Traffic(NamedTuple):
    """What moved in the window. Swapping both ways at once is thrashing."""

    seconds: Optional[float]
    swap_in_pages_per_second: Optional[float]
    """From swap devices, zram among them; what zswap held is no device's, and told apart."""
    swap_out_pages_per_second: Optional[float]
    disk_in_pages_per_second: Optional[float]
    """Of these, not from zram; and what zram read back from a disk behind it."""
    disk_out_pages_per_second: Optional[float]
    zswap_in_pages_per_second: Optional[float]
    zswap_out_pages_per_second: Optional[float]
    zswap_written_back_pages_per_second: Optional[float]
    allocation_stalls_per_second: Optional[float]
    """Allocations that had to reclaim memory themselves: the second witness where there is no PSI."""
    refaults_per_second: Optional[float]
    """Pages that came back soon after their eviction; only anonymous ones where the kernel tells them apart (5.9)."""
    refaults_are_anonymous: bool
    major_faults_per_second: Optional[float]


class Pressure(NamedTuple):
    """PSI: the share of time in which some, or all, tasks with work to do waited for memory."""

    some_percent: Optional[float]
    """Over the window, from the microseconds of stall."""
    full_percent: Optional[float]
    some_avg10_percent: Optional[float]
    some_avg60_percent: Optional[float]
    some_avg300_percent: Optional[float]
    full_avg10_percent: Optional[float]
    full_avg60_percent: Optional[float]
    full_avg300_percent: Optional[float]


def take_sample(machine: Machine) -> Sample:
    """Look once. Raises ParseError."""
    pressure, unseen = _pressure(machine)
    try:
        areas: Optional[List[SwapArea]] = swap_areas(machine)
    except OSError:
        areas = None
    sectors, behind = {}, {}
    for area in areas or ():
        if area.zram:
            behind[area.name] = backing(machine, area.name)[1:]
        path = "/sys/block/{}/stat".format(area.name)
        if area.zram and machine.exists(path):
            sectors[area.name] = parse_block_stat(machine.read(path), path)
    return Sample(table(machine, VMSTAT, parse_vmstat), pressure, unseen, areas, sectors, behind)


def parse_block_stat(text: str, path: str) -> Tuple[int, int]:
    """A block device's `stat` → sectors read and written."""
    fields = text.split()
    if len(fields) < 11:
        raise ParseError("{}: {} fields, not at least 11".format(path, len(fields)))
    return number(fields[2], path, "field 3"), number(fields[6], path, "field 7")


def read_traffic(eyes: Eyes, before: Sample, after: Sample, seconds: float) -> Traffic:
    """Rates over the window; `seconds` of 0 means that there was none."""

    def rate(field: str, *names: str) -> Optional[float]:
        return eyes.see("traffic." + field, lambda: _rate(before.vmstat, after.vmstat, names, seconds))

    def disk(field: str, name: str, direction: int) -> Optional[float]:
        look = _from_disk(eyes.machine, before, after, seconds)
        return eyes.see("traffic." + field, lambda: look(name, direction))

    anonymous = after.vmstat.has("workingset_refault_anon")
    stalls = [name for name in _STALLS if after.vmstat.has(name)] or ["allocstall"]
    return Traffic(
        seconds=eyes.see("traffic.seconds", lambda: _window(seconds)),
        swap_in_pages_per_second=rate("swap_in_pages_per_second", "pswpin"),
        swap_out_pages_per_second=rate("swap_out_pages_per_second", "pswpout"),
        disk_in_pages_per_second=disk("disk_in_pages_per_second", "pswpin", 0),
        disk_out_pages_per_second=disk("disk_out_pages_per_second", "pswpout", 1),
        zswap_in_pages_per_second=rate("zswap_in_pages_per_second", "zswpin"),
        zswap_out_pages_per_second=rate("zswap_out_pages_per_second", "zswpout"),
        zswap_written_back_pages_per_second=rate("zswap_written_back_pages_per_second", "zswpwb"),
        allocation_stalls_per_second=rate("allocation_stalls_per_second", *stalls),
        refaults_per_second=rate(
            "refaults_per_second", "workingset_refault_anon" if anonymous else "workingset_refault"
        ),
        refaults_are_anonymous=anonymous,
        major_faults_per_second=rate("major_faults_per_second", "pgmajfault"),
    )


def read_pressure(eyes: Eyes, before: Sample, after: Sample, seconds: float) -> Pressure:
    """PSI over the window, and the kernel's own averages."""

    def share(kind: str) -> Optional[float]:
        return eyes.see("pressure.{}_percent".format(kind), lambda: _share(before, after, kind, seconds))

    def average(kind: str, span: str) -> Optional[float]:
        field = "pressure.{}_{}_percent".format(kind, span)
        return eyes.see(field, lambda: float(getattr(_pressure_line(after, kind), span)))

    averages = [average(kind, span) for kind in ("some", "full") for span in ("avg10", "avg60", "avg300")]
    return Pressure(share("some"), share("full"), *averages)


def _pressure(machine: Machine) -> Tuple[Dict[str, PressureLine], str]:
    try:
        text = machine.read(PRESSURE)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return {}, "PSI is off on this machine (psi=1 turns it on)"
        return {}, why(error)
    if not text:
        # A kernel with PSI off refuses to read the file (Linux 4.20 to 5.1, RHEL 8): copied, it is empty.
        return {}, "{} is empty: PSI was off".format(PRESSURE)
    lines = parse_pressure(text, PRESSURE)
    for kind in ("some", "full"):
        if kind not in lines:
            raise ParseError("{}: no line begins with {!r}".format(PRESSURE, kind))
    return lines, ""


def _pressure_line(sample: Sample, kind: str) -> PressureLine:
    if sample.pressure_unseen:
        raise NotSeen(sample.pressure_unseen)
    return sample.pressure[kind]


def _window(seconds: float) -> float:
    if seconds <= 0:
        raise NotSeen(_ONCE)
    return round(seconds, 6)


def _share(before: Sample, after: Sample, kind: str, seconds: float) -> float:
    first, last = [_pressure_line(sample, kind).total_microseconds for sample in (before, after)]
    stalled = delta(first, last, PRESSURE, kind + " total") / 1e6
    # The kernel's clock and ours are read a moment apart: a whole window of stall may come out a little longer.
    return round(min(100.0, 100.0 * stalled / _window(seconds)), 4)


def _rate(before: Table, after: Table, names: Tuple[str, ...], seconds: float) -> float:
    gone = [delta(before.value(name), after.value(name), after.path, name) for name in names]
    return round(sum(gone) / _window(seconds), 4)


def _from_disk(machine: Machine, before: Sample, after: Sample, seconds: float) -> Callable[[str, int], float]:
    """Looks up a rate of swapped pages, without those that zram kept to itself."""

    def look(name: str, direction: int) -> float:
        pages = _rate(before.vmstat, after.vmstat, (name,), seconds)
        if before.areas is None or after.areas is None:
            raise NotSeen("no /proc/swaps: zram cannot be told from disk")
        zrams = [area.name for area in after.areas if area.zram]
        if zrams != [area.name for area in before.areas if area.zram]:
            raise NotSeen("zram was swapped on or off meanwhile")
        if not zrams:
            return pages
        behind = sum(_behind(before, after, name, direction) for name in zrams)
        if len(zrams) == len(after.areas):
            pages, kept = 0.0, 0
        else:
            kept = sum(_sectors(before, after, name, direction) for name in zrams) * _SECTOR
        if kept or behind:
            per_page = _page_bytes(machine, after.vmstat) * _window(seconds)
            pages = max(0.0, pages - kept / per_page) + behind / per_page
        return round(pages, 4)

    return look


def _sectors(before: Sample, after: Sample, name: str, direction: int) -> int:
    path = "/sys/block/{}/stat".format(name)
    if name not in before.zram_sectors or name not in after.zram_sectors:
        raise NotSeen("no {} in both samples".format(path))
    first, last = before.zram_sectors[name][direction], after.zram_sectors[name][direction]
    return delta(first, last, path, "sectors")


def _behind(before: Sample, after: Sample, name: str, direction: int) -> int:
    """Bytes that a zram device exchanged with the disk behind it."""
    path = "/sys/block/{}/bd_stat".format(name)
    if name not in before.zram_backing:
        raise NotSeen("no {} in both samples".format(path))
    return delta(before.zram_backing[name][direction], after.zram_backing[name][direction], path, "field")


def _page_bytes(machine: Machine, vmstat: Table) -> int:
    """The size of a page; a recorded tree gives it away by telling one quantity in both units."""
    if not machine.recorded:
        return machine.page_bytes()
    mapped = table(machine, "/proc/meminfo", parse_meminfo).value("Mapped")
    pages = vmstat.value("nr_mapped")
    if not pages or not mapped:
        raise NotSeen("the size of a page cannot be told: nothing is mapped")
    return min(_PAGE_SIZES, key=lambda size: abs(size - mapped / pages))
