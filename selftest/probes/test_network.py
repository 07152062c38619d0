"""What the network probe sends, against real sockets of this machine's loopback: echoes, connects, half a request."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from shipworthy.probes.network import Network, Request, probe
from shipworthy.probes.parts.connects import half_send, try_connects
from shipworthy.probes.parts.echo import Echo
from shipworthy.probes.parts.peers import METADATA, resolve, segments
from shipworthy.probes.runtime.errors import NotSeen
from shipworthy.probes.runtime.machine import Machine

LOOPBACK = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="echo requests need root")


@contextmanager
def server(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """A listener that treats its one client as told; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: serve(listener.accept()[0]), daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def peer(address: str, port: int | None = None, **fields: object) -> Network:
    """What the probe reads of one peer, or of one listener."""
    steps = probe(Machine(), Request(False, False, False, (), {"one": {"address": address, "port": port, **fields}}))
    with pytest.raises(StopIteration) as end:
        next(steps)
    reading: Network = end.value.value
    return reading


@needs_root
@pytest.mark.parametrize(("family", "address"), LOOPBACK)
def test_every_echo_is_answered(family: int, address: str) -> None:
    with closing(Echo(family, (address, 0))) as echo:
        sent, seconds, error = echo.ping(0, 20, 0.005, 1.0)
        assert (sent, len(seconds), error) == (20, 20, "")
        assert all(0 < each < 1 for each in seconds)
        assert echo.whole((1400, 1500, 9000), 40_000, 1.0) == 9000


@needs_root
@pytest.mark.parametrize(("family", "address"), LOOPBACK)
def test_larger_than_the_link_is_not_whole(family: int, address: str) -> None:
    with closing(Echo(family, (address, 0))) as echo:
        assert echo.whole((1400, 65_600), 40_000, 0.4) == 1400


@needs_root
def test_two_at_once_do_not_take_each_others_answers() -> None:
    with (
        closing(Echo(*LOOPBACK[0][:1], ("127.0.0.1", 0))) as one,
        closing(Echo(socket.AF_INET, ("127.0.0.1", 0))) as two,
    ):
        assert len(one.ping(0, 5, 0.0, 1.0).seconds) == 5
        assert two.ping(0, 1, 0.0, 1.0).sent == 1
        assert len(two.ping(1, 1, 0.0, 1.0).seconds) == 1


def test_connects() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        up = try_connects(socket.AF_INET, ("127.0.0.1", port), time.monotonic() + 5)
    down = try_connects(socket.AF_INET, ("127.0.0.1", port), time.monotonic() + 5)
    assert (up.tried, up.connected, up.error, up.no_route) == (3, 3, "", False)
    assert up.best_seconds and up.best_seconds < 1
    assert (down.connected, down.best_seconds, down.error) == (0, None, "Connection refused")


def test_a_listener_that_closes() -> None:
    def serve(client: socket.socket) -> None:
        client.recv(100)
        client.close()

    with server(serve) as port:
        found = half_send("127.0.0.1", port, "GET", 5.0)
    assert found.error == ""
    assert found.closed_after_seconds is not None and found.closed_after_seconds < 5


def test_a_listener_that_answers_and_stays() -> None:
    held = []

    def serve(client: socket.socket) -> None:
        client.sendall(b"HTTP/1.1 100 Continue\r\n")
        held.append(client)

    with server(serve) as port:
        found = half_send("127.0.0.1", port, "GET", 0.3)
    assert (found.error, found.closed_after_seconds) == ("", None)
    assert 0.25 < found.waited_seconds < 5


def test_names_are_resolved_in_both_families() -> None:
    assert {address[0] for _, address in resolve(Machine(), "127.0.0.1", 7)} == {"127.0.0.1"}
    assert "127.0.0.1" in {address[0] for _, address in resolve(Machine(), "localhost", 7)}
    with pytest.raises(NotSeen, match=r"a\.\.b does not resolve"):
        resolve(Machine(), "a..b", 7)


@pytest.mark.parametrize("address", [*sorted(METADATA), "::ffff:169.254.169.254"])
def test_the_clouds_metadata_is_never_asked(address: str) -> None:
    (found,) = peer(address, packets=1).peers.values()
    assert found.addresses == []
    assert "never asked" in found.error


@needs_root
def test_a_peer_is_asked_while_the_window_passes() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (found,) = peer("127.0.0.1", listener.getsockname()[1], packets=5, mtu=1500).peers.values()
    (address,) = found.addresses
    assert (address.family, address.address, address.sent, address.answered) == ("ipv4", "127.0.0.1", 5, 5)
    assert (address.mtu, address.echo_error) == (1500, "")
    assert address.connects and address.connects.connected == 3


def test_segments_of_open_connections(tmp_path: Path) -> None:
    (tmp_path / "commands").mkdir()
    said = (
        "0 0 10.0.0.1:22 10.0.0.2:5432 \n"
        "\t cubic wscale:7,7 rto:204 bytes_retrans:2896 segs_out:900 segs_in:5 retrans:0/2 reordering:9\n"
        "0 0 10.0.0.1:22 10.0.0.2:5433 \n\t cubic rto:204 segs_out:100 segs_in:5 data_segs_out:90\n"
    )
    (tmp_path / "commands" / "ss -Htni state established dst 10.0.0.2 or dst [fd00::2]").write_text(said)
    assert segments(Machine(str(tmp_path)), ["10.0.0.2", "fd00::2"]) == (1000, 2)


def test_a_recorded_tree_has_nobody_to_ask(tmp_path: Path) -> None:
    wanted = Request(False, False, False, (), {"db": {"address": "127.0.0.1"}}, {"web": {"address": "127.0.0.1"}})
    with pytest.raises(StopIteration) as end:
        next(probe(Machine(str(tmp_path)), wanted._replace(half_sent={"web": {"wait_seconds": 1.0}})))
    reading: Network = end.value.value
    assert reading.peers["db"].error == reading.half_sent["web"].error == "a recorded tree has no network"
