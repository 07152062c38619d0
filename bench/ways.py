"""The same question to ten hosts of a lab, asked in every way: wall time, and the logins and commands that hosts saw.

In: a running lab. Out: one `Way` each. Logins and commands are counted in the hosts' own sshd logs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measured import Measured, measured, median, median_of
from lab import Lab, LabHost, lab, wait_until, write_inventory

ROOT = Path(__file__).parents[1]
WINDOW = 1.0
_ORDINARY = Path(__file__).parent / "ordinary"
_LOG = "/run/sshd.log"
_SSHD_ANEW = f"""
read -r pid </run/sshd.pid
kill "$pid"
while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done
exec /usr/sbin/sshd -E {_LOG} -o LogLevel=VERBOSE -o MaxStartups=100
"""
_NOT_OURS = ("-p", "no:hypothesispytest", "-p", "no:cacheprovider")
"""Plugins of the development environment that a user's has not."""


@dataclass(frozen=True)
class Way:
    """What one way of asking took: seconds (median), and what each host saw of it, in all hosts together."""

    name: str
    seconds: float
    logins: int
    commands: int
    runs: int
    peak_mib: float = 0.0


@contextmanager
def fleet(hosts: int = 10) -> Iterator[Lab]:
    """A lab whose sshds write down who logs in and what is started."""
    with lab(hosts=hosts) as made:
        for host in made:
            host.shell(_SSHD_ANEW)
        for host in made:
            _wait_for_sshd(host)
        yield made


def _wait_for_sshd(host: LabHost) -> None:
    wait_until(lambda: host.login("true").returncode == 0, within=30, what=f"{host.name}'s sshd")


class Asking:
    """Asks one lab in every way."""

    def __init__(self, made: Lab, hosts: tuple[LabHost, ...], home: Path) -> None:
        self._lab = made
        self._hosts = hosts
        self._home = home
        self._env = environment(home)
        self._inventory = write_inventory(made, home)
        self._limit = ",".join(host.name for host in hosts)

    def shipworthy(self, times: int, *arguments: str) -> Way:
        reports = self._home / "reports"
        command = [sys.executable, "-m", "pytest", f"--inventory={self._inventory}", f"--reports={reports}"]
        command += [f"--limit={self._limit}", "-p", "no:xdist", *_NOT_OURS, *arguments]
        return self._way("shipworthy", command, times, cwd=ROOT)

    def ordinary(self, file: str, times: int = 1, workers: int = 0) -> Way:
        (self._home / "ssh_config").write_text("Host *\n  StrictHostKeyChecking no\n")
        hosts = ",".join(f"paramiko://{host.user}@{host.address}" for host in self._hosts)
        command = [sys.executable, "-m", "pytest", "-q", "-c", str(_ORDINARY / "pytest.ini"), *_NOT_OURS]
        command += [f"--hosts={hosts}", f"--ssh-identity-file={self._hosts[0].private_key}"]
        command += [f"--ssh-config={self._home / 'ssh_config'}", str(_ORDINARY / file)]
        command += ["-n", str(workers)] if workers else ["-p", "no:xdist"]
        what = "the same reads" if file == "test_same_reads.py" else "what is judged by only"
        name = f"testinfra, {what}, {f'xdist -n {workers}' if workers else 'sequential'}"
        return self._way(name, command, times, cwd=_ORDINARY)

    def ansible(self, times: int = 1) -> Way:
        command = [str(Path(sys.executable).with_name("ansible")), self._limit.replace(",", ":"), "-m", "setup"]
        command += ["-i", str(self._inventory), "--forks", str(len(self._hosts)), "-o"]
        return self._way("ansible -m setup", command, times, cwd=self._home)

    def bare(self, times: int) -> tuple[Way, float]:
        """Bare logins; and their median seconds without the start of the interpreter."""
        first = self._hosts[0]
        command = [sys.executable, "-m", "bench.bare", first.user, str(first.private_key), str(first.known_hosts)]
        within: list[float] = []

        def told(one: Measured) -> None:
            within.append(float(one.output.split()[-1]))

        way = self._way("bare logins and `true`", [*command, *(host.address for host in self._hosts)], times, told=told)
        return way, median(within)

    def ssh(self, times: int) -> Way:
        host = self._hosts[0]
        command = ["ssh", "-F", "none", "-i", str(host.private_key), "-o", f"UserKnownHostsFile={host.known_hosts}"]
        command += ["-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", f"{host.user}@{host.address}", "true"]
        return self._way("ssh host true", command, times)

    def _way(
        self,
        name: str,
        command: list[str],
        times: int,
        *,
        cwd: Path = ROOT,
        told: Callable[[Measured], None] | None = None,
    ) -> Way:
        before = self._seen()

        def once() -> Measured:
            one = measured(self._lab.here.command(command), cwd=cwd, env=self._env)
            if told:
                told(one)
            return one

        one = median_of(times, once)
        logins, commands = (after - earlier for after, earlier in zip(self._seen(), before, strict=True))
        return Way(name, one.seconds, logins // times, commands // times, times, one.peak_mib)

    def _seen(self) -> tuple[int, int]:
        """(logins, commands) in the logs of all hosts so far."""
        logs = "".join(host.read(_LOG) for host in self._hosts)
        return logs.count("Accepted publickey"), logs.count("Starting session:")


def environment(home: Path) -> Mapping[str, str]:
    """What a user's shell has. Modules are kept compiled, as Python does unless told otherwise."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {
        **kept,
        "HOME": str(home),
        "ANSIBLE_LOCAL_TEMP": str(home / "ansible"),
        # As by default, but that the masters it leaves behind end soon.
        "ANSIBLE_SSH_ARGS": "-C -o ControlMaster=auto -o ControlPersist=10s",
    }
