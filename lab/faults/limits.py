"""Tables that are nearly full and limits that are hit: real ones, but for what the machine has one of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from lab.errors import LabError
from lab.faults import confirm, fault
from lab.host import LabHost
from lab.proc import prepared
from lab.waiting import wait_until

_OPEN = """
import os, resource, time
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range(96 - len(os.listdir("/proc/self/fd")))]
time.sleep(3600)
"""
_THREADS = """
import sys, threading, time
for _ in range(int(sys.argv[1]) - 1):
    threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
time.sleep(3600)
"""
_CLIENT = """
import socket, sys, time
most = int(sys.argv[1])
server = socket.create_server(("127.0.0.1", 0))
def one():
    client = socket.create_connection(server.getsockname())
    other, _ = server.accept()
    client.close()
    other.close()
def waiting():
    fields = open("/proc/net/sockstat").read().split("TCP:")[1].split()
    return int(fields[fields.index("tw") + 1])
while True:
    while waiting() < most:
        one()
        time.sleep(0.01)
    time.sleep(0.1)
"""
"""Keeps so many of its connections in TIME_WAIT, or tries to for ever."""


@fault(turns={"limits.kernel": "failed"})
def file_handles_used_up(host: LabHost) -> Iterator[None]:
    """Nearly all file handles of the machine are open."""
    with prepared(host, "/proc/sys/fs/file-nr", lambda _: "380000\t0\t400000\n"):
        yield


@fault(turns={"limits.kernel": "failed"})
def message_queues_used_up(host: LabHost) -> Iterator[None]:
    """Somebody forgot nearly all System V message queues that the host's IPC namespace may have."""
    with _setting(host, "kernel/msgmni", 20):
        try:
            for _ in range(19):
                host.run(["ipcmk", "--queue"])
            queues = host.read("/proc/sysvipc/msg").splitlines()[1:]
            confirm(len(queues) == 19, host, f"{len(queues)} message queues, not 19")
            yield
        finally:
            host.run(["ipcrm", "--all=msg"])


@fault(turns={"limits.network": "warned"})
def time_wait_nearly_full(host: LabHost) -> Iterator[None]:
    """A client that opens a connection for each request, and room for few that are in TIME_WAIT."""
    with _setting(host, "net/ipv4/tcp_max_tw_buckets", 20), _running(host, _CLIENT, "client", "16"):
        wait_until(lambda: _time_wait(host) >= 16, within=30, what=f"{host.name}: sockets in TIME_WAIT")
        yield


@fault(turns={"limits.tasks": "failed"})
def control_group_full_of_tasks(host: LabHost) -> Iterator[None]:
    """A job's control group has nearly all tasks that it may have."""
    with _group(host, 40) as group, _running(host, _THREADS, "job", "38", inside=group):
        wait_until(lambda: _tasks(host, group) == 38, within=30, what=f"{host.name}: tasks in {group}")
        yield


@fault(turns={"limits.processes": "failed"})
def descriptors_used_up(host: LabHost) -> Iterator[None]:
    """A server has nearly all descriptors open that it may have."""
    with _running(host, _OPEN, "server") as pid:
        count = f"ls /proc/{pid}/fd | wc -l"
        wait_until(lambda: int(host.shell(count)) >= 95, within=30, what=f"{host.name}: open descriptors")
        yield


@fault(turns={"limits.users": "failed"})
def user_full_of_tasks(host: LabHost) -> Iterator[None]:
    """A user runs nearly all tasks that he may run."""
    # The kernel counts a user's tasks on the whole machine: nobody else on it has this number.
    uid = 1_000_000 + host.init
    limited = ["prlimit", "--nproc=100", "setpriv", f"--reuid={uid}", "--clear-groups"]
    with _running(host, _THREADS, "crowd", "95", by=limited) as pid:
        count = f"ls /proc/{pid}/task | wc -l"
        wait_until(lambda: int(host.shell(count)) == 95, within=30, what=f"{host.name}: threads")
        yield


@fault(turns={"limits.already_hit": "warned"})
def time_wait_overflows(host: LabHost) -> Iterator[None]:
    """A proxy that uses its sockets again, and has more in TIME_WAIT than there is room for: they are closed early."""
    with (
        _setting(host, "net/ipv4/tcp_tw_reuse", 1),
        _setting(host, "net/ipv4/tcp_max_tw_buckets", 4),
        _running(host, _CLIENT, "proxy", "1000"),
    ):
        wait_until(lambda: overflows(host) > 0, within=30, what=f"{host.name}: TIME_WAIT to overflow")
        yield


def overflows(host: LabHost) -> int:
    """How often a socket found no room in TIME_WAIT, on this host."""
    names, values = (line.split() for line in host.read("/proc/net/netstat").splitlines()[:2])
    return int(values[names.index("TCPTimeWaitOverflow")])


@contextmanager
def _setting(host: LabHost, name: str, value: int) -> Iterator[None]:
    """A sysctl of one of the host's own namespaces, real."""
    path = f"/proc/sys/{name}"
    before = host.read(path).strip()
    host.shell(f"echo {value} >{path}")
    try:
        confirm(host.read(path).strip() == str(value), host, f"{name} = {value}")
        yield
    finally:
        host.shell(f"echo {before} >{path}")


@contextmanager
def _running(
    host: LabHost, program: str, name: str, *arguments: str, by: Sequence[str] = (), inside: str = ""
) -> Iterator[int]:
    """A Python program on the host, started `by` another, `inside` a control group; its number there."""
    path = f"/run/{name}.py"
    host.write(path, program)
    enter = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', inside] if inside else []
    try:
        with host.background([*enter, *by, "python3", "-I", "-S", path, *arguments]):
            yield wait_until(lambda: _pid(host, path), within=30, what=f"{host.name}: {name}")
    finally:
        host.run(["rm", path])


def _pid(host: LabHost, path: str) -> int:
    found = (pid for pid, command in host.processes().items() if command.startswith("python3") and path in command)
    return next(found, 0)


@contextmanager
def _group(host: LabHost, tasks: int) -> Iterator[str]:
    """A control group on the host, v1 or v2, that may have so many tasks; its directory."""
    v1, v2 = "/sys/fs/cgroup/pids", "/sys/fs/cgroup"
    top = v1 if host.exists(v1) else v2
    group = f"{top}/lab-tasks"
    with ExitStack() as stack:
        host.run(["mkdir", group])
        stack.callback(wait_until, lambda: _removed(host, group), within=5, what=f"{group} to end")
        if not host.exists(f"{group}/pids.max"):
            raise LabError(f"{host.name}: no {group}/pids.max: this machine gives the lab no pids controller")
        host.write(f"{group}/pids.max", str(tasks))
        yield group


def _removed(host: LabHost, group: str) -> bool:
    return host.run(["rmdir", group], check=False).returncode == 0


def _tasks(host: LabHost, group: str) -> int:
    return int(host.read(f"{group}/pids.current"))


def _time_wait(host: LabHost) -> int:
    fields = host.read("/proc/net/sockstat").split("TCP:")[1].split()
    return int(fields[fields.index("tw") + 1])
