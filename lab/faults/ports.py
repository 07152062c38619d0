"""Ports that are used up, held, open or reached by the wrong ones: real sockets, in each host's own network namespace.

Where a fault needs somebody to connect to, or from, that is `here`, over the lab's network.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from lab.faults import NOTHING, confirm, fault
from lab.here import Here
from lab.host import LabHost
from lab.proc import prepared
from lab.waiting import wait_until

HERE = "10.77.0.1"
RANGE = (40000, 40099)
"""What the faults leave of the ephemeral ports; few enough to be used up within a second."""
_WIDTH = RANGE[1] - RANGE[0] + 1

_SERVE = """
import contextlib, socket, sys
from threading import Thread
def serve(port):
    with socket.create_server(("", port), backlog=1024) as listener:
        while True:
            Thread(target=wait_for, args=(listener.accept()[0],), daemon=True).start()
def wait_for(peer):
    with peer, contextlib.suppress(ConnectionResetError):
        peer.recv(1)
for port in sys.argv[1:]:
    Thread(target=serve, args=(int(port),)).start()
"""
_CONNECT = """
import errno, signal, socket, struct, sys
bound, most, address, *ports = sys.argv[1:]
held = []
while len(held) < int(most):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # its end leaves no TIME_WAIT behind
    try:
        if bound:
            one.bind((bound, 0))
        one.connect((address, int(ports[len(held) % len(ports)])))
    except OSError as error:
        if error.errno in (errno.EADDRNOTAVAIL, errno.EADDRINUSE):
            break
        raise
    held.append(one)
signal.pause()
"""
_CLOSE = """
import socket, sys, time
address, port, most = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
while True:
    lines = open("/proc/net/tcp").read().split("\\n")
    waiting = sum(":%04X 06 " % port in line for line in lines)
    for _ in range(most - waiting):
        socket.create_connection((address, port)).close()
    time.sleep(0.2)
"""
_BIND = """
import signal, socket, sys
held = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(int(sys.argv[1]))]
for one in held:
    one.bind(("", 0))
signal.pause()
"""
_LISTEN = """
import signal, socket, sys
address, port, backlog, waiting = sys.argv[1], *map(int, sys.argv[2:])
listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((address, port))
listener.listen(backlog)
held = [socket.create_connection(("127.0.0.1", port)) for _ in range(waiting)]
signal.pause()
"""
_TRACK = """
import socket, struct, sys
def attribute(kind, data, nested=0):
    return struct.pack("=HH", 4 + len(data), kind | nested) + data + bytes(-len(data) % 4)
def nest(kind, *parts):
    return attribute(kind, b"".join(parts), 0x8000)
def tuple_of(kind, source, destination, first, second):
    ports = attribute(2, struct.pack(">H", first)), attribute(3, struct.pack(">H", second))
    return nest(kind, nest(1, attribute(1, source), attribute(2, destination)), nest(2, attribute(1, b"\\x11"), *ports))
def ask(kind, flags, message):
    link.send(struct.pack("=IHHII", 20 + len(message), kind, flags, 0, 0) + bytes([socket.AF_INET, 0, 0, 0]) + message)
    if struct.unpack_from("=i", link.recv(4096), 16)[0]:
        sys.exit("the kernel refused it")
link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
here, there = socket.inet_aton("192.0.2.1"), socket.inet_aton("192.0.2.2")
for port in range(1000, 1000 + int(sys.argv[1])):
    both = tuple_of(1, here, there, port, 53) + tuple_of(2, there, here, 53, port)
    ask(0x0100, 0x0605, both + attribute(7, struct.pack(">I", 600)))
if sys.argv[1] == "0":
    ask(0x0102, 5, b"")
