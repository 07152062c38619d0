"""Links that are gone, slow or lossy; queues that run over; families by half; peers and clients that misbehave.

Most of it is real, on a second network of the host's own (`lab.island`). What no virtual interface has (bonds, duplex,
a speed) and what namespaces share (softnet_stat) is told by prepared files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.faults import confirm, fault
from lab.host import LabHost
from lab.island import ADDRESS, ADDRESS6, Island, island
from lab.proc import prepared
from lab.rising import rising
from lab.sysfs import prepared_interfaces
from lab.waiting import wait_until

PORT = 7000


@fault(turns={"network.carrier": "failed"})
def cable_pulled(host: LabHost) -> Iterator[None]:
    """The host has an address on a second network, and no link to it."""
    with island(host) as far:
        far.run("ip", "link", "set", "eth0", "down")
        confirm(host.read("/sys/class/net/eth1/carrier") == "0\n", host, "eth1 has a carrier")
        yield


@fault(turns={"network.carrier_changes": "failed"})
def link_flapped(host: LabHost, times: int = 12) -> Iterator[None]:
    """The host's link went away and came back many times since the last run."""
    path = "/sys/class/net/eth0/carrier_changes"
    before = int(host.read(path))
    for _ in range(times):
        for state in ("down", "up"):
            host.here.run(["ip", "link", "set", host.name, state])
    confirm(int(host.read(path)) >= before + 2 * times, host, f"{path} has not changed")
    yield


@fault(turns={"network.duplex": "failed"})
def half_duplex(host: LabHost) -> Iterator[None]:
    """A negotiation failed, and the link sends or receives, but not both."""
    with prepared(host, "/sys/class/net/eth0/duplex", lambda _: "half\n"):
        yield


@fault(turns={"network.bonds": "failed"})
def bond_lost_a_member(host: LabHost) -> Iterator[None]:
    """One of the two links of a bond is down, and nobody has noticed."""
    bond = {"flags": "0x1403", "carrier": "1", "bonding/mode": "active-backup 1", "bonding/slaves": "eth1 eth2"}
    links = {
        name: {"flags": "0x1803", "bonding_slave/mii_status": state, "bonding_slave/link_failure_count": "1"}
        for name, state in (("eth1", "up"), ("eth2", "down"))
    }
    with prepared_interfaces(host, {"bond0": bond, **links}):
        yield


@fault(turns={"network.throughput": "warned", "network.interface_throughput": "failed"})
def link_full(host: LabHost) -> Iterator[None]:
    """Something sends a megabyte a second through a link of eight megabits."""
    files = {"speed": "8", "device/vendor": "0x1af4"}
    with (
        island(host),
        _sending(host, ADDRESS, bytes_each=1000, per_second=1000),
        prepared_interfaces(host, {"eth1": files}),
    ):
        yield


@fault(turns={"network.interface_packets": "failed"})
def too_many_packets(host: LabHost) -> Iterator[None]:
    """Something sends many small packets."""
    with island(host), _sending(host, ADDRESS, bytes_each=20, per_second=1000):
        yield


@fault(turns={"network.interface_present": "failed"})
def declared_link_down(host: LabHost) -> Iterator[None]:
    """Somebody has turned the second network off."""
    with island(host):
        host.run(["ip", "link", "set", "eth1", "down"])
        yield


@fault(turns={"network.errors": "failed"})
def frames_broken(host: LabHost) -> Iterator[None]:
    """A third of what arrives is broken, as behind a bad cable."""
    with _dev_prepared(host), rising(host, "/proc/net/dev", {_PACKETS: 1000, _ERRORS: 500}):
        yield


@fault(turns={"network.drops": "warned"})
def frames_dropped(host: LabHost) -> Iterator[None]:
    """The other end takes smaller frames than this one sends, and whatever is larger is gone."""
    with island(host) as far:
        far.run("ip", "link", "set", "eth0", "mtu", "1000")
        with _sending(host, ADDRESS, bytes_each=1200, per_second=200):
            dropped = "/sys/class/net/eth1/statistics/tx_dropped"
            wait_until(lambda: int(host.read(dropped)) > 20, within=5, what=f"{host.name}: dropped frames")
            yield


@fault(turns={"network.softnet": "failed"})
def cpu_behind(host: LabHost) -> Iterator[None]:
    """A CPU's receive queue is full, and what arrives is dropped."""
    with rising(host, "/proc/net/softnet_stat", {r"^\w+ (\d+)": 500}):
        yield


@fault(turns={"network.tcp_drops": "failed", "ports.accept_queue": "warned"})
def accept_queue_full(host: LabHost) -> Iterator[None]:
    """A server has stopped accepting, and clients go on trying."""
    with _python(host, _OVERFLOWING, "overflowing"):
        yield


