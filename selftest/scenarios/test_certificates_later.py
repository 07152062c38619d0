"""Certificates on another day, from a host that forwards nothing, and again from what is stored.

web ── 443    what ends in 39 days ◂── from here, and from db, whose sshd has `DisableForwarding yes`
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import pytest

from lab import Lab, lab
from lab.faults import Turn, login
from lab.pki import Issued, Site, web
from lab.pki.client import endpoint
from lab.pki.trusted import authorities, roots
from selftest.scenarios.certified import ROOTS
from selftest.scenarios.suite import Run, suite

pytestmark = pytest.mark.xdist_group("certificates")

NAME = "www.example.test"
LEAF = authorities().server(NAME, since=-51, until=39)
LOST = 0.167
"""Of its life, that must be left."""
CHOSEN = ("-m", "certificates")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(names=["web", "db"]) as made, ExitStack() as held:
        held.enter_context(web(made[0], Site(LEAF.chain)))
        held.enter_context(login.forwarding_disabled(made[1]))
        made[1].write(ROOTS, authorities().root.pem)
        yield made


@pytest.fixture(scope="module")
def policy(fleet: Lab) -> str:
    first, second = (endpoint(address, 443) for address in (fleet[0].address, fleet[0].address6))
    met = {"connect": first, "backends": [second], "name": NAME, "roots": str(roots(fleet.directory))}
    inside = {"connect": "web:443", "name": NAME, "roots": ROOTS, "vantage": "host"}
    plays = [
        {"hosts": "web", "certificates": {"www": met}},
        {"hosts": "db", "certificates": {"www-inside": inside}},
    ]
    return json.dumps({"families": ["ipv4", "ipv6"], "plays": plays})


@pytest.fixture(scope="module")
def today(fleet: Lab, policy: str) -> Run:
    return suite(fleet, *CHOSEN, policy=policy)


def outcomes(run: Run) -> dict[tuple[str, str | None, str | None], str]:
    return {(one.check, one.host, one.item): one.outcome for one in run.results}


def fails_on(leaf: Issued) -> str:
    """The day on which too little of its life will be left."""
    begin, end = leaf.certificate.not_valid_before_utc, leaf.certificate.not_valid_after_utc
    return str((end - LOST * (end - begin + timedelta(seconds=1))).date())


def test_today_all_is_well(today: Run) -> None:
    assert today.turned == set(), today
    assert today.status == 0


def test_a_host_that_forwards_nothing_meets_it_all_the_same(today: Run) -> None:
    inside = {one.check: one for one in today.results if one.host == "db" and one.item == "www-inside"}
    for check in ("handshake", "in_date", "left", "chain", "trust", "name", "protocols"):
        assert inside[f"certificates.{check}"].outcome == "passed", today


def test_the_day_is_told_on_which_it_first_fails_by_time_alone(today: Run) -> None:
    assert f"by time alone, this run first fails on {fails_on(LEAF)}: www" in today.stdout, today


def test_on_another_day_too_little_is_left(fleet: Lab, policy: str) -> None:
    run = suite(fleet, *CHOSEN, "--at=+30d", policy=policy)
    assert run.turned == {Turn("certificates.left", host, "failed") for host in ("web", "db")}, run


def test_on_a_later_day_it_is_expired(fleet: Lab, policy: str) -> None:
    run = suite(fleet, *CHOSEN, "--at=+40d", policy=policy)
    assert run.turned == {Turn("certificates.in_date", host, "failed") for host in ("web", "db")}, run


def test_a_replay_judges_the_same(fleet: Lab, policy: str, today: Run) -> None:
    again = suite(fleet, *CHOSEN, f"--replay={today.directory}", policy=policy)
    assert outcomes(again) == outcomes(today) != {}, again
    later = suite(fleet, *CHOSEN, f"--replay={today.directory}", "--at=+30d", policy=policy)
    assert {turn.check for turn in later.turned} == {"certificates.left"}, later
