"""A check of a set of hosts, in every way in which the set may be less than the fleet.

ahead (a minute and a half)   db   web   app   mail
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, lab
from lab.faults import Injected, clock, login
from selftest.scenarios.suite import ROOT, Run, suite
from shipworthy.results import Result, from_line

ALONE = ("-k", "odd_one_out")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(names=["ahead", "db", "web", "app", "mail"]) as made:
        yield made


@pytest.fixture(scope="module")
def fault(fleet: Lab) -> Iterator[Injected]:
    with clock.clock_ahead(fleet[0]) as injected:
        yield injected


@pytest.fixture(scope="module")
def alone(fleet: Lab, fault: Injected) -> Run:
    """The check by itself, on all hosts."""
    return suite(fleet, *ALONE, faults=[fault])


@pytest.fixture(scope="module")
def limited(fleet: Lab, fault: Injected) -> Run:
    """The check by itself, on a part of them."""
    return suite(fleet, *ALONE, "--limit=ahead,db,web", faults=[fault])


def only(run: Run) -> Result:
    (result,) = run.results
    return result


def asked(run: Run, host: str) -> dict[str, object]:
    snapshot = json.loads(gzip.decompress((run.directory / "snapshots" / f"{host}.json.gz").read_bytes()))
    return dict(snapshot["asked"])


def test_selected_alone_it_asks_every_host_for_the_time_and_no_more(alone: Run) -> None:
    assert (only(alone).outcome, only(alone).host) == ("failed", None)
    assert only(alone).message.startswith("ahead's clock ahead of the median of 5 hosts by at least 1.5 min")
    for host in ("ahead", "db", "web", "app", "mail"):
        request = asked(alone, host)
        assert request["exchanges"] == 8
        assert request["probes"] == {"clock": {"exchanges": 8, "keeper": False, "sources": False}}


def test_other_runs_ask_nobody_for_the_time(fleet: Lab, fault: Injected) -> None:
    run = suite(fleet, "-k", "swap_is_unused", "--limit=db", faults=[fault])
    assert "exchanges" not in asked(run, "db")
    assert run.status == 0


def test_a_set_that_is_cut_is_told_so(limited: Run) -> None:
    whose = "the median of 3 hosts (of --limit=ahead,db,web)"
    assert only(limited).message.startswith(f"ahead's clock ahead of {whose} by at least 1.5 min")


def test_two_hosts_have_no_odd_one(fleet: Lab, fault: Injected) -> None:
    run = suite(fleet, *ALONE, "--limit=ahead,db", faults=[fault])
    assert (only(run).outcome, only(run).message) == ("skipped", "there is an odd one out from three hosts on")


def test_who_cannot_be_reached_is_left_out_and_named(fleet: Lab, fault: Injected) -> None:
    with login.refused(fleet[2]):
        run = suite(fleet, *ALONE, faults=[fault])
    assert only(run).message.startswith("ahead's clock ahead of the median of 4 hosts")
    assert any(line.startswith("left out: web: unreachable: connect: ") for line in only(run).evidence)


def test_where_the_others_agree_the_one_that_is_left_out_is_unknown(fleet: Lab) -> None:
    with login.refused(fleet[2]):
        run = suite(fleet, *ALONE, "--limit=!ahead")
    assert (only(run).outcome, run.status) == ("error", 6)
    assert only(run).message.startswith("1 host told no time: web (unreachable: connect: ")
    assert only(run).message.endswith("; the clocks of the other 3 hosts agree")


def test_too_few_are_left(fleet: Lab) -> None:
    with login.refused(fleet[2]):
        run = suite(fleet, *ALONE, "--limit=db,web,app")
    assert only(run).outcome == "error"
    assert only(run).message.endswith("; 2 are too few to find the odd one out among")


def test_a_host_on_which_it_is_off_is_not_asked_and_not_compared(fleet: Lab, fault: Injected) -> None:
    policy = "plays:\n- hosts: ahead\n  off: {clock.odd_one_out: it lives in another time}\n"
    run = suite(fleet, *ALONE, faults=[fault], policy=policy)
    assert (only(run).outcome, run.status) == ("passed", 0)
    assert "exchanges" not in asked(run, "ahead")


def test_each_host_is_held_to_its_own_limit(fleet: Lab, fault: Injected) -> None:
    policy = "plays:\n- hosts: ahead\n  clock: {odd_one_out: {warn_above: 1 min, fail_above: 2 min}}\n"
    run = suite(fleet, *ALONE, faults=[fault], policy=policy)
    assert (only(run).outcome, run.status) == ("warned", 0)


def test_a_replay_judges_the_same(fleet: Lab, fault: Injected, alone: Run) -> None:
    again = suite(fleet, *ALONE, f"--replay={alone.directory}", faults=[fault])
    assert (only(again).outcome, only(again).message) == (only(alone).outcome, only(alone).message)
    assert only(again).measures == only(alone).measures


def test_a_replay_of_a_part_still_says_so(limited: Run, tmp_path: Path) -> None:
    """By the hosts and the policy of that run, for which no inventory is read."""
    replay = [f"--replay={limited.directory}", "--policy-as-run", f"--reports={tmp_path}"]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *ALONE, *replay]
    subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    (line,) = (tmp_path / "latest" / "results.jsonl").read_text().splitlines()
    assert from_line(line).message == only(limited).message


def test_who_was_not_asked_then_is_left_out_and_named(fleet: Lab, limited: Run) -> None:
    again = suite(fleet, *ALONE, f"--replay={limited.directory}")
    assert "left out: mail: not a part of the run that is replayed" in only(again).evidence
