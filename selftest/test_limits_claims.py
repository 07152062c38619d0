"""What the checks of headroom conclude: a recorded host, a policy → outcome and message, branch by branch."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.recorded_limits import (
    CONTAINER,
    MOUNTS,
    Case,
    Files,
    group,
    inotify,
    neighbours,
    process,
    sockstat,
    sysctl,
    told,
)

_HEAD = "       key      msqid perms\n"


def queues(count: int) -> Files:
    return {"/proc/sysvipc/msg": _HEAD + "".join(f"{n:>10} {n:>10}   644\n" for n in range(count))}


def semaphores(*sets: int) -> Files:
    return {"/proc/sysvipc/sem": "  key semid perms nsems\n" + "".join(f"0 0 600 {count}\n" for count in sets)}


_ARP = "IP address       HW type     Flags       HW address\n"
NEAR = "{} %, warning above 75 % (limit 90 %)"
FULL = "{} %, limit 90 %"

KERNEL = {
    "room": Case("passed", ""),
    "file handles: node-mixin's own warning": Case(
        "warned",
        "file handles (288000 of 400000, then ENFILE) 72 %, warning above 70 % (limit 90 %)",
        sysctl("fs/file-nr", 288_000, 0, 400_000),
    ),
    "file handles": Case(
        "failed",
        "file handles (380000 of 400000, then ENFILE) 95 %, limit 90 %",
        {**sysctl("fs/file-nr", 380_000, 0, 400_000), **process(77, "java", opened=9), "/proc/77/comm": "java\n"},
        first="java[77]: 9 descriptors",
    ),
    "file handles that are free": Case("passed", "", sysctl("fs/file-nr", 380_000, 200_000, 400_000)),
    "file handles without a limit": Case("passed", "", sysctl("fs/file-nr", 380_000, 0, 2**63 - 1)),
    "asynchronous requests": Case(
        "warned", "asynchronous requests (52429 of 65536, then EAGAIN) " + NEAR.format(80), sysctl("fs/aio-nr", 52_429)
    ),
    "terminals": Case(
        "failed",
        "pseudo-terminals (4000 of 4096, then ENOSPC) " + FULL.format(97.7),
        {**sysctl("kernel/pty/nr", 4000), **sysctl("kernel/pty/max", 4096)},
    ),
    "queues": Case("failed", "message queues (19 of 20, then ENOSPC) " + FULL.format(95), queues(19)),
    "a third of the queues": Case("passed", "", queues(7)),
    "semaphores": Case(
        "failed",
        "semaphores (95 of 100, then ENOSPC) " + FULL.format(95),
        {
            **sysctl("kernel/sem", 250, 100, 100, 128),
            **semaphores(45, 50),
        },
    ),
    "semaphore sets": Case(
        "warned",
        "semaphore sets (4 of 5, then ENOSPC) " + NEAR.format(80),
        {
            **sysctl("kernel/sem", 250, 100, 100, 5),
            **semaphores(1, 1, 1, 1),
        },
    ),
    "segments": Case(
        "failed",
        "shared memory segments (2 of 2, then ENOSPC) " + FULL.format(100),
        {**sysctl("kernel/shmmni", 2), "/proc/sysvipc/shm": "  key shmid perms size\n" + "0 0 600 4096\n" * 2},
    ),
    "two at once": Case(
        "failed",
        "message queues (20 of 20, then ENOSPC) 100 %, limit 90 %; "
        "file handles (380000 of 400000, then ENFILE) 95 %, limit 90 %",
        {**queues(20), **sysctl("fs/file-nr", 380_000, 0, 400_000)},
    ),
    "nothing can be seen": Case(
        "error",
        "kernel.file handles: no /proc/sys/fs/file-nr",
        {"/proc/sys/fs/file-nr": None, "/proc/sys/fs/aio-nr": None},
    ),
}

NETWORK = {
    "room": Case("passed", ""),
    "neighbours, in hexadecimal": Case(
        "failed", "IPv4 neighbours (1000 of 1024, then neighbour table overflow) " + FULL.format(97.7), neighbours(1000)
    ),
    "neighbours that are permanent": Case(
        "passed",
        "",
        {
            **neighbours(1000),
            "/proc/net/arp": "IP address       HW type     Flags       HW address\n"
            + "192.0.2.1 0x1 0x6 02:00 * eth0\n" * 600,
        },
    ),
    "IPv6 neighbours": Case(
        "warned",
        "IPv6 neighbours (820 of 1024, then neighbour table overflow) " + NEAR.format("80.1"),
        neighbours(820, cache="ndisc_cache"),
    ),
    "TCP's memory": Case(
        "failed", "pages of TCP memory (590 of 600, then packets are dropped) " + FULL.format(98.3), sockstat(tcp=590)
    ),
    "UDP's memory": Case(
        "warned", "pages of UDP memory (960 of 1200, then packets are dropped) " + NEAR.format(80), sockstat(udp=960)
    ),
    "orphans": Case("failed", "orphaned sockets (950 of 1000, then RST) " + FULL.format(95), sockstat(orphan=950)),
    "TIME_WAIT only warns": Case(
        "warned",
        "sockets in TIME_WAIT (990 of 1000, then closed early) 99 %, warning above 75 %",
        sockstat(tw=990),
    ),
    "TIME_WAIT that is used again": Case("passed", "", {**sockstat(tw=990), **sysctl("net/ipv4/tcp_tw_reuse", 1)}),
    "a container sees its own": Case(
        "passed",
        "",
        {
            **{f"/proc/sys/net/ipv4/{name}": None for name in ("tcp_mem", "udp_mem", "tcp_max_orphans")},
            "/proc/net/stat/arp_cache": None,
            "/proc/net/stat/ndisc_cache": None,
        },
    ),
}

TASKS = {
    "room": Case("passed", ""),
    "pid_max": Case(
        "failed",
        "tasks, by kernel.pid_max (31000 of 32768, then EAGAIN) " + FULL.format(94.6),
        {"/proc/loadavg": "0.10 0.20 0.30 2/31000 1234\n"},
    ),
    "threads-max": Case(
        "warned",
        "tasks, by kernel.threads-max (500 of 600, then EAGAIN) " + NEAR.format(83.3),
        sysctl("kernel/threads-max", 600),
    ),
    "a group": Case("failed", "tasks of /a (95 of 100, then EAGAIN) " + FULL.format(95), group("/a", 95, 100)),
    "a group within": Case(
        "warned",
        "tasks of /a/b/c (80 of 100, then EAGAIN) " + NEAR.format(80),
        {**group("/a/b/c", 80, 100)},
    ),
    "a group that shall have few": Case("passed", "", group("/a", 1, 1)),
    "few, and they are judged": Case(
        "failed", "tasks of /a (1 of 1, then EAGAIN) " + FULL.format(100), group("/a", 1, 1), policy={"least": 1}
    ),
    "version 1": Case(
        "failed",
        "tasks of /docker (95 of 100, then EAGAIN) " + FULL.format(95),
        {
            "/proc/self/mountinfo": "31 30 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
            "/sys/fs/cgroup/pids/docker/pids.max": "100\n",
            "/sys/fs/cgroup/pids/docker/pids.current": "95\n",
        },
    ),
    "no groups": Case("passed", "", {"/proc/self/mountinfo": "24 30 0:22 / /proc rw - proc proc rw\n"}),
}

HIDDEN: Files = {
    "/proc/self/mountinfo": MOUNTS.replace("proc rw\n", "proc rw,hidepid=2\n"),
    "/proc/self/status": "Name:\tx\nUid:\t5\t5\t5\t5\n",
}
LARGE = {"VmSize": "400000 kB"}
PROCESSES = {
    "room": Case("passed", "", process(77, "java", opened=20, files=100)),
    "no limits": Case("skipped", "nothing here has a limit of this kind"),
    "descriptors": Case(
        "failed",
        "descriptors of java[77] (95 of 100, then EMFILE) " + FULL.format(95),
        process(77, "java", opened=95, files=100),
    ),
    "descriptors run short": Case(
        "warned",
        "descriptors of java[77] (76 of 100, then EMFILE) " + NEAR.format(76),
        process(77, "java", opened=76, files=100),
    ),
    "a sandbox": Case("skipped", "nothing here has a limit of this kind", process(77, "sshd", opened=6, files=1)),
    "a limit that was lowered afterwards": Case(
        "skipped", "nothing here has a limit of this kind", process(77, "worker", opened=60, files=40)
    ),
    "a cache of files": Case(
        "skipped", "nothing here has a limit of this kind", process(77, "postgres", opened=98, files=100)
    ),
    "many caches do not hide who is none": Case(
        "failed",
        "descriptors of java[77] (95 of 100, then EMFILE) " + FULL.format(95),
        {
            **process(77, "java", opened=95, files=100),
            **{k: v for pid in range(80, 90) for k, v in process(pid, "postgres", opened=99, files=100).items()},
        },
    ),
    "a cache at its limit": Case(
        "failed",
        "descriptors of postgres[77] (100 of 100, then EMFILE) " + FULL.format(100),
        process(77, "postgres", opened=100, files=100),
    ),
    "mappings": Case(
        "failed",
        "mappings of elastic[77] (19 of 20, then ENOMEM) " + FULL.format(95),
        {
            **sysctl("vm/max_map_count", 20),
            **process(77, "elastic", status=LARGE),
            "/proc/77/maps": "00400000-00401000 r--p 0 fe:00 1 /x\n" * 19,
        },
    ),
    "a process too small to have many": Case(
        "skipped",
        "nothing here has a limit of this kind",
        {**process(77, "small"), "/proc/77/maps": "00400000-00401000 r--p 0 fe:00 1 /x\n" * 65_000},
    ),
    "locked memory only warns": Case(
        "warned",
        "locked memory of vault[77] (61 KiB of 62.5 KiB, then ENOMEM) 97.6 %, warning above 75 %",
        process(77, "vault", uid=5, locked=64_000, status={"VmLck": "61 kB"}),
    ),
    "locked memory of the privileged": Case(
        "skipped",
        "nothing here has a limit of this kind",
        process(77, "dpdk", locked=65_536, status={"VmLck": "64 kB"}),
    ),
    "address space only warns": Case(
        "warned",
        "address space of job[77] (391 MiB of 400 MiB, then ENOMEM) 97.7 %, warning above 75 %",
        process(77, "job", space=400 * 2**20, status=LARGE),
    ),
    "processes are hidden": Case("error", "processes.others: /proc is mounted with hidepid: needs root", HIDDEN),
    "what is seen fails all the same": Case(
        "failed",
        "descriptors of java[77] (95 of 100, then EMFILE) " + FULL.format(95),
        {**HIDDEN, **process(77, "java", uid=5, opened=95, files=100)},
    ),
}


def user(threads: int, limit: int, **more: str) -> Files:
    """A user with two processes, of which one has a limit."""
    return {
        **process(77, "node", uid=7, threads=threads - 10, processes=limit, status=more),
        **process(78, "other", uid=7, threads=10, processes=62_000),
    }


SIGNALS = "pending signals of uid 7, by timers[77] (95 of 100, then EAGAIN) "
USERS = {
    "room": Case("passed", ""),
    "tasks": Case(
        "failed",
        "tasks of uid 7, by node[77] (95 of 100, then EAGAIN) " + FULL.format(95),
        user(95, 100),
        first="node[77]: 85",
    ),
    "more tasks than this one might have": Case(
        "failed", "tasks of uid 7, by node[77] (150 of 100, then EAGAIN) " + FULL.format(150), user(150, 100)
    ),
    "a process that shall start none": Case("passed", "", user(95, 1)),
    "a process that nothing limits": Case("passed", "", user(95, 100, CapEff="0000000001000000")),
    "root": Case("passed", "", process(77, "node", threads=95, processes=100)),
    "signals": Case("failed", SIGNALS + FULL.format(95), process(77, "timers", uid=7, status={"SigQ": "95/100"})),
    "keys": Case(
        "failed",
        "keys of uid 7 (190 of 200, then EDQUOT) " + FULL.format(95),
        {"/proc/key-users": "    7:   190 190/190 190/200 800/20000\n"},
    ),
    "bytes of keys": Case(
        "warned",
        "keys of uid 7 (15.6 KiB of 19.5 KiB, then EDQUOT) " + NEAR.format(80),
        {"/proc/key-users": "    7:   190 190/190 10/200 16000/20000\n"},
    ),
    "instances of inotify": Case(
        "failed",
        "inotify instances of uid 7 (4 of 4, then EMFILE) " + FULL.format(100),
        {**process(77, "node", uid=7), **inotify(77, 3), **inotify(77, 4), **inotify(77, 5), **inotify(77, 6)},
    ),
    "an instance that a child has too": Case(
        "passed",
        "",
        {
            **process(77, "node", uid=7),
            **process(78, "node", uid=7),
            **inotify(77, 3, "a", "b", "c", "d", "e", "f"),
            **inotify(78, 3, "a", "b", "c", "d", "e", "f"),
        },
    ),
    "watches": Case(
        "warned",
        "inotify watches of uid 7 (8 of 10, then ENOSPC) " + NEAR.format(80),
        {
            **process(77, "node", uid=7),
            **inotify(77, 3, "a", "b", "c", "d", "e"),
            **inotify(77, 4, "g", "h", "i"),
        },
    ),
    "processes are hidden": Case("error", "users.others: /proc is mounted with hidepid: needs root", HIDDEN),
    "a container's processes are all": Case("passed", "", {**CONTAINER, "/proc/self/ns/pid": "link:pid:[4026532998]"}),
}


@pytest.mark.parametrize("name", KERNEL)
def test_tables_of_the_kernel(name: str, tmp_path: Path) -> None:
    told(KERNEL[name], "test_kernel_tables_have_room", tmp_path)


@pytest.mark.parametrize("name", NETWORK)
def test_tables_of_the_network(name: str, tmp_path: Path) -> None:
    told(NETWORK[name], "test_network_tables_have_room", tmp_path)


@pytest.mark.parametrize("name", TASKS)
def test_tasks_of_the_machine_and_of_groups(name: str, tmp_path: Path) -> None:
    told(TASKS[name], "test_more_tasks_can_be_started", tmp_path)


@pytest.mark.parametrize("name", PROCESSES)
def test_limits_of_a_process(name: str, tmp_path: Path) -> None:
    told(PROCESSES[name], "test_no_process_is_near_its_own_limits", tmp_path)


@pytest.mark.parametrize("name", USERS)
def test_limits_of_a_user(name: str, tmp_path: Path) -> None:
    told(USERS[name], "test_no_user_is_near_a_limit_of_all_his_processes", tmp_path)
