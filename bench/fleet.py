"""A fleet of a thousand simulated hosts: real SSH, a recorded answer, and as many checks as are wanted.

In: how many hosts, how many checks. Out: wall seconds, memory, and what the run left.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measured import Measured, measured
from lab import LabHost
from shipworthy import snapshot
from shipworthy.report import stored

ROOT = Path(__file__).parents[1]
PORT = 22522
_SERVERS = 2
_CLAIM = re.compile(r'^@check\("(\w+)\.(\w+)"\)$', re.MULTILINE)


@dataclass(frozen=True)
class Simulated:
    """One run on the simulated fleet."""

    hosts: int
    checks: int
    """Finished checks, on all hosts."""
    seconds: float
    peak_mib: float
    html_kib: float
    junit_kib: float


class Fleet:
    """Runs the suite on the simulated hosts that its servers stand for."""

    def __init__(self, home: Path, env: dict[str, str]) -> None:
        self._home = home
        self._env = env

    def run(self, hosts: int, checks: int | None = None) -> Simulated:
        """All checks there are, or `checks` a host by repetition."""
        folder = "tests" if checks is None else str(write_checks(self._home / f"checks-{checks}", checks))
        reports = self._home / f"reports-{hosts}-{checks}"
        command = [sys.executable, "-m", "pytest", folder, f"--inventory={self._inventory(hosts)}"]
        command += [f"--reports={reports}", "-p", "no:xdist", "-p", "no:hypothesispytest", "-p", "no:cacheprovider"]
        one = measured(command, cwd=ROOT, env=self._env, allowed={0, 1}, seconds=400)
        return _told(one, reports / "latest", hosts)

    def _inventory(self, hosts: int) -> Path:
        every = {
            "ansible_port": PORT,
            "ansible_user": "bench",
            "ansible_ssh_private_key_file": str(self._home / "host_key"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self._home / 'known_hosts'}",
        }
        told = {f"host{n:04}": {"ansible_host": address(n)} for n in range(hosts)}
        path = self._home / f"fleet-{hosts}.json"
        path.write_text(json.dumps({"all": {"hosts": told, "vars": every}}))
        return path


@contextmanager
def fleet(home: Path, env: dict[str, str], answer: bytes) -> Iterator[Fleet]:
    """Servers that answer `answer`, on every loopback address; gone when the block ends."""
    key = home / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    public = " ".join(key.with_suffix(".pub").read_text().split()[:2])
    known = (f"[{address(n)}]:{PORT} {public}\n" for n in range(1000))
    (home / "known_hosts").write_text("".join(known))
    (home / "answer").write_bytes(answer)
    command = [sys.executable, "-m", "bench.fleet_host", str(PORT), str(key), str(home / "answer")]
    with ExitStack() as stack:
        for _ in range(_SERVERS):
            server = subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            stack.callback(_end, server)
            if not server.stdout or server.stdout.readline() != b"ready\n":
                raise RuntimeError("a simulated host does not listen")
        yield Fleet(home, env)


def _end(server: subprocess.Popen[bytes]) -> None:
    server.kill()
    server.wait()
    if server.stdout:
        server.stdout.close()


def address(number: int) -> str:
    return f"127.{1 + number // 62500}.{number // 250 % 250}.{1 + number % 250}"


def recorded_answer(run: Path, host: LabHost) -> bytes:
    """What `host` answered in the run that left `run`."""
    document = json.loads(_snapshot(run, host).to_bytes())
    return json.dumps(document["answer"]).encode()


def bill(run: Path, host: LabHost) -> snapshot.Cost:
    """What `host` was made to pay in that run."""
    answer = _snapshot(run, host).answer
    if answer is None:
        raise RuntimeError(f"{host.name} answered nothing")
    return answer.cost


def _snapshot(run: Path, host: LabHost) -> snapshot.Snapshot:
    return snapshot.load(run / "snapshots" / f"{host.name}.json.gz")


def write_checks(folder: Path, checks: int) -> Path:
    """A test folder of `checks` checks: those there are, again and again under ids of their own."""
    folder.mkdir(exist_ok=True)
    sources = [(file.name, file.read_text()) for file in sorted((ROOT / "tests").glob("test_*.py"))]
    made, copy = 0, 0
    while made < checks:
        for name, source in sources:
            wanted = checks - made
            text = _only(source, wanted)
            made += len(_CLAIM.findall(text))
            if copy:
                text = _CLAIM.sub(rf'@check("\1.\2_{copy:03}")', text)
            if wanted > 0:
                (folder / f"{name.removesuffix('.py')}{f'_{copy:03}' if copy else ''}.py").write_text(text)
        copy += 1
    return folder


def _only(source: str, checks: int) -> str:
    """`source` without the checks after the first so many, and without those of items or of sets of hosts."""
    lines = source.splitlines(keepends=True)
    for node in ast.parse(source).body:
        if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
            continue
        begin = node.decorator_list[0].lineno - 1
        plain = _CLAIM.match(lines[begin]) and all(each.arg != "fleet" for each in node.args.args)
        checks -= bool(plain)
        if not plain or checks < 0:
            end = node.end_lineno or begin
            lines[begin:end] = [""] * (end - begin)
    return "".join(lines)


def _told(one: Measured, run: Path, hosts: int) -> Simulated:
    tally = stored.gather(run).tally
    if tally.counts["error"]:
        raise RuntimeError(f"{tally.counts['error']} checks could not be measured\n{one.output[-3000:]}")
    sizes = [(run / name).stat().st_size / 1024 for name in ("report.html", "junit.xml")]
    return Simulated(hosts, tally.total, one.seconds, one.peak_mib, *sizes)
