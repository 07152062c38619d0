"""Clocks that are wrong, or kept by nobody: the claims that speak of them turn, and the odd one out is named."""

from __future__ import annotations

from contextlib import ExitStack

from lab import lab
from lab.faults import answers, clock
from selftest.scenarios.broken import Broken, Case, Faults
from selftest.scenarios.suite import suite

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


class TestFaults(Faults):
    cases = CASES

    def test_the_odd_one_out_is_named(self, broken: Broken) -> None:
        (odd,) = [result for result in broken.run.results if result.check == "clock.odd_one_out"]
        assert odd.outcome == "failed"
        assert odd.message.startswith("ahead's clock ahead of the median of 7 hosts by at least 1.5 min, limit 500 ms")
        assert odd.evidence[0].startswith("ahead +1.5 min ± ")
        left_out = [line for line in odd.evidence if line.startswith("left out: ")]
        assert [line.split(": ")[1] for line in left_out] == ["time-never", "time-nan", "time-unasked"]

    def test_what_is_kept_well_is_judged(self, broken: Broken) -> None:
        results = broken.run.of("kept")
        judged = ("clock.synchronised", "clock.accuracy", "clock.sources", "clock.offset")
        assert {results[check].outcome for check in judged} == {"passed"}


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
