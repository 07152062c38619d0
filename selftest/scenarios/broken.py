"""A fleet in which every host but the last two has a fault of its own; and one run of the suite over all of it.

    refused ✗  dropped ✗  mute ✗  …  well ✓  fine ✓

One run is enough: a fault may turn only what it declares, on its own host, so the run must turn the union of them.
`Faults` holds the tests of that, which are the same for every subject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import pytest

from lab import Lab, LabHost, lab
from lab.alone import alone
from lab.faults import TESTS, Injected, Turn
from lab.machines import __file__ as machines_at
from lab.machines import machines
from selftest.labs.possible import require_machines
from selftest.scenarios.suite import Run, suite
from shipworthy.checks import catalogue
from shipworthy.results import Result

WELL = ("well", "fine")
_ALL = catalogue([TESTS]).items()
OF_FLEET = frozenset(id for id, check in _ALL if "fleet" in check.arguments)
"""The checks of a set of hosts: one result each."""
CHECKS = frozenset(id for id, check in _ALL if not check.each and "fleet" not in check.arguments)
"""Those that each host has for itself, whatever its policy names."""


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
        return results.keys() == CHECKS and well


@contextmanager
def broken_fleet(cases: Mapping[str, Case], *arguments: str, policy: str | None = None) -> Iterator[Broken]:
    """A lab with a host of its own for each case, by name, and the two that are well; run once."""
    with lab(names=[*cases, *WELL]) as fleet, ExitStack() as faults:
        hosts = {host.name: host for host in fleet}
        injected = {name: faults.enter_context(case.fault(hosts[name])) for name, case in cases.items()}
        yield Broken(fleet, injected, suite(fleet, *arguments, faults=injected.values(), policy=policy))


@contextmanager
def broken_machines(cases: Mapping[str, Case], *arguments: str, policy: str | None = None) -> Iterator[Broken]:
    """The same of machines with kernels of their own, and one that is well."""
    with alone(EMULATORS), machines(names=["well", *cases]) as fleet, ExitStack() as faults:
        hosts = {host.name: host for host in fleet}
        injected = {name: faults.enter_context(case.fault(hosts[name])) for name, case in cases.items()}
        yield Broken(fleet, injected, suite(fleet, *arguments, faults=injected.values(), policy=policy))


EMULATED = """\
plays:
- hosts: all
  reachable:
    login_time: {warn_above: null, fail_above: 25 s}  # beside other tests, an emulated processor takes its time
  cpu:
    pressure: {warn_above: null, fail_above: 95 %}
"""
"""A policy for machines; plays may be added."""
EMULATORS = Path(machines_at)
"""Who has several emulated machines judged does so `alone` among these: two labs starve each other on two cores."""


class Faults:
    """A subject's faults, each on a host of its own: to be inherited, with `cases`, by the class that tests them."""

    cases: ClassVar[Mapping[str, Case]]
    policy: ClassVar[str | None] = None
    arguments: ClassVar[tuple[str, ...]] = ()
    named: ClassVar[Mapping[str, str]] = {}
    """By case, what its host's policy names that is judged once, whichever hosts name it."""
    well: ClassVar[tuple[str, ...]] = WELL
    of_fleet: ClassVar[frozenset[Turn]] = frozenset()
    """What the faults turn of the whole set, taken together."""

    @pytest.fixture(scope="class")
    @classmethod
    def broken(cls) -> Iterator[Broken]:
        with cls.fleet() as made:
            yield made

    @classmethod
    def fleet(cls) -> AbstractContextManager[Broken]:
        """The hosts, broken, and the run; of a subject whose hosts need more around them, its own."""
        return broken_fleet(cls.cases, *cls.arguments, policy=cls.policy)

    def told_of(self, broken: Broken, case: str) -> list[Result]:
        """The results in which the fault of a case is told: its host's own, and those of what it names."""
        turned = {turn.check for turn in broken.injected[case].turns}
        results = [one for one in broken.run.results if one.check in turned]
        return [one for one in results if one.host == case or (not one.host and one.item == self.named.get(case))]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", self.cases)

    def test_exactly_what_the_fault_declares_turns(self, broken: Broken, case: str) -> None:
        declared = {turn for turn in broken.injected[case].turns if turn.host == case}
        assert {turn for turn in broken.run.turned if turn.host == case} == declared, broken.run

    def test_one_line_names_the_culprit(self, broken: Broken, case: str) -> None:
        said = {one.message for one in self.told_of(broken, case)}
        assert not any("\n" in message for message in said)
        assert self.cases[case].says is None or any(re.search(self.cases[case].says or "", one) for one in said), said

    def test_nothing_but_the_declared_turns(self, broken: Broken) -> None:
        declared = {turn for injected in broken.injected.values() for turn in injected.turns}
        assert broken.run.turned == declared | self.of_fleet
        assert broken.run.status == 1

    def test_the_hosts_that_are_well_are_untouched(self, broken: Broken) -> None:
        for name in self.well:
            assert broken.untouched(name)


class MachineFaults(Faults):
    """Faults that need kernels of their own, each on a machine of its own."""

    well = WELL[:1]
    policy = EMULATED

    @classmethod
    def fleet(cls) -> AbstractContextManager[Broken]:
        require_machines()
        return broken_machines(cls.cases, *cls.arguments, policy=cls.policy)
