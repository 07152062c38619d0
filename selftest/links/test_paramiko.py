"""The paramiko link against a real sshd: what works."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selftest.links.servers import PATIENT, SOON, Lab, fail, keygen, resident_bytes, say, sshd, wait_until
from shipworthy.errors import LinkError
from shipworthy.inventory import Host, Secret
from shipworthy.links import open_link


def test_a_command_runs_and_each_rung_has_its_seconds(lab: Lab) -> None:
    rungs: dict[str, float] = {}
    with open_link(lab.host(), PATIENT, rungs) as link:
        done = link.run("cat; echo err >&2; exit 3", input=b"in", seconds=100)
    assert (done.exit_status, done.stdout, done.stderr) == (3, b"in", b"err\n")
    assert list(rungs) == ["resolve", "connect", "banner", "host key", "authentication", "session"]
    assert all(seconds > 0 for seconds in rungs.values())


def test_one_connection_serves_every_command(lab: Lab) -> None:
    before = lab.server.log.count("Connection from")
    with open_link(lab.host(), PATIENT, {}) as link:
        assert {say(link, "echo $SSH_CONNECTION") for _ in range(3)} == {say(link, "echo $SSH_CONNECTION")}
    assert lab.server.log.count("Connection from") == before + 1


def test_a_signal_is_told_as_a_negative_status(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link:
        assert link.run("kill -9 $$", seconds=100).exit_status == -9


@pytest.mark.parametrize("address", ["::1", "[::1]", "localhost", "127.0.0.1"])
def test_literals_of_both_families_and_names_are_reached(lab: Lab, address: str) -> None:
    with open_link(lab.host(address=address), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_every_address_of_a_name_is_tried(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def addresses(name: str, port: int, *rest: object) -> list[object]:
        return [(socket.AF_INET6, 1, 6, "", ("::1", 1, 0, 0)), (socket.AF_INET, 1, 6, "", ("127.0.0.1", port))]

    (lab.home / ".ssh/known_hosts").write_text(lab.server.known_as(f"[both.example]:{lab.server.port}"))
    monkeypatch.setattr(socket, "getaddrinfo", addresses)
    with open_link(lab.host(address="both.example"), PATIENT, {}) as link:
        assert say(link, "echo ok") == "ok"


def test_ten_megabytes_go_both_ways_at_once(lab: Lab) -> None:
    sent = os.urandom(10_000_000)
    with open_link(lab.host(), PATIENT, {}) as link:
        assert link.run("cat", input=sent, seconds=100, at_most=2**24).stdout == sent


def test_output_beyond_the_cap_is_dropped_and_both_streams_are_drained(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link:
        done = link.run("head -c 8000000 /dev/zero; head -c 8000000 /dev/zero >&2", seconds=100, at_most=1000)
    assert (done.exit_status, len(done.stdout), len(done.stderr)) == (0, 1000, 1000)


def test_an_endless_flood_on_standard_error_does_not_pile_up_here(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link, link.converse("cat /dev/zero >&2") as talk:
        begun = resident_bytes()
        seen = 0
        while seen < 50_000_000:
            seen += len(talk.read(time.monotonic() + 5)[1])
        time.sleep(0.3)  # unread now: the window must close
        assert resident_bytes() - begun < 40_000_000


def test_reading_waits_without_spinning_and_ends_at_its_time(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link, link.converse("sleep 100") as talk:
        begun, cpu = time.monotonic(), time.process_time()
        assert talk.read(time.monotonic() + 1) == (b"", b"")
        assert 1 <= time.monotonic() - begun < SOON
        assert time.process_time() - cpu < 0.2
        assert not talk.finished
        begun = time.monotonic()
    assert time.monotonic() - begun < SOON


def test_a_command_that_never_ends_ends_at_its_deadline(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link:
        with pytest.raises(LinkError, match="command: not over after 500 ms"):
            link.run("sleep 30", seconds=0.5)
        assert say(link, "echo still here") == "still here"


def test_a_command_that_does_not_read_is_given_up(lab: Lab) -> None:
    with (
        open_link(lab.host(), PATIENT, {}) as link,
        link.converse("sleep 30") as talk,
        pytest.raises(LinkError, match=r"command: the command did not read its standard input for \d+ ms"),
    ):
        talk.write(bytes(20_000_000), time.monotonic() + 0.5)


def test_what_is_written_to_a_command_that_is_over_goes_nowhere(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link:
        assert link.run("exit 5", input=bytes(20_000_000), seconds=100).exit_status == 5


def test_thirty_logins_at_once_do_not_wait_for_each_other_here(lab: Lab) -> None:
    def log_in(number: int) -> None:
        with open_link(lab.host(), PATIENT, {}) as link:
            assert say(link, f"echo {number}") == str(number)

    log_in(0)
    cpu = time.process_time()
    with ThreadPoolExecutor(30) as threads:
        assert len(list(threads.map(log_in, range(30)))) == 30
    # What each login costs on this side; the rest of the time is sshd's.
    assert (time.process_time() - cpu) / 30 < 0.3


def test_links_work_where_descriptors_are_beyond_the_reach_of_select(lab: Lab) -> None:
    import resource

    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 2000:
        pytest.skip("the limit of open files is below 2000")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(limits[0], 2000), limits[1]))
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(1100)]
    try:
        for host in (lab.host(), lab.host(connection="local"), lab.openssh()):
            with open_link(host, PATIENT, {}) as link:
                assert say(link, "echo ok") == "ok"
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_ctrl_c_ends_whoever_waits_within_a_moment(lab: Lab) -> None:
    from shipworthy.links import close_all

    ended: list[float] = []
    reading = threading.Event()

    def wait() -> None:
        with open_link(lab.host(), PATIENT, {}) as link, link.converse("sleep 100") as talk:
            reading.set()
            talk.read(time.monotonic() + 100)
            ended.append(time.monotonic())

    thread = threading.Thread(target=wait)
    thread.start()
    assert reading.wait(SOON)
    begun = time.monotonic()
    close_all()
    thread.join(SOON)
    assert ended and ended[0] - begun < SOON


def test_a_host_that_hangs_up_in_the_middle_has_no_exit_status(lab: Lab) -> None:
    with open_link(lab.host(), PATIENT, {}) as link, link.converse("echo $PPID; sleep 60") as talk:
        out, _ = talk.read(time.monotonic() + SOON)
        os.kill(int(out), 9)
        until = time.monotonic() + SOON
        while not talk.finished and time.monotonic() < until:
            talk.read(until)
        assert talk.finished
        assert talk.exit_status is None


def answers(agent: Path) -> bool:
    """Whether an agent listens there: its socket has a name before it does."""
    listed = subprocess.run(["ssh-add", "-l"], env=os.environ | {"SSH_AUTH_SOCK": str(agent)}, capture_output=True)
    return listed.returncode != 2


def test_the_agent_holds_keys_too_and_is_not_forwarded(lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: answers(path), what="the agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
        subprocess.run(["ssh-add", "-q", str(lab.key)], check=True)
        with open_link(lab.host(private_key_file=None), PATIENT, {}) as link:
            assert say(link, "echo agent=$SSH_AUTH_SOCK") == "agent="
        error, _, _ = fail(lab.host(private_key_file=None, ssh_options=(("identitiesonly", "yes"),)))
        assert error.reason == "nothing to log in with as root: no key and no password to log in with"
    finally:
        agent.kill()
        agent.wait()


def test_an_encrypted_key_that_the_agent_holds_is_used(lab: Lab, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = keygen(folder / "encrypted" / "id_test", passphrase="open sesame")
    path = folder / "agent2"
    with sshd(folder / "for-encrypted", Path(f"{key}.pub")) as server:
        lab.home.joinpath(".ssh/known_hosts").write_text(server.known_as(f"[127.0.0.1]:{server.port}"))
        host = lab.host(port=server.port, private_key_file=str(key))
        error, _, _ = fail(host)
        assert error.reason.endswith(f"key file {key} is encrypted, and the agent does not hold it")
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        try:
            wait_until(lambda: answers(path), what="the agent")
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            asking = folder / "askpass"
            asking.write_text("#!/bin/sh\necho open sesame\n")
            asking.chmod(0o700)
            environment = os.environ | {"SSH_ASKPASS": str(asking), "SSH_ASKPASS_REQUIRE": "force"}
            subprocess.run(["ssh-add", "-q", str(key)], check=True, env=environment, stdin=subprocess.DEVNULL)
            with open_link(host, PATIENT, {}) as link:
                assert say(link, "echo ok") == "ok"
        finally:
            agent.kill()
            agent.wait()


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_every_common_kind_of_host_key_and_user_key_works(lab: Lab, folder: Path, kind: str) -> None:
    key = keygen(folder / f"kinds-{kind}" / "id", kind)
    host_key = keygen(folder / f"kinds-{kind}" / "host", kind)
    # Two host keys, of which only one is known: it must be asked for.
    with sshd(folder / f"kind-{kind}", Path(f"{key}.pub"), f"HostKey {host_key}") as server:
        public = Path(f"{host_key}.pub").read_text()
        lab.home.joinpath(".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {public}\n")
        with open_link(lab.host(port=server.port, private_key_file=str(key)), PATIENT, {}) as link:
            assert say(link, "echo ok") == "ok"


def test_a_worker_that_was_forked_from_a_busy_process_logs_in_too(lab: Lab) -> None:
    import multiprocessing

    with open_link(lab.host(), PATIENT, {}) as link, multiprocessing.get_context("fork").Pool(1) as workers:
        assert workers.apply_async(log_in_and_say, (lab.host(), "forked")).get(30) == "forked"
        assert say(link, "echo parent") == "parent"


def log_in_and_say(host: Host, word: str) -> str:
    with open_link(host, PATIENT, {}) as link:
        return say(link, f"echo {word}")


def test_paramiko_is_imported_only_when_it_is_used() -> None:
    code = "import sys, shipworthy.links; sys.exit('paramiko' in sys.modules or 'testinfra' in sys.modules)"
    import sys

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_password_is_in_no_repr(lab: Lab) -> None:
    host = lab.host(password=Secret("hunter2"))
    assert "hunter2" not in repr(host) + str(host) + repr(Host("x", "y", password=Secret("hunter2")))
