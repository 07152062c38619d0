"""What is not a run: `python -m shipworthy policy explain`, `report`, and the probes by themselves."""

from __future__ import annotations

import json

from selftest.stories.user import Repository

POLICY = "plays:\n- hosts: all\n  memory:\n    swap_used: {fail_above: 1 GiB}\n"


def test_a_policy_is_explained_with_the_place_of_every_limit(repository: Repository) -> None:
    repository.write("policies/local.yml", POLICY)
    ran = repository.run("-m", "shipworthy", "policy", "explain", "here")
    assert ran.status == 0, ran
    (line,) = (line for line in ran.said.splitlines() if "swap_used" in line)
    assert "1 GiB" in line
    assert "policies/local.yml:4" in line


def test_explaining_nobody_names_who_there_is(repository: Repository) -> None:
    ran = repository.run("-m", "shipworthy", "policy", "explain", "nobody")
    assert ran.status == 4
    assert "nobody" in ran.said
    assert "Traceback" not in ran.said


def test_a_mistake_is_told_as_in_a_run(repository: Repository) -> None:
    repository.write("policies/local.yml", POLICY.replace("swap_used", "swap_usd"))
    ran = repository.run("-m", "shipworthy", "policy", "explain", "here")
    assert ran.status == 4
    assert ran.said == "policies/local.yml:4: memory.swap_usd: unknown key; did you mean swap_used?\n"


def test_a_report_is_made_again(repository: Repository) -> None:
    first = repository.pytest("--pyargs", "shipworthy.tests", "-m", "reachable")
    report, junit = first.directory / "report.html", first.directory / "junit.xml"
    before = junit.read_text()
    report.unlink()
    junit.unlink()
    ran = repository.run("-m", "shipworthy", "report", "reports/latest")
    assert ran.status == 0, ran
    assert ran.said.split() == ["reports/latest/junit.xml", "reports/latest/report.html"]
    assert report.exists()
    assert junit.read_text() == before


def test_no_report_of_what_is_no_run(repository: Repository) -> None:
    ran = repository.run("-m", "shipworthy", "report", "inventories")
    assert (ran.status, ran.said) == (4, "inventories: is no run's directory: it has no results.jsonl\n")


def test_without_a_command_it_says_which_there_are(repository: Repository) -> None:
    ran = repository.run("-m", "shipworthy")
    assert ran.status == 0
    assert "policy" in ran.said
    assert "report" in ran.said


def test_a_probe_by_itself(repository: Repository) -> None:
    ran = repository.run("-m", "shipworthy.probes", "memory")
    assert ran.status == 0, ran
    assert json.loads(ran.said)["memory"]["reading"]["ram"]["total_bytes"] > 0
