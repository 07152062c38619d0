"""How far clocks are apart, and what the checks conclude from it: exchanges and a policy → outcome and message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from selftest import judged
from shipworthy.errors import NotMeasured
from shipworthy.exchange import NO_EXCHANGES, Exchange, Exchanges
from shipworthy.judging.clocks import Between, from_median, offset
from shipworthy.policy import HostPolicy
from shipworthy.snapshot import Answer, Cost, Facts, Login, Snapshot

NOW = 1_795_558_000.0
UNKNOWN = "whether that is beyond the limit of 500 ms cannot be told"


def exchange(ahead: float, took: float = 0.002, at: float = NOW) -> Exchange:
    """With a host whose clock is so much ahead, which answered half-way."""
    return Exchange(at, at + took, at + took / 2 + ahead)


OFFSETS: dict[str, tuple[list[Exchange], str, str]] = {
    "none to speak of": ([exchange(0.001)], "passed", ""),
    "ahead": ([exchange(1.5)], "failed", "clock ahead of this machine's by at least 1.5 s, limit 500 ms"),
    "behind": ([exchange(-1.5)], "failed", "clock behind this machine's by at least 1.5 s, limit 500 ms"),
    "in between": (
        [exchange(0.3)],
        "warned",
        "clock ahead of this machine's by at least 299 ms, warning above 200 ms (limit 500 ms)",
    ),
    "years": ([exchange(-86400.0 * 365)], "failed", "clock behind this machine's by at least 365 d, limit 500 ms"),
    "the quickest counts": ([exchange(3.0, 8.0), exchange(0.0, 0.001), exchange(-2.0, 5.0)], "passed", ""),
    "a slow link, and a clock that is right": ([exchange(0.0, 0.6)], "passed", ""),
    "a slow link, and a clock that is far off": (
        [exchange(5.0, 0.6)],
        "failed",
        "clock ahead of this machine's by at least 4.7 s, limit 500 ms",
    ),
    "a slow link, and who knows": (
        [exchange(0.4, 0.6)],
        "error",
        f"the clock against this machine's is +400 ms ± 300 ms: {UNKNOWN}",
    ),
    "so slow that nothing can be told": (
        [exchange(0.0, 2.0)],
        "error",
        f"the clock against this machine's is +0 µs ± 1 s: {UNKNOWN}",
    ),
    "surely within, and perhaps to be warned of": ([exchange(0.19, 0.1)], "passed", ""),
}


@pytest.mark.parametrize("name", OFFSETS)
def test_against_this_machine(name: str) -> None:
    exchanges, outcome, message = OFFSETS[name]
    said = judged.judge("clock", "test_clock_agrees_with_this_machines", exchanges=exchanges, policy=judged.policy())
    assert (said.outcome, said.message) == (outcome, message)


def test_the_limit_may_be_open_or_another() -> None:
    for limit, outcome in (({"fail_above": None}, "warned"), ({"fail_above": "1 h"}, "warned"), ({}, "failed")):
        policy = judged.policy(clock={"offset": limit} if limit else {})
        name = "test_clock_agrees_with_this_machines"
        assert judged.judge("clock", name, exchanges=[exchange(90.0)], policy=policy).outcome == outcome


@dataclass
class Hosts:
    """Stands for the fleet's fixture: snapshots by name, or why there is none."""

    answers: Mapping[str, Exchange | str]
    cut: str | None = None
    policies: Mapping[str, HostPolicy] = field(default_factory=dict)

    def hosts(self, check: str) -> list[str]:
        assert check == "clock.odd_one_out"
        return list(self.answers)

    def policy(self, host: str) -> HostPolicy:
        return self.policies.get(host) or judged.policy()

    def snapshot(self, host: str) -> Snapshot:
        said = self.answers[host]
        if said == "gone":
            raise NotMeasured("not a part of the run that is replayed")
        facts = Facts("3.11", "b", 0, NOW, 1.0, "6.1", "x86_64")
        answer = Answer(1, facts, 0.0, Cost(0.1, 1, 0.1), {})
        exchanges = Exchanges(8, [said]) if isinstance(said, Exchange) else NO_EXCHANGES
        return Snapshot(host, "", "local", Login({}, None), {"probes": {}}, answer, exchanges=exchanges)


