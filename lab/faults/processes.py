"""Processes that burn, hang, stop, die, forget; and services that are not as a policy says. All of it happens for real,
but for hung tasks, which the kernel reports to all hosts at once, and for systemd, which a lab host has none of.

The services are called `job`: a policy must name it, and say what the fault's docstring says of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from lab.faults import NOTHING, confirm, fault
from lab.host import LabHost
from lab.proc import prepared
from lab.waiting import wait_until

JOB = "/run/job"
"""The service's program, a copy of sleep."""
SYSTEMCTL = "/usr/local/sbin/systemctl"


@fault(turns={"processes.pegged": "warned"})
def busy_thread(host: LabHost) -> Iterator[None]:
    """A thread called worker uses all of a core that it gets, and reads all the time."""
    with _python(host, _BUSY, "pread(zero, 1, 0)"):
        yield


@fault(turns={"processes.pegged": "warned", "processes.livelock": "warned"})
def spinning_thread(host: LabHost) -> Iterator[None]:
    """A thread called worker goes in circles: it reads, writes and waits for nothing."""
    with _python(host, _BUSY, "None"):
        yield


@fault(turns={"processes.zombies": "warned"})
def dead_children(host: LabHost) -> Iterator[None]:
    """A process does not ask for twelve children that have ended."""
    with _python(host, "import os, time\nfor _ in range(12):\n    os.fork() or os._exit(0)\ntime.sleep(1000)"):
        wait_until(lambda: _states(host).count("Z") == 12, within=10, what=f"{host.name}: twelve zombies")
        yield


@fault(turns={"processes.uninterruptible": "warned"})
def stuck_in_the_kernel(host: LabHost) -> Iterator[None]:
    """A process waits for a file system that nobody serves: a FUSE mount, which no other process can see."""
    with _python(host, _STUCK):
        wait_until(lambda: "D" in _states(host), within=10, what=f"{host.name}: a process in state D")
        yield


@fault(turns=NOTHING)
def waiting_for_vfork(host: LabHost) -> Iterator[None]:
    """A process waits for its child of vfork, which opens a pipe that nobody writes to: harmless, and in state D."""
    with ExitStack() as stack:
        host.run(["mkfifo", _PIPE])
        stack.callback(host.run, ["rm", _PIPE])
        stack.enter_context(_python(host, _VFORK))
        stack.callback(host.shell, f": >{_PIPE}")
        wait_until(lambda: "D" in _states(host), within=10, what=f"{host.name}: a process in state D")
        yield


@fault(turns={"processes.hung_tasks": "failed"})
def hung_task(host: LabHost) -> Iterator[None]:
    """The kernel reported a task that was blocked for more than two minutes."""
    line = f"3,9,{int((time.monotonic() - 60) * 1e6)},-;INFO: task cp:4711 blocked for more than 120 seconds.\n"
    with (
        prepared(host, "/proc/sys/kernel/hung_task_detect_count", lambda _: "1\n"),
        prepared(host, "/dev/kmsg", lambda text: text + line),
    ):
        yield


@fault(turns={"processes.stopped": "warned"})
def stopped_process(host: LabHost) -> Iterator[None]:
    """Somebody stopped a process, and forgot."""
    with _python(host, _STOPS):
        wait_until(lambda: "T" in _states(host), within=5, what=f"{host.name}: a stopped process")
        yield


@fault(turns={"processes.deleted": "warned"})
def deleted_program(host: LabHost) -> Iterator[None]:
    """A process runs from a file that an update removed. The policy allows that for no time."""
    with _job(host) as pid:
        host.run(["rm", JOB])
        confirm("(deleted)" in host.run(["readlink", f"/proc/{pid}/exe"]).stdout, host, "a deleted executable")
        yield


@fault(turns={"processes.close_wait": "warned"})
def forgotten_connections(host: LabHost) -> Iterator[None]:
    """A server never closes: 120 of its clients have gone."""
    with _python(host, _FORGETS):
        wait_until(lambda: _close_waits(host) == 120, within=10, what=f"{host.name}: 120 in CLOSE_WAIT")
        yield


@fault(turns={"processes.service_runs": "failed"})
def missing_service(host: LabHost) -> Iterator[None]:
    """The service does not run."""
    confirm(not _running(host), host, "no job")
    yield