"""
"""ctnetlink: IPCTNL_MSG_CT_NEW with both directions of a UDP exchange and ten minutes to live; _CT_DELETE of all."""


@fault(turns={"ports.exhausted": "failed", "ports.range": "warned"})
def ports_used_up(host: LabHost, port: int = 5432) -> Iterator[None]:
    """A program has opened connections to one destination until no ephemeral port was left for it."""
    with _service(host, port), _range(host), _python(host, _CONNECT, "", "1000", HERE, str(port)):
        _wait_for(host, "established", port, _WIDTH)
        tried = host.run(
            ["python3", "-c", _CONNECT.replace("break", "sys.exit(7)"), "", "1", HERE, str(port)], check=False
        )
        confirm(tried.returncode == 7, host, "another connection finds a port")
        yield


@fault(turns={"ports.exhausted": "warned", "ports.range": "warned"})
def ports_half_used_up(host: LabHost, port: int = 5433) -> Iterator[None]:
    """A program holds connections to one destination from most of the half that connect() tries first, and more."""
    with _service(host, port), _range(host), _python(host, _CONNECT, "", "60", HERE, str(port)):
        _wait_for(host, "established", port, 60)
        yield


@fault(turns={"ports.exhausted_early": "failed", "ports.exhausted": "warned", "ports.range": "warned"})
def ports_bound_early(host: LabHost) -> Iterator[None]:
    """A program that binds before it connects has spent every port of its source address on three destinations."""
    ports = (5435, 5436, 5437)
    client = (host.address, "1000", HERE, *map(str, ports))
    with _service(host, *ports), _range(host), _python(host, _CONNECT, *client):
        for port in ports:
            _wait_for(host, "established", port, _WIDTH // 3)
        yield


@fault(turns={"ports.time_wait": "failed", "ports.range": "warned"})
def ports_in_time_wait(host: LabHost, port: int = 5438) -> Iterator[None]:
    """A program opened and closed connections to one destination faster than the kernel lets ports go."""
    with _closed_connections(host, port, tw_reuse=0):
        yield


@fault(turns={"ports.range": "warned"})
def ports_in_time_wait_taken_over(host: LabHost, port: int = 5439) -> Iterator[None]:
    """The same where the kernel may take over connections in TIME_WAIT: they are in nobody's way."""
    with _closed_connections(host, port, tw_reuse=1):
        yield


@fault(turns={"ports.exhausted_udp": "failed", "ports.range": "warned"})
def udp_ports_used_up(host: LabHost) -> Iterator[None]:
    """A program holds most UDP ports."""
    with _range(host), _python(host, _BIND, "90"):
        wait_until(lambda: host.shell("ss -Huan | wc -l").strip() == "90", within=10, what=f"{host.name}: UDP sockets")
        yield


@fault(turns={"ports.range": "warned"})
def narrow_range(host: LabHost) -> Iterator[None]:
    """There are few ephemeral ports, of which nobody has used any."""
    with _range(host):
        yield


@fault(turns={"ports.accept_queue": "warned"})
def nobody_accepts(host: LabHost, port: int = 7000) -> Iterator[None]:
    """A program does not accept its connections; more than half of its queue is full, and none is refused yet."""
    with _listener(host, "127.0.0.1", port, backlog=8, waiting=6):
        queue = host.shell(f"ss -Hltn 'sport = :{port}'").split()
        confirm(queue[1:3] == ["6", "8"], host, "six connections wait in a queue of eight")
        yield


@fault(turns={"ports.conntrack": "failed"})
def tracking_nearly_full(host: LabHost) -> Iterator[None]:
    """The host tracks hundreds of connections, nearly as many as it may: that limit is prepared, as hosts share it."""
    with prepared(host, "/proc/sys/net/netfilter/nf_conntrack_max", lambda _: "320\n"):
        host.run(["python3", "-c", _TRACK, "300"])
        try:
            tracked = int(host.read("/proc/sys/net/netfilter/nf_conntrack_count"))
            confirm(tracked == 300, host, "300 tracked connections")
            yield
        finally:
            host.run(["python3", "-c", _TRACK, "0"])


@fault(turns={"ports.listens": "failed"})
def service_not_listening(host: LabHost, port: int = 8080) -> Iterator[None]:
    """The policy wants somebody to listen, and nobody does."""
    confirm(not host.shell(f"ss -Hltn 'sport = :{port}'"), host, f"nobody listens on {port}")
    yield


@fault(turns={"ports.listens": "failed"})
def service_on_one_family(host: LabHost, port: int = 8080) -> Iterator[None]:
    """The service listens on IPv4 alone, while the estate speaks IPv6 too."""
    with _listener(host, "0.0.0.0", port):
        yield


@fault(turns=NOTHING)
def service_on_both_families(host: LabHost, port: int = 8080) -> Iterator[None]:
    """One IPv6 socket serves both families, though it stands in one table only."""
    with _listener(host, "::", port):
        yield


