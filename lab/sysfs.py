"""A host's /sys/class/net, in which files can be prepared: what virtual interfaces do not have, such as bonds.

A tmpfs lies over the kernel's directory, with the same links in it; an interface that is `told` is a directory of
ordinary files instead, copied from the kernel's where it has them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from lab.host import LabHost

CLASS = "/sys/class/net"

_COVER = f"""
set -e
mkdir /run/links
cp -a {CLASS}/. /run/links
mount -t tmpfs links {CLASS}
cp -a /run/links/. {CLASS}
"""
_COPY = f"""
kernel=/sys/devices/virtual/net/$1 copy={CLASS}/$1
rm -f $copy
mkdir $copy
for file in flags carrier operstate speed duplex carrier_changes; do
    cat $kernel/$file >$copy/$file 2>/dev/null || rm $copy/$file   # of one that is down, the kernel tells less
done
"""


@contextmanager
def prepared_interfaces(host: LabHost, told: Mapping[str, Mapping[str, str]]) -> Iterator[None]:
    """While inside, these interfaces have these files, by path below their own directory."""
    host.shell(_COVER)
    try:
        for name, files in told.items():
            host.run(["sh", "-c", _COPY, "sh", name])
            for path, text in files.items():
                host.write(f"{CLASS}/{name}/{path}", f"{text}\n")
        yield
    finally:
        host.run(["umount", CLASS])
        host.run(["rm", "-r", "/run/links"])
