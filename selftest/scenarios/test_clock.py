"""Clocks that are wrong, or kept by nobody: the claims that speak of them turn, and the odd one out is named."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab import lab
from lab.faults import answers, clock
from selftest.scenarios.broken import WELL, Broken, Case, broken_fleet
from selftest.scenarios.suite import suite

pytestmark = pytest.mark.xdist_group("clock")

UNUSED = "what the host says of its time is not to be used: .* answers nothing that was asked"
CASES = {
    "ahead": Case(clock.clock_ahead, r"clock ahead of this machine's by at least 1\.5 min, limit 500 ms"),
    "no-source": Case(clock.no_source_of_time, "chronyd says that the clock is not synchronised"),
    "source-lost": Case(clock.source_of_time_lost, "of 1 time sources, those that answer: 0, limit at least 1"),
    "far": Case(clock.far_from_a_reference_clock, "stratum 13, warning above 9"),
    "kept": Case(clock.well_kept),
    "time-never": Case(answers.answer_without_time, "the host answered none of 8 questions for its time"),
    "time-nan": Case(answers.time_that_is_no_number, UNUSED),
    "time-unasked": Case(answers.time_that_nobody_asked_for, UNUSED),
}


@pytest.fixture(scope="module")
def broken() -> Iterator[Broken]:
    with broken_fleet(CASES) as made:
        yield made


@pytest.mark.parametrize("name", CASES)
def test_exactly_what_the_fault_declares_turns(broken: Broken, name: str) -> None:
    declared = {turn for turn in broken.injected[name].turns if turn.host == name}
    assert {turn for turn in broken.run.turned if turn.host == name} == declared, broken.run


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.says])
def test_its_message_names_the_measure(broken: Broken, name: str) -> None:
    said = [broken.run.of(name)[turn.check].message for turn in broken.injected[name].turns if turn.host == name]
    assert any(re.search(CASES[name].says or "", message) for message in said), said
    assert not any("\n" in message for message in said)


def test_the_odd_one_out_is_named(broken: Broken) -> None:
    (odd,) = [result for result in broken.run.results if result.check == "clock.odd_one_out"]
    assert odd.outcome == "failed"
    assert odd.message.startswith("ahead's clock ahead of the median of 7 hosts by at least 1.5 min, limit 500 ms")
    assert odd.evidence[0].startswith("ahead +1.5 min ± ")
    left_out = [line for line in odd.evidence if line.startswith("left out: ")]
    assert [line.split(": ")[1] for line in left_out] == ["time-never", "time-nan", "time-unasked"]


def test_what_is_kept_well_is_judged(broken: Broken) -> None:
    results = broken.run.of("kept")
    judged = ("clock.synchronised", "clock.accuracy", "clock.sources", "clock.offset")
    assert {results[check].outcome for check in judged} == {"passed"}


def test_nothing_but_the_declared_turns(broken: Broken) -> None:
    assert broken.run.turned == {turn for injected in broken.injected.values() for turn in injected.turns}
    assert broken.run.status == 1


def test_the_hosts_that_are_well_are_untouched(broken: Broken) -> None:
    for name in WELL:
        assert broken.untouched(name)


def test_a_fleet_that_follows_one_of_its_own_is_green() -> None:
    """ntp serves its own clock; web and db follow it, over the network."""
    with lab(names=["ntp", "web", "db"]) as fleet, ExitStack() as daemons:
        ntp, *others = fleet
        daemons.enter_context(clock.chronyd(ntp, "local stratum 3\nallow 10.77.0.0/24\n"))
        for host in others:
            daemons.enter_context(clock.chronyd(host, f"server {ntp.address} {clock.QUICK}\n"))
        for host in others:
            clock.follows(host)
        run = suite(fleet, "-m", "clock")
    assert run.turned == set(), run
    for name in ("web", "db"):
        assert {result.outcome for result in run.of(name).values()} == {"passed"}
    assert run.of("ntp")["clock.sources"].message == "chronyd serves its own clock, and has no sources"
    (agree,) = [result for result in run.results if result.check == "clock.odd_one_out"]
    assert agree.outcome == "passed"
