"""What is concluded of many hosts' views of a name; and what a run tells of its questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pytest

from selftest import judged
from selftest.dns_answers import NAME, SILENT, Says, World, reading_of
from shipworthy.errors import NotMeasured
from shipworthy.judging.lookups import looked_of
from shipworthy.judging.views import odd_ones
from shipworthy.plugin.questions import Questions
from shipworthy.policy import HostPolicy
from shipworthy.probes import certificates
from shipworthy.probes.dns import Question, Request, Resolved
from shipworthy.snapshot import Answer, Cost, Facts, Login, Measured, Snapshot, plain

CHECK = "test_hosts_see_the_same_answers"
GONE = "not a part of the run that is replayed"
LEFT_OUT = "was not asked"
OWN = "192.0.2.53"
HERE, THERE = "10.0.0.7", "10.0.0.9"


def sees(*addresses: str, error: str = "") -> World:
    """A world in which the name has these IPv4 addresses, for the C library and on the wire."""
    return World({("*", "A"): Says(addresses)}, {"ipv4": Resolved(list(addresses), error, 0.001)})


def snapshot_of(host: str, world: World, request: Request, asked: int = 9) -> Snapshot:
    reading = reading_of(world, request)._replace(asked=asked)
    measured = Measured(1, plain(reading))
    answer = Answer(1, Facts("3.11", "b", 0, 0.0, 1.0, "6.1", "x86_64"), 0.0, Cost(0.1, 1, 0.1), {"dns": measured})
    return Snapshot(host, "", "local", Login({}, None), {"probes": {"dns": plain(request)}}, answer)


@dataclass
class Hosts:
    """Stands for the fleet's fixture: worlds by host, or why there is no snapshot."""

    worlds: Mapping[str, World | str]
    said: Mapping[str, Any] = field(default_factory=dict)
    """Of the name, on every host."""
    cut: str | None = None

    def hosts(self, check: str) -> Sequence[str]:
        assert check == "dns.same"
        return list(self.worlds)

    def policy(self, _host: str) -> HostPolicy:
        return self._policy

    @cached_property
    def _policy(self) -> HostPolicy:
        return judged.policy(dns={NAME: self.said})

    def snapshot(self, host: str) -> Snapshot:
        world = self.worlds[host]
        if isinstance(world, str):
            raise NotMeasured(world)
        request = self.policy(host).dns.request(frozenset({"dns.same"}))
        return snapshot_of(host, world, request or Request())


WELL = {host: sees(HERE) for host in "abc"}
FLEETS: dict[str, tuple[Hosts, str, str]] = {
    "all see the same": (Hosts(WELL), "passed", ""),
    "one sees another": (
        Hosts({**WELL, "d": sees(THERE)}),
        "failed",
        f"{NAME} A: d sees {THERE}, the other 3 hosts {HERE}",
    ),
    "two see others": (
        Hosts({**WELL, "d": sees(THERE), "e": sees("10.1.0.1", "10.1.0.2", "10.1.0.3", "10.1.0.4")}),
        "failed",
        (
            f"{NAME} A: d sees {THERE}, 3 hosts {HERE}; "
            f"{NAME} A: e sees 10.1.0.1, 10.1.0.2, 10.1.0.3 and 1 more, 3 hosts {HERE}"
        ),
    ),
    "one is told that there is none": (
        Hosts({**WELL, "d": sees(error="EAI_NONAME")}),
        "failed",
        f"{NAME} A: d sees none, the other 3 hosts {HERE}",
    ),
    "none is told of one": (Hosts({host: sees(error="EAI_NONAME") for host in "abc"}), "passed", ""),
    "a CDN's answers": (Hosts({"a": sees("1.0.0.1"), "b": sees("1.0.0.2"), "c": sees("1.0.0.3")}), "passed", ""),
    "a half sees another": (
        Hosts({"a": sees(HERE), "b": sees(HERE), "c": sees(THERE), "d": sees(THERE)}),
        "passed",
        "",
    ),
    "parts of one set": (
        Hosts({"a": sees("1.0.0.1", "1.0.0.2"), "b": sees("1.0.0.2", "1.0.0.3"), "c": sees("1.0.0.3", "1.0.0.4")}),
        "passed",
        "",
    ),
    "one cannot tell, which is told of it already": (Hosts({**WELL, "d": sees(error="EAI_AGAIN")}), "passed", ""),
    "one was not asked": (
        Hosts({**WELL, "d": GONE}),
        "error",
        "hosts that told nothing: d (not a part of the run that is replayed); the others see the same",
    ),
    "many told nothing": (
        Hosts({**WELL, **{f"h{number}": GONE for number in range(7)}, "y": LEFT_OUT}),
        "error",
        (
            "hosts that told nothing: h0, h1, h2, h3, h4 and 2 more (not a part of the run that is replayed); "
            "y (was not asked); the others see the same"
        ),
    ),
    "one was not asked, and one sees another": (
        Hosts({**WELL, "d": GONE, "e": sees(THERE)}),
        "failed",
        f"{NAME} A: e sees {THERE}, the other 3 hosts {HERE}",
    ),
    "two of three are there": (
        Hosts({"a": sees(HERE), "b": sees(THERE), "c": GONE}),
        "error",
        (
            "hosts that told nothing: c (not a part of the run that is replayed); "
            "2 are too few to find the odd one out among"
        ),
    ),
    "two hosts": (
        Hosts({"a": sees(HERE), "b": sees(THERE)}),
        "skipped",
        "there is an odd one out from three hosts on that look up the same name",
    ),
    "declared addresses are judged on each host": (
        Hosts({**WELL, "d": sees(THERE)}, {"addresses": [HERE, "fd00::7"]}),
        "skipped",
        "there is an odd one out from three hosts on that look up the same name",
    ),
    "from here it is looked up once": (
        Hosts({**WELL, "d": sees(THERE)}, {"vantage": "here"}),
        "skipped",
        "there is an odd one out from three hosts on that look up the same name",
    ),
    "at servers of its own": (
        Hosts({**WELL, "d": sees(THERE)}, {"servers": [OWN]}),
        "failed",
        f"{NAME} A: d sees {THERE}, the other 3 hosts {HERE}",
    ),
    "servers of its own that are silent for one": (
        Hosts({**WELL, "d": World(dead={OWN: SILENT})}, {"servers": [OWN]}),
        "passed",
        "",
    ),
}