@fault(turns={"processes.service_users": "failed"})
def service_of_the_wrong_user(host: LabHost) -> Iterator[None]:
    """The service runs as root; the policy says deploy."""
    with _job(host):
        yield


@fault(turns={"processes.service_restarts": "warned"})
def restarted_service(host: LabHost) -> Iterator[None]:
    """systemd, as a program in its place tells, started the service's unit again three times."""
    with _job(host), _unit(host, NRestarts="3"):
        yield


@fault(turns={"processes.service_comes_back": "failed"})
def service_that_stays_away(host: LabHost) -> Iterator[None]:
    """systemd, as a program in its place tells, neither starts the unit at boot nor after a crash."""
    with _job(host), _unit(host, UnitFileState="disabled", Restart="no"):
        yield


@fault(turns={"processes.service_start": "failed"})
def slow_start(host: LabHost) -> Iterator[None]:
    """The unit's start took 40 s, as a program in systemd's place tells; the policy allows 5 s."""
    with _job(host), _unit(host, InactiveExitTimestampMonotonic="1000000", ActiveEnterTimestampMonotonic="41000000"):
        yield


@fault(turns={"processes.service_memory": "failed"})
def large_service(host: LabHost) -> Iterator[None]:
    """The service, a Python, holds 64 MiB; the policy allows 32 MiB."""
    with _python(host, "import time\nheld = b'x' * (64 << 20)\ntime.sleep(1000)"):
        wait_until(lambda: _largest(host) > 60 * 1024, within=10, what=f"{host.name}: a process of 64 MiB")
        yield


@fault(turns={"processes.service_is_current": "warned"})
def deleted_library(host: LabHost) -> Iterator[None]:
    """The service, a Python, uses a library that an update removed. The policy allows that for no time."""
    with _python(host, _LIBRARY):
        wait_until(lambda: _maps_deleted(host), within=10, what=f"{host.name}: a deleted library in use")
        yield


@fault(turns={"processes.service_leaves_trace": "failed"})
def service_without_cores(host: LabHost) -> Iterator[None]:
    """The service's limit allows no core; the policy wants one of a crash."""
    with _job(host, wrapped="prlimit --core=0") as pid:
        confirm("size        0 " in host.read(f"/proc/{pid}/limits"), host, "a limit of 0")
        yield


@fault(turns={"processes.service_leaves_trace": "failed"})
def service_that_gave_up_privileges(host: LabHost) -> Iterator[None]:
    """The service, a Python, was root and is nobody now: the kernel keeps no core of such. The policy wants one."""
    with _python(host, "import os, time\nos.setuid(65534)\ntime.sleep(1000)", wrapped="prlimit --core=unlimited"):
        wait_until(lambda: "nobody" in host.run(["ps", "-eo", "user="]).stdout, within=5, what=f"{host.name}: a nobody")
        yield


