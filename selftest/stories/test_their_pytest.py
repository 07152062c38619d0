"""What a user knows of pytest holds in a run of Shipworthy: fixtures, marks, classes, subtests, options."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.stories.user import HERE, Ran, Repository

OURS = ("--pyargs", "shipworthy.tests")
CONFTEST = """
import pytest


@pytest.fixture
def policy():
    return "theirs"


@pytest.fixture(scope="session")
def host(host):
    host.mine = True
    return host
"""
THEIRS = """
import pytest


@pytest.fixture(scope="module")
def kernel(host):
    return host.check_output("uname -s")


def test_their_fixtures_go_before_ours(host, policy):
    assert (host.mine, policy) == (True, "theirs")


class TestOfAClass:
    def test_fixtures_of_a_module_may_use_the_host(self, kernel):
        assert kernel == "Linux"


@pytest.mark.parametrize("path", ["/", "/etc"])
def test_of_parameters(host, path):
    assert host.file(path).is_directory


@pytest.mark.xfail(reason="OPS-1")
def test_that_fails_as_expected(host):
    assert not host.file("/").exists


@pytest.mark.xfail(strict=True, reason="OPS-2")
def test_that_was_expected_to_fail(host):
    pass


@pytest.mark.skip(reason="OPS-3")
def test_skipped(host):
    pass


def test_of_subtests(host, subtests):
    for path in ("/", "/no/such/place"):
        with subtests.test(path):
            assert host.file(path).exists


def test_that_breaks(host):
    raise RuntimeError("theirs broke")


def test_that_could_not_be_measured(host):
    from shipworthy.errors import NotMeasured

    raise NotMeasured("the balance of the moon")
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, python: Path) -> Ran:
    repository = Repository(tmp_path_factory.mktemp("theirs") / "fleet", python)
    repository.write("inventories/local.yml", HERE)
    repository.write("conftest.py", CONFTEST)
    repository.write("tests/test_theirs.py", THEIRS)
    return repository.pytest(*OURS, "tests", "-ra")


def told(ran: Ran, test: str) -> list[tuple[str, str]]:
    return [(result.outcome, result.message) for result in ran.results if result.test == test]


@pytest.mark.parametrize(
    ("test", "results"),
    [
        ("test_their_fixtures_go_before_ours", [("passed", "")]),
        ("test_fixtures_of_a_module_may_use_the_host", [("passed", "")]),
        ("test_of_parameters", [("passed", ""), ("passed", "")]),
        ("test_that_fails_as_expected", [("skipped", "fails as expected: OPS-1")]),
        ("test_that_was_expected_to_fail", [("failed", "[XPASS(strict)] OPS-2")]),
        ("test_skipped", [("skipped", "OPS-3")]),
        ("test_of_subtests", [("failed", "not every subtest holds")]),
        ("test_that_breaks", [("error", "RuntimeError: theirs broke (test_theirs.py:46)")]),
        ("test_that_could_not_be_measured", [("error", "the balance of the moon")]),
    ],
)
def test_each_ends_as_pytest_has_it(ran: Ran, test: str, results: list[tuple[str, str]]) -> None:
    assert told(ran, test) == results, ran


def test_our_own_checks_keep_our_fixtures(ran: Ran) -> None:
    assert told(ran, "test_memory_is_available")[0][0] in {"passed", "warned", "failed"}
    assert told(ran, "test_host_is_reachable") == [("passed", "")]


def test_every_test_has_one_result(ran: Ran) -> None:
    ids = [result.nodeid for result in ran.results]
    assert len(ids) == len(set(ids)) == ran.facts["selected"]
    assert ran.facts["not_run"] == []


def test_what_pytest_knows_of_their_failures_is_shown(ran: Ran) -> None:
    assert 'raise RuntimeError("theirs broke")' in ran.said
    assert "XFAIL tests/test_theirs.py::test_that_fails_as_expected[here] - OPS-1" in ran.said
    assert "SUBFAILED[/no/such/place] tests/test_theirs.py::test_of_subtests[here]" in ran.said


def test_what_could_not_be_measured_is_one_line(ran: Ran) -> None:
    assert ran.said.count("the balance of the moon") == 1


def test_a_list_of_hosts_in_testinfras_way_is_refused(repository: Repository) -> None:
    repository.write("tests/test_theirs.py", "testinfra_hosts = ['local://']\n\ndef test_it(host):\n    pass\n")
    ran = repository.pytest("tests")
    assert ran.status == 2, ran
    assert "testinfra_hosts is not used here: tests run on every host" in ran.said
    assert "Traceback" not in ran.said


def test_a_broken_teardown_is_an_error(repository: Repository) -> None:
    """What the test left behind is not known; a pipeline that reads results or JUnit must not see a pass."""
    fixture = "import pytest\n\n@pytest.fixture\ndef lent(host):\n    yield\n    raise OSError('not given back')\n\n"
    repository.write("tests/test_theirs.py", f"{fixture}def test_it(lent):\n    pass\n")
    ran = repository.pytest("tests")
    assert ran.status == 6, ran
    assert ran.outcomes == {"theirs.it": "error"}
    assert ran.of("theirs.it").message == "in its teardown: OSError: not given back"


def test_an_unreachable_host_is_one_line_with_theirs_too(repository: Repository) -> None:
    repository.write("inventories/local.yml", "all: {hosts: {gone: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    repository.write("tests/test_theirs.py", "def test_it(host):\n    assert host.exists('sh')\n")
    ran = repository.pytest(*OURS, "tests", "-k", "not reachable")
    assert ran.status == 6, ran
    checks = sum(result.host == "gone" for result in ran.results)
    assert f"gone  {checks} checks  unreachable: connect: 127.0.0.1 port 1: connection refused" in ran.said
    assert ran.said.count("connection refused") == 1, ran


def test_a_policy_knows_plain_tests_by_file_and_function(repository: Repository) -> None:
    repository.write("tests/test_theirs.py", "class TestIt:\n    def test_it(self, host):\n        assert False\n")
    repository.write("policies/local.yml", "plays:\n- hosts: all\n  off: {theirs.it: 'not before May'}\n")
    ran = repository.pytest("tests")
    assert (ran.status, ran.of("theirs.it").message) == (0, "off: not before May"), ran
    explained = repository.run("-m", "shipworthy", "policy", "explain", "here")
    assert explained.status == 0, explained
    assert "not before May" in explained.said


def test_stopping_at_the_first_failure_names_what_did_not_run(repository: Repository) -> None:
    repository.write("tests/test_theirs.py", "def test_a(host):\n    assert False\n\ndef test_b(host):\n    pass\n")
    ran = repository.pytest("tests", "-x")
    assert ran.status == 1, ran
    assert ran.facts["not_run"] == ["tests/test_theirs.py::test_b[here]"]
    assert "1 failed, 1 not run on 1 host" in ran.said


def test_their_fixtures_are_listed_with_ours(repository: Repository) -> None:
    ran = repository.pytest("--fixtures", "-q")
    assert ran.status == 0, ran
    assert "testinfra's host, over the connection that the suite already has." in ran.said
    assert "The memory probe's reading of the host." in ran.said
