"""Secrets planted wherever a user may write one, and the search for them wherever they could come out again.

inventory ── login password, sudo password (right, wrong, needless), ssh arguments, a value in the vault,
             a whole file in the vault, the vault's own password
policy ───── {{ … }} of what is in the vault, of a variable that stands for a password
"""

from __future__ import annotations

import gzip
import json
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ansible.parsing.vault import VaultLib, VaultSecret

from lab import DEPLOY_PASSWORD, Lab
from selftest.scenarios.suite import ROOT, Run

CANARIES = {
    "password": DEPLOY_PASSWORD,
    "wrong sudo password": "canary-wrong-sudo",
    "needless sudo password": "canary-needless-sudo",
    "wrong login password": "canary-wrong-login",
    "ssh argument": "canary-ssh-argument",
    "vault password": "canary-vault-password",
    "vaulted value": "canary-vaulted 'välue'",
    "vaulted file": "canary-vaulted-file",
}

POLICY = """
plays:
- hosts: all
  off:
    memory.fork: "{{ db_password }}, {{ api_token }}, {{ alias }}: no reason at all"
"""

TESTS = '''
import logging
import pytest
from shipworthy.checks import check


def test_tells_what_it_found(host):
    """It fails on every host, in every way that quotes values."""
    password = host.backend._password.reveal()
    print(password)
    logging.getLogger("theirs").warning("it is %s", password)
    assert password == "another"


def test_raises_what_it_found(host):
    raise RuntimeError(host.backend._password.reveal())


def test_skips_for_what_it_found(host):
    pytest.skip(host.backend._password.reveal())


def test_asks_sudo(host):
    with host.sudo("root"):
        assert host.check_output("id -u") == "1"


@check("mine.secretive")
def test_is_declared(memory, policy):
    raise RuntimeError("canary-vaulted-file")
'''

CRASHING = """
def pytest_runtest_logreport(report):
    raise RuntimeError("the conftest is broken")
"""


@dataclass(frozen=True)
class Planted:
    """A repository of a user's whose inventory is full of secrets."""

    folder: Path
    inventory: Path
    environment: Mapping[str, str]

    @property
    def vault_password(self) -> Path:
        return self.folder / "vault-password"


def plant(lab: Lab, folder: Path, variables: Mapping[str, Mapping[str, object]]) -> Planted:
    """Write the repository; `variables` is what is said of each host, where `Vaulted` texts go into the vault."""
    (folder / "tests").mkdir()
    (folder / "tests" / "test_mine.py").write_text(TESTS)
    (folder / "pytest.ini").write_text(f"[pytest]\ntestpaths = tests {ROOT / 'tests'}\n")
    (folder / "vault-password").write_text(CANARIES["vault password"] + "\n")
    common = {"db_password": Vaulted(CANARIES["vaulted value"]), "alias": "{{ ansible_become_password | default('') }}"}
    hosts = {host.name: {**host.inventory_vars(), **common, **variables[host.name]} for host in lab}
    inventory = folder / "fleet.yml"
    inventory.write_text(_with_vault(json.dumps({"all": {"hosts": hosts}}, default=_placeholder)))
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "all.yml").write_text(_encrypted(f"api_token: {CANARIES['vaulted file']}\n"))
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": str(folder / "vault-password"), "PYTHONPATH": str(ROOT)}
    return Planted(folder, inventory, environment)


@dataclass(frozen=True)
class Vaulted:
    """A text that is written encrypted."""

    text: str


def _placeholder(value: Vaulted) -> str:
    return f"VAULT:{_encrypted(value.text)}"


def _with_vault(text: str) -> str:
    """JSON is YAML, and there a scalar may have a tag."""
    return re.sub(r'"VAULT:', '!vault "', text)


def _encrypted(text: str) -> str:
    vault = VaultLib([("default", VaultSecret(CANARIES["vault password"].encode()))])
    return str(vault.encrypt(text.encode()).decode())


def found_in(texts: Mapping[str, bytes]) -> set[tuple[str, str]]:
    """(where, which canary) for each that came out."""
    forms = {name: {text, json.dumps(text)[1:-1], repr(text)[1:-1]} for name, text in CANARIES.items()}
    return {
        (where, name)
        for where, content in texts.items()
        for name, written in forms.items()
        if any(form.encode() in content for form in written)
    }


def everything_of(run: Run) -> dict[str, bytes]:
    """Both streams and every file of a run, unpacked."""
    told = {"stdout": run.stdout.encode("utf-8", "surrogateescape"), "stderr": run.stderr.encode()}
    if run.directory.name != "latest":
        files = (path for path in run.directory.rglob("*") if path.is_file())
        told |= {path.name: _unpacked(path) for path in files}
    return told


def _unpacked(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


@dataclass
class Watch:
    """What was seen of this machine's processes, the lab's among them."""

    looks: int = 0
    seen: set[bytes] = field(default_factory=set)
    """Every command line and every environment."""


@contextmanager
def watching() -> Iterator[Watch]:
    """While inside, look at all processes again and again."""
    watch, over = Watch(), threading.Event()

    def look() -> None:
        while not over.is_set():
            watch.looks += 1
            for process in Path("/proc").glob("[0-9]*"):
                if process.name != str(os.getpid()):
                    watch.seen |= set(_texts_of(process))
            time.sleep(0.01)  # leave some of the machine to those that are watched

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join(10)


def _texts_of(process: Path) -> Iterator[bytes]:
    for name in ("cmdline", "environ"):
        try:
            yield (process / name).read_bytes()
        except OSError:  # it has ended
            return