@pytest.mark.parametrize("name", FLEETS)
def test_among_the_hosts(name: str) -> None:
    fleet, outcome, message = FLEETS[name]
    said = judged.judge("dns", CHECK, fleet=fleet)
    assert (said.outcome, said.message) == (outcome, message)


def test_many_odd_ones_are_not_all_in_the_message() -> None:
    worlds = {f"h{number:02}": sees(HERE) for number in range(30)} | {f"x{number}": sees(THERE) for number in range(9)}
    said = judged.judge("dns", CHECK, fleet=Hosts(worlds))
    assert said.message.endswith(f"{NAME} A: x4 sees {THERE}, 30 hosts {HERE} and 4 more")
    assert len(said.evidence) == 4


def test_views_meet_by_a_third() -> None:
    """A host may see nothing of another's, and both belong together by one that sees of both."""
    views = {"a": frozenset("1"), "b": frozenset("2"), "c": frozenset("12"), "d": frozenset("9")}
    assert odd_ones(views) == {"d": frozenset("9")}
    assert odd_ones({}) == {}


def test_what_was_said_of_a_name_is_understood_once_for_its_checks() -> None:
    request = judged.policy(dns={NAME: {}}).dns.request(frozenset({"dns.ipv4"}))
    assert request is not None
    snapshot = snapshot_of("a", sees(HERE), request)
    looked = looked_of(snapshot, NAME, None)
    assert looked_of(snapshot, NAME, None) is looked
    assert looked.of("A")[0] is looked.addresses["ipv4"][0]
    assert [answer.data for answer in looked.of("A")] == [(HERE,), (HERE,)]
    at_its_own = looked_of(snapshot, NAME, [OWN])
    assert at_its_own.servers == [OWN]
    assert at_its_own.questions is looked.questions
    assert looked_of(snapshot_of("a", sees(THERE), request), NAME, None).of("A")[0].data == (THERE,)
    with pytest.raises(NotMeasured, match="dns was not asked"):
        looked_of(Snapshot("d", "", "local", Login({}, None), {"probes": {}}, snapshot.answer), NAME, None)


def test_the_questions_of_a_run_are_told() -> None:
    questions = Questions()
    assert questions.notices() == []
    request = Request(questions=[Question(NAME, "A", "")], names=[NAME])
    questions.add(snapshot_of("a", World(dead=dict.fromkeys(("10.0.0.53", "fd00::53"), SILENT)), request, asked=1))
    assert questions.notices() == ["dns: 1 question to 2 name servers by 1 host"]
    questions.add(snapshot_of("b", World(servers=(OWN,), dead={OWN: SILENT}), request, asked=95))
    questions.add(snapshot_of("c", World(servers=()), Request(), asked=0))
    questions.add(Snapshot("d", "", "local", Login({}, None), {"probes": {}}, None))
    questions.add(Snapshot("e", "", "local", Login({}, None), {"probes": {"dns": {}}}, None))
    assert questions.notices() == ["dns: 96 questions to 3 name servers by 2 hosts"]
    questions.add(snapshot_of("here", World(servers=(OWN,), dead={OWN: SILENT}), request, asked=4), from_here=True)
    assert questions.notices() == ["dns: 100 questions to 3 name servers by 2 hosts and from here"]


def test_those_about_who_may_issue_certificates_are_told_with_them() -> None:
    request = Request(questions=[Question(NAME, "A", "")], names=[NAME])
    of_names = snapshot_of("a", World(servers=(OWN,), dead={OWN: SILENT}), request, asked=4)
    reading = certificates.Certificates({}, of_names.reading("dns").servers, [], 3, {})
    assert of_names.answer is not None
    probes = {**of_names.answer.probes, "certificates": Measured(certificates.VERSION, plain(reading))}
    asked = {"probes": {**of_names.asked["probes"], "certificates": plain(certificates.Request())}}
    questions = Questions()
    questions.add(replace(of_names, asked=asked, answer=of_names.answer._replace(probes=probes)))
    assert questions.notices() == ["dns: 7 questions to 1 name server by 1 host"]
