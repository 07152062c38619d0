"""`python -m shipworthy policy …`, and the files that it generates."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from selftest.policy import fleet
from shipworthy import inventory as inventories
from shipworthy.__main__ import main
from shipworthy.checks import catalogue
from shipworthy.policy import load
from shipworthy.policy.language.document import parse
from shipworthy.policy.language.reference import reference
from shipworthy.policy.language.schema import schema
from shipworthy.policy.language.subject import Bounded
from shipworthy.policy.language.subjects import discover

HERE = Path(__file__).parents[2]
AGAIN = "make it anew: python -m shipworthy policy {} > {}"


def test_the_reference_is_current() -> None:
    assert (HERE / "docs/policy.md").read_text() == reference(discover()), AGAIN.format("reference", "docs/policy.md")


def test_the_schema_is_current() -> None:
    path = "docs/policy.schema.json"
    assert (HERE / path).read_text() == schema(discover()), AGAIN.format("schema", path)


def test_the_schema_knows_every_key_and_unit() -> None:
    definitions = json.loads(schema(discover()))["$defs"]
    memory = next(value for key, value in definitions.items() if key.endswith("memory__Policy"))
    swap = memory["properties"]["swap_used"]
    assert set(swap["properties"]) == {"warn_above", "fail_above"}
    assert "required" not in memory
    text = swap["properties"]["fail_above"]["anyOf"][0]["anyOf"][0]
    assert re.search(text["pattern"], "64 MiB")
    assert re.search(text["pattern"], "{{ swap }} MiB")
    assert not re.search(text["pattern"], "64")


def test_the_example_of_the_reference_is_a_policy() -> None:
    example = re.search(r"```yaml\n(.*?)```", reference(discover()), re.DOTALL)
    assert example is not None
    assert parse(example[1].encode(), "example").entries().keys() == {"extends", "families", "plays", "waivers"}


def test_every_limit_bounds_a_check_that_there_is() -> None:
    known = catalogue([HERE / "tests"])
    for subject, model in discover().items():
        for field, declared in model.declarations().items():
            if isinstance(declared, Bounded):
                assert f"{subject}.{declared.check or field}" in known


def test_explain_prints_every_limit_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("inventories", "policies"):
        (tmp_path / folder).mkdir()
    (tmp_path / "inventories/prod.yml").write_text("all: {hosts: {db1: {swap: 3}, db2: {}}}\n")
    (tmp_path / "policies/prod.yml").write_text(
        "plays:\n- hosts: db1\n  memory: {swap_used: {fail_above: '{{ swap }} GiB'}}\n- hosts: web\n"
    )
    assert main(["policy", "explain", "db1", "--inventory=prod"]) == 0
    told = capsys.readouterr().out
    assert "note: policies/prod.yml:4: the pattern 'web' matches no host, so the play is for none\n" in told
    assert re.search(r"^memory\.swap_used +warn above 0 B, fail above 3 GiB +warn above: base", told, re.MULTILINE)
    assert "policies/prod.yml:3" in told
    assert "db2" not in told


def test_what_is_not_understood_is_exit_4(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.yml").write_text("plays:\n- hosts: all\n  memory: {swap_usd: {}}\n")
    assert main(["policy", "explain", "db1", "--inventory=db1,", "--policy=x.yml"]) == 4
    assert capsys.readouterr().err == "x.yml:3: memory.swap_usd: unknown key; did you mean swap_used?\n"
    assert main(["polcy"]) == 4
    assert "there is no command 'polcy'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["local", "example"])
def test_the_policies_that_come_along_are_understood(name: str) -> None:
    inventory = inventories.load([name], None, rootdir=HERE)
    path = inventories.policy_beside(name, HERE)
    assert path == HERE / f"policies/{name}.yml"
    policy = load([path], inventory, fleet.CHECKS, root=HERE)
    assert policy.notices == ()
    assert policy.hosts.keys() == {host.name for host in inventory.hosts}


def test_it_runs_as_a_module() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "shipworthy", "--help"], capture_output=True, text=True, check=True, cwd=HERE, timeout=60
    )
    assert "policy" in run.stdout


@pytest.mark.parametrize("module", ["jinja2", "ruamel.yaml", "ansible", "dns"])
def test_nobody_waits_for_what_no_policy_needs(module: str) -> None:
    code = (
        "import sys; from shipworthy.inventory import Host, Inventory; from shipworthy.policy import load; "
        "load([], Inventory((Host('a', 'a'),), ()), frozenset()); "
        f"sys.exit({module!r} in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=HERE, timeout=60)
