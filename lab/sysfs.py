"""A host's /sys/class/net, in which files can be prepared: what virtual interfaces do not have, such as bonds.

A tmpfs lies over the kernel's directory, with the same links in it; an interface that is `told` is a directory of
ordinary files instead, copied from the kernel's where it has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab.host import LabHost

_CLASS = "/sys/class/net"
_SHOWN = "flags carrier operstate speed duplex carrier_changes"


@contextmanager
def prepared_interfaces(host: LabHost, told: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """While inside, these interfaces have these files, by path below their own directory."""
    host.shell(
        f"mkdir /run/links && cp -a {_CLASS}/. /run/links && mount -t tmpfs links {_CLASS} && cp -a /run/links/. {_CLASS}"
    )
    try:
        for name, files in told.items():
            host.shell(
                f"rm -f {_CLASS}/{name}; mkdir {_CLASS}/{name}; cd /run; ls -d /sys/devices/virtual/net/{name} || exit 0;"
                f"for file in {_SHOWN}; do"
                f" cat /sys/devices/virtual/net/{name}/$file >{_CLASS}/{name}/$file 2>/dev/null || rm {_CLASS}/{name}/$file;"
                " done"
            )
            for path, text in files.items():
                host.write(f"{_CLASS}/{name}/{path}", text + "\n")
        yield
    finally:
        host.run(["umount", _CLASS])
        host.run(["rm", "-r", "/run/links"])
