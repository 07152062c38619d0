"""Fixtures of the links' tests: one sshd for all, a home for each, and nothing left open."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from selftest.links.servers import SSHD, Lab, Server, keygen, sshd, wait_until
from shipworthy.links import close_all


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A short path: an agent's socket has to fit."""
    path = Path(f"/tmp/links-{os.getpid()}")
    path.mkdir(mode=0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def key(folder: Path) -> Path:
    return keygen(folder / "user" / "id_test")


@pytest.fixture(scope="session")
def server(folder: Path, key: Path) -> Iterator[Server]:
    if os.geteuid() != 0 or not Path(SSHD).exists():
        pytest.skip("needs root and sshd")
    with sshd(folder / "server", Path(f"{key}.pub")) as server:
        yield server


@pytest.fixture
def lab(server: Server, key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A home of its own, in which the server's host key is known."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    port = server.port
    (home / ".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{port},[::1]:{port},[localhost]:{port}"))
    return Lab(home, key, server)


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """No test leaves a thread of ours, a transport's or a child process behind."""
    before = set(threading.enumerate())  # another room's tests may have left a server behind
    yield
    close_all()

    def left() -> list[threading.Thread]:
        new = set(threading.enumerate()) - before
        return [each for each in new if each.name != "shipworthy-watchdog" and not each.name.startswith("resolve")]

    wait_until(lambda: not left(), what=f"the end of {left()}")


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    if os.geteuid() != 0 or not shutil.which("sudo") or not shutil.which("openssl"):
        pytest.skip("needs root, sudo and openssl")
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("mount namespaces cannot be made here")
    return tmp_path
