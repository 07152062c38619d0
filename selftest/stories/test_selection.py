"""Which hosts and which checks: said on the command line, in the environment, or not at all."""

from __future__ import annotations

import pytest

from selftest.stories.user import Ran, Repository

OURS = ("--pyargs", "shipworthy.tests")
TWO = """
all:
  hosts:
    memory1: {ansible_connection: local}
    web: {ansible_connection: local}
"""
UNTOUCHABLE = """
all:
  hosts:
    gone: {ansible_connection: openssh, ansible_ssh_common_args: "-o ProxyCommand='touch touched'"}
"""


def hosts(ran: Ran) -> set[str | None]:
    return {result.host for result in ran.results}


def subjects(ran: Ran, host: str) -> set[str]:
    return {result.subject for result in ran.results if result.host == host}


def test_a_mark_is_exact(repository: Repository) -> None:
    repository.write("inventories/local.yml", TWO)
    ran = repository.pytest(*OURS, "-m", "reachable")
    assert {result.check for result in ran.results} == {"reachable.login"}
    assert "-m reachable takes" not in ran.said


STRICT = (*OURS, "--strict-markers")
NOTHING_NAMED = "note: -m {}: no policy names anything under `certificates:` for these hosts"


@pytest.mark.parametrize("policy", [None, "plays:\n- hosts: all\n  certificates: {wait: 2 s}\n"])
def test_a_subject_of_which_nothing_is_named_is_known_all_the_same(repository: Repository, policy: str | None) -> None:
    if policy:
        repository.write("policies/local.yml", policy)
    ran = repository.pytest(*STRICT, "-m", "certificates")
    assert ran.status == 5, ran
    assert NOTHING_NAMED.format("certificates") in ran.said


def test_what_is_named_nowhere_is_told_beside_what_is_checked(repository: Repository) -> None:
    ran = repository.pytest(*STRICT, "-m", "certificates or reachable or dns")
    assert {result.subject for result in ran.results} == {"reachable", "dns"}
    assert ran.said.count("no policy names anything") == 1
    assert NOTHING_NAMED.format("certificates") in ran.said


def test_a_users_own_subject_is_known_too(repository: Repository) -> None:
    repository.write(
        "tests/test_pinned.py",
        "from shipworthy.checks import check\n\n"
        "@check('certificates.pinned', each='endpoints')\ndef test_it_is_pinned(item):\n    assert item\n",
    )
    ran = repository.pytest(*STRICT, "tests", "-m", "pinned")
    assert ran.status == 5, ran
    assert NOTHING_NAMED.format("pinned") in ran.said


def test_a_subject_that_is_misspelt_is_a_mistake(repository: Repository) -> None:
    ran = repository.pytest(*STRICT, "-m", "certifcates")
    assert ran.status == 4, ran
    assert "Unknown marker(s) in '-m' expression: certifcates." in ran.said
    assert "Did you mean certificates?" in ran.said


def test_an_unknown_mark_that_is_near_no_subject_is_told_as_pytest_does(repository: Repository) -> None:
    ran = repository.pytest(*STRICT, "-m", "zzz")
    assert (ran.status, "Did you mean" in ran.said) == (4, False), ran


def test_a_keyword_also_takes_a_host_of_that_name_and_the_run_says_so(repository: Repository) -> None:
    repository.write("inventories/local.yml", TWO)
    ran = repository.pytest(*OURS, "-k", "memory")
    assert subjects(ran, "web") == {"memory"}
    assert subjects(ran, "memory1") >= {"memory", "reachable"}
    assert "note: -k memory also takes every check of memory1; -m memory takes the subject alone" in ran.said


def test_collecting_touches_no_host_and_lists_ids(repository: Repository) -> None:
    repository.write("inventories/local.yml", UNTOUCHABLE)
    ran = repository.pytest(*OURS, "--collect-only", "-q")
    assert ran.status == 0, ran
    assert "test_memory.py::test_swap_is_unused[gone]" in ran.said
    assert repository.files == {"inventories", "inventories/local.yml"}


def test_limit_is_ansibles(repository: Repository) -> None:
    repository.write("inventories/local.yml", TWO)
    ran = repository.pytest(*OURS, "-m", "reachable", "--limit=all:!web")
    assert hosts(ran) == {"memory1"}
    assert ran.facts["limit"] == "all:!web"


def test_the_environment_names_the_inventory(repository: Repository) -> None:
    repository.write("inventories/staging.yml", TWO)
    ran = repository.pytest(*OURS, "-m", "reachable", environment={"SHIPWORTHY_INVENTORY": "staging"})
    assert hosts(ran) == {"memory1", "web"}


def test_an_option_outweighs_the_environment(repository: Repository) -> None:
    repository.write("inventories/staging.yml", TWO)
    environment = {"SHIPWORTHY_INVENTORY": "local"}
    assert hosts(repository.pytest(*OURS, "-m", "reachable", "--inventory=staging", environment=environment)) == {
        "memory1",
        "web",
    }


def test_an_inventory_brings_its_policy_along(repository: Repository) -> None:
    repository.write("inventories/staging.yml", TWO)
    repository.write("policies/staging.yml", "plays:\n- hosts: web\n  off: {reachable.login: not yet}\n")
    ran = repository.pytest(*OURS, "-m", "reachable", "--inventory=staging")
    assert {result.host: result.outcome for result in ran.results} == {"memory1": "passed", "web": "skipped"}
    assert [path.endswith("policies/staging.yml") for path in ran.facts["policies"]] == [True]


def test_without_a_word_it_is_the_inventory_called_local(repository: Repository) -> None:
    assert hosts(repository.pytest(*OURS, "-m", "reachable")) == {"here"}


def test_from_a_directory_below_it_is_the_same(repository: Repository) -> None:
    repository.write("pytest.ini", "[pytest]\n")
    repository.write("tests/below/test_theirs.py", "def test_it(host):\n    assert host.file('/').is_directory\n")
    ran = repository.pytest("below", cwd=repository.directory / "tests")
    assert ran.status == 0, ran
    assert "1 passed on 1 host" in ran.said


@pytest.mark.parametrize("spec", ["local://", "local://here"])
def test_hosts_without_an_inventory(repository: Repository, spec: str) -> None:
    (repository.directory / "inventories" / "local.yml").unlink()
    (repository.directory / "inventories").rmdir()
    ran = repository.pytest(*OURS, "-m", "reachable", f"--hosts={spec}")
    assert ran.status == 0, ran
    assert len(ran.results) == 1
