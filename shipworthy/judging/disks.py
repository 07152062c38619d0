"""File systems: which bound holds for each, when one will be full, what deleted files hold, what is mounted otherwise.

In: what the probe read, what the policy says, an earlier run's counters. Out: verdicts, or what is wrong in words.

A share alone misleads: 5 % of a large array is plenty. So a share is judged only where what is left is little in
absolute terms as well; a mount to which the policy gives bounds of its own is judged by those alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.policy import HostPolicy, Limit, Verdict
from shipworthy.policy._disks_items import Mount
from shipworthy.policy.language.units import BYTES, SECONDS
from shipworthy.probes.disks import available_counter
from shipworthy.probes.parts.deleted import DeletedFiles, HeldOn
from shipworthy.probes.parts.expected import Expected
from shipworthy.probes.parts.mapper import ThinPool
from shipworthy.probes.parts.mounts import Mounted, can_fill
from shipworthy.probes.parts.space import FileSystems, Space
from shipworthy.snapshot import Previous


class Roomy(NamedTuple):
    """A file system that can fill, and how much room it has."""

    mounted: Mounted
    space: Space

    @property
    def told(self) -> str:
        """How much is left, and of what."""
        left, total = BYTES.format(self.space.available_bytes), BYTES.format(self.space.total_bytes)
        return f"{left} of {total} left on {origin(self.mounted)}"


def rooms(file_systems: FileSystems) -> list[Roomy]:
    """Those that can fill and have a size. What is an image, or read-only, is as full as it will ever be."""
    return [Roomy(one.mounted, one.space) for one in file_systems.told if one.space and can_fill(one.mounted)]


def dead(file_systems: FileSystems) -> list[str]:
    """Those that gave no answer, or none but an error; if they are several, how many there are comes first."""
    broken = [one for one in file_systems.told if one.broken]
    lines = [f"{one.mounted.path} ({one.mounted.type} of {one.mounted.source}): {one.broken}" for one in broken]
    first = ", ".join(one.mounted.path for one in broken[:3]) + (", …" if len(broken) > 3 else "")
    return lines if len(lines) < 2 else [f"{len(lines)} mounts do not answer: {first}", *lines]


def space_verdicts(room: Roomy, policy: HostPolicy) -> Iterator[Verdict]:
    """What is left of one file system, by its own bounds if it has some, or by the general one."""
    limits, path, space = policy.disks, room.mounted.path, room.space
    own = limits.mounts.get(path) or limits.mounts.get(f"{path}/")
    bounds = [bound for bound in (own.space, own.space_bytes) if bound.doubt is not None] if own else []
    for bound in bounds or [little(limits.space, space.available_bytes, limits.space_enough)]:
        left = space.available_bytes if bound.unit is BYTES else space.available_percent
        yield bound.allows(left, what=f"{path}: space left", evidence=[room.told])


def inode_verdict(room: Roomy, policy: HostPolicy) -> Verdict:
    """The inodes left of one file system that has a fixed number of them."""
    limits, space = policy.disks, room.space
    return little(limits.inodes, space.inodes_free, limits.inodes_enough).allows(
        space.inodes_free_percent,
        what=f"{room.mounted.path}: inodes left",
        evidence=[f"{space.inodes_free} of {space.inodes} inodes left on {origin(room.mounted)}"],
    )


def little(limit: Limit, left: float, enough: float) -> Limit:
    """`limit`, which holds for what is little in absolute terms; otherwise one that is open on both sides."""
    return limit if left < enough else replace(limit, warn=None, fail=None)


def needs_all(file_systems: FileSystems, verdicts: list[Verdict]) -> None:
    """Raises NotMeasured when nothing failed, and a file system that this user could not ask may."""
    denied = [one.not_seen for one in file_systems.told if one.not_seen]
    if denied and all(verdicts):
        raise NotMeasured(denied[0])


def filling_verdicts(file_systems: FileSystems, policy: HostPolicy, previous: Previous) -> Iterator[Verdict]:
    """When each file system will be full, of those that fill and were seen by the earlier run."""
    limits, ago = policy.disks, previous.seconds_ago or 0.0
    for room in rooms(file_systems):
        path, left = room.mounted.path, room.space.available_bytes
        before = previous.counter("disks", available_counter(room.mounted))
        if before is None or not 0 < left < before or room.space.available_percent >= limits.filling_below:
            continue  # what is full already, disks.space tells
        evidence = [f"{BYTES.format(before - left)} went within {SECONDS.format(ago)}; {room.told}"]
        yield limits.filling.allows(
            left / (before - left) * ago, what=f"{path}: {limits.filling.words}", evidence=evidence
        )


def deleted_verdicts(deleted: DeletedFiles, file_systems: FileSystems, policy: HostPolicy) -> Iterator[Verdict]:
    """What deleted files hold of each file system, where that is much of it; one without a size is taken to be small.

    Raises NotMeasured at the end when there may be more.
    """
    limit, all_well = policy.disks.deleted_files, True
    sizes = {one.mounted.device: one.space.total_bytes for one in file_systems.told if one.space}
    for one in deleted.on:
        if one.bytes >= sizes.get(one.device, 0) * policy.disks.deleted_share / 100:
            verdict = limit.allows(one.bytes, what=f"{one.path}: {limit.words}", evidence=_held(one))
            all_well = all_well and bool(verdict)
            yield verdict
    unread = policy.disks.deleted_unread.allows(deleted.unread, evidence=["disks.deleted_whole: 0 % has them all read"])
    yield unread
    if all_well and unread and deleted.denied:
        raise NotMeasured("files that others hold open: needs root")


def thin_verdicts(pools: Sequence[ThinPool], policy: HostPolicy) -> Iterator[Verdict]:
    """What is used of each thin pool that has not failed."""
    limits = policy.disks
    for pool in pools:
        for limit, percent in ((limits.thin_data, pool.data_percent), (limits.thin_metadata, pool.metadata_percent)):
            if percent is not None:
                yield limit.allows(percent, what=f"{pool.label}: {limit.words}")


def wrong_about(path: str, wanted: Mount, found: Expected) -> Iterator[str]:
    """What is otherwise than the policy has it."""
    if not found.mounted:
        yield "is not mounted"
        return
    mounted = found.mounted[0]
    if mounted.type == "autofs" and wanted.type != "autofs":
        raise NotMeasured(f"{path} is mounted on demand, and nobody has asked for it")
    if wanted.source and found.found_source != found.source:
        yield f"comes from {mounted.source}, not {wanted.source}"
    if wanted.type and mounted.type != wanted.type:
        yield f"is of type {mounted.type}, not {wanted.type}"
    lacking = [option for option in wanted.options if option not in mounted.options]
    if lacking:
        yield f"is mounted without {', '.join(lacking)}"
    forbidden = [option for option in wanted.without if option in mounted.options]
    if forbidden:
        yield f"is mounted with {', '.join(forbidden)}"


def origin(mounted: Mounted) -> str:
    """What a mount is of: `/dev/vda1 (ext4)`."""
    return f"{mounted.source} ({mounted.type})"


def _held(on: HeldOn) -> Iterator[str]:
    for one in on.largest:
        yield f"{BYTES.format(one.bytes)} in {one.path}, held by {one.comm}[{one.pid}]"
    if on.files > len(on.largest):
        yield f"{on.files} files in all"
