"""The tables of sockets: what the kernel prints there, reduced; and the kernel itself, on loopback."""

from __future__ import annotations

import os
import socket
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from selftest import judged
from selftest.socket_tables import Socket, bound, connections, listen, tcp, tcp6, udp, udp6
from shipworthy.probes.parts import sock_diag, sockets
from shipworthy.probes.parts.addresses import address_of
from shipworthy.probes.parts.descriptors import read_all_descriptors, read_descriptors
from shipworthy.probes.parts.gather import Listener
from shipworthy.probes.parts.listening import read_diagnosis, read_queues
from shipworthy.probes.parts.owners import Owner, Owners
from shipworthy.probes.parts.sockets import Flow, Sockets, Use, read_sockets
from shipworthy.probes.runtime.errors import NotSeen, ParseError
from shipworthy.probes.runtime.machine import Machine
from shipworthy.probes.runtime.seen import Eyes

ANY, ANY6 = "0.0.0.0", "::"
HERE, DB = "192.0.2.1", "192.0.2.9"
RANGE = {
    "/proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
    "/proc/sys/net/ipv4/ip_local_reserved_ports": "\n",
}
LINE = "   0: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000     0        0 77 1 0\n"


def read(root: Path, **tables: str) -> Sockets:
    return read_with(root, {}, **tables)


def read_with(root: Path, files: Mapping[str, str], **tables: str) -> Sockets:
    nets = {f"/proc/net/{name}": text for name, text in tables.items()}
    return read_sockets(Machine(str(judged.write(root, {**RANGE, **nets, **files}))))


@pytest.mark.parametrize(
    ("text", "order", "address"),
    [
        (b"0100007F", "little", "127.0.0.1"),
        (b"7F000001", "big", "127.0.0.1"),
        (b"B80D0120000000000000000009000000", "little", "2001:db8::9"),
        (b"20010DB8000000000000000000000009", "big", "2001:db8::9"),
        (b"0000000000000000FFFF0000090200C0", "little", "192.0.2.9"),
        (b"00000000000000000000FFFFC0000209", "big", "192.0.2.9"),
        (b"00000000", "little", ANY),
        (b"00000000000000000000000001000000", "little", "::1"),
    ],
)
def test_an_address_is_printed_in_words_of_the_machine(text: bytes, order: str, address: str) -> None:
    assert address_of(text, order) == address


@pytest.mark.parametrize("text", [b"0100007", b"0100007G", b"010000", b"0100007F01", b""])
def test_what_is_no_address_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError, match="is not an address"):
        address_of(text, "little")


def test_connections_are_told_apart_by_who_listens(tmp_path: Path) -> None:
    went = connections(HERE, [40000, 40002], DB, 5432, inode=70)
    came = [Socket(HERE, 443, "198.51.100.7", port, inode=80) for port in (50000, 50001)]
    found = read(tmp_path, tcp=tcp(listen(HERE, 443, inode=60), *went, *came))
    assert found.outgoing == {Flow(HERE, DB, 5432): Use(2, 0, 70, 2)}
    assert found.incoming == {Flow(HERE, "198.51.100.7", 443): Use(2, 0, 0)}
    assert found.listeners == [Listener("tcp", HERE, 443, 0, 60, 0, None)]
    assert found.states == {"LISTEN": 1, "ESTABLISHED": 4}


def test_both_families_spend_the_same_ports(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        tcp=tcp(*connections(HERE, [40000, 40001], DB, 5432, inode=70)),
        tcp6=tcp6(*connections(HERE, [40002], DB, 5432), *connections("2001:db8::1", [40000], "2001:db8::9", 5432)),
    )
    assert found.outgoing[Flow(HERE, DB, 5432)] == Use(3, 0, 70, spent=3, odd=1)
    assert found.outgoing[Flow("2001:db8::1", "2001:db8::9", 5432)].open == 1
    assert found.spent_ports == {HERE: {b"9C40", b"9C41", b"9C42"}, "2001:db8::1": {b"9C40"}}


def test_a_listener_of_both_families_has_its_ipv4_connections_beside_it(tmp_path: Path) -> None:
    found = read(tmp_path, tcp=tcp(), tcp6=tcp6(listen(ANY6, 443, inode=60), Socket(HERE, 443, DB, 50000, inode=61)))
    assert found.incoming == {Flow(HERE, DB, 443): Use(1, 0, 0)}
    assert found.outgoing == {}