@fault(turns={"network.udp_drops": "failed"})
def datagrams_not_read(host: LabHost) -> Iterator[None]:
    """A reader has stopped reading, and its buffer is full."""
    with _python(host, _UNREAD, "unread"):
        yield


@fault(turns={"network.retransmissions": "warned", "network.peer_retransmissions": "failed"})
def lossy_path(host: LabHost) -> Iterator[None]:
    """Of what a connection sends to its peer, one packet in ten does not arrive."""
    with island(host) as far:
        far.drop(
            "-p", "tcp", "--dport", str(PORT), "-m", "statistic", "--mode", "nth", "--every", "10", "--packet", "9"
        )
        with _listening(far, _SINK), _python(host, _BULK, ADDRESS):
            yield


@fault(turns={"network.families": "failed"})
def no_ipv6_route(host: LabHost) -> Iterator[None]:
    """The host has an IPv6 address, and no way out for it."""
    route = host.shell("ip -6 route show default").split()
    host.run(["ip", "-6", "route", "delete", "default"])
    try:
        yield
    finally:
        host.run(["ip", "-6", "route", "add", *route])


@fault(turns={"network.syn_cookies": "failed"})
def no_syn_cookies(host: LabHost) -> Iterator[None]:
    """Somebody has tuned SYN cookies away."""
    with _sysctl(host, "net.ipv4.tcp_syncookies", "0"):
        yield


@fault(turns={"network.half_open": "warned"})
def flooded_with_syns(host: LabHost) -> Iterator[None]:
    """Many connections are asked for, by somebody who never hears the answer."""
    with island(host) as far, _python(host, _PATIENT, "4096"):
        far.drop("-p", "tcp", "--sport", str(PORT))
        with host.background(far.command("python3", "-I", "-S", "-c", _KNOCKING, "10.78.0.1")):
            count = "ss -Htn state syn-recv | wc -l"
            wait_until(lambda: int(host.shell(count)) > 1000, within=10, what=f"{host.name}: half-open connections")
            yield


@fault(turns={"network.stuck_readers": "warned"})
def clients_do_not_read(host: LabHost) -> Iterator[None]:
    """Clients ask for much, and read nothing of it."""
    with _python(host, _STUCK, "stuck"):
        count = "ss -Htno | grep -c persist || true"
        wait_until(lambda: int(host.shell(count)) > 20, within=10, what=f"{host.name}: persist timers")
        yield


@fault(turns={"network.peer_connects": "failed"})
def peer_dead_on_ipv6(host: LabHost) -> Iterator[None]:
    """A peer has an IPv6 address, and a firewall that forgot it."""
    with island(host) as far, _listening(far, _SINK), _named(host):
        far.drop("-p", "tcp", "--dport", str(PORT), ipv6=True)
        yield


@fault(turns={"network.peer_loss": "failed"})
def every_other_packet_lost(host: LabHost) -> Iterator[None]:
    """Half of the packets to a peer do not arrive."""
    with island(host) as far:
        far.drop("-p", "icmp", "-m", "statistic", "--mode", "nth", "--every", "2", "--packet", "0")
        yield


@fault(turns={"network.peer_round_trip": "failed"})
def slow_peer(host: LabHost) -> Iterator[None]:
    """A peer answers each echo only after a while."""
    with island(host) as far:
        far.run("sh", "-c", "echo 1 >/proc/sys/net/ipv4/icmp_echo_ignore_all")
        with host.background(far.command("python3", "-I", "-S", "-c", _SLOW_ECHO)):
            answers = lambda: len(far.run("cat", "/proc/net/raw").stdout.splitlines()) > 1  # noqa: E731
            wait_until(answers, within=10, what=f"{host.name}: the slow peer")
            yield


@fault(turns={"network.peer_mtu": "failed"})
def large_packets_vanish(host: LabHost) -> Iterator[None]:
    """The path to a peer is narrower than anybody was told."""
    with island(host) as far:
        far.run("ip", "link", "set", "eth0", "mtu", "1400")
        yield


@fault(turns={"network.closes_half_sent": "failed"})
def server_waits_for_ever(host: LabHost) -> Iterator[None]:
    """A server waits for the rest of a request, however long it takes."""
    with _python(host, _PATIENT, "64"):
        yield


_PACKETS = r"^ *eth0: *\d+ +(\d+)"
_ERRORS = r"^ *eth0: *\d+ +\d+ +(\d+)"

