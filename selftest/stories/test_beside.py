"""A project that does not use Shipworthy, though it is installed there: its own tests are left alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.stories.user import Repository

THEIRS = """
import pytest


@pytest.fixture
def policy():
    return "theirs"


@pytest.mark.parametrize("login", ["ann"])
def test_theirs(policy, login):
    assert (policy, login) == ("theirs", "ann")


def test_testinfra(host):
    assert host.file("/etc/passwd").exists
    assert host.backend.get_connection_type() == "local"
"""


@pytest.fixture
def project(tmp_path: Path, python: Path) -> Repository:
    project = Repository(tmp_path / "project", python)
    project.write("tests/test_theirs.py", THEIRS)
    return project


def test_its_tests_run_as_ever(project: Repository) -> None:
    ran = project.pytest()
    assert ran.status == 0, ran
    assert "2 passed" in ran.said
    assert not (project.directory / "reports").exists()
    assert "on 1 host" not in ran.said


def test_testinfras_own_options_work(project: Repository) -> None:
    ran = project.pytest("--hosts=local://", "--sudo", "-k", "theirs and not testinfra")
    assert ran.status == 0, ran


def test_xdist_works(project: Repository) -> None:
    ran = project.pytest("-n", "1")
    assert ran.status == 0, ran
