"""Swap space: its areas, what of it is disk, and what only looks like it (zram, zswap).

In: /proc/swaps, /sys/block/zram*, and meminfo's table. Out: `Swap`.
Source: Documentation/admin-guide/blockdev/zram.rst, admin-guide/mm/zswap.rst; mm/swapfile.c (swap_show).
"""

import re
from typing import List, NamedTuple, Optional, Tuple

from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.parse import KIBIBYTE, Table, lines_of, number, only_number, unescape
from shipworthy.probes.runtime.seen import Eyes

SWAPS = "/proc/swaps"

_DELETED = " (deleted)"
# Only blanks and tabs part fields: the kernel escapes those in a path, and nothing else.
_LINE = re.compile(r"(.+?)[ \t]+([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t]+)[ \t]+([^ \t]+)", re.DOTALL)
_ZRAM = re.compile(r"/dev/zram[0-9]+", re.ASCII)
_BACKING_UNIT = 4096  # zram counts what it wrote back in units of 4 KiB, whatever a page is


class SwapArea(NamedTuple):
    """A line of /proc/swaps. `type` is the kernel's word: partition, file, or virtual in an lxcfs container."""

    path: str
    type: str
    size_bytes: int
    used_bytes: int
    priority: int
    zram: bool
    """Compressed RAM, no disk."""
    deleted: bool
    """The file was unlinked while in use."""

    @property
    def name(self) -> str:
        """`zram0`."""
        return self.path.rpartition("/")[2]


class Zram(NamedTuple):
    """A zram device that is swapped to."""

    name: str
    stored_bytes: int
    """Before compression."""
    compressed_bytes: int
    memory_bytes: int
    """RAM that it takes, its own overhead included."""
    written_back_bytes: int
    """Moved on to the disk behind it."""


class Swap(NamedTuple):
    """Swap space and what is in it."""

    total_bytes: Optional[int]
    used_bytes: Optional[int]
    """SwapTotal − SwapFree, wherever that lies."""
    disk_used_bytes: Optional[int]
    """On disk: used, without what is in zram (but with what zram wrote back) and in zswap."""
    zram_used_bytes: Optional[int]
    zswap_stored_bytes: Optional[int]
    """Before compression; its slots on disk are taken, but not written."""
    zswap_pool_bytes: Optional[int]
    """RAM that zswap takes."""
    cached_bytes: Optional[int]
    """Also in RAM: read back, the slot not yet given up."""
    swappiness: Optional[int]
    areas: Optional[List[SwapArea]]
    """Empty: no swap."""
    zrams: Optional[List[Zram]]


def parse_swaps(text: str, path: str = SWAPS) -> List[SwapArea]:
    """The table of swap areas; a header alone means that there are none."""
    lines = lines_of(text)
    if not lines or lines[0].split() != ["Filename", "Type", "Size", "Used", "Priority"]:
        raise ParseError("{}: line 1 is not the header `Filename Type Size Used Priority`".format(path))
    return [_area(line, path, "line {} {!r}".format(index, line)) for index, line in enumerate(lines[1:], 2)]


def parse_bd_stat(text: str, path: str) -> Tuple[int, int, int]:
    """A zram device's own disk: bytes that lie there, and bytes read from and written to it since it was made."""
    fields = [number(field, path, "field {}".format(index)) for index, field in enumerate(text.split(), 1)]
    if len(fields) < 3:
        raise ParseError("{}: {} fields, not at least 3".format(path, len(fields)))
    there, read, written = fields[:3]
    return there * _BACKING_UNIT, read * _BACKING_UNIT, written * _BACKING_UNIT


def backing(machine: Machine, name: str) -> Tuple[int, int, int]:
    """`parse_bd_stat` of a device; nothing of a kernel that cannot write zram back."""
    path = "/sys/block/{}/bd_stat".format(name)
    return parse_bd_stat(machine.read(path), path) if machine.exists(path) else (0, 0, 0)


def parse_mm_stat(text: str, path: str) -> List[int]:
    """A zram device's memory: original, compressed, used bytes, and further columns by kernel."""
    fields = [number(field, path, "field {}".format(index)) for index, field in enumerate(text.split(), 1)]
    if len(fields) < 3:
        raise ParseError("{}: {} fields, not at least 3".format(path, len(fields)))
    return fields


def swap_areas(machine: Machine) -> List[SwapArea]:
    """The swap areas in use. Raises OSError, ParseError."""
    return parse_swaps(machine.read(SWAPS), SWAPS)


