"""Block devices: what waits, what is stuck, what makes errors, what is at its cap.

In: the probe's devices, the policy, an earlier run's counters. Out: verdicts, one for each device and value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shipworthy.errors import NotMeasured
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy._disks_items import Device as Caps
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.parts.blocks import Device, Rates
from shipworthy.probes.parts.corruption import Corruption
from shipworthy.snapshot import Previous

WELL = ("", "running", "live")
"""States of a device that works; empty where its driver tells none."""


class Added(NamedTuple):
    """What a counter rose by, and since when."""

    number: int
    since: str


def added(total: int, in_window: int, previous: Previous, name: str) -> Added:
    """What a counter has risen by since the earlier run, or in the window where there was none."""
    before = previous.counter("disks", name)
    if before is None:
        return Added(in_window, "in the window")
    # A driver that was loaded anew counts from zero.
    more = total - before if total >= before else total
    return Added(more, f"within {SECONDS.format(previous.seconds_ago or 0.0)}")


def stuck(devices: Sequence[Device]) -> list[str]:
    """Devices that had requests on their way all through the window, of which not one came back.

    What lies on such a device waits along with it, and is not told as well.
    """
    still = {one.name: one.rates for one in devices if one.rates and one.rates.in_flight and not one.rates.completed}
    waits_along = {one.name for one in devices for part in one.below for name in still if _is_of(part, name)}
    return [
        f"{name}: {rates.in_flight} requests on their way, and none came back"
        for name, rates in still.items()
        if name not in waits_along
    ]


def _is_of(part: str, name: str) -> bool:
    """Whether `part` is the device called `name`, or a partition of it: `sda1`; after a digit, `md0p1`."""
    between = "p" if name[-1:].isdigit() else ""
    return part == name or (part.startswith(name + between) and part[len(name + between) :].isdigit())


def wait_verdicts(devices: Sequence[Device], policy: HostPolicy, seconds: float) -> Iterator[Verdict]:
    """How long reads and writes took, of devices that lie on no other, so that each is counted once."""
    limits = policy.disks
    for device in devices:
        rates = device.rates
        if rates and not device.below and rates.reads + rates.writes >= limits.wait_operations:
            what = f"{device.name}: {limits.wait.words}"
            yield limits.wait.allows(rates.wait_seconds, what=what, evidence=_moved(rates, seconds))


def load_verdicts(devices: Sequence[Device], name: str, caps: Caps, seconds: float) -> list[Verdict]:
    """What a device does against its caps. Raises NotMeasured when there is none of this name."""
    device = next((one for one in devices if name in (one.name, one.label)), None)
    if device is None or device.rates is None:
        raise NotMeasured(f"{name}: {device.not_seen if device else 'there is no such device'}")
    rates, evidence = device.rates, list(_moved(device.rates, seconds))
    measured = ((caps.operations, rates.operations_per_second), (caps.throughput, rates.bytes_per_second))
    return [cap.allows(value, what=f"{name}: {cap.words}", evidence=evidence) for cap, value in measured]


def error_verdicts(devices: Sequence[Device], policy: HostPolicy, previous: Previous) -> Iterator[Verdict]:
    """Errors and timeouts of the devices that count them."""
    limits = policy.disks
    for device in devices:
        for limit, kind, total, in_window in (
            (limits.device_errors, "io_errors", device.io_errors, device.io_errors_in_window),
            (limits.device_timeouts, "timeouts", device.timeouts, device.timeouts_in_window),
        ):
            if total is not None:
                more = added(total, in_window, previous, f"{kind} {device.name}")
                what = f"{device.name}: {limit.words} {more.since}"
                yield limit.allows(more.number, what=what, evidence=[f"{total} since boot"])


def corruption_verdicts(found: Sequence[Corruption], policy: HostPolicy, now: float) -> Iterator[Verdict]:
    """Errors that each file system has recorded; `now` is the host's time."""
    limit = policy.disks.corruption
    for one in found:
        ago = f", {SECONDS.format(max(0.0, now - one.last_seconds))} ago" if one.last_seconds else ""
        evidence = [f"the last one: {one.last}{ago}"] if one.last else []
        yield limit.allows(one.errors, what=f"{one.device} ({one.type}): {limit.words}", evidence=evidence)


def _moved(rates: Rates, seconds: float) -> Iterator[str]:
    yield f"{rates.reads} reads, {rates.writes} writes in {SECONDS.format(seconds)}"
    for kind, mean in (("read", rates.read_seconds), ("write", rates.write_seconds)):
        if mean is not None:
            yield f"a mean {kind} takes {SECONDS.format(mean)}"
