"""Files that stand for what namespaces share: a host's own /proc/meminfo, /proc/vmstat, /proc/swaps and the like.

Every host of a lab gets a calm set of them, made from this machine's own: its kernel's fields, values of a host that
is well. They are ordinary files on the host (/run/prepared/proc/…), mounted over the kernel's. So a neighbour's load,
or this machine's, turns no check; and a fault may edit one host's values. A lab with `prepared=False` has none and
shows what the kernel says, the same on every host.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError
from lab.host import LabHost

MEMORY_KIB = 8 * 2**20
SWAP_KIB = 2 * 2**20
_CALM_MEMINFO = {
    "MemTotal": MEMORY_KIB,
    "MemFree": MEMORY_KIB // 2,
    "MemAvailable": MEMORY_KIB * 3 // 4,
    "Buffers": 64 * 1024,
    "Cached": MEMORY_KIB // 4,
    "SwapCached": 0,
    "SwapTotal": SWAP_KIB,
    "SwapFree": SWAP_KIB,
    "Zswap": 0,
    "Zswapped": 0,
    "AnonPages": MEMORY_KIB // 8,
    "Shmem": 16 * 1024,
    "CommitLimit": MEMORY_KIB // 2 + SWAP_KIB,
    "Committed_AS": MEMORY_KIB // 4,
}
# Seven digits, so that a counter can rise for minutes within its width: see `rising`.
_CALM_VMSTAT = {
    "pswpin": 1_000_000,
    "pswpout": 1_000_000,
    "pgmajfault": 1_000_000,
    "workingset_refault_anon": 1_000_000,
    "allocstall_normal": 1_000_000,
    "oom_kill": 0,
}
_PRESSURE = (
    "some avg10=0.00 avg60=0.00 avg300=0.00 total=100000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=10000000\n"
)
_SOFTNET = " ".join(["00010000", "00000000", "00000000", *["00000000"] * 9]) + "\n"
"""A CPU's receive queue, as before Linux 5.10: which CPU it is, the number of the line says."""
_IN_FLIGHT = re.compile(r"^( *\d+ +\d+ \S+(?: \d+){8}) \d+ ", re.MULTILINE)
"""What stands before the requests on their way in a line of diskstats: of disks that stand still, there are none."""
SWAPS_HEADER = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"


def swaps_line(device: str, kind: str, size_kib: int, used_kib: int, priority: int = -2) -> str:
    """One line of /proc/swaps, in the kernel's own columns."""
    return f"{device:<40}{kind}\t{size_kib}\t\t{used_kib}\t\t{priority}\n"


def calm() -> dict[str, str]:
    """The prepared files of a host that is well, by path."""
    return {
        "/proc/meminfo": with_fields(_machine("/proc/meminfo"), _CALM_MEMINFO, "{name}:{value:>15} kB"),
        "/proc/vmstat": with_fields(_machine("/proc/vmstat"), _CALM_VMSTAT, "{name} {value}"),
        "/proc/swaps": SWAPS_HEADER + swaps_line("/dev/vdb", "partition", SWAP_KIB, 0),
        "/proc/loadavg": "0.10 0.10 0.10 1/100 100\n",
        "/proc/stat": _calm_stat(_machine("/proc/stat")),
        "/proc/pressure/memory": _PRESSURE,
        "/proc/pressure/cpu": _PRESSURE,
        "/proc/pressure/io": _PRESSURE,
        "/proc/net/softnet_stat": _SOFTNET * 2,
        "/proc/sys/vm/overcommit_memory": "0\n",
        "/proc/sys/fs/file-nr": "2000\t0\t400000\n",
        "/proc/sys/fs/aio-nr": "0\n",
        "/proc/sys/kernel/pty/nr": "2\n",
        "/proc/key-users": "    0:     3 2/2 2/1000000 28/25000000\n",
        "/proc/sys/fs/suid_dumpable": "0\n",
        "/proc/sys/kernel/core_pattern": "core\n",
        "/proc/sys/kernel/hung_task_detect_count": "0\n",
        "/proc/diskstats": re.sub(_IN_FLIGHT, r"\1 0 ", _machine("/proc/diskstats")),
        **{str(path): "0\n" for path in Path("/sys/fs/ext4").glob("*/errors_count")},
        "/dev/kmsg": "5,0,0,-;Linux version (a log of the lab's own)\n",
        "/proc/sys/kernel/random/boot_id": f"{uuid.uuid4()}\n",
    }


def _calm_stat(text: str) -> str:
    """The machine's cores, which do nothing; their counters have room to rise, as in `_CALM_VMSTAT`."""
    text = re.sub(r"^(cpu[0-9]*) .*$", r"\1" + " 100000000" * 8 + " 0 0", text, flags=re.MULTILINE)
    return re.sub(r"^procs_(running|blocked) .*$", _calm_tasks, text, flags=re.MULTILINE)


def _calm_tasks(line: re.Match[str]) -> str:
    return f"procs_{line[1]} {1 if line[1] == 'running' else 0}"


def with_fields(text: str, values: Mapping[str, int], form: str) -> str:
    """`text` of lines that begin with a name, with the lines of these names replaced; a name must be there once."""
    for name, value in values.items():
        line = form.format(name=name, value=value)
        text, found = re.subn(rf"^{re.escape(name)}\b.*$", line, text, flags=re.MULTILINE)
        if not found and not _optional(name):
            text += f"{line}\n"
    return text


def _optional(name: str) -> bool:
    """Fields that not every kernel has: a calm host needs none of them invented."""
    return name in {"Zswap", "Zswapped", "workingset_refault_anon", "allocstall_normal"}


def _machine(path: str) -> str:
    return Path(path).read_text()


@contextmanager
def prepared(host: LabHost, path: str, edit: Callable[[str], str]) -> Iterator[str]:
    """While inside, `path` on `host` reads as `edit` made it from what it read before; yields the new text.

    A file of the host's prepared set is rewritten in place; any other (another /proc file, a process's own status) gets
    a prepared file mounted over it. Afterwards it reads as before.
    """
    before = host.read(path)
    after = edit(before)
    stand_in = f"/run/prepared{path}"
    mounted = host.exists(stand_in)
    host.write(stand_in, after)
    if not mounted:
        host.run(["mount", "--bind", stand_in, path])
    try:
        if host.read(path) != after:
            raise LabError(f"{host.name}: {path} does not read as it was prepared")
        yield after
    finally:
        if mounted:
            host.write(stand_in, before)
        else:
            host.run(["umount", path])
            host.run(["rm", stand_in])
