"""An inventory read by a process beside this one says what it says here, and ends with whoever asked for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab import wait_until
from shipworthy.errors import InventoryError
from shipworthy.inventory import Inventory, load
from shipworthy.inventory.beside import beside

HERE = Path(__file__).parent
ROOT = HERE.parent
VAULT_PASSWORD = str(HERE / "inventories" / "vault-password")


def reads(*sources: str, **options: object) -> Callable[[], Inventory]:
    return lambda: load(sources, rootdir=HERE, **options)  # type: ignore[arg-type]


def raised(reading: Callable[[], object]) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        reading()
    return caught.value


def slow_inventory(folder: Path) -> tuple[Path, Path]:
    """An inventory script that goes on for minutes, and where it writes the number of its child."""
    pid, script = folder / "pid", folder / "slow"
    script.write_text(f"#!/bin/sh\nsleep 600 &\necho $! >{pid}\nwait\n")
    script.chmod(0o755)
    return script, pid


def begun(pid: Path) -> int:
    wait_until(lambda: pid.exists() and bool(pid.read_text().strip()), within=20, what="the script")
    return int(pid.read_text())


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_says_the_same() -> None:
    here = reads("fleet")()
    with beside(reads("fleet")) as inventory:
        there = inventory()
        assert there == here
        assert there.hosts[0].groups == here.hosts[0].groups
        assert there.find("web:&eu:!web3,nobody") == here.find("web:&eu:!web3,nobody")
        assert there.variables == here.variables
        assert "nothing" not in there.variables["web1"]


def test_what_was_opened_of_the_vault_is_known_here() -> None:
    with beside(reads("vault", vault_password_files=[VAULT_PASSWORD])) as inventory:
        there = inventory()
        for variables in there.variables.values():
            list(variables)
    assert there.vaulted


def test_an_error_is_the_same(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text('all: {hosts: {a: {site: "{{ nowhere }}"}, b: }}')
    source = str(tmp_path / "hosts.yml")
    with beside(reads("nowhere")) as inventory:
        assert raised(inventory).problems == raised(reads("nowhere")).problems
    with beside(reads(source)) as inventory:
        there, here = inventory(), reads(source)()
        assert raised(lambda: there.find("~(")).problems == raised(lambda: here.find("~(")).problems
        undefined = raised(lambda: there.variables["a"]["site"])
        assert (type(undefined), undefined.problems) == (
            type(raised(lambda: here.variables["a"]["site"])),
            raised(lambda: here.variables["a"]["site"]).problems,
        )
        with pytest.raises(KeyError):
            there.variables["b"]["site"]


def test_nothing_of_ansible_s_is_left(tmp_path: Path) -> None:
    asked = (
        "from pathlib import Path; import sys\n"
        "from shipworthy.inventory import load\n"
        "from shipworthy.inventory.beside import beside\n"
        f"with beside(lambda: load(['local'], rootdir=Path({str(ROOT)!r}))) as inventory: print(inventory().hosts)\n"
        "assert 'ansible' not in sys.modules\n"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    environment.pop("ANSIBLE_LOCAL_TEMP", None)
    subprocess.run([sys.executable, "-c", asked], cwd=ROOT, env=environment, check=True, timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_who_does_not_wait_leaves_nothing_running(tmp_path: Path) -> None:
    script, pid = slow_inventory(tmp_path)
    started = time.monotonic()
    with beside(reads(str(script))):
        sleeper = begun(pid)
    assert time.monotonic() - started < 20
    wait_until(lambda: gone(sleeper), within=5, what="the end of the script's child")


def test_a_reader_that_is_ended_is_an_error(tmp_path: Path) -> None:
    script, pid = slow_inventory(tmp_path)
    with beside(reads(str(script))) as inventory:
        sleeper = begun(pid)
        shell = int(Path(f"/proc/{sleeper}/stat").read_text().rsplit(")", 1)[1].split()[1])
        reader = int(Path(f"/proc/{shell}/stat").read_text().rsplit(")", 1)[1].split()[1])
        os.kill(reader, signal.SIGTERM)
        assert "has been ended" in str(raised(inventory))
    wait_until(lambda: gone(sleeper), within=5, what="the end of the script's child")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_is_interrupted_while_its_inventory_is_read(tmp_path: Path, number: signal.Signals) -> None:
    script, pid = slow_inventory(tmp_path)
    command = [sys.executable, "-m", "pytest", f"--inventory={script}", f"--reports={tmp_path}"]
    run = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    sleeper = begun(pid)
    run.send_signal(number)
    said, _ = run.communicate(timeout=20)
    assert (run.returncode, "Traceback" in said) == (2, False), said
    assert f"by {number.name}" in said
    wait_until(lambda: gone(sleeper), within=5, what="the end of the script's child")
