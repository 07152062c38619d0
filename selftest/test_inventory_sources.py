"""What `--inventory=staging` means, and which policy it brings along."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipworthy.errors import InventoryError
from shipworthy.inventory import find_source, policy_beside


@pytest.fixture
def rootdir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for file in ("staging.yml", "lab.yaml", "old.ini", "prod/hosts.yml", "twice.yml", "twice/hosts.yml", "script"):
        path = tmp_path / "inventories" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for policy in ("staging.yml", "lab.yaml", "prod.yml", "v1.2.yml"):
        (tmp_path / "policies").mkdir(exist_ok=True)
        (tmp_path / "policies" / policy).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("staging", "inventories/staging.yml"),
        ("lab", "inventories/lab.yaml"),
        ("old", "inventories/old.ini"),
        ("prod", "inventories/prod"),
        ("script", "inventories/script"),
        ("staging.yml", "inventories/staging.yml"),
        ("inventories/staging.yml", "inventories/staging.yml"),
        ("inventories/prod/hosts.yml", "inventories/prod/hosts.yml"),
        ("./policies", "policies"),
    ],
)
def test_a_name_or_a_path_is_found(rootdir: Path, name: str, found: str) -> None:
    assert find_source(name, rootdir) == str(rootdir / found)


def test_a_path_is_the_shell_s(rootdir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = rootdir / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "staging.yml").touch()
    monkeypatch.chdir(elsewhere)
    assert find_source("./staging.yml", rootdir) == str(elsewhere / "staging.yml")
    assert find_source("staging", rootdir) == str(rootdir / "inventories/staging.yml")


def test_an_absolute_path_and_a_list_of_hosts_are_themselves(rootdir: Path) -> None:
    assert find_source(str(rootdir / "inventories"), rootdir) == str(rootdir / "inventories")
    assert find_source("web1,web2,", rootdir) == "web1,web2,"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stagign", "--inventory=stagign: there is no such inventory; did you mean staging?"),
        ("x", "--inventory=x: there is no such inventory; {}/inventories has lab, old, prod, script, staging, twice"),
        ("twice", "--inventory=twice: {}/inventories has twice and twice.yml: name one of them"),
        ("", "--inventory: is empty: name an inventory, a file or a directory"),
    ],
)
def test_what_is_not_there_is_told(rootdir: Path, name: str, message: str) -> None:
    with pytest.raises(InventoryError) as raised:
        find_source(name, rootdir)
    assert str(raised.value) == message.format(rootdir)


@pytest.mark.parametrize(
    ("source", "policy"),
    [
        ("staging", "staging.yml"),
        ("lab", "lab.yaml"),
        ("prod", "prod.yml"),
        ("inventories/prod/hosts.yml", "prod.yml"),
        ("old", None),
        ("nowhere", None),
        ("web1,web2,", None),
        ("./policies", None),
    ],
)
def test_an_inventory_brings_the_policy_of_its_name(rootdir: Path, source: str, policy: str | None) -> None:
    assert policy_beside(source, rootdir) == (rootdir / "policies" / policy if policy else None)


def test_a_dot_in_a_directory_s_name_is_part_of_it(rootdir: Path) -> None:
    (rootdir / "inventories" / "v1.2").mkdir()
    assert policy_beside("v1.2", rootdir) == rootdir / "policies" / "v1.2.yml"


def test_the_policy_stands_beside_the_inventory_wherever_that_is(
    rootdir: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("here")
    assert policy_beside(str(rootdir / "inventories/staging.yml"), here) == rootdir / "policies/staging.yml"