_BUSY = """
import ctypes, threading, time
from os import open, pread
zero = open("/dev/zero", 0)
def work():
    ctypes.CDLL(None).prctl(15, b"worker", 0, 0, 0)
    while True: WORK
threading.Thread(target=work, daemon=True).start()
time.sleep(1000)
"""
_STUCK = """
import ctypes, os, stat, tempfile
libc = ctypes.CDLL(None, use_errno=True)
def check(done):
    if done: raise OSError(ctypes.get_errno(), "mount")
check(libc.unshare(0x00020000))
check(libc.mount(b"none", b"/", None, 0x44000, None))
check(libc.mount(b"none", b"/mnt", b"tmpfs", 0, None))
os.mknod("/mnt/fuse", stat.S_IFCHR | 0o600, os.makedev(10, 229))
os.mkdir("/mnt/dead")
served = os.open("/mnt/fuse", os.O_RDWR)
options = b"fd=%d,rootmode=40000,user_id=0,group_id=0" % served
check(libc.mount(b"dead", b"/mnt/dead", b"fuse", 0, options))
os.stat("/mnt/dead/file")
"""
_PIPE = "/run/pipe"
_VFORK = f"""
import os, time
os.posix_spawn("/bin/true", ["true"], {{}}, file_actions=[(os.POSIX_SPAWN_OPEN, 0, "{_PIPE}", os.O_RDONLY, 0)])
time.sleep(1000)
"""
_STOPS = """
import ctypes, os, signal, time
if not os.fork():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # it dies with its parent
    os.kill(os.getpid(), signal.SIGSTOP)
time.sleep(1000)
"""
_FORGETS = """
import socket, time
server = socket.create_server(("127.0.0.1", 0), backlog=200)
held = []
for _ in range(120):
    client = socket.create_connection(server.getsockname())
    held.append(server.accept())
    client.close()
time.sleep(1000)
"""
_LIBRARY = """
import ctypes, ctypes.util, os, shutil, time
real = next(line.split()[-1] for line in open("/proc/self/maps") if "/libc.so" in line or "/libc-" in line)
folder = os.path.dirname(real)
found = next(name for name in sorted(os.listdir(folder)) if name.startswith("libresolv.so"))
shutil.copy(os.path.join(folder, found), "/run/libold.so.1")
ctypes.CDLL("/run/libold.so.1")
os.remove("/run/libold.so.1")
time.sleep(1000)
"""
_WELL = {
    "Id": "job.service",
    "LoadState": "loaded",
    "ActiveState": "active",
    "Result": "success",
    "Type": "simple",
    "UnitFileState": "enabled",
    "Restart": "on-failure",
    "NRestarts": "0",
    "RestartUSec": "100ms",
    "StartLimitBurst": "5",
    "StartLimitIntervalUSec": "10s",
    "InactiveExitTimestampMonotonic": "1000000",
    "ActiveEnterTimestampMonotonic": "1000000",
}


@contextmanager
def _job(host: LabHost, *, wrapped: str = "") -> Iterator[int]:
    """While inside, a process called job runs; its number."""
    host.run(["cp", "/bin/sleep", JOB])
    with ExitStack() as stack:
        stack.callback(host.run, ["rm", "-f", JOB])
        stack.enter_context(host.background([*wrapped.split(), JOB, "infinity"]))
        yield wait_until(lambda: _running(host), within=5, what=f"{host.name}: a job")


@contextmanager
def _python(host: LabHost, program: str, work: str = "", *, wrapped: str = "") -> Iterator[None]:
    """While inside, a Python runs this; afterwards neither it is there nor are its children."""
    before = _pythons(host)
    command = [*wrapped.split(), "python3", "-I", "-S", "-c", program.replace("WORK", work)]
    with host.background(command):
        yield
    wait_until(lambda: _pythons(host) <= before, within=5, what=f"{host.name}: Python to end")


@contextmanager
def _unit(host: LabHost, **properties: str) -> Iterator[None]:
    """While inside, a program in systemctl's place tells of a unit in whose control group the job is."""
    group = host.read(f"/proc/{_running(host)}/cgroup").splitlines()[-1].split(":", 2)[2]
    said: Mapping[str, str] = {**_WELL, "ControlGroup": group, **properties}
    with ExitStack() as stack:
        stack.callback(host.run, ["rm", "-rf", SYSTEMCTL, "/run/systemd"])
        host.run(["mkdir", "-p", "/run/systemd/system"])
        host.write(
            SYSTEMCTL, "#!/bin/sh\ncat <<END\n" + "".join(f"{k}={v}\n" for k, v in said.items()) + "END\n", mode="755"
        )
        confirm("Id=job.service" in host.run(["systemctl", "show", "job.service"]).stdout, host, "a unit")
        yield


def _running(host: LabHost) -> int:
    return next((pid for pid, command in host.processes().items() if command.split()[0] == JOB), 0)


def _pythons(host: LabHost) -> set[int]:
    return {pid for pid, command in host.processes().items() if "python3" in command}


def _states(host: LabHost) -> Sequence[str]:
    return [line[:1] for line in host.run(["ps", "-eo", "state="]).stdout.splitlines()]


def _largest(host: LabHost) -> int:
    return max(int(line) for line in host.run(["ps", "-eo", "rss="]).stdout.split())


def _close_waits(host: LabHost) -> int:
    return len(re.findall(r"^ *\d+: \S+ \S+ 08 ", host.read("/proc/net/tcp"), re.MULTILINE))


def _maps_deleted(host: LabHost) -> bool:
    return "libold.so.1 (deleted)" in host.shell("cat /proc/[0-9]*/maps", check=False)
