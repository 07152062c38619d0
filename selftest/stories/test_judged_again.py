"""A stored run is judged again: by today's policy or by its own, at another time, with its hosts long gone."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from selftest.stories.user import HERE, Ran, Repository

OURS = ("--pyargs", "shipworthy.tests")
LENIENT = "plays:\n- hosts: all\n  reachable: {login_time: {warn_above: null}}\n"
STERN = "plays:\n- hosts: all\n  reachable: {login_time: {warn_above: null, fail_above: 0 s}}\n"
WAIVER = "waivers:\n- {check: reachable.login, hosts: all, until: 2999-01-31, owner: a, approved_by: b, ticket: X-1}\n"
NEVER = "touched: {ansible_connection: openssh, ansible_ssh_common_args: \"-o ProxyCommand='touch touched'\"}"
TOUCHY = f"all:\n  hosts:\n    here: {NEVER.partition(': ')[2]}\n"
"""The same host by name, and now one that cannot be asked without leaving a trace."""


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Path:
    """A run in which one check of memory was asked, and whether the host is reachable."""
    repository = Repository(tmp_path_factory.mktemp("stored") / "fleet", python)
    repository.write("inventories/local.yml", HERE)
    repository.write("policies/local.yml", LENIENT)
    ran = repository.pytest(*OURS, "-k", "swap_is_unused or reachable")
    assert ran.status == 0, ran
    return ran.directory


@pytest.fixture
def repository(tmp_path: Path, python: Path, stored: Path) -> Repository:
    """A repository with a copy of that run, whose host would tell if anybody came."""
    repository = Repository(tmp_path / "fleet", python)
    repository.write("inventories/local.yml", TOUCHY)
    shutil.copytree(stored, repository.directory / "then")
    return repository


def replay(repository: Repository, *arguments: str) -> Ran:
    ran = repository.pytest(*OURS, "--replay=then", *arguments)
    assert not (repository.directory / "touched").exists(), "a replay asks no host"
    return ran


def login(ran: Ran) -> str:
    return ran.of("reachable.login").outcome


def test_it_is_judged_by_todays_policy(repository: Repository) -> None:
    repository.write("policies/local.yml", STERN)
    ran = replay(repository, "-m", "reachable")
    assert (ran.status, login(ran)) == (1, "failed")
    assert ran.facts["replay_of"] == "then"


def test_it_is_judged_by_the_policy_of_that_run(repository: Repository) -> None:
    repository.write("policies/local.yml", STERN)
    ran = replay(repository, "-m", "reachable", "--policy-as-run")
    assert (ran.status, login(ran)) == (0, "passed"), ran


def test_its_own_policy_needs_nothing_of_todays(repository: Repository) -> None:
    repository.write("inventories/local.yml", "no inventory any more")
    repository.write("policies/local.yml", "nor a policy")
    assert replay(repository, "-m", "reachable", "--policy-as-run").status == 0


def test_a_replay_can_be_replayed(repository: Repository) -> None:
    first = replay(repository, "-m", "reachable")
    again = repository.pytest(*OURS, "-m", "reachable", "--replay=reports/latest")
    assert again.facts["replay_of"] == first.directory.name
    assert [result.measures for result in again.results] == [result.measures for result in first.results]


def test_what_was_not_asked_then_is_an_error_that_says_so(repository: Repository) -> None:
    ran = replay(repository)
    assert ran.status == 6, ran
    assert ran.outcomes["memory.swap_used"] == ran.outcomes["reachable.login"].replace("passed", "skipped")
    for check in ("memory.pressure", "memory.oom_kills", "memory.fork"):
        assert ran.of(check).outcome == "error"
        assert "not asked" in ran.of(check).message, ran.of(check).message


def test_without_a_word_the_hosts_are_those_of_the_run(repository: Repository) -> None:
    hosts = "".join(f"    {name}: {{ansible_connection: local}}\n" for name in ("db", "web"))
    repository.write("inventories/staging.yml", f"all:\n  hosts:\n{hosts}")
    repository.pytest(*OURS, "-m", "reachable", "--inventory=staging", "--limit=web")
    ran = repository.pytest(*OURS, "-m", "reachable", "--replay=reports/latest")
    assert ran.status == 0, ran
    assert [(result.host, result.outcome) for result in ran.results] == [("web", "passed")]


def test_hosts_that_were_given_by_name_are_given_again(repository: Repository) -> None:
    arguments = (*OURS, "-m", "reachable", "--hosts=local://")
    first = repository.pytest(*arguments)
    refused = repository.pytest(*OURS, f"--replay={first.directory}")
    assert refused.status == 4
    assert "--replay: that run was given its hosts by --hosts; give them again" in refused.said
    assert repository.pytest(*arguments, f"--replay={first.directory}").status == 0


def test_a_host_that_was_not_there_then_is_an_error(repository: Repository) -> None:
    repository.write("inventories/local.yml", TOUCHY + "    new: {ansible_connection: local}\n")
    ran = replay(repository, "-m", "reachable")
    assert {result.host: result.outcome for result in ran.results} == {"here": "passed", "new": "error"}
    assert "new  reachable.login  not a part of the run that is replayed" in ran.said


@pytest.mark.parametrize(
    ("at", "outcome"),
    [("2999-01-31", "waived"), ("2999-02-01T06:00Z", "failed"), ("+1d", "waived")],
)
def test_a_waiver_expires_by_the_time_that_is_told(repository: Repository, at: str, outcome: str) -> None:
    repository.write("policies/local.yml", STERN + WAIVER)
    assert login(replay(repository, "-m", "reachable", f"--at={at}")) == outcome


def test_days_from_now_are_days_from_the_run(repository: Repository) -> None:
    repository.write("policies/local.yml", LENIENT)
    facts = json.loads((repository.directory / "then" / "run.json").read_text())
    ran = replay(repository, "-m", "reachable", "--at=+30d")
    assert ran.facts["details"]["at"][:10] > facts["started"][:10]


def test_testinfras_host_is_not_to_be_had(repository: Repository) -> None:
    repository.write("tests/test_theirs.py", "def test_root(host):\n    assert host.user().name == 'root'\n")
    ran = repository.pytest("--replay=then", "tests")
    assert ran.status == 6, ran
    assert "theirs.root  testinfra's host needs the host itself, and this run is a replay" in ran.said
    assert "Traceback" not in ran.said
    assert "test_theirs.py:" not in ran.said


def bomb(_: bytes) -> bytes:
    return gzip.compress(b" " * 200 * 2**20, 9)


def of_another_schema(data: bytes) -> bytes:
    return gzip.compress(json.dumps(json.loads(gzip.decompress(data)) | {"schema": 99}).encode())


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "truncated": (lambda data: data[: len(data) // 2], "truncated"),
    "empty": (lambda _: b"", "truncated"),
    "no-gzip": (lambda _: b"{}", "not a gzip file"),
    "bomb": (bomb, "more than 12 MiB when unpacked"),
    "no-json": (lambda _: gzip.compress(b"<html>"), "JSON"),
    "another-schema": (of_another_schema, "schema 99, not 1"),
}


def test_damaged_snapshots_are_refused_before_anything_is_judged(repository: Repository) -> None:
    """Each damage has a host of its own; all are told at once, each in a line that names its file."""
    snapshots = repository.directory / "then" / "snapshots"
    whole = (snapshots / "here.json.gz").read_bytes()
    repository.write("inventories/local.yml", TOUCHY + "".join(f"    {name}: {{}}\n" for name in DAMAGES))
    for name, (damage, _) in DAMAGES.items():
        (snapshots / f"{name}.json.gz").write_bytes(damage(whole))
    ran = replay(repository, "-k", "reachable or available")
    assert ran.status == 4, ran
    assert not (repository.directory / "reports").exists()
    lines = ran.said.splitlines()
    for name, (_, says) in DAMAGES.items():
        (line,) = (line for line in lines if f"then/snapshots/{name}.json.gz: " in line)
        assert says in line


BROKEN_FACTS = {
    "gone": (None, "No such file"),
    "no JSON": ("{", "no record of a run"),
    "a list": ("[]", "no record of a run"),
    "another schema": ('{"schema": 99}', "schema 99, not 1"),
    "something else": ('{"schema": 1}', "is missing"),
}


@pytest.mark.parametrize("name", BROKEN_FACTS)
def test_what_is_no_run_is_refused(repository: Repository, name: str) -> None:
    text, says = BROKEN_FACTS[name]
    path = repository.directory / "then" / "run.json"
    path.unlink() if text is None else path.write_text(text)
    ran = replay(repository)
    assert ran.status == 4, ran
    assert f"{path}: " in ran.said
    assert says in ran.said
    assert "Traceback" not in ran.said
    assert not (repository.directory / "reports").exists()


def test_policies_that_cannot_be_read_again_are_refused(repository: Repository) -> None:
    path = repository.directory / "then" / "run.json"
    facts = json.loads(path.read_text())
    facts["details"]["policies"] = {key: {"schema": 99} for key in facts["details"]["policies"]}
    path.write_text(json.dumps(facts))
    ran = replay(repository, "--policy-as-run")
    assert ran.status == 4, ran
    assert f"{path}: its policies cannot be read" in ran.said
