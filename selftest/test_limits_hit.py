"""Which limits are told to have been hit: the log, counters, an earlier run → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded_limits import CONTAINER, DAY, Case, before, group, log, neighbours, overflows, told

FILES = "VFS: file-max limit 400000 reached"
TRACKED = "nf_conntrack: nf_conntrack: table full, dropping packet"
NEIGHBOURS = "neighbour: arp_cache: neighbor table overflow!"
REFUSED = "cgroup: fork rejected by pids controller in /system.slice/job.service"
FLOODED = "TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:443. Sending cookies.  Check SNMP counters."
FULL = "TCP: time wait bucket table overflow"

LOST = "{}: times {}, limit 0"
MILD = "{}: times {}, warning above 0"

LOG = {
    "nothing": Case("passed", ""),
    "file handles": Case(
        "failed",
        LOST.format("file handles ran out", 2),
        log((500, FILES), (400, FILES)),
        first="file handles ran out: the newest line 6.67 min ago, 2 in the kernel's log",
    ),
    "conntrack": Case("failed", LOST.format("connection tracking table full", 1), log((60, TRACKED))),
    "conntrack of old kernels": Case(
        "failed",
        LOST.format("connection tracking table full", 1),
        log((60, "ip_conntrack: table full, dropping packet.")),
    ),
    "neighbours": Case("failed", LOST.format("neighbour table full", 1), log((60, NEIGHBOURS))),
    "neighbours of old kernels": Case(
        "failed", LOST.format("neighbour table full", 1), log((60, "ipv4: Neighbour table overflow."))
    ),
    "TCP's memory": Case(
        "failed", LOST.format("out of TCP memory", 1), log((60, "TCP: out of memory -- consider tuning tcp_mem"))
    ),
    "orphans": Case("failed", LOST.format("too many orphaned sockets", 1), log((60, "TCP: too many orphaned sockets"))),
    "a fork": Case(
        "warned", MILD.format("fork refused at pids.max (/system.slice/job.service)", 1), log((60, REFUSED))
    ),
    "TIME_WAIT": Case("warned", MILD.format("TIME_WAIT table full", 1), log((60, FULL))),
    "a flood": Case("warned", MILD.format("SYN flooding (0.0.0.0:443)", 1), log((60, FLOODED))),
    "a flood of old kernels": Case(
        "warned",
        MILD.format("SYN flooding (80)", 1),
        log((60, "possible SYN flooding on port 80. Sending cookies.")),
    ),
    "the audit": Case(
        "warned",
        MILD.format("audit backlog full", 1),
        log((60, "audit: audit_backlog=8193 > audit_backlog_limit=8192")),
    ),
    "both kinds: the one that lost work is told": Case(
        "failed", LOST.format("file handles ran out", 1), log((70, FULL), (60, FILES))
    ),
    "the strict know a limit": Case(
        "failed", "TIME_WAIT table full: times 1, limit 0", log((60, FULL)), extends="strict"
    ),
    "long ago": Case("passed", "", log((2 * DAY, FILES))),
    "since the last run, which was longer ago": Case(
        "failed", LOST.format("file handles ran out", 1), log((2 * DAY, FILES)), previous=before(3 * DAY)
    ),
    "a program that says so": Case("passed", "", log((60, FILES), facility=3)),
    "something else of that name": Case("passed", "", log((60, "IPv6: SYN is not a flood"))),
    "no log": Case("error", "hits.log: no /dev/kmsg", {"/dev/kmsg": None}),
    "no log, and a counter tells": Case(
        "failed",
        LOST.format("neighbour table full", 7),
        {"/dev/kmsg": None, **neighbours(10, 3)},
        neighbours(10, 10),
    ),
    "a container's machine": Case("passed", "", {**log((60, FILES)), **CONTAINER}),
}

COUNTED = {
    "in the window": Case("warned", MILD.format("TIME_WAIT table full", 5), overflows(7), overflows(12)),
    "some time since the boot": Case("passed", "", overflows(7)),
    "booted today": Case("warned", MILD.format("TIME_WAIT table full", 7), overflows(7), uptime=DAY / 2),
    "the boot is not known": Case("passed", "", overflows(7), uptime=None),
    "since the last run": Case(
        "warned",
        MILD.format("TIME_WAIT table full", 4),
        overflows(7),
        previous=before(60, **{"TIME_WAIT table full": 3}),
    ),
    "before the last run": Case("passed", "", overflows(7), previous=before(60, **{"TIME_WAIT table full": 7})),
    "the log does not repeat itself": Case(
        "warned", MILD.format("TIME_WAIT table full", 5), {**log((60, FULL)), **overflows(7)}, overflows(12)
    ),
    "neighbours": Case(
        "failed",
        LOST.format("neighbour table full", 2),
        neighbours(10, 5),
        previous=before(60, **{"neighbour table full": 3}),
    ),
    "forks in a group": Case(
        "warned",
        MILD.format("fork refused at pids.max (/a)", 4),
        group("/a", 1, 1, 9),
        previous=before(60, **{"fork refused at pids.max: /a": 5}),
    ),
    "forks in a group that is new": Case(
        "warned", MILD.format("fork refused at pids.max (/a)", 9), group("/a", 1, 1, 9), previous=before(60)
    ),
    "forks in a group that was made anew": Case(
        "warned",
        MILD.format("fork refused at pids.max (/a)", 2),
        group("/a", 1, 1, 2),
        previous=before(60, **{"fork refused at pids.max: /a": 5}),
    ),
    "forks in a group below: told once": Case(
        "warned",
        MILD.format("fork refused at pids.max (/a/b)", 9),
        {**group("/a", 1, "max", 9, local=0), **group("/a/b", 1, 1, 9, local=9)},
        previous=before(60),
    ),
}


@pytest.mark.parametrize("name", LOG)
def test_what_the_log_tells(name: str, tmp_path: Path) -> None:
    told(LOG[name], "test_no_limit_was_hit", tmp_path)


@pytest.mark.parametrize("name", COUNTED)
def test_what_counters_tell(name: str, tmp_path: Path) -> None:
    told(COUNTED[name], "test_no_limit_was_hit", tmp_path)
