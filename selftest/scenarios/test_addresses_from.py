"""When no name leads anywhere any more, hosts are reached where an earlier run reached them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, lab
from selftest.scenarios.suite import Run, suite

pytestmark = pytest.mark.xdist_group("addresses")

CHOSEN = ("-m", "reachable")


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    with lab(hosts=2) as made:
        yield made


@pytest.fixture(scope="module")
def reports(fleet: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a run in which the hosts were reached."""
    reports = tmp_path_factory.mktemp("reports")
    assert suite(fleet, *CHOSEN, reports=reports).status == 0
    return reports


def by_dead_names(fleet: Lab, reports: Path, *arguments: str, only: str = "db:web") -> Run:
    """The lab's hosts by names that nobody resolves, and by which their keys are known."""
    known = dict(line.split(" ", 1) for line in (fleet.directory / "known_hosts").read_text().splitlines())
    keys = fleet.directory / "known_names"
    keys.write_text("".join(f"{host.name}.nowhere.invalid {known[host.address]}\n" for host in fleet))
    told = {
        host.name: {
            "ansible_host": f"{host.name}.nowhere.invalid",
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={keys}",
        }
        for host in fleet
    }
    return suite(fleet, *CHOSEN, f"--limit={only}", *arguments, variables=told, reports=reports)


def logins(run: Run) -> set[str]:
    return {result.outcome for result in run.results if result.check == "reachable.login"}


def test_without_them_nobody_is_reached(fleet: Lab, tmp_path: Path) -> None:
    run = by_dead_names(fleet, tmp_path)
    assert logins(run) == {"failed"}, run
    assert "resolve: db.nowhere.invalid" in run.stdout
    assert "note: no address was found for db, web: --addresses-from=latest" in run.stdout


@pytest.mark.parametrize("link", ["paramiko", "openssh"])
def test_with_those_of_the_last_run_everybody_is(fleet: Lab, reports: Path, link: str) -> None:
    run = by_dead_names(fleet, reports, "--addresses-from=latest", f"--connection={link}")
    assert logins(run) == {"passed"}, run


def test_a_run_that_reached_nobody_is_passed_over(fleet: Lab, reports: Path) -> None:
    by_dead_names(fleet, reports)
    assert logins(by_dead_names(fleet, reports, "--addresses-from=latest")) == {"passed"}


def test_a_run_can_be_named(fleet: Lab, reports: Path, tmp_path: Path) -> None:
    oldest = min(reports.glob("2*Z-*"))
    assert logins(by_dead_names(fleet, tmp_path, f"--addresses-from={oldest}")) == {"passed"}


def test_whoever_was_never_reached_is_looked_up_and_told(fleet: Lab, reports: Path, tmp_path: Path) -> None:
    first = suite(fleet, *CHOSEN, "--limit=db", reports=tmp_path)
    run = by_dead_names(fleet, tmp_path / "others", f"--addresses-from={first.directory}")
    assert {result.host: result.outcome for result in run.results if result.check == "reachable.login"} == {
        "db": "passed",
        "web": "failed",
    }
    assert "note: --addresses-from: no run knows where web was reached: its name is looked up" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--addresses-from=/nowhere"], "--addresses-from: /nowhere: no run is stored there"),
        (["--addresses-from", "/nowhere"], "--addresses-from: write --addresses-from=/nowhere"),
    ],
)
def test_what_cannot_be_meant_is_refused(fleet: Lab, tmp_path: Path, arguments: list[str], why: str) -> None:
    run = by_dead_names(fleet, tmp_path, *arguments)
    assert run.status == 4
    assert why in run.stdout + run.stderr