_SEND = """
import socket, sys, time
one = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)  # a protocol for experiments: UDP counts what links drop
size, rate, start, sent = int(sys.argv[2]), float(sys.argv[3]), time.monotonic(), 0
while True:
    while sent < rate * (time.monotonic() - start):
        one.sendto(b"x" * size, (sys.argv[1], 0))
        sent += 1
    time.sleep(0.01)
"""
_OVERFLOWING = f"""
import socket, time
server = socket.create_server(("127.0.0.1", {PORT}), backlog=1)
held = []
while True:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", {PORT}))
    held = held[-20:] + [client]
    time.sleep(0.01)
"""
_UNREAD = """
import socket, time
reader = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
reader.bind(("127.0.0.1", 0))
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
while True:
    sender.sendto(b"x" * 100, reader.getsockname())
    time.sleep(0.005)
"""
_SLOW_ECHO = """
import socket, struct, threading
one = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
while True:
    packet, peer = one.recvfrom(65536)
    echo = packet[(packet[0] & 15) * 4 :]
    if echo[0] == 8:
        checked = struct.unpack("!H", echo[2:4])[0] + 0x0800  # an answer differs by its type alone
        answer = struct.pack("!BBH", 0, 0, (checked & 0xFFFF) + (checked >> 16)) + echo[4:]
        threading.Timer(0.12, one.sendto, (answer, peer)).start()
"""
_SINK = f"""
import socket, threading
server = socket.create_server(("::", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
def read(one):
    while one.recv(65536): pass
while True:
    threading.Thread(target=read, args=(server.accept()[0],), daemon=True).start()
"""
_BULK = f"""
import socket, sys, time
one = socket.create_connection((sys.argv[1], {PORT}))
one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
while True:
    one.sendall(b"x" * 1400)
    time.sleep(0.0003)
"""
_PATIENT = f"""
import socket, sys
server = socket.create_server(("0.0.0.0", {PORT}), backlog=int(sys.argv[1]))
held = []
while True:
    held.append(server.accept()[0])
"""
_KNOCKING = f"""
import resource, socket, sys, time
resource.setrlimit(resource.RLIMIT_NOFILE, (2000, 2000))
while True:  # the host gives each up after a minute
    held = [socket.socket() for _ in range(1200)]
    for one in held:
        one.setblocking(False)
        one.connect_ex((sys.argv[1], {PORT}))
        time.sleep(0.001)  # in one burst, the link would drop some
    time.sleep(20)
"""
_STUCK = f"""
import socket, time
server = socket.create_server(("127.0.0.1", {PORT}), backlog=64)
held = []
for _ in range(25):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    client.connect(("127.0.0.1", {PORT}))
    one = server.accept()[0]
    one.setblocking(False)
    held += [client, one]
    try:
        while True: one.send(b"x" * 65536)
    except BlockingIOError: pass
time.sleep(3600)
"""


@contextmanager
def _python(host: LabHost, program: str, *arguments: str) -> Iterator[None]:
    with host.background(["python3", "-I", "-S", "-c", program, *arguments]):
        yield


@contextmanager
def _sending(host: LabHost, address: str, *, bytes_each: int, per_second: int) -> Iterator[None]:
    """While inside, the host sends so many packets that nobody wants."""
    with _python(host, _SEND, address, str(bytes_each), str(per_second)):
        yield


@contextmanager
def _listening(far: Island, program: str) -> Iterator[None]:
    """While inside, the program listens on the island."""
    with far.host.background(far.command("python3", "-I", "-S", "-c", program)):
        listens = lambda: str(PORT) in far.run("ss", "-Htln").stdout  # noqa: E731
        wait_until(listens, within=5, what=f"{far.host.name}: a listener on the island")
        yield


@contextmanager
def _named(host: LabHost) -> Iterator[None]:
    """While inside, the host knows the island as far.test, with both its addresses."""
    before = host.read("/etc/hosts")
    host.write("/etc/hosts", f"{before}{ADDRESS} far.test\n{ADDRESS6} far.test\n")
    try:
        yield
    finally:
        host.write("/etc/hosts", before)


@contextmanager
def _sysctl(host: LabHost, name: str, value: str) -> Iterator[None]:
    path = "/proc/sys/" + name.replace(".", "/")
    before = host.read(path)
    host.run(["sysctl", "-qw", f"{name}={value}"])
    try:
        yield
    finally:
        host.run(["sysctl", "-qw", f"{name}={before.strip()}"])


@contextmanager
def _dev_prepared(host: LabHost) -> Iterator[None]:
    """/proc/net/dev as an ordinary file, in which the numbers of eth0 have room to rise."""
    link, text = "/run/prepared/proc/net/dev", host.read("/proc/net/dev")
    lines = [line for line in text.splitlines() if not line.strip().startswith("eth0:")]
    lines.append("  eth0: 100000000 1000000 1000000    0    0     0          0         0 100000000 1000000" + " 0" * 6)
    host.run(["rm", link])
    host.write(link, "\n".join(lines) + "\n")
    try:
        yield
    finally:
        host.run(["ln", "-sf", "/proc/self/net/dev", link])
