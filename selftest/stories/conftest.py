"""Every story begins with a repository of a user's, beside an installed Shipworthy."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.stories.installed import install
from selftest.stories.user import HERE, Repository


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The python of an environment in which Shipworthy is installed; one for all of xdist's workers."""
    base = tmp_path_factory.getbasetemp()
    directory = (base if worker_id == "master" else base.parent) / "installed"
    directory.mkdir(exist_ok=True)
    return install(directory)


@pytest.fixture
def repository(tmp_path: Path, python: Path) -> Repository:
    """A repository with an inventory of this machine and nothing else."""
    repository = Repository(tmp_path / "fleet", python)
    repository.write("inventories/local.yml", HERE)
    return repository
