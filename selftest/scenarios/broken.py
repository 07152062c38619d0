"""A fleet in which every host but the last two has a fault of its own; and one run of the suite over all of it.

    refused ✗  dropped ✗  mute ✗  …  well ✓  fine ✓

One run is enough: a fault may turn only what it declares, on its own host, so the run must turn the union of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from lab import Lab, LabHost, lab
from lab.faults import TESTS, Injected, of_items
from selftest.scenarios.suite import Run, suite
from shipworthy.checks import catalogue

WELL = ("well", "fine")
CHECKS = {id: check for id, check in catalogue([TESTS]).items() if not of_items(check)}
"""Those that every host has; not those of things that a policy names."""


class HostFault(Protocol):
    """A fault that is injected into one host."""

    def __call__(self, where: LabHost, /) -> AbstractContextManager[Injected]: ...


@dataclass(frozen=True)
class Case:
    """A fault, and what its host's one line must say of it: a regular expression, `None` where nothing turns."""

    fault: HostFault
    says: str | None = None


@dataclass(frozen=True)
class Broken:
    """The fleet, what was injected into which host, and the run."""

    lab: Lab
    injected: Mapping[str, Injected]
    run: Run

    def untouched(self, name: str) -> bool:
        """Every check was judged on this host, and none turned but those that its fault declares."""
        results = self.run.of(name)
        declared = {turn.check for turn in self.injected[name].turns} if name in self.injected else set()
        well = all(one.outcome in {"passed", "skipped"} for check, one in results.items() if check not in declared)
        return results.keys() == CHECKS.keys() and well


@contextmanager
def broken_fleet(cases: Mapping[str, Case], *arguments: str, policy: str | None = None) -> Iterator[Broken]:
    """A lab with a host of its own for each case, by name, and the two that are well; run once."""
    with lab(names=[*cases, *WELL]) as fleet, ExitStack() as faults:
        hosts = {host.name: host for host in fleet}
        injected = {name: faults.enter_context(case.fault(hosts[name])) for name, case in cases.items()}
        yield Broken(fleet, injected, suite(fleet, *arguments, faults=injected.values(), policy=policy))