def test_time_wait_has_no_inode_and_is_counted_apart(tmp_path: Path) -> None:
    waiting = connections(HERE, [40000, 40001], DB, 5432, state="TIME_WAIT")
    closed_by_us = Socket(HERE, 443, DB, 50000, "TIME_WAIT", inode=0, timer="03")
    found = read(tmp_path, tcp=tcp(listen(ANY, 443), *waiting, closed_by_us))
    assert found.outgoing == {Flow(HERE, DB, 5432): Use(0, 2, 0, spent=0, spent_time_wait=2, odd=1)}
    assert found.incoming == {Flow(HERE, DB, 443): Use(0, 1, 0)}
    assert found.stuck_total == 0  # its timer is 03


def test_half_open_connections_have_no_inode_yet(tmp_path: Path) -> None:
    coming = Socket(HERE, 443, DB, 50000, "SYN_RECV", inode=0, timer="01")
    found = read(tmp_path, tcp=tcp(listen(ANY, 443), coming).replace(" 03 00000000:", " 0C 00000000:"))
    assert found.states["SYN_RECV"] == 1
    assert found.incoming[Flow(HERE, DB, 443)] == Use(1, 0, 0)


def test_a_program_that_does_not_close_is_known_by_its_sockets(tmp_path: Path) -> None:
    came = Socket(HERE, 443, "198.51.100.7", 50000, "CLOSE_WAIT", inode=81)
    went = connections(HERE, [40000], DB, 5432, state="CLOSE_WAIT", inode=82)
    found = read(tmp_path, tcp=tcp(listen(ANY, 443), came, *went))
    assert found.closing == {81: Flow(HERE, "198.51.100.7", 50000), 82: Flow(HERE, DB, 5432)}


def test_peers_that_do_not_read_are_known_by_their_timer(tmp_path: Path) -> None:
    stuck = [Socket(HERE, 443, DB, port, inode=90, timer="04") for port in range(50000, 50100)]
    found = read(tmp_path, tcp=tcp(listen(ANY, 443), *stuck))
    assert found.stuck_total == 100
    assert found.stuck == [Flow(HERE, DB, 443)] * 64


def test_only_ports_that_the_kernel_gives_out_are_spent(tmp_path: Path) -> None:
    files = {"/proc/sys/net/ipv4/ip_local_reserved_ports": "40000-40009,59999\n"}
    mounted, reserved, given = 800, 40005, 40010
    found = read_with(tmp_path, files, tcp=tcp(*connections(HERE, [mounted, reserved, given], DB, 2049)))
    assert found.outgoing[Flow(HERE, DB, 2049)] == Use(3, 0, 2, spent=1)
    assert found.spent_ports == {HERE: {b"9C4A"}}


@pytest.mark.parametrize(("low", "odd"), [(32768, 1), (32767, 2)])
def test_other_parity_is_that_of_the_ranges_first_port(low: int, odd: int, tmp_path: Path) -> None:
    files = {"/proc/sys/net/ipv4/ip_local_port_range": f"{low}\t60999\n"}
    found = read_with(tmp_path, files, tcp=tcp(*connections(HERE, [40000, 40001, 40002], DB, 5432)))
    assert found.outgoing[Flow(HERE, DB, 5432)].odd == odd


def test_udp_waits_without_a_peer_and_tells_what_it_dropped(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        udp=udp(Socket(ANY, 53, state="CLOSE", inode=5, queued=4096, drops=7), Socket(HERE, 40000, DB, 53, inode=6)),
        udp6=udp6(bound(ANY6, 53, inode=8), bound(ANY6, 546, inode=9)),
    )
    assert found.listeners == [
        Listener("udp", ANY, 53, 0, 5, 4096, 7),
        Listener("udp6", ANY6, 53, 0, 8, 0, 0),
        Listener("udp6", ANY6, 546, 0, 9, 0, 0),
    ]
    assert found.udp_ports == {53: 5, 40000: 6, 546: 9}


