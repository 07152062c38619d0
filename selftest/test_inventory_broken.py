"""Inventories that Ansible would mostly warn about and pass over: each is an error, with place, reason and no secret.

Whatever is secret in `inventories/broken/` is called canary.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lab import wait_until
from shipworthy.errors import InventoryError
from shipworthy.inventory import load

BROKEN = Path(__file__).parent / "inventories" / "broken"

PROBLEMS = {
    # The text itself
    "tabs.yml": "tabs.yml:2: YAML parsing failed: Tabs are usually invalid in YAML",
    "unclosed.yml": (
        "unclosed.yml:4: YAML parsing failed: While scanning a quoted scalar found unexpected end of stream"
    ),
    "twice.yml": "twice.yml:3: Found duplicate mapping key 'ansible_port'",
    "nothing.yml": "nothing.yml: holds no host",
    "nothing-but-a-document.yml": "nothing-but-a-document.yml: Parsed empty YAML file",
    "comments.ini": "comments.ini: holds no host",
    "bytes.ini": r"bytes.ini: '\udcff\udcfe\x00w' is no name: it is not UTF-8",
    "bytes.yml": (
        r"bytes.yml: YAML parsing failed: 'utf-8' codec can't encode character '\udcff' in position 20: "
        "surrogates not allowed"
    ),
    # What it is made of
    "list.yml": "list.yml: YAML inventory has invalid structure, it should be a dictionary, got: a list",
    "hosts-as-list.yml": (
        'hosts-as-list.yml: Invalid "hosts" entry for "all" group, requires a dictionary, found a list instead'
    ),
    "host-is-text.yml": "host-is-text.yml: Invalid data from file, expected dictionary",
    "misspelt.yml": (
        'misspelt.yml: Skipping unexpected key (host) in group (all), only "vars", "children" and "hosts" are valid'
    ),
    "variable-as-group.yml": (
        "variable-as-group.yml: Skipping key (ansible_password) in group (all) as it is not a mapping, it is a text"
    ),
    "numbers.yml": "numbers.yml: Host pattern 1 must be a string. Enclose integers/floats in quotation marks",
    "both.yml": "both.yml: Found both group and host with same name: web",
    "cycle.yml": "cycle.yml: Adding group 'b' as child to 'a' creates a recursive dependency loop",
    "cycle.ini": "cycle.ini: Adding group 'a' as child to 'b' creates a recursive dependency loop",
    "quote.ini": "quote.ini:1: Error parsing host definition: No closing quotation",
    "words.ini": "words.ini:1: Expected key=value host variable assignment",
    "vars.ini": "vars.ini:4: Expected key=value",
    "section.ini": (
        "section.ini:1: Invalid section entry: '[web servers]'. Please make sure that there are no spaces in the "
        "section entry, and that there are no other invalid characters"
    ),
    "unknown-section.ini": "unknown-section.ini:1: Section [web:hots] has unknown type: hots",
    "undeclared.ini": "undeclared.ini: Section [web:children] includes undefined group 'db'",
    "vars-of-nobody.ini": "vars-of-nobody.ini: Section [db:vars] not valid for undefined group 'db'",
    # Scripts and plugins
    "exits": "exits: Inventory script returned non-zero exit code 3; its last words: KeyError: 'CLOUD_REGION'",
    "no-json": "no-json: Value could not be parsed as JSON",
    "json-list": "json-list: Value is 'list' instead of 'dict'",
    "no-interpreter": (
        "no-interpreter: Failed to execute inventory script command 'no-interpreter --list': "
        "[Errno 2] No such file or directory: 'no-interpreter'"
    ),
    "no-plugin.yml": (
        "no-plugin.yml: Error loading plugin 'nobody.wrote.this'\n"
        "no-plugin.yml: inventory config 'no-plugin.yml' specifies unknown plugin 'nobody.wrote.this'"
    ),
    "strict-plugin": (
        "strict-plugin/odd.yml:3: Could not add host web1 to group odd: "
        "Error while evaluating conditional: 'nope' is undefined"
    ),
    # Files beside it
    "mixed": "mixed/more.yml:2: YAML parsing failed: Tabs are usually invalid in YAML",
    "tabbed-vars": "tabbed-vars/host_vars/web1.yml:2: YAML parsing failed: Tabs are usually invalid in YAML",
    "group-file": (
        "Could not process 'group-file/group_vars/all.yml': failed to combine variables, "
        "expected dicts but got a 'dict' and a list"
    ),
    "not-a-directory": "Found group_vars that is not a directory, skipping: not-a-directory/group_vars",
    "vaulted": (
        "vaulted/group_vars/all.yml: is in the vault, and its password is not known: set ANSIBLE_VAULT_PASSWORD_FILE"
    ),
    # Values
    "vaulted-value": (
        "vaulted-value/hosts.yml:4: ansible_password of web1: is in the vault, and its password is not known: "
        "set ANSIBLE_VAULT_PASSWORD_FILE"
    ),
    "undefined.yml": (
        "undefined.yml:3: ansible_host of web1, web2, web3 and 2 more: 'nowhere' is undefined\n"
        "undefined.yml:3: ansible_user of web1, web2, web3 and 2 more: 'nobody' is undefined"
    ),
    "syntax.yml": "syntax.yml:2: ansible_password of web1: is no template",
    "filter.yml": "filter.yml:2: ansible_host of web1: cannot be templated (JSONDecodeError)",
    "lookup.yml": "lookup.yml:2: ansible_password of web1: cannot be templated (AnsibleError)",
    "recursion.yml": "recursion.yml:2: ansible_host of web1: is made of itself",
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_broken_inventory_says_where_and_why(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InventoryError) as raised:
        load([str(BROKEN / name)], rootdir=BROKEN)
    assert str(raised.value) == PROBLEMS[name]
    assert "canary" not in f"{raised.value!r}{raised.value.__cause__!r}"
    assert capfd.readouterr() == ("", "")


def test_no_broken_inventory_is_without_its_message() -> None:
    assert {path.name for path in BROKEN.iterdir()} == set(PROBLEMS)


def test_all_problems_of_all_sources_are_told_at_once() -> None:
    with pytest.raises(InventoryError) as raised:
        load([str(BROKEN / name) for name in ("tabs.yml", "exits", "cycle.ini")], rootdir=BROKEN)
    assert str(raised.value).splitlines() == [PROBLEMS[name] for name in ("tabs.yml", "exits", "cycle.ini")]


def test_names_that_are_no_sources_are_told_at_once() -> None:
    with pytest.raises(InventoryError) as raised:
        load(["stagign", "./nowhere"], rootdir=BROKEN)
    assert [problem.place for problem in raised.value.problems] == ["--inventory=stagign", "--inventory=./nowhere"]


def test_no_source_is_no_inventory() -> None:
    with pytest.raises(InventoryError, match="names no inventory"):
        load([], rootdir=BROKEN)


def test_an_unreadable_file_is_told() -> None:
    """Nobody's eyes, because root reads everything."""
    if not shutil.which("setpriv"):
        pytest.skip("setpriv, from util-linux, is not installed")
    program = (
        "import sys; from pathlib import Path; from shipworthy.inventory import load\n"
        "from shipworthy.errors import InventoryError\n"
        "try: load(['hosts.yml'], rootdir=Path.cwd())\n"
        "except InventoryError as error: print(error)\n"
    )
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    can_run = subprocess.run([*drop, sys.executable, "-c", "import shipworthy"], capture_output=True, check=False)
    if can_run.returncode:
        pytest.skip("nobody may not read this checkout or its interpreter")
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: pytest closes its parents to others
        Path(folder).chmod(0o755)
        (Path(folder) / "hosts.yml").write_text("all: {hosts: {web1: }}")
        (Path(folder) / "hosts.yml").chmod(0o600)
        run = subprocess.run(
            [*drop, sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True, timeout=60
        )  # with a home, root's, that cannot be written to either
    assert run.stdout == "hosts.yml: Permission denied\n"


def test_a_script_without_an_end_is_ended_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script, pid = tmp_path / "endless", tmp_path / "pid"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! >{pid}\nwait\n")
    script.chmod(0o700)
    monkeypatch.setattr("shipworthy.inventory.reading.LONGEST", 2.0)
    with pytest.raises(InventoryError, match=r"endless: no end of it after 2 s"):
        load([str(script)], rootdir=tmp_path)
    child = int(pid.read_text())
    wait_until(lambda: _ended(child), within=5, what="the script's child to end")


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