WELL = {"a": exchange(0.01), "b": exchange(0.0), "c": exchange(-0.01)}
UNCERTAIN = exchange(0.4, 0.6)
FLEETS: dict[str, tuple[Hosts, str, str]] = {
    "all agree": (Hosts(WELL), "passed", ""),
    "all agree, and this machine is wrong": (
        Hosts({name: exchange(-3600.0, at=NOW + number) for number, name in enumerate("abc")}),
        "passed",
        "",
    ),
    "one is ahead": (
        Hosts({**WELL, "d": exchange(2.0)}),
        "failed",
        "d's clock ahead of the median of 4 hosts by at least 1.99 s, limit 500 ms",
    ),
    "two are behind": (
        Hosts({**WELL, "d": exchange(-2.0), "e": exchange(-3.0), "f": exchange(0.0)}),
        "failed",
        (
            "e's clock behind the median of 6 hosts by at least 2.99 s, limit 500 ms; "
            "d's clock behind the median of 6 hosts by at least 1.99 s, limit 500 ms"
        ),
    ),
    "a part of the fleet": (
        Hosts({**WELL, "d": exchange(2.0)}, cut="web"),
        "failed",
        "d's clock ahead of the median of 4 hosts (of --limit=web) by at least 1.99 s, limit 500 ms",
    ),
    "one of three is warned of": (
        Hosts({**WELL, "a": exchange(0.3)}),
        "warned",
        "a's clock ahead of the median of 3 hosts by at least 298 ms, warning above 200 ms (limit 500 ms)",
    ),
    "one that nobody can tell of": (
        Hosts({**WELL, "d": UNCERTAIN}),
        "error",
        (
            "d's clock against the median of 4 hosts is +395 ms ± 301 ms: "
            "whether that is beyond the limit of 500 ms cannot be told"
        ),
    ),
    "one that is odd, and one that nobody can tell of": (
        Hosts({**WELL, "d": UNCERTAIN, "e": exchange(9.0), "f": exchange(0.0)}),
        "failed",
        "e's clock ahead of the median of 6 hosts by at least 8.99 s, limit 500 ms",
    ),
    "one was not asked": (
        Hosts({**WELL, "d": "silent"}),
        "error",
        (
            "1 host told no time: d (the host was not asked for its time in this run); "
            "the clocks of the other 3 hosts agree"
        ),
    ),
    "two of three are there": (
        Hosts({"a": exchange(0.0), "b": exchange(9.0), "c": "gone"}),
        "error",
        "1 host told no time: c (not a part of the run that is replayed); 2 are too few to find the odd one out among",
    ),
    "two hosts": (
        Hosts({"a": exchange(0.0), "b": exchange(9.0)}),
        "skipped",
        "there is an odd one out from three hosts on",
    ),
    "one host may be elsewhere": (
        Hosts(
            {**WELL, "d": exchange(2.0)}, policies={"d": judged.policy(clock={"odd_one_out": {"fail_above": "1 h"}})}
        ),
        "warned",
        "d's clock ahead of the median of 4 hosts by at least 1.99 s, warning above 200 ms (limit 1 h)",
    ),
}


@pytest.mark.parametrize("name", FLEETS)
def test_among_the_hosts(name: str) -> None:
    fleet, outcome, message = FLEETS[name]
    said = judged.judge("clock", "test_no_clock_is_the_odd_one_out", fleet=fleet)
    assert (said.outcome, said.message) == (outcome, message)


def test_the_evidence_is_short_and_the_farthest_come_first() -> None:
    answers = {f"h{number}": exchange(number * 0.001) for number in range(40)}
    said = judged.judge("clock", "test_no_clock_is_the_odd_one_out", fleet=Hosts({**answers, "odd": exchange(7.0)}))
    assert said.evidence[0].startswith("odd +6.98 s ± ")
    assert said.evidence[-1] == "… and 36 hosts that are nearer to the median"
    assert len(said.evidence) == 6


def test_many_that_are_missing_are_not_all_listed() -> None:
    said = judged.judge(
        "clock", "test_no_clock_is_the_odd_one_out", fleet=Hosts({**WELL, **{f"m{n}": "gone" for n in range(40)}})
    )
    assert said.message.startswith("40 hosts told no time: m0 (")
    assert "m4 (not a part of the run that is replayed) and 35 more; the clocks of the other 3" in said.message


def test_a_difference_lies_between_its_bounds() -> None:
    """Whatever the moment at which a host answered, the truth is within what is told."""
    for where in (0.0, 0.25, 1.0):
        said = offset([Exchange(NOW, NOW + 0.1, NOW + 0.1 * where + 5.0)])
        assert said.low - 1e-6 <= 5.0 <= said.high + 1e-6
    truth = {"a": 0.0, "b": 0.2, "c": 7.0, "d": -0.1}
    offsets = {name: Between(ahead - 0.3, ahead + 0.1) for name, ahead in truth.items()}
    for name, apart in from_median(offsets).items():
        assert apart.low <= truth[name] - 0.1 <= apart.high
    assert (Between(-1.0, 3.0).least, Between(-1.0, 3.0).most) == (0.0, 3.0)
    assert (Between(-3.0, -1.0).least, Between(-3.0, -1.0).direction) == (1.0, "behind")
