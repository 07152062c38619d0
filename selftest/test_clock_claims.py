"""What the checks of who keeps a clock conclude: a recorded host, a policy → outcome and message."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from selftest import judged
from shipworthy.probes import clock as clock_probe
from shipworthy.probes.runtime.child import Completed
from shipworthy.probes.runtime.machine import Machine

CASES = Path(__file__).parent / "cases" / "clock"
SYNCHRONISED = "test_clock_is_synchronised"
NEAR = "test_clock_is_near_its_source"
SOURCES = "test_time_sources_answer"
RECORDED: dict[str, dict[str, tuple[str, str]]] = {
    "debian12-chrony-4.3-recorded": dict.fromkeys((SYNCHRONISED, NEAR, SOURCES), ("passed", "")),
    "debian12-chrony-4.3-no-source-recorded": {
        SYNCHRONISED: ("failed", "chronyd says that the clock is not synchronised: Not synchronised"),
        NEAR: ("skipped", "chronyd is not synchronised"),
        SOURCES: ("failed", "of 1 time sources, those that answer: 0, limit at least 1"),
    },
    "debian12-chrony-4.3-serves-its-own-clock-recorded": {
        SYNCHRONISED: ("passed", ""),
        NEAR: ("passed", ""),
        SOURCES: ("skipped", "chronyd serves its own clock, and has no sources"),
    },
    "debian12-chrony-4.3-just-started-recorded": {
        NEAR: ("warned", "clock wrong by as much as 2.22 s, warning above 1 s"),
    },
    "rhel7-chrony-3.4-many-sources": dict.fromkeys((SYNCHRONISED, NEAR, SOURCES), ("passed", "")),
    "cloud-chrony-4.5-hardware-clock": dict.fromkeys((SYNCHRONISED, NEAR, SOURCES), ("passed", "")),
    "chrony-does-not-listen": {
        SYNCHRONISED: ("passed", ""),
        NEAR: ("error", "daemon: chronyc: 506 Cannot talk to daemon"),
        SOURCES: ("error", "daemon: chronyc: 506 Cannot talk to daemon"),
    },
    "chrony-sources-refused": {SOURCES: ("error", "daemon.sources: chronyc: 501 Not authorised")},
    "debian12-ntpsec-1.2.2-recorded": dict.fromkeys((SYNCHRONISED, NEAR, SOURCES), ("passed", "")),
    "debian12-ntpsec-1.2.2-just-started-recorded": {
        SYNCHRONISED: ("failed", "ntpd says that the clock is not synchronised: sync_unspec, leap 11"),
        SOURCES: ("passed", ""),
    },
    "rhel7-ntp-4.2.6-many-peers": dict.fromkeys((SYNCHRONISED, NEAR, SOURCES), ("passed", "")),
    "ntp-follows-its-own-clock": {
        NEAR: ("warned", "stratum 11, warning above 9"),
        SOURCES: ("skipped", "ntpd serves its own clock, and has no sources"),
    },
    "debian11-timesyncd-247": dict.fromkeys((SYNCHRONISED, NEAR, SOURCES), ("passed", "")),
    "systemd-256-timesyncd-far-server": {NEAR: ("warned", "clock wrong by as much as 1.05 min, warning above 1 s")},
    "timesyncd-no-answer-yet": {
        SYNCHRONISED: (
            "failed",
            "systemd-timesyncd says that the clock is not synchronised: no server has answered yet",
        ),
        NEAR: ("skipped", "systemd-timesyncd is not synchronised"),
        SOURCES: ("failed", "of 1 time sources, those that answer: 0, limit at least 1"),
    },
    "timesyncd-no-server": {SOURCES: ("failed", "time sources that answer 0, limit at least 1")},
    "timesyncd-older-than-239": {
        SYNCHRONISED: ("passed", ""),
        NEAR: ("error", "daemon: the recorded tree does not tell what `timedatectl show-timesync` said"),
    },
    "timesyncd-kernel-not-seen": {
        SYNCHRONISED: (
            "error",
            "kernel.synchronised: the recorded tree does not tell what `adjtimex --print` said",
        ),
    },
    "vm-that-nobody-keeps": {
        SYNCHRONISED: ("failed", "no time daemon runs, and the kernel's clock is not synchronised"),
        NEAR: ("skipped", "no time daemon runs here"),
        SOURCES: ("skipped", "no time daemon runs here"),
    },
    "container-podman": {
        SYNCHRONISED: (
            "skipped",
            "a container (a PID namespace of its own): its clock is kept by the machine around it",
        ),
    },
    "container-docker-in-the-hosts-pid-namespace": {
        SYNCHRONISED: ("skipped", "a container (/.dockerenv): its clock is kept by the machine around it"),
        NEAR: ("skipped", "a container (/.dockerenv): its clock is kept by the machine around it"),
    },
    "linuxptp": {SYNCHRONISED: ("passed", ""), NEAR: ("skipped", "there is nothing to ask phc2sys by")},
    "hidden-processes": {
        SYNCHRONISED: ("passed", ""),
        SOURCES: ("error", "running: /proc is mounted with hidepid: needs root"),
    },
}


@pytest.mark.parametrize(("case", "test"), [(case, test) for case, told in RECORDED.items() for test in told])
def test_of_a_recorded_host(case: str, test: str) -> None:
    said = judged.judge("clock", test, clock=judged.read("clock", CASES / case), policy=judged.policy())
    assert (said.outcome, said.message) == RECORDED[case][test]


EDITED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "far from its source": (
        NEAR,
        {"offset_seconds": 0.7},
        "failed",
        "clock off from its source's 700 ms, limit 500 ms",
    ),
    "a little off": (
        NEAR,
        {"offset_seconds": 0.06},
        "warned",
        "clock off from its source's 60 ms, warning above 50 ms (limit 500 ms)",
    ),
    "nothing of it is told": (
        NEAR,
        {"offset_seconds": None, "root_distance_seconds": None, "stratum": None},
        "error",
        "daemon.root_distance_seconds: not measured",
    ),
    "only the distance is told": (NEAR, {"offset_seconds": None, "stratum": None}, "passed", ""),
    "a long silence": (SOURCES, {"heard": 20_000}, "warned", "since a time source was heard 5.56 h, warning above 3 h"),
    "the usual silence": (SOURCES, {"heard": 1040}, "passed", ""),
    "a daemon that does not say": (
        SYNCHRONISED,
        {"synchronised": None},
        "passed",
        "",
    ),
}


@pytest.mark.parametrize("name", EDITED)
def test_of_a_host_that_is_otherwise_well(name: str) -> None:
    test, changes, outcome, message = EDITED[name]
    clock = judged.read("clock", CASES / "debian12-chrony-4.3-recorded")
    changes = dict(changes)
    if heard := changes.pop("heard", None):
        changes["sources"] = [source._replace(heard_seconds_ago=heard) for source in clock.daemon.sources]
    clock = clock._replace(daemon=clock.daemon._replace(**changes))
    said = judged.judge("clock", test, clock=clock, policy=judged.policy())
    assert (said.outcome, said.message) == (outcome, message)


def test_nobody_can_be_seen_and_the_kernel_was_not_told() -> None:
    clock = judged.read("clock", CASES / "hidden-processes")
    clock = clock._replace(kernel=clock.kernel._replace(synchronised=False))
    said = judged.judge("clock", SYNCHRONISED, clock=clock)
    assert (said.outcome, said.message) == ("error", "running: /proc is mounted with hidepid: needs root")


def test_a_container_that_sees_the_machines_daemon_is_not_to_answer_for_it() -> None:
    clock = judged.read("clock", CASES / "chrony-not-to-be-asked")._replace(borrowed="/.dockerenv")
    said = {
        judged.judge("clock", name, clock=clock, policy=judged.policy()).outcome for name in (SYNCHRONISED, SOURCES)
    }
    assert said == {"skipped"}


def test_a_daemon_that_does_not_say_and_a_kernel_that_was_not_told() -> None:
    clock = judged.read("clock", CASES / "chrony-does-not-listen")
    clock = clock._replace(kernel=clock.kernel._replace(synchronised=False))
    said = judged.judge("clock", SYNCHRONISED, clock=clock)
    assert (said.outcome, said.message) == (
        "error",
        (
            "chronyd does not say whether it is synchronised (chronyc: 506 Cannot talk to daemon), "
            "and the kernel was not told so"
        ),
    )


@pytest.mark.parametrize(
    ("checks", "asked"),
    [
        ({"memory.fork"}, None),
        ({"clock.offset"}, (8, False, False)),
        ({"clock.odd_one_out"}, (8, False, False)),
        ({"clock.synchronised", "clock.accuracy"}, (0, True, False)),
        ({"clock.sources"}, (0, True, True)),
        ({"clock.offset", "clock.sources"}, (8, True, True)),
    ],
)
def test_no_more_is_asked_than_is_judged(checks: set[str], asked: tuple[int, bool, bool] | None) -> None:
    assert judged.policy().requests(frozenset(checks)).get("clock") == asked


class Stub(Machine):
    """A recorded host on which commands end as they do on others: not there, or too old."""

    def __init__(self, root: Path, done: Completed) -> None:
        super().__init__(str(root))
        self._done = done

    def run(self, command: Sequence[str], seconds: float, at_most: int = 2**20) -> Completed:  # noqa: ARG002
        return self._done if command[0] != "adjtimex" else super().run(command, seconds)


MUTE = {
    "timesyncd-older-than-239": (
        Completed(1, b"", b"Unknown operation show-timesync.\n"),
        "systemd-timesyncd could not be asked before systemd 239",
    ),
    "rhel7-ntp-4.2.6-many-peers": (
        Completed(127, b"", b"ntpq: No such file or directory"),
        "there is no ntpq here: this ntpd is BusyBox's, or OpenBSD's",
    ),
}


@pytest.mark.parametrize("case", MUTE)
def test_a_daemon_that_nobody_can_ask_is_left_to_the_kernel(case: str) -> None:
    done, reason = MUTE[case]
    reading = clock_probe.probe(Stub(CASES / case, done), clock_probe.Request())
    said = {name: judged.judge("clock", name, clock=reading, policy=judged.policy()) for name in (NEAR, SOURCES)}
    assert {(one.outcome, one.message) for one in said.values()} == {("skipped", reason)}
    assert judged.judge("clock", SYNCHRONISED, clock=reading).outcome == "passed"


def test_a_tool_that_fails_otherwise_is_an_error() -> None:
    done = Completed(1, b"", b"Failed to query server: Connection timed out\n")
    reading = clock_probe.probe(Stub(CASES / "debian11-timesyncd-247", done), clock_probe.Request())
    said = judged.judge("clock", NEAR, clock=reading, policy=judged.policy())
    assert (said.outcome, said.message) == (
        "error",
        "daemon: timedatectl: Failed to query server: Connection timed out",
    )
