"""Whether this machine can build labs of machines, and what is missing where it cannot."""

from __future__ import annotations

import platform
import re
import shutil
from functools import cache
from pathlib import Path

from lab import requirements
from lab.errors import LabError
from lab.machines import cache as kept
from lab.machines import image, qemu

COMMANDS = (qemu.PROGRAM, "qemu-img", "mmdebstrap", "mke2fs", "mkswap", "busybox", "cpio", "chronyd", "setpriv", "ip")
NEEDED_MIB = 1536
"""What three machines take."""
MEMINFO = Path("/proc/meminfo")


def available() -> str | None:
    """The reason why there can be no machines here, or None. Builds nothing."""
    if reason := requirements.available():
        return reason
    if platform.machine() != "x86_64":
        return f"machines are built for x86_64, and this is {platform.machine()}"
    if missing := [command for command in COMMANDS if not shutil.which(command)]:
        return f"machines need {', '.join(missing)}: see selftest/machines/packages.txt"
    if not Path("/dev/net/tun").exists():
        return "machines need /dev/net/tun"
    found = re.search(r"^MemAvailable: +(\d+) kB$", MEMINFO.read_text(), re.MULTILINE)
    if not found or int(found[1]) < NEEDED_MIB * 1024:
        return f"machines need {NEEDED_MIB} MiB of memory, and {int(found[1]) // 1024 if found else 0} are available"
    return None


@cache
def built() -> str | None:
    """The reason why there is no image and none can be made here, as where no package source answers; or None."""
    try:
        with kept.image(image.key(), image.build):
            return None
    except LabError as error:
        return str(error)