@fault(turns={"ports.reserved": "warned"})
def service_in_the_range(host: LabHost, port: int = 50051) -> Iterator[None]:
    """A service has its port among those that the kernel gives to whoever asks first."""
    with _listener(host, "::", port):
        yield


@fault(turns={"ports.closed": "failed"})
def forbidden_port_open(host: LabHost, port: int = 23) -> Iterator[None]:
    """Somebody listens where the policy forbids it."""
    with _listener(host, "0.0.0.0", port):
        yield


@fault(turns={"ports.nothing_else": "failed"})
def unnamed_listener(host: LabHost, port: int = 9999) -> Iterator[None]:
    """Somebody listens whom the policy does not name."""
    with _listener(host, "0.0.0.0", port):
        yield


@fault(turns={"ports.connects": "failed"})
def connected_past_a_layer(host: LabHost, port: int = 5440) -> Iterator[None]:
    """A program is connected with somebody to whom the policy allows no connection."""
    with _service(host, port), _python(host, _CONNECT, "", "1", HERE, str(port)):
        _wait_for(host, "established", port, 1)
        yield


@fault(turns={"ports.reached": "failed"})
def reached_past_a_layer(host: LabHost, port: int = 7001) -> Iterator[None]:
    """Somebody is connected to a port of the host at which the policy allows nobody."""
    with _listener(host, "0.0.0.0", port), _here(host.here, _CONNECT, "", "1", host.address, str(port)):
        wait_until(
            lambda: host.shell(f"ss -Htn state established 'sport = :{port}'"),
            within=10,
            what=f"{host.name}: a connection to {port}",
        )
        yield


@contextmanager
def _setting(host: LabHost, name: str, value: str) -> Iterator[None]:
    """A setting of the host's own network, in /proc/sys/net/ipv4."""
    path = f"/proc/sys/net/ipv4/{name}"
    before = host.read(path).strip()
    host.shell(f"echo {value} >{path}")
    try:
        yield
    finally:
        host.shell(f"echo {before} >{path}")


def _range(host: LabHost) -> AbstractContextManager[None]:
    """Few ephemeral ports."""
    return _setting(host, "ip_local_port_range", f"{RANGE[0]} {RANGE[1]}")


@contextmanager
def _closed_connections(host: LabHost, port: int, *, tw_reuse: int) -> Iterator[None]:
    reuse = _setting(host, "tcp_tw_reuse", str(tw_reuse))
    with reuse, _service(host, port), _range(host), _python(host, _CLOSE, HERE, str(port), "90"):
        _wait_for(host, "time-wait", port, 90)
        yield


def _wait_for(host: LabHost, state: str, port: int, count: int) -> None:
    """Until so many connections to `port` are in this state."""
    listed = f"ss -Htn state {state} 'dport = :{port}' | wc -l"
    wait_until(lambda: int(host.shell(listed)) >= count, within=20, what=f"{host.name}: {count} {state} to {port}")


@contextmanager
def _listener(host: LabHost, address: str, port: int, *, backlog: int = 64, waiting: int = 0) -> Iterator[None]:
    """A program that listens and never accepts, with so many connections of its own that wait."""
    with _python(host, _LISTEN, address, str(port), str(backlog), str(waiting)):
        listed = f"ss -Hltn 'sport = :{port}'; ss -Htn state established 'dport = :{port}'"
        wait_until(
            lambda: host.shell(listed).count("\n") == 1 + waiting, within=10, what=f"{host.name}: a listener on {port}"
        )
        yield


@contextmanager
def _service(host: LabHost, *ports: int) -> Iterator[None]:
    """Somebody here who accepts connections on these ports, and closes each when its client does."""
    with _here(host.here, _SERVE, *map(str, ports)):
        listed = ["ss", "-Hltn", " or ".join(f"sport = :{port}" for port in ports)]
        wait_until(
            lambda: host.here.run(listed).stdout.count("\n") == len(ports), within=10, what=f"here: listeners {ports}"
        )
        yield


@contextmanager
def _python(host: LabHost, program: str, *arguments: str) -> Iterator[None]:
    with host.background(["python3", "-I", "-S", "-c", program, *arguments]):
        yield


@contextmanager
def _here(here: Here, program: str, *arguments: str) -> Iterator[None]:
    """While inside, a program of Python runs here; it dies with its starter."""
    command = here.command(["python3", "-I", "-S", "-c", program, *arguments])
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield
        finally:
            process.kill()
