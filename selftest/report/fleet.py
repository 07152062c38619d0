"""Results as a real run leaves them: a small fleet with its troubles, and fleets of any size.

Made up, but in the words and shapes of the real subjects, so that goldens and screenshots show what people will see.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from shipworthy.report.run import RunFacts
from shipworthy.results import Measure, Outcome, Result, to_line

RUN = "2026-11-23T05-31-07Z-7f3a"
AT = "2026-11-23T05:31:09.114Z"

CHECKS: dict[str, tuple[str, ...]] = {
    "reachable": ("host_is_reachable",),
    "memory": (
        "swap_is_unused",
        "swap_is_quiet",
        "memory_is_available",
        "memory_pressure_is_low",
        "nothing_was_oom_killed",
        "largest_process_can_fork",
    ),
    "disks": ("filesystems_have_room", "inodes_are_left", "nothing_is_read_only"),
    "clock": ("clock_is_synchronised", "offset_is_small"),
    "dns": ("resolves_on_ipv4", "resolves_on_ipv6"),
    "certificates": ("chain_is_valid", "is_renewed_in_time"),
    "network": ("links_have_no_errors", "no_drops"),
}
HOSTS = ("web1.fra.example.net", "web2.fra.example.net", "db1", "db2", "cache1")
WHY = "a swapping host answers at disk speed, and is one allocation away from the OOM killer."
LOOK = "the processes listed in the evidence; then `vmstat 1`, and `VmSwap` in /proc/PID/status."
MIB = 1 << 20


def result(
    host: str | None, subject: str, test: str, outcome: Outcome = "passed", message: str = "", item: str | None = None
) -> Result:
    where = "/".join(part for part in (host, item) if part)
    return Result(
        run=RUN,
        at=AT,
        nodeid=f"tests/test_{subject}.py::test_{test}[{where}]",
        check=f"{subject}.{test}",
        test=f"test_{test}",
        subject=subject,
        host=host,
        item=item,
        outcome=outcome,
        message=message,
        seconds=0.0004,
    )


def plain(hosts: Iterable[str]) -> Iterator[Result]:
    """Every check passed on every host."""
    for host in hosts:
        for subject, tests in CHECKS.items():
            for test in tests:
                item = "www.example.org" if subject in ("dns", "certificates") else None
                yield result(host, subject, test, item=item)


def swap_failed(host: str, used: int = 512 * MIB) -> Result:
    return replace(
        result(host, "memory", "swap_is_unused", "failed", f"swap used {used // MIB} MiB, limit 64 MiB"),
        check="memory.swap_used",
        measures=(Measure("memory.swap_used", used, "B", 0, 64 * MIB, "policies/staging.yml:7"),),
        evidence=("java[1234] 480 MiB", "postgres[812] 22.4 MiB", "systemd-journald[401] 6.1 MiB"),
        why=WHY,
        look=LOOK,
    )


def small() -> list[Result]:
    """Five hosts, one of each trouble."""
    lost = "cache1"
    troubles = {
        ("db1", "swap_is_unused"): swap_failed("db1"),
        ("web2.fra.example.net", "filesystems_have_room"): replace(
            result(
                "web2.fra.example.net",
                "disks",
                "filesystems_have_room",
                "failed",
                "/var 96.4 % used, limit 90 % (3.1 GiB left of 86 GiB); /srv 91 % used, limit 90 %",
            ),
            measures=(Measure("disks.used", 96.4, "%", 80, 90, "baseline"),),
            evidence=("/var/log/nginx 41.2 GiB", "/var/lib/docker 18.0 GiB", "/srv/cache 11.7 GiB"),
            why="a full disk stops databases, logs and logins at once.",
            look="`du -xh --max-depth=2 /var | sort -h | tail`; deleted but open files: `lsof +L1`.",
        ),
        ("db2", "swap_is_unused"): replace(
            swap_failed("db2", 384 * MIB),
            outcome="waived",
            note="waived until 2027-01-31 by platform (OPS-123, storage): at most 512 MiB",
        ),
        ("db1", "memory_pressure_is_low"): replace(
            result("db1", "memory", "memory_pressure_is_low", "warned", "memory pressure 12.4 %, warns at 10 %"),
            measures=(Measure("memory.pressure", 12.4, "%", 10, 25, "baseline"),),
            why="tasks wait for memory instead of working.",
        ),
        ("web1.fra.example.net", "offset_is_small"): replace(
            result("web1.fra.example.net", "clock", "offset_is_small", "warned", "clock offset 62 ms, warns at 50 ms"),
            measures=(Measure("clock.offset", 0.062, "s", 0.05, 0.5, "policies/staging.yml:19"),),
        ),
        ("db2", "largest_process_can_fork"): result(
            "db2",
            "memory",
            "largest_process_can_fork",
            "error",
            "not measured: the largest process needs root (log in as root, or set ansible_become)",
        ),
        (lost, "host_is_reachable"): replace(
            result(lost, "reachable", "host_is_reachable", "failed", "connect: 192.0.2.45 port 22: connection refused"),
            why="a host that cannot be reached cannot be judged, and often serves nobody.",
            look="is sshd running and does a firewall reject port 22?",
            measures=(Measure("reachable.resolve", 0.002, "s", None, None, "baseline"),),
        ),
    }
    found = []
    for each in plain(HOSTS):
        trouble = troubles.get((str(each.host), each.test.removeprefix("test_")))
        if trouble is None and each.host == lost:
            trouble = replace(each, outcome="error", message=f"{lost} is unreachable: connection refused")
        elif trouble is None and each.test == "test_resolves_on_ipv6":
            trouble = replace(
                each,
                outcome="failed",
                message="www.example.org has no AAAA",
                evidence=("asked 192.0.2.53: NOERROR, no answer", f"asked from {each.host}"),
                why="clients with IPv6 only do not find the service.",
                look="`dig AAAA www.example.org`, at the zone's own servers too.",
            )
        elif trouble is None and each.test == "test_nothing_is_read_only":
            trouble = replace(each, outcome="skipped", message="no NFS mounts")
        found.append(trouble or each)
    found.append(result(None, "dns", "views_agree", item="web1, web2, db1, db2"))
    return found


def large(hosts: int, checks: int, every: int = 40) -> Iterator[Result]:
    """`hosts` × `checks` results, of which one in `every` is not plainly passed."""
    outcomes: tuple[Outcome, ...] = ("failed", "warned", "skipped", "error")
    subjects = tuple(CHECKS)
    for host in range(hosts):
        for number in range(checks):
            each = result(f"web{host}", subjects[number % len(subjects)], f"claim_{number}")
            turn = host * checks + number
            if turn % every == 0:
                outcome = outcomes[turn // every % 4]
                each = replace(each, outcome=outcome, message=f"claim {number} measured {turn}, limit 3")
            yield replace(each, measures=(Measure(each.check, 0.25, "s", 1, 2, "baseline"),))


def facts(results: Iterable[Result] = (), **changes: object) -> RunFacts:
    """run.json's content for `results`."""
    counts: dict[str, int] = {}
    hosts: dict[str, None] = {}
    for each in results:
        counts[each.outcome] = counts.get(each.outcome, 0) + 1
        if each.host is not None:
            hosts[each.host] = None
    status = 1 if counts.get("failed") else 6 if counts.get("error") else 0
    known = RunFacts(
        run=RUN,
        started="2026-11-23T05:31:07.002Z",
        status="finished",
        finished="2026-11-23T05:31:09.120Z",
        seconds=2.118,
        by="deploy@ci-runner-3",
        arguments=("--inventory=staging",),
        inventories=("inventories/staging.yml",),
        policies=("policies/staging.yml",),
        hosts=tuple(hosts),
        selected=sum(counts.values()),
        commit="41b67d6",
        versions={"shipworthy": "0.1.0", "pytest": "9.2.0", "python": "3.11.2", "paramiko": "5.1.0"},
        counts=counts,
        exit_status=status,
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def stored(directory: Path, results: Iterable[Result], **changes: object) -> Path:
    """A run's directory holding `results`."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = results if isinstance(results, list) else []
    with (directory / "results.jsonl").open("w", encoding="ascii") as file:
        file.writelines(to_line(each) + "\n" for each in results)
    (directory / "run.json").write_text(json.dumps(asdict(facts(kept, **changes))), "ascii")
    return directory
