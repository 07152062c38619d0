"""What should be mounted, and how: by a policy that names a place, by fstab, and by what was mounted once.

In: the table of mounts, /etc/fstab, the paths that a policy names. Out: `Expected`s and `ReadOnly`s.
"""

import posixpath
from typing import Dict, List, NamedTuple

from shipworthy.probes.parts.mounts import FSTAB, Mounted, Mounts, meant_to_be_written, parse_fstab, read_mounts
from shipworthy.probes.runtime.machine import Machine

_LINKS = 10
_TAGS = {"UUID": "uuid", "LABEL": "label", "PARTUUID": "partuuid", "PARTLABEL": "partlabel"}


class Expected(NamedTuple):
    """What is at a place where something is expected."""

    mounted: List[Mounted]
    """What one gets to there; nothing when nothing is mounted."""
    source: str
    """What it should come from: links and tags (`UUID=…`) followed to the device."""
    found_source: str
    """What it comes from, followed in the same way; empty when nothing is mounted."""


class ReadOnly(NamedTuple):
    """A mount that is read-only and was not meant to be."""

    mounted: Mounted
    because: str
    """What says that it was not."""


def read_expected(machine: Machine, wanted: Dict[str, str]) -> Dict[str, Expected]:
    """What is mounted at each of the paths. Raises OSError, ParseError."""
    by_path = {mounted.path: mounted for mounted in read_mounts(machine).all}
    found = {}
    for path, source in wanted.items():
        mounted = by_path.get(path.rstrip("/") or "/")
        theirs = followed(machine, mounted.source) if mounted else ""
        found[path] = Expected([mounted] if mounted else [], followed(machine, source), theirs)
    return found


def read_read_only(machine: Machine, mounts: Mounts) -> List[ReadOnly]:
    """What was turned read-only by an error, and what fstab has otherwise. Raises OSError."""
    by_path = {mounted.path: mounted for mounted in mounts.all}
    found = [
        ReadOnly(by_path[path], "turned read-only by an error ({})".format(sign))
        for path, sign in mounts.forced.items()
    ]
    entries = parse_fstab(machine.read(FSTAB)) if machine.exists(FSTAB) else []
    for entry in entries:
        mounted = by_path.get(entry.path)
        if mounted is None or entry.path in mounts.forced or "ro" not in mounted.options:
            continue
        if meant_to_be_written(entry, mounted):
            found.append(ReadOnly(mounted, "{} has it as {}".format(FSTAB, ",".join(entry.options))))
    return found


def followed(machine: Machine, source: str) -> str:
    """The device that a path in /dev or a tag leads to; anything else as it is."""
    tag, equals, value = source.partition("=")
    if equals and tag in _TAGS:
        source = "/dev/disk/by-{}/{}".format(_TAGS[tag], value.strip('"'))
    for _ in range(_LINKS):
        if not source.startswith("/dev/"):
            break
        try:
            target = machine.link(source)
        except OSError:
            break
        source = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    return source
