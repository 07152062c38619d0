"""Small recorded trees of processes, and the real checks' verdicts on them.

In: processes by their fields, files, the same after the short and after the long window, an earlier run's counters, a
policy as people write it. Out: `Judged`, as the suite would tell it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selftest import judged
from shipworthy.checks import Item, check_id, items_of
from shipworthy.outcome import Judged
from shipworthy.snapshot import NOTHING_BEFORE, Previous

Files = Mapping[str, "str | None"]

KERNEL_THREAD = 0x00200040
"""PF_KTHREAD | PF_FORKNOEXEC."""
UPTIME = 1_000_000.0
DAY = 86400.0
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def stat(pid: int, comm: str, state: str = "S", **fields: int) -> str:
    """A line of statistics, as Linux 6.1 has them."""
    known = {"parent": 1, "tty": 0, "flags": 0x400140, "faults": 1200, "ticks": 100, "threads": 1, "start": 5000}
    known.update({"size": 20_000_000, "rss": 900}, **fields)
    values = [known["parent"], pid, pid, known["tty"], -1, known["flags"], known["faults"], 0, 0, 0, known["ticks"]]
    values += [0, 0, 0, 20, 0, known["threads"], 0, known["start"], known["size"], known["rss"], *[0] * 28]
    return f"{pid} ({comm}) {state} {' '.join(map(str, values))}\n"


def status(comm: str, *, uid: int = 0, rss: int = 9000, ran: int | None = 5) -> str:
    """A status, as Linux 6.1 has it; `rss` in KiB, `ran` is how often it was switched out of its own will."""
    switches = "" if ran is None else f"voluntary_ctxt_switches:\t{ran}\nnonvoluntary_ctxt_switches:\t3\n"
    return (
        f"Name:\t{comm}\nState:\tS (sleeping)\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\nVmSize:\t   20000 kB\n"
        f"VmRSS:\t{rss:8d} kB\nThreads:\t1\n{switches}"
    )


def process(
    pid: int, comm: str, state: str = "S", *, uid: int = 0, rss: int = 9000, ran: int | None = 5, **fields: int
) -> Files:
    """A process: its statistics and its status."""
    return {
        f"/proc/{pid}/stat": stat(pid, comm, state, **fields),
        f"/proc/{pid}/status": status(comm, uid=uid, rss=rss, ran=ran),
    }


def tcp(*sockets: tuple[str, int]) -> Files:
    """A table of connections to 10.0.2.11:443, each with its state and inode."""
    idle = "00000000:00000000 00:00000000 00000000  1000        0"
    lines = (
        f"{n:4d}: 0F02000A:{40000 + n:04X} 0B02000A:01BB {state} {idle} {inode} 1\n"
        for n, (state, inode) in enumerate(sockets)
    )
    return {"/proc/net/tcp": HEAD + "".join(lines)}


WELL: Files = {
    "/proc/uptime": f"{UPTIME:.2f} 1000.00\n",
    "/proc/self/status": "Name:\tpython3\nUid:\t0\t0\t0\t0\n",
    "/proc/self/mountinfo": "24 30 0:22 / /proc rw - proc proc rw\n",
    "/proc/sys/kernel/hung_task_detect_count": "0\n",
    "/proc/sys/kernel/core_pattern": "core\n",
    "/etc/passwd": "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/bin/false\n",
    **tcp(),
    **process(1, "systemd", parent=0),
    **process(800, "sshd"),
}
"""A host that is well, seen by root."""
ORDINARY = {"/proc/self/status": "Name:\tpython3\nUid:\t1000\t1000\t1000\t1000\n"}
"""The same, seen by an ordinary user."""
HIDDEN = {**ORDINARY, "/proc/self/mountinfo": "24 30 0:22 / /proc rw - proc proc rw,hidepid=2\n"}
"""The same, on which that user sees no others' processes."""


@dataclass(frozen=True)
class Case:
    """One line of a table."""

    outcome: str
    message: str
    files: Files = field(default_factory=dict)
    then: Files = field(default_factory=dict)
    """What is otherwise after the short window,"""
    later: Files | None = None
    """and after the long one."""
    before: Mapping[str, int] | None = None
    """An earlier run's counters,"""
    ago: float = 3600.0
    """and how long ago it was."""
    uptime: float | None = UPTIME
    policy: Mapping[str, Any] = field(default_factory=dict)
    service: Mapping[str, Any] | None = None
    """What policy says of the service `job`, for a check of services."""
    extends: str = "baseline"
    first: str = ""
    """How the evidence begins."""


def told(case: Case, test: str, tmp_path: Path) -> None:
    """The check `test` says of the case what the table does."""
    said = judge(case, test, tmp_path)
    assert (said.outcome, said.message) == (case.outcome, case.message), said.evidence
    assert not case.first or said.evidence[0].startswith(case.first), said.evidence


def judge(case: Case, test: str, tmp_path: Path) -> Judged:
    """What the check concludes, having had the host asked for nothing but what it needs."""
    services = {} if case.service is None else {"services": {"job": case.service}}
    by = judged.policy(extends=case.extends, processes={**case.policy, **services})
    function = judged.function("processes", test)
    request = by.processes.request(frozenset({check_id(function)}))
    files = [case.files, {**case.files, **case.then}, {**case.files, **case.then, **(case.later or {})}]
    trees = [judged.write(tmp_path / str(n), {**WELL, **each}) for n, each in enumerate(files)]
    reading = judged.read("processes", trees[0], trees[1], request, later=trees[2] if case.later is not None else None)
    given: dict[str, Any] = {"processes": reading, "policy": by, "facts": judged.facts(case.uptime)}
    given["previous"] = (
        NOTHING_BEFORE if case.before is None else Previous("then", case.ago, "boot", {"processes": dict(case.before)})
    )
    if items_of(function):
        given["item"] = Item("job", by.processes.services["job"])
    return judged.judge("processes", test, **given)