def test_a_machine_without_ipv6_has_half_of_the_tables(tmp_path: Path) -> None:
    found = read(tmp_path, tcp=tcp(listen(ANY, 22)), udp=udp())
    assert found.unseen == {name: f"/proc/net/{name}: No such file or directory" for name in ("tcp6", "udp6")}
    assert [one.port for one in found.listeners] == [22]


@pytest.mark.parametrize(
    ("table", "text", "error"),
    [
        ("tcp", "", "/proc/net/tcp: the first line is no head of a table"),
        ("tcp", tcp() + "   0: 0100007F:1F90\n", "/proc/net/tcp: line 2: not a socket: b'   0: 0100007F:1F90'"),
        ("tcp", tcp() + LINE + LINE.replace(" 77 ", " -1 "), "/proc/net/tcp: line 3: b'-1' is no inode"),
        (
            "tcp6",
            tcp6(listen(ANY6, 22)).replace(":00000000 00:", ":0000000z 00:"),
            "/proc/net/tcp6: line 2: a field is",
        ),
        (
            "udp",
            udp(bound(ANY, 53)).replace("00000000:0035", "0000000:0035"),
            "/proc/net/udp: line 2: a field is not a number",
        ),
        ("udp", udp(bound(ANY, 53)).replace(" 0\n", " none\n"), "/proc/net/udp: line 2: a field is not a number"),
    ],
)
def test_nonsense_is_named_with_its_line(table: str, text: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(ParseError) as raised:
        read(tmp_path, **{"tcp": tcp(), table: text})
    assert str(raised.value).startswith(error)


def test_the_beginning_of_the_tables_tells_the_queues(tmp_path: Path) -> None:
    tables = {
        "/proc/net/tcp": tcp(listen(ANY, 80, inode=5, queued=3), *connections(HERE, [40000], DB, 80))
        + "and what follows is not read",
        "/proc/net/tcp6": tcp6(listen(ANY6, 80, inode=6)),
    }
    queues = read_queues(Machine(str(judged.write(tmp_path, tables))))
    assert {inode: (one.address, one.port, one.queued) for inode, one in queues.items()} == {
        5: (ANY, 80, 3),
        6: (ANY6, 80, 0),
    }


def test_a_recorded_tree_is_not_asked_for_a_diagnosis(tmp_path: Path) -> None:
    with pytest.raises(NotSeen):
        read_diagnosis(Machine(str(tmp_path)))


def test_whoever_holds_a_socket_is_found_among_very_many(tmp_path: Path) -> None:
    held = {f"/proc/7/fd/{number}": f"link:socket:[{90_000 + number}]" for number in range(2000)}
    held["/proc/7/fd/1999"] = "link:anon_inode:[eventpoll]"
    machine = Machine(str(judged.write(tmp_path, {**held, "/proc/7/comm": "nginx\n"})))
    some = read_descriptors(machine)
    assert (some.counts, some.unread) == ({7: 2000}, 108 * 15)
    assert len(some.sockets) == 1999 - some.unread and not {91_001, 91_998} <= set(some.sockets)
    owners = Owners(Eyes(machine))
    assert owners.of(90_001) == [Owner(7, "nginx")]
    assert "all descriptors" not in [name for _, name in machine._looks]
    assert owners.of(91_001) == [Owner(7, "nginx")]
    assert owners.of(4711) == []
    whole = read_all_descriptors(machine)
    assert (whole.counts, whole.unread, len(whole.sockets)) == ({7: 2000}, 0, 1999)


def test_a_process_of_this_machine_with_very_many_is_counted_right() -> None:
    with ExitStack() as stack:
        pairs = [one for _ in range(900) for one in socket.socketpair()]
        for one in pairs:
            stack.callback(one.close)
        for one in pairs[1500:1600:3]:
            one.close()
        pipe = stack.enter_context(Path(os.devnull).open())
        assert pairs[1500].fileno() == -1 and pipe.fileno() < pairs[-1].fileno()
        some = read_descriptors(Machine())
        whole = read_all_descriptors(Machine())
    assert some.counts[os.getpid()] == whole.counts[os.getpid()] > 1700
    assert some.unread > 1000 and whole.unread == 0
    assert len(whole.sockets) > len(some.sockets) > 256


def test_fifty_thousand_sockets_cost_a_tenth_of_a_second_and_little_memory(tmp_path: Path) -> None:
    went = [one for peer in range(4) for one in connections(HERE, range(33000, 38000), f"192.0.2.{peer + 9}", 5432)]
    came = [Socket(HERE, 443, f"198.{n % 250}.{n // 250}.7", 50000, inode=n) for n in range(30000)]
    nets = {"/proc/net/tcp": tcp(listen(ANY, 443), *went, *came), "/proc/net/udp": udp()}
    root = str(judged.write(tmp_path, {**RANGE, **nets}))
    assert min(_seconds(root) for _ in range(5)) < 0.15
    tracemalloc.start()
    kept = read_sockets(Machine(root))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(kept.states.values()) == 50_001
    assert peak < 12 * 2**20


def _seconds(root: str) -> float:
    began = time.process_time()
    read_sockets(Machine(root))
    return time.process_time() - began


@contextmanager
def both_families() -> Iterator[tuple[socket.socket, socket.socket, socket.socket]]:
    """A listener on `::`, an IPv4 client of it, and what it accepted."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True))
        client = stack.enter_context(socket.create_connection(("127.0.0.1", server.getsockname()[1])))
        yield server, client, stack.enter_context(server.accept()[0])


def test_the_kernel_prints_what_is_expected_of_it() -> None:
    with both_families() as (server, client, accepted):
        port = server.getsockname()[1]
        found = read_sockets(Machine())
        (mine,) = [one for one in found.listeners if one.inode == _inode(server)]
        assert (mine.protocol, mine.address, mine.port, mine.queued) == ("tcp6", "::", port, 0)
        assert found.incoming[Flow("127.0.0.1", "127.0.0.1", port)].open == 1
        went = found.outgoing[Flow("127.0.0.1", "127.0.0.1", port)]
        assert (went.open, went.inode, went.spent) == (1, _inode(client), 1)
        assert accepted.getpeername()[0] == "::ffff:127.0.0.1"


def test_diagnosis_and_tables_tell_the_same() -> None:
    with both_families() as (server, client, accepted), socket.create_server(("127.0.0.1", 0)) as other:
        accepted.shutdown(socket.SHUT_WR)
        with socket.create_connection(other.getsockname()):
            asked, printed = read_sockets(Machine()), sockets.read_tables(Machine())
        ours = {_inode(one) for one in (server, other)}
        for told in (asked, printed):
            assert sorted(one for one in told.listeners if one.inode in ours) == sorted(
                [
                    Listener("tcp6", "::", server.getsockname()[1], os.getuid(), _inode(server), 0, None),
                    Listener("tcp", "127.0.0.1", other.getsockname()[1], os.getuid(), _inode(other), 1, None),
                ]
            )
            assert told.closing[_inode(client)] == Flow("127.0.0.1", "127.0.0.1", server.getsockname()[1])
        for port in (server.getsockname()[1], other.getsockname()[1]):
            flow = Flow("127.0.0.1", "127.0.0.1", port)
            assert asked.outgoing[flow] == printed.outgoing[flow] and asked.incoming[flow] == printed.incoming[flow]


def test_without_socket_diagnosis_the_tables_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sock_diag, "_TCPDIAG_GETSOCK", 9999)
    with pytest.raises(OSError, match="Invalid argument"):
        list(sock_diag.dump(sock_diag.ALL_STATES))
    with both_families() as (server, client, _):
        found = read_sockets(Machine())
        assert found.outgoing[Flow("127.0.0.1", "127.0.0.1", server.getsockname()[1])].inode == _inode(client)
        assert read_queues(Machine())[_inode(server)].address == "::"
        with pytest.raises(NotSeen, match="socket diagnosis: Invalid argument"):
            read_diagnosis(Machine())


def test_the_kernel_answers_socket_diagnosis() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=7) as server, socket.socket() as early:
        early.bind(("127.0.0.1", 0))
        server.getsockname()
        told = read_diagnosis(Machine())
        assert told.backlogs[_inode(server)] == 7
        assert _inode(server) in told.v6only
    with both_families() as (server, _, _):
        assert _inode(server) not in read_diagnosis(Machine()).v6only


def _inode(one: socket.socket) -> int:
    return Path(f"/proc/self/fd/{one.fileno()}").stat().st_ino
