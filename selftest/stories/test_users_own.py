"""A user's own repository in front of real hosts: their tests and ours, over one login a host.

inventories/lab.yml   policies/lab.yml   tests/test_theirs.py   pytest.ini
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import Lab, LabHost, lab, wait_until, write_inventory
from selftest.labs.possible import require_lab
from selftest.stories.user import Ran, Repository

SSHD_LOG = "/run/sshd.log"
INI = "[pytest]\naddopts = --pyargs\ntestpaths = shipworthy.tests tests\n"
POLICY = "plays:\n- hosts: db\n  observe: [ours.no_core_dumps]\n  memory: {swap_used: {fail_above: 1 GiB}}\n"
THEIRS = '''
import pytest
from shipworthy.checks import check


def test_motd_is_short(host):
    """Nobody reads a long one."""
    assert host.file("/srv/motd").size < 10


def test_we_are_root_by_sudo(host):
    assert host.check_output("id -un") == "root"


def test_a_command_fails_as_it_does(host):
    assert host.run("ls /no/such/place").rc == 2


def test_another_user_has_a_shell(host):
    with host.sudo("deploy"):
        assert host.user().name == "deploy"


def test_the_server_runs(host):
    assert host.process.filter(comm="sshd")
    assert not host.service("no-such-service").is_running


@pytest.mark.parametrize("port", [22])
def test_a_port_is_open(host, port):
    assert host.addr("127.0.0.1").port(port).is_reachable


def test_both_fit_together(host, memory, now):
    assert host.check_output("grep MemTotal /proc/meminfo").split()[1] == str(memory.ram.total_bytes // 1024)
    assert now.tzinfo


@check("ours.no_core_dumps")
def test_no_core_was_dumped(host):
    """Nothing left a core file.

    Why: something crashed, and its memory lies there for anybody.
    Look: `coredumpctl`; the file's owner.
    """
    found = host.run("ls /srv/core").stdout.split()
    assert not found, f"{len(found)} core file\\n" + "\\n".join(found)


def test_no_host_is_needed():
    assert True
'''


@pytest.fixture(scope="module")
def fleet() -> Iterator[Lab]:
    require_lab()
    with lab(hosts=2) as made:
        db, web = made
        db.write("/srv/motd", "short")
        web.write("/srv/motd", "far too long")
        for host in made:
            host.write("/srv/core", "")
            _let_sshd_write(host)
        yield made


def _let_sshd_write(host: LabHost) -> None:
    """Start sshd anew, with a log."""
    host.shell("kill $(cat /run/sshd.pid)")
    wait_until(lambda: not host.exists("/run/sshd.pid"), within=5, what="the end of sshd")
    host.run(["/usr/sbin/sshd", "-E", SSHD_LOG])
    wait_until(lambda: host.exists("/run/sshd.pid"), within=5, what="sshd")


@pytest.fixture(scope="module")
def repository(fleet: Lab, tmp_path_factory: pytest.TempPathFactory, python: Path) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("own") / "fleet", python, through=fleet.here.command([]))
    (repository.directory / "inventories").mkdir(parents=True)
    as_deploy = {host.name: {"ansible_user": "deploy", "ansible_become": True} for host in fleet}
    write_inventory(fleet, repository.directory / "inventories", variables=as_deploy)
    repository.write("policies/lab.yml", POLICY)
    repository.write("tests/test_theirs.py", THEIRS)
    repository.write("pytest.ini", INI)
    return repository


@pytest.fixture(scope="module")
def first(fleet: Lab, repository: Repository) -> tuple[Ran, dict[str, int]]:
    """One run of everything, and how often each host's sshd let somebody in meanwhile."""
    ran = repository.pytest("--inventory=lab")
    return ran, {host.name: host.read(SSHD_LOG).count("Accepted publickey") for host in fleet}


@pytest.fixture(scope="module")
def ran(first: tuple[Ran, dict[str, int]]) -> Ran:
    return first[0]


def outcomes(ran: Ran, host: str | None) -> dict[str, str]:
    return {result.check: result.outcome for result in ran.results if result.host == host}