def read_swap(eyes: Eyes, meminfo: Table) -> Swap:
    """All of `Swap`, with what could not be seen in `eyes`."""
    machine, see = eyes.machine, eyes.see
    areas = see("swap.areas", lambda: swap_areas(machine))
    zrams = None
    if areas is None:
        eyes.unseen["swap.zrams"] = eyes.unseen["swap.areas"]
    else:
        devices = [area.name for area in areas if area.zram]
        zrams = see("swap.zrams", lambda: [_zram(machine, name) for name in devices])
    zram_used = see("swap.zram_used_bytes", lambda: _zram_used(areas))
    stored = see("swap.zswap_stored_bytes", lambda: _zswap(machine, meminfo, "Zswapped"))
    used = see("swap.used_bytes", lambda: _used(meminfo))
    written_back = sum(zram.written_back_bytes for zram in zrams or ())
    disk_used = None
    if used is None:
        eyes.unseen["swap.disk_used_bytes"] = eyes.unseen["swap.used_bytes"]
    else:
        # What cannot be told apart counts as disk: never less than there is. So zswap, which may stand before zram as
        # well, counts against the disk only as far as zram cannot hold it. Areas are read at one moment, with zram's.
        slots = sum(area.used_bytes for area in areas if not area.zram) if areas else used
        disk_used = max(0, slots - max(0, (stored or 0) - (zram_used or 0))) + written_back
    return Swap(
        total_bytes=see("swap.total_bytes", lambda: meminfo.value("SwapTotal")),
        used_bytes=used,
        disk_used_bytes=disk_used,
        zram_used_bytes=zram_used,
        zswap_stored_bytes=stored,
        zswap_pool_bytes=see("swap.zswap_pool_bytes", lambda: _zswap(machine, meminfo, "Zswap")),
        cached_bytes=see("swap.cached_bytes", lambda: meminfo.value("SwapCached")),
        swappiness=see("swap.swappiness", lambda: _only(machine, "/proc/sys/vm/swappiness")),
        areas=areas,
        zrams=zrams,
    )


def _area(line: str, path: str, place: str) -> SwapArea:
    fields = _LINE.fullmatch(line)
    if not fields:
        raise ParseError("{}: {}: {} fields, not 5".format(path, place, len(line.split())))
    name, kind, size, used, priority = fields.groups()
    name = unescape(name)
    deleted = name.endswith(_DELETED)
    name = name[: -len(_DELETED)] if deleted else name
    sign, digits = (-1, priority[1:]) if priority.startswith("-") else (1, priority)
    area = SwapArea(
        path=name,
        type=kind,
        size_bytes=number(size, path, place + ": Size") * KIBIBYTE,
        used_bytes=number(used, path, place + ": Used") * KIBIBYTE,
        priority=sign * number(digits, path, place + ": Priority"),
        zram=kind == "partition" and bool(_ZRAM.fullmatch(name)),
        deleted=deleted,
    )
    if area.used_bytes > area.size_bytes:
        raise ParseError("{}: {}: Used is more than Size".format(path, place))
    return area


def _used(meminfo: Table) -> int:
    total, free = meminfo.value("SwapTotal"), meminfo.value("SwapFree")
    if free > total:
        raise ParseError("{}: SwapFree {} is more than SwapTotal {}".format(meminfo.path, free, total))
    return total - free


def _zram_used(areas: Optional[List[SwapArea]]) -> int:
    if areas is None:
        raise NotSeen("no {}".format(SWAPS))
    return sum(area.used_bytes for area in areas if area.zram)


def _zram(machine: Machine, name: str) -> Zram:
    folder = "/sys/block/{}/".format(name)
    if machine.exists(folder + "mm_stat"):
        original, compressed, used = parse_mm_stat(machine.read(folder + "mm_stat"), folder + "mm_stat")[:3]
    else:  # before Linux 4.1, a file each
        original, compressed, used = [
            _only(machine, folder + file) for file in ("orig_data_size", "compr_data_size", "mem_used_total")
        ]
    return Zram(name, original, compressed, used, backing(machine, name)[0])


def _zswap(machine: Machine, meminfo: Table, name: str) -> int:
    if meminfo.has(name):
        return meminfo.value(name)
    enabled = "/sys/module/zswap/parameters/enabled"
    if machine.exists(enabled):
        if machine.read(enabled).strip() == "N":
            return 0
        raise NotSeen("zswap is on, and this kernel does not tell its size (Linux 5.19 does)")
    if machine.exists("/sys/module"):
        return 0  # a kernel without zswap
    raise NotSeen("{} has no {}, and there is no /sys/module".format(meminfo.path, name))


def _only(machine: Machine, path: str) -> int:
    return only_number(machine.read(path), path)
