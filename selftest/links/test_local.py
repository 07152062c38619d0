"""This machine, a chroot, and the command lines of containers."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from selftest.links.servers import SOON, children, fail, say, wait_until
from shipworthy.errors import LinkError
from shipworthy.inventory import Host
from shipworthy.links import Deadlines, close_all, open_link
from shipworthy.links.container import command_line

HERE = Host("here", "localhost", connection="local")


def test_a_command_runs_here() -> None:
    rungs: dict[str, float] = {}
    with open_link(HERE, Deadlines(), rungs) as link:
        done = link.run("cat; echo err >&2; exit 3", input=b"in", seconds=100)
    assert (done.exit_status, done.stdout, done.stderr) == (3, b"in", b"err\n")
    assert list(rungs) == ["session"]


def test_a_signal_is_told_as_a_negative_status() -> None:
    with open_link(HERE, Deadlines(), {}) as link:
        assert link.run("kill -9 $$", seconds=100).exit_status == -9


def test_ten_megabytes_go_both_ways_at_once_and_the_cap_holds() -> None:
    sent = os.urandom(10_000_000)
    with open_link(HERE, Deadlines(), {}) as link:
        assert link.run("cat", input=sent, seconds=100, at_most=2**24).stdout == sent
        done = link.run("head -c 8000000 /dev/zero; head -c 8000000 /dev/zero >&2", seconds=100, at_most=1000)
    assert (done.exit_status, len(done.stdout), len(done.stderr)) == (0, 1000, 1000)


def test_a_command_that_closes_its_streams_is_awaited() -> None:
    with open_link(HERE, Deadlines(), {}) as link:
        assert link.run("exec >&- 2>&-; sleep 0.2; exit 7", seconds=100).exit_status == 7


def test_deadlines_hold_and_the_whole_family_is_killed() -> None:
    one, two = (f"{seconds}.{os.getpid()}" for seconds in (101, 102))  # nobody else's
    with open_link(HERE, Deadlines(), {}) as link:
        with pytest.raises(LinkError, match="command: not over after 300 ms"):
            link.run(f"sleep {one} & sleep {two}; wait", seconds=0.3)
        wait_until(lambda: not sleepers(one, two), what="the end of both")
        with (
            link.converse(f"sleep {one}") as talk,
            pytest.raises(LinkError, match=r"did not read its standard input for \d+ ms"),
        ):
            talk.write(bytes(1_000_000), time.monotonic() + 0.3)
    wait_until(lambda: not sleepers(one), what="the end of the third")


def sleepers(*seconds: str) -> list[str]:
    lines = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if line in {f"sleep {number}" for number in seconds}]


def test_ctrl_c_ends_a_local_command_too() -> None:
    import threading

    with open_link(HERE, Deadlines(), {}) as link, link.converse("sleep 100") as talk:
        threading.Timer(0.2, close_all).start()
        begun = time.monotonic()
        talk.read(time.monotonic() + 90)
        assert time.monotonic() - begun < SOON
        assert talk.exit_status == -9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The smallest system there is: a shell, cat and id, and the libraries that they want."""
    if os.geteuid() != 0:
        pytest.skip("chroot needs root")
    programs = [shutil.which(name) or "" for name in ("sh", "cat", "id")]
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    libraries = {word for word in told.split() if word.startswith("/") and not word.endswith(":")}
    for file in {*programs, *libraries}:
        inside = tmp_path / file.lstrip("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, inside)
    if not (tmp_path / "bin").exists():
        (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "inside").write_text("of the chroot")
    return tmp_path


def test_a_chroot_is_a_host(root: Path) -> None:
    host = Host("jail", str(root), connection="chroot")
    before = children(os.getpid())
    with open_link(host, Deadlines(), {}) as link:
        assert say(link, "cat /inside") == "of the chroot"
        done = link.run("cat; id -u; exit 3", input=b"'quoted' \"%s\" $HOME\n", seconds=100)
    assert (done.exit_status, done.stdout) == (3, b"'quoted' \"%s\" $HOME\n0\n")
    assert children(os.getpid()) == before


def test_quotes_and_percent_signs_survive_the_way_into_a_chroot(root: Path) -> None:
    with open_link(Host("jail", str(root), connection="chroot"), Deadlines(), {}) as link:
        assert say(link, "echo '100 %s' \"it's\"") == "100 %s it's"


def test_a_chroot_that_is_not_there(tmp_path: Path) -> None:
    error, _, _ = fail(Host("jail", str(tmp_path / "none"), connection="chroot"))
    assert (error.rung, error.reason) == ("connect", f"chroot {tmp_path}/none: no such directory")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        (Host("c", "c1", connection="docker"), ["docker", "exec", "-i", "c1"]),
        (Host("c", "c1", connection="docker", user="app"), ["docker", "exec", "-i", "-u", "app", "c1"]),
        (Host("c", "c1", connection="podman"), ["podman", "exec", "-i", "c1"]),
        (Host("c", "pod1", connection="kubectl"), ["kubectl", "exec", "-i", "pod1", "--"]),
        (
            Host(
                "c",
                "pod1",
                connection="kubectl",
                container_options=(
                    ("container", "app"),
                    ("namespace", "exec"),
                    ("kubeconfig", "/a b"),
                    ("context", "$x"),
                ),
            ),
            ["kubectl", "--kubeconfig=/a b", "--context=$x", "-n", "exec", "-c", "app", "exec", "-i", "pod1", "--"],
        ),
        (Host("c", "c1", connection="lxc"), ["lxc", "exec", "c1", "--mode=non-interactive", "--"]),
    ],
    ids=lambda value: value.connection if isinstance(value, Host) else "",
)
def test_the_command_line_of_a_container(host: Host, expected: list[str]) -> None:
    assert command_line(host, "echo 'a b' %s") == [*expected, "/bin/sh", "-c", "echo 'a b' %s"]


@pytest.mark.parametrize(
    ("host", "rung"),
    [
        (Host("c", "--privileged", connection="docker"), "connect"),
        (Host("c", "c1", connection="lxc", user="app"), "authentication"),
        (Host("c", "c1", connection="podman"), "session"),
    ],
)
def test_what_cannot_be_is_said_in_words(host: Host, rung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    error, _, _ = fail(host)
    assert error.rung == rung