def test_theirs_and_ours_run_on_every_host(ran: Ran) -> None:
    assert ran.status == 1, ran
    for host in ("db", "web"):
        assert outcomes(ran, host)["memory.available"] == "passed"
        assert outcomes(ran, host)["theirs.we_are_root_by_sudo"] == "passed"
    assert outcomes(ran, None)["theirs.no_host_is_needed"] == "passed"


def test_only_what_is_wrong_turns(ran: Ran) -> None:
    turned = {(result.check, result.host) for result in ran.results if result.outcome in {"failed", "error", "warned"}}
    assert turned == {("theirs.motd_is_short", "web"), ("ours.no_core_dumps", "web")}, ran


def test_their_policy_knows_their_checks(ran: Ran) -> None:
    (result,) = (result for result in ran.results if (result.check, result.host) == ("ours.no_core_dumps", "db"))
    assert (result.outcome, result.note) == ("passed", "observed only; would have failed")


def test_their_check_is_told_as_ours_are(ran: Ran) -> None:
    (result,) = (result for result in ran.results if (result.check, result.host) == ("ours.no_core_dumps", "web"))
    assert result.message == "1 core file"
    assert result.evidence == ("/srv/core",)
    assert result.why == "something crashed, and its memory lies there for anybody."
    assert "FAILED  web  ours.no_core_dumps  1 core file\n        │ /srv/core\n" in ran.said


def test_their_plain_failure_keeps_pytests_own_account(ran: Ran) -> None:
    assert '>       assert host.file("/srv/motd").size < 10' in ran.said
    assert "E       AssertionError: assert 12 < 10" in ran.said
    assert "FAILED tests/test_theirs.py::test_motd_is_short[web]" in ran.said
    assert "test_no_core_was_dumped" not in ran.said, "a check speaks in its own lines"


def test_node_ids_are_the_same_wherever_shipworthy_is_installed(ran: Ran) -> None:
    ids = {result.nodeid for result in ran.results}
    assert "tests/test_memory.py::test_swap_is_unused[db]" in ids
    assert "tests/test_theirs.py::test_a_port_is_open[db-22]" in ids
    assert all(id.startswith("tests/") for id in ids)


def test_everything_is_in_the_report(ran: Ran) -> None:
    report = (ran.directory / "report.html").read_text()
    for words in ("theirs.motd_is_short", "ours.no_core_dumps", "/srv/core", "its memory lies there for anybody"):
        assert words in report
    assert 'name="test_motd_is_short[web]"' in (ran.directory / "junit.xml").read_text()


def test_all_of_it_took_one_login_a_host(first: tuple[Ran, dict[str, int]]) -> None:
    assert first[1] == {"db": 1, "web": 1}


def test_ours_are_judged_again_where_no_host_is_within_reach(repository: Repository, ran: Ran) -> None:
    """Outside of the lab's network; what needs the host itself says so."""
    away = Repository(repository.directory, repository.python)
    again = away.pytest("--inventory=lab", f"--replay={ran.directory}")
    assert again.status == 6, again
    for host in ("db", "web"):
        before, after = outcomes(ran, host), outcomes(again, host)
        assert after["theirs.we_are_root_by_sudo"] == "error"
        subjects = ("memory.", "reachable.")
        assert {check: after[check] for check in after if check.startswith(subjects)} == {
            check: before[check] for check in before if check.startswith(subjects)
        }


def test_theirs_alone(repository: Repository, ran: Ran) -> None:
    alone = repository.pytest("--inventory=lab", "tests/test_theirs.py", "-k", "port")
    assert {result.nodeid for result in alone.results} == {
        "tests/test_theirs.py::test_a_port_is_open[db-22]",
        "tests/test_theirs.py::test_a_port_is_open[web-22]",
    }


def test_ours_alone(repository: Repository, ran: Ran) -> None:
    alone = repository.pytest("--inventory=lab", "--pyargs", "shipworthy.tests", "-m", "reachable")
    assert {(result.check, result.outcome) for result in alone.results} == {("reachable.login", "passed")}
