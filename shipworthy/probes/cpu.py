"""CPU: how busy the cores are and with what, how long tasks wait for one, and who is stopped at a quota.

In: which parts are wanted. Out: `Cpu`; shares in percent over the window. What could not be seen is None, with its
reason in `unseen` by dotted field name (`cores.quota`); so is a part that was not asked for.
Source: linux.md, sections 0 and 2; proc_stat(5), proc_loadavg(5), Documentation/accounting/psi.rst.
"""

from typing import Callable, Dict, Generator, List, NamedTuple, Optional, Tuple, TypeVar

from shipworthy.probes.parts.busiest import Busy, busiest
from shipworthy.probes.parts.cpu_groups import Bounded, CpuGroup, over, read_bounds
from shipworthy.probes.parts.cpu_times import Accounts, Own, read_accounts, read_own
from shipworthy.probes.parts.cpu_usage import Cores, Usage, allowed_of, read_cores, usage_between
from shipworthy.probes.parts.cpu_waiting import Load, Pressure, Waited, pressure_between, read_load, read_waited
from shipworthy.probes.parts.stats import Stats, read_stats
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

VERSION = 1

_NOT_ASKED = "not asked"

One = TypeVar("One")
Found = TypeVar("Found")


class Request(NamedTuple):
    """Which parts are wanted, and above which rates one short window is not enough to judge by."""

    usage: bool = True
    """What the cores do."""
    pressure: bool = True
    """How long tasks wait for a core."""
    groups: bool = True
    """The control groups that bound the login: a few files for each."""
    processes: bool = True
    """Who keeps the cores busy: reads every /proc/PID/stat at both ends of the window."""
    top: int = 5
    """How many processes and cores are named."""
    least_periods: int = 20
    """Fewer periods of a quota than these count as so many: one stop of three says little."""
    doubt_busy_percent: Optional[float] = None
    doubt_core_busy_percent: Optional[float] = None
    doubt_core_interrupts_percent: Optional[float] = None
    doubt_steal_percent: Optional[float] = None
    doubt_pressure_percent: Optional[float] = None
    doubt_throttled_percent: Optional[float] = None


class Cpu(NamedTuple):
    """The reading."""

    cores: Optional[Cores]
    usage: Optional[Usage]
    load: Optional[Load]
    pressure: Optional[Pressure]
    groups: Optional[List[CpuGroup]]
    """The control groups with a quota around the login, innermost first. May be none."""
    busiest: Optional[List[Busy]]
    unseen: Dict[str, str]


READING = Cpu


class _Sample(NamedTuple):
    """Everything at one moment; what cannot be seen, or was not asked for, is None."""

    accounts: Optional[Accounts]
    own: Own
    waited: Optional[Waited]
    bounds: Optional[List[Bounded]]
    stats: Optional[Stats]
    unseen: Dict[str, str]


def probe(machine: Machine, request: Request) -> Generator[None, float, Cpu]:
    """Measure. Yields once, and again when something looks too high to judge it by one window."""
    before = _take(machine, request, 1)
    seconds = yield
    reading = _read(machine, request, before, _take(machine, request, 2), seconds)
    if in_doubt(request, reading):
        seconds = yield
        reading = _read(machine, request, before, _take(machine, request, 3), seconds)
    return reading


def in_doubt(request: Request, reading: Cpu) -> bool:
    """Whether something is above what the request doubts."""
    usage = reading.usage
    pairs: List[Tuple[Optional[float], Optional[float]]] = []
    for group in reading.groups or ():
        pairs.append((group.throttled_percent, request.doubt_throttled_percent))
    if usage is not None:
        pairs += [
            (usage.whole.busy_percent, request.doubt_busy_percent),
            (usage.whole.steal_percent, request.doubt_steal_percent),
            (usage.busiest[0].shares.busy_percent, request.doubt_core_busy_percent),
            (usage.interrupted[0].interrupts_percent, request.doubt_core_interrupts_percent),
        ]
    if reading.pressure is not None:
        pairs.append((reading.pressure.some_percent, request.doubt_pressure_percent))
    return any(rate is not None and bound is not None and rate > bound for rate, bound in pairs)


def _take(machine: Machine, request: Request, sample: int) -> _Sample:
    eyes = Eyes(machine)
    accounts = eyes.see("usage", lambda: read_accounts(machine))
    own = read_own(machine)
    waited = eyes.see("pressure", lambda: read_waited(machine)) if request.pressure else None
    bounds = eyes.see("groups", lambda: read_bounds(machine)) if request.groups else None
    stats = eyes.see("busiest", lambda: read_stats(machine, sample)) if request.processes else None
    return _Sample(accounts, own, waited, bounds, stats, eyes.unseen)


def _read(machine: Machine, request: Request, before: _Sample, after: _Sample, seconds: float) -> Cpu:
    eyes = Eyes(machine)
    eyes.unseen.update({**before.unseen, **after.unseen})
    if not request.groups:
        eyes.unseen["groups"] = _NOT_ASKED
    own = Own(after.own.pid, after.own.user - before.own.user, after.own.system - before.own.system)
    groups = _both(eyes, "groups", before.bounds, after.bounds, lambda a, b: _over(a, b, seconds, request))
    cores, usage, load = None, None, None
    if before.accounts is None or after.accounts is None:
        eyes.unseen["cores"] = eyes.unseen["load"] = eyes.unseen["usage"]
    else:
        first, last = before.accounts, after.accounts
        allowed = eyes.see("cores.allowed", lambda: allowed_of(machine, last))
        cores = read_cores(eyes, last, allowed, after.bounds)
        usage = eyes.see("usage", lambda: usage_between(first, last, own, allowed, seconds, request.top))
        load = eyes.see("load", lambda: read_load(machine, first, last))
    asked = {"usage": request.usage, "pressure": request.pressure, "busiest": request.processes}
    eyes.unseen.update({name: _NOT_ASKED for name, wanted in asked.items() if not wanted})
    return Cpu(
        cores=cores,
        usage=usage if request.usage else None,
        load=load,
        pressure=_both(eyes, "pressure", before.waited, after.waited, lambda a, b: pressure_between(a, b, seconds)),
        groups=groups,
        busiest=_both(
            eyes,
            "busiest",
            before.stats,
            after.stats,
            lambda a, b: busiest(machine, a, b, seconds, request.top, own.pid),
        ),
        unseen=eyes.unseen,
    )


def _both(
    eyes: Eyes, field: str, before: Optional[One], after: Optional[One], look: Callable[[One, One], Found]
) -> Optional[Found]:
    """What two samples make together; None where either is missing, whose reason is told already."""
    if before is None or after is None:
        return None
    first, last = before, after
    return eyes.see(field, lambda: look(first, last))


def _over(before: List[Bounded], after: List[Bounded], seconds: float, request: Request) -> List[CpuGroup]:
    """The groups that had a quota at both ends of the window."""
    known = {group.path: group for group in before}
    return [over(known[group.path], group, seconds, request.least_periods) for group in after if group.path in known]
