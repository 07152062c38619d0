"""Disks: the things that a policy can name there, mounts and devices, and what can be said of each."""

from __future__ import annotations

from pydantic import Field

from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.subject import Part, limit
from shipworthy.policy.language.units import BYTES, BYTES_PER_SECOND, PER_SECOND, PERCENT


class Mount(Part):
    """One mount that must be there; by its path."""

    source: str = Field("", description="From where: a device, `UUID=…`, `server:/export`; empty: not judged.")
    type: str = Field("", description="Of which type, such as `ext4`, `nfs4`; empty: not judged.")
    options: list[str] = Field([], description="Options that it must have, such as `rw`, `noexec`, `hard`, `vers=4.2`.")
    without: list[str] = Field([], description="Options that it must not have.")
    space: Limit = limit(
        PERCENT,
        warn_below=None,
        fail_below=None,
        words="space left",
        says="Its own bound on space left, instead of the general one, however much that is in bytes.",
        source="what is said here",
    )
    space_bytes: Limit = limit(
        BYTES,
        warn_below=None,
        fail_below=None,
        check="space",
        words="space left",
        says="The same in bytes.",
        source="what is said here",
    )


class Device(Part):
    """What one block device may do; by its name as in /dev, or in /dev/mapper."""

    operations: Limit = limit(
        PER_SECOND,
        warn_above=None,
        fail_above=None,
        check="device_load",
        words="reads and writes",
        says="What it was bought for, or is capped at, in reads and writes.",
        source="what is said here",
    )
    throughput: Limit = limit(
        BYTES_PER_SECOND,
        warn_above=None,
        fail_above=None,
        check="device_load",
        words="throughput",
        says="The same in bytes read and written.",
        source="what is said here",
    )
