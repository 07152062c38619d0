"""The exit status is the gate: what makes it 0, 1, 4, 5 and 6; and what keeps a failure from counting, in the open."""

from __future__ import annotations

import pytest

from selftest.stories.user import HERE, Repository

OURS = ("--pyargs", "shipworthy.tests")
SURELY_FAILS = "plays:\n- hosts: all\n  reachable: {login_time: {warn_above: null, fail_above: 0 s}}\n"
SURELY_WARNS = "plays:\n- hosts: all\n  reachable: {login_time: {warn_above: 0 s}}\n"
WAIVER = "waivers:\n- {check: reachable.login, hosts: all, until: 2999-01-31, owner: a, approved_by: b, ticket: X-1}\n"
NOBODY_THERE = "all: {hosts: {gone: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n"


def judged(repository: Repository, policy: str, *arguments: str) -> tuple[int, str, str]:
    """(exit status, outcome, note) of reachable.login by `policy`."""
    repository.write("policies/local.yml", policy)
    ran = repository.pytest(*OURS, "-m", "reachable", *arguments)
    result = ran.of("reachable.login")
    return ran.status, result.outcome, result.note


@pytest.mark.parametrize(
    ("policy", "arguments", "status", "outcome", "note"),
    [
        ("{}", (), 0, "passed", ""),
        (SURELY_FAILS, (), 1, "failed", ""),
        (SURELY_WARNS, (), 0, "warned", ""),
        (SURELY_WARNS, ("--fail-on-warning",), 1, "warned", ""),
        (SURELY_FAILS + "  observe: [reachable.login]\n", (), 0, "passed", "observed only; would have failed"),
        (SURELY_FAILS + WAIVER, (), 0, "waived", "waived until 2999-01-31 by b, owner a, X-1"),
        (SURELY_FAILS + WAIVER.replace("2999", "2019"), (), 1, "failed", "expired on 2019-01-31"),
        (SURELY_FAILS + WAIVER.replace("owner", "at_most: 0 s, owner"), (), 1, "failed", "allows at most"),
    ],
    ids=["well", "beyond", "between", "gate on warnings", "observed", "waived", "waiver expired", "waiver exceeded"],
)
def test_within_policy_or_not(
    repository: Repository, policy: str, arguments: tuple[str, ...], status: int, outcome: str, note: str
) -> None:
    told = judged(repository, policy, *arguments)
    assert told[:2] == (status, outcome)
    assert note in told[2]


def test_off_is_skipped_with_its_reason(repository: Repository) -> None:
    repository.write("policies/local.yml", SURELY_FAILS + "  off: {reachable.login: 'no SSH here, OPS-7'}\n")
    ran = repository.pytest(*OURS, "-m", "reachable")
    assert (ran.status, ran.of("reachable.login").outcome) == (0, "skipped")
    assert ran.of("reachable.login").message == "off: no SSH here, OPS-7"


def test_what_could_not_be_measured_is_6(repository: Repository) -> None:
    repository.write("inventories/local.yml", NOBODY_THERE)
    ran = repository.pytest(*OURS, "-m", "memory")
    assert ran.status == 6, ran
    assert set(ran.outcomes.values()) == {"error"}
    assert f"gone  {len(ran.results)} checks  unreachable: connect: " in ran.said


def test_a_failure_outweighs_what_could_not_be_measured(repository: Repository) -> None:
    repository.write("inventories/local.yml", NOBODY_THERE)
    ran = repository.pytest(*OURS)
    assert ran.status == 1
    assert ran.outcomes.pop("reachable.login") == "failed"
    assert ran.said.count("\nERROR") + ran.said.count("\nFAILED") == 1, "an unreachable host is told in one line"


def test_nothing_selected_is_5(repository: Repository) -> None:
    ran = repository.pytest(*OURS, "-k", "no_such_claim")
    assert ran.status == 5, ran
    assert repository.files <= {"inventories", "inventories/local.yml"} | set(_reports(repository))


def test_a_mistake_in_a_policy_is_4(repository: Repository) -> None:
    repository.write("policies/local.yml", "play: []\n")
    assert repository.pytest(*OURS).status == 4


def test_a_users_broken_test_file_runs_nothing(repository: Repository) -> None:
    repository.write("tests/test_theirs.py", "import no_such_module\n")
    ran = repository.pytest(*OURS, "tests")
    assert ran.status == 2
    assert "no_such_module" in ran.said
    assert not (repository.directory / "reports").exists()


def test_two_runs_at_once_share_a_reports_directory(repository: Repository) -> None:
    repository.write("inventories/local.yml", HERE)
    both = [repository.start("-m", "pytest", "-p", "no:cacheprovider", *OURS, "-m", "reachable") for _ in range(2)]
    assert [repository.ended(process).status for process in both] == [0, 0]
    runs = [path for path in (repository.directory / "reports").glob("2*") if (path / "report.html").exists()]
    assert len(runs) == 2
    assert (repository.directory / "reports" / "latest").resolve() in [run.resolve() for run in runs]


def _reports(repository: Repository) -> list[str]:
    return [path for path in repository.files if path.startswith("reports")]
