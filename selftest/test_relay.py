"""A host's place in the network, lent over its link: what sockets here would say; and hosts not to be trusted."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from pathlib import Path
from threading import Event

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from selftest.chains import pki
from selftest.links.servers import SOON, free_port, resident_bytes, wait_until
from selftest.probes.interpreters import interpreters
from selftest.relayed import relay_here, rogue
from selftest.vantage.tls_servers import PLACE, context, serving, tls, until_closed
from shipworthy.probes.parts import peers
from shipworthy.probes.runtime import frames
from shipworthy.probes.runtime import relay as of_host
from shipworthy.relay import SENDING, Relay
from shipworthy.vantage import names, resolving
from shipworthy.vantage.connecting import Unreached
from shipworthy.vantage.meet import meet
from shipworthy.vantage.meeting import Endpoint, Resolved, Store, Stream


def soon() -> float:
    return time.monotonic() + SOON


def echo(stream: socket.socket) -> None:
    while data := stream.recv(65536):
        stream.sendall(data)


def received(stream: Stream, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        data = stream.recv(65536)
        assert data
        found += data
    return bytes(found)


@pytest.mark.parametrize("python", interpreters())
def test_every_python_lends_its_place(python: str) -> None:
    with serving(echo) as port, relay_here(python=python) as relay:
        with relay.connected("127.0.0.1", port, soon()) as stream:
            stream.settimeout(SOON)
            stream.sendall(b"there and back")
            assert stream.recv(5) + stream.recv(100) == b"there and back"
        (told,) = relay.resolve([("127.0.0.1", "ipv4")], soon(), Event())
        assert told.addresses == ["127.0.0.1"]
        assert relay.store("/nonexistent", [b"x"], soon()).error == "No such file or directory"
    assert relay.error == ""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_megabytes_go_both_ways_at_once(address: str) -> None:
    sent = os.urandom(3_000_000)
    with serving(echo, address) as port, relay_here() as relay, ThreadPoolExecutor(1) as other:
        stream = relay.connected(address, port, soon())
        stream.settimeout(SOON)
        sending = other.submit(stream.sendall, sent)
        assert received(stream, len(sent)) == sent
        sending.result()


def test_connections_are_many_at_once_and_no_more_than_that() -> None:
    with serving(echo) as port, relay_here() as relay, ThreadPoolExecutor(32) as others:

        def go(number: int) -> bytes:
            with relay.connected("127.0.0.1", port, soon()) as stream:
                stream.settimeout(SOON)
                stream.sendall(b"%d" % number)
                return stream.recv(10)

        assert list(others.map(go, range(500))) == [b"%d" % number for number in range(500)]
        held = [relay.connected("127.0.0.1", port, soon()) for _ in range(frames.CONNECTIONS)]
        with pytest.raises(TimeoutError):
            relay.connected("127.0.0.1", port, time.monotonic() + 0.2)
        held.pop().close()
        held.append(relay.connected("127.0.0.1", port, soon()))
        for stream in held:
            stream.close()
            stream.close()


def test_what_was_said_before_the_end_is_heard_and_then_the_end() -> None:
    with serving(lambda stream: stream.sendall(b"bye")) as port, relay_here() as relay:
        stream = relay.connected("127.0.0.1", port, soon())
        stream.settimeout(SOON)
        assert received(stream, 3) == b"bye"
        assert (stream.recv(10), stream.recv(10)) == (b"", b"")


def test_who_is_not_read_does_not_fill_the_memory_nor_hold_up_others() -> None:
    sent = threading.Event()

    def flood(stream: socket.socket) -> None:
        stream.settimeout(1)
        try:
            for _ in range(1000):
                stream.sendall(bytes(2**20))
        except TimeoutError:
            sent.set()
            until_closed(stream)

    with serving(flood) as flooding, serving(echo) as port, relay_here() as relay:
        before = resident_bytes()
        unread = relay.connected("127.0.0.1", flooding, soon())
        assert sent.wait(SOON), "the kernel's own buffers fill, and no more is taken"
        assert resident_bytes() - before < 20_000_000
        with relay.connected("127.0.0.1", port, soon()) as stream:
            stream.settimeout(SOON)
            stream.sendall(b"x")
            assert stream.recv(1) == b"x"
        unread.close()


def test_who_does_not_read_is_not_written_to_for_ever() -> None:
    over = threading.Event()

    def deaf(_: socket.socket) -> None:
        over.wait(SOON)

    with serving(deaf) as port, relay_here() as relay:
        with relay.connected("127.0.0.1", port, soon()) as stream:
            stream.settimeout(0.5)
            with pytest.raises(TimeoutError):
                stream.sendall(bytes(50_000_000))
            stream.settimeout(0.1)
            with pytest.raises(TimeoutError):
                stream.recv(1)
        over.set()


def test_errors_are_those_that_a_socket_here_would_raise() -> None:
    with relay_here() as relay:
        for place in (PLACE, relay):
            with pytest.raises(ConnectionRefusedError) as refused:
                place.connected("127.0.0.1", free_port(), soon())
            assert (refused.value.errno, refused.value.strerror) == (errno.ECONNREFUSED, "Connection refused")
            with pytest.raises(Unreached, match="no route"):
                place.connected("255.255.255.255", 443, soon())


def test_a_reset_is_one() -> None:
    def reset(stream: socket.socket) -> None:
        stream.recv(1)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serving(reset) as port, relay_here() as relay, relay.connected("127.0.0.1", port, soon()) as stream:
        stream.settimeout(SOON)
        stream.sendall(b"x")
        with pytest.raises(ConnectionResetError):
            stream.recv(1)


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "x y"]
)
def test_nobody_is_sent_where_no_server_is(address: str) -> None:
    with relay_here() as relay, pytest.raises(Unreached, match="not met"):
        relay.connected(address, 80, soon())


def test_all_rooms_know_the_same_addresses_of_clouds() -> None:
    """Hosts import nothing of what runs here, and their relay next to nothing: the list stands in three places."""
    told = {*peers.METADATA, peers.WIRE_SERVER}
    not_link_local = {address for address in told if not ip_address(address).is_link_local}
    assert set(of_host.METADATA) == set(map(str, names.METADATA)) == not_link_local


def test_the_host_does_not_go_there_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipworthy.relay._is_usable", lambda _: True)
    with relay_here() as relay:
        for address in ("169.254.169.254", "fe80::1%lo", "::ffff:169.254.169.254", "100.100.100.200", "0.0.0.0", "x"):
            with pytest.raises(Unreached, match="no route"):
                relay.connected(address, 80, soon())


def test_names_are_resolved_as_here() -> None:
    asked = [
        ("localhost", "ipv4"),
        ("localhost", "ipv6"),
        ("nothing.invalid", "ipv4"),
        ("a" * 64, "ipv4"),
        ("", "ipv4"),
    ]
    with relay_here() as relay:
        there = {(one.host, one.family): one for one in relay.resolve(asked, soon(), Event())}
    for one in resolving.resolve(asked[:2], soon(), Event()):
        assert there[one.host, one.family][:4] == one[:4]
    assert there.keys() == set(asked)
    assert all(one.error and not one.addresses for key, one in there.items() if key[0] != "localhost")
    assert all(0 <= one.seconds < SOON for one in there.values())


def test_what_is_given_up_is_told_as_missing() -> None:
    given_up = Event()
    given_up.set()
    with relay_here() as relay:
        (told,) = relay.resolve([("localhost", "ipv4")], soon(), given_up)
        assert told.error.startswith("no answer within ")
        (told,) = relay.resolve([("localhost", "ipv4")], soon(), Event())
        assert told.addresses == ["127.0.0.1"]


def test_a_trust_store_is_read_there(tmp_path: Path) -> None:
    root, other = pki.root(), pki.root(subject="CN=other")
    file = tmp_path / "roots.pem"
    file.write_bytes(b"".join(one.certificate.public_bytes(Encoding.PEM) for one in (root, other)))
    with relay_here() as relay:
        found = relay.store(str(file), [root.certificate.subject.public_bytes()], soon())
        own = relay.store("", [], soon())
    assert found == Store(str(file), 2, [root.text], "")
    assert own.path.endswith(".crt") or own.error


def test_what_would_never_end_is_no_trust_store(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with relay_here() as relay:
        assert relay.store(str(tmp_path / "fifo"), [], soon()).error == "no regular file"


def test_tls_is_met_over_it_as_from_here() -> None:
    with serving(tls(context())) as port, serving(lambda stream: stream.sendall(b"220 hello\r\n")) as plain:
        endpoints = [Endpoint("127.0.0.1", port, "www.example"), Endpoint("127.0.0.1", plain), Endpoint("127.0.0.1", 1)]
        here = meet(endpoints, PLACE)
        with relay_here() as relay:
            there = meet(endpoints, relay)
    for endpoint in endpoints:
        one, other = here[endpoint][0], there[endpoint][0]
        assert one._replace(seconds=0) == other._replace(seconds=0)
    assert there[endpoints[0]][0].chain


def test_it_ends_with_its_time_and_so_does_whoever_waits() -> None:
    with serving(until_closed) as port, relay_here(seconds=2.0) as relay:
        with relay.connected("127.0.0.1", port, soon()) as stream:
            stream.settimeout(None)
            with pytest.raises((TimeoutError, ConnectionAbortedError)):
                stream.recv(1)
        wait_until(lambda: relay.error, what="the end")
    assert relay.error == "the relay on the host is gone: its time was up"


def test_when_it_is_let_go_nothing_is_left_of_it() -> None:
    with serving(echo) as port, relay_here() as relay:
        stream = relay.connected("127.0.0.1", port, soon())
    with pytest.raises(ConnectionAbortedError, match="let go"):
        stream.recv(1)
    with pytest.raises(ConnectionAbortedError, match="let go"):
        relay.connected("127.0.0.1", port, soon())
    assert "let go" in relay.store("", [], soon()).error
    wait_until(lambda: not [each for each in threading.enumerate() if each.name == "relay"], what="the thread's end")


DATA = b"D" + bytes([0, 0, 0, 1])
HOSTILE = {
    "garbage": ("os.write(1, b'Last login: today')", "b'L' is no kind of frame"),
    "too long": ("os.write(1, b'D' + bytes(4) + b'\\xff' * 4)", "a frame b'D' of 4294967295 bytes"),
    "empty data": ("say(b'Y', 0); say(b'D', 1)", "a frame b'D' of 0 bytes"),
    "not ready": ("say(b'C', 1)", "a frame b'C' out of turn"),
    "ready twice": ("say(b'Y', 0); say(b'Y', 0)", "a frame b'Y' out of turn"),
    "for nobody": ("say(b'Y', 0); say(b'D', 99, b'x')", "a frame b'D' for nobody"),
    "data before it is connected": ("say(b'Y', 0); say(b'D', hear_of(b'C'), b'x')", "a frame b'D' out of turn"),
    "connected twice": ("say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); say(b'C', n)", "a frame b'C' out of turn"),
    "ends twice": ("say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); say(b'E', n); say(b'E', n)", "an end before"),
    "ends before it begins": ("say(b'Y', 0); say(b'E', hear_of(b'C'))", "an end before"),
    "no error": ("say(b'Y', 0); say(b'E', hear_of(b'C'), b'\\x1b[2J')", "is no error"),
    "more than the window": (
        "say(b'Y', 0); n = hear_of(b'C'); say(b'C', n)\nfor _ in range(9): say(b'D', n, bytes(2**14))",
        "more data than it may send",
    ),
    "takes what was not sent": (
        "say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); say(b'T', n, bytes([0, 0, 0, 9]))",
        "9 bytes went on, of 0",
    ),
    "takes nothing": ("say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); say(b'T', n, bytes(4))", "0 bytes went on"),
    "a count that is none": ("say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); say(b'T', n, b'9')", "of 1 bytes"),
    "another answer": ("say(b'Y', 0); say(b'R', hear_of(b'C'), b'{}')", "a frame b'R' out of turn"),
}


def go_on(relay: Relay) -> None:
    """Connect, and hear and speak until it is over."""
    with relay.connected("127.0.0.1", 443, soon()) as stream:
        stream.settimeout(None)
        while stream.recv(1):
            pass
        wait_until(lambda: relay.error, what="the end")
        stream.sendall(b"x")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_wrong_word_is_the_end_and_everybody_is_told(name: str) -> None:
    script, reason = HOSTILE[name]
    with rogue(script + "\ntime.sleep(100)") as relay:
        begun = time.monotonic()
        with pytest.raises(OSError, match=r".") as caught:
            go_on(relay)
        wait_until(lambda: relay.error, what="the end")
        assert time.monotonic() - begun < SOON
    assert reason in relay.error, caught.value
    assert relay.error.startswith("the relay on the host is gone: it says what no relay of ours does: ")
    assert relay.error.isprintable()


RESOLVED = '{"addresses": %s, "error": "%s", "words": "%s", "seconds": %s}'
WRONG_NAMES = {
    "no JSON": ("nonsense", "not JSON"),
    "another form": ("{}", "Field required"),
    "no address": (RESOLVED % ('["x"]', "", "", "0.1"), "'x' does not appear to be an IPv4 or IPv6 address"),
    "the other family": (RESOLVED % ('["::1"]', "", "", "0.1"), "'::1' is no address of ipv4"),
    "too many": (RESOLVED % (str(["127.0.0.1"] * 300).replace("'", '"'), "", "", "0.1"), "300 addresses"),
    "time": (RESOLVED % ("[]", "", "", "-1.0"), "0 addresses in -1.0 s"),
    "not a number": (RESOLVED % ("[]", "", "", "NaN"), "NaN is not a number"),
}


@pytest.mark.parametrize("name", WRONG_NAMES)
def test_a_wrong_answer_is_the_end_too(name: str) -> None:
    answer, reason = WRONG_NAMES[name]
    with rogue(f"say(b'Y', 0); say(b'R', hear_of(b'R'), {answer.encode()!r}); time.sleep(100)") as relay:
        (told,) = relay.resolve([("www.example", "ipv4")], soon(), Event())
    assert reason in relay.error
    assert told[:4] == ("www.example", "ipv4", [], relay.error)


def test_what_a_host_says_of_an_error_is_made_fit_for_a_line() -> None:
    answer = RESOLVED % ("[]", "EAI_NONSENSE", "\\u001b[2J" + "x" * 5000, "0.1")
    with rogue(f"say(b'Y', 0); say(b'R', hear_of(b'R'), {answer.encode()!r}); time.sleep(100)") as relay:
        (told,) = relay.resolve([("www.example", "ipv4")], soon(), Event())
    assert isinstance(told, Resolved)
    assert told.error.isprintable() and len(told.error) <= 200


WRONG_STORES = [
    ('{"path": "/etc/shadow", "size": 1, "roots": [], "error": ""}', "which was not asked for"),
    ('{"path": "/a", "size": 1, "roots": ["MAA=", "MAA="], "error": ""}', "2 certificates of 1"),
    ('{"path": "/a", "size": 99999, "roots": [], "error": ""}', "0 certificates of 99999"),
    ('{"path": "/a", "size": 1, "roots": ["%"], "error": ""}', "base64"),
]


@pytest.mark.parametrize(("answer", "reason"), WRONG_STORES)
def test_a_trust_store_that_is_none_is_the_end(answer: str, reason: str) -> None:
    with rogue(f"say(b'Y', 0); say(b'S', hear_of(b'S'), {answer.encode()!r}); time.sleep(100)") as relay:
        found = relay.store("/a", [], soon())
    assert reason in found.error
    assert found == Store("/a", 0, [], relay.error)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("say(b'Y', 0); hear_of(b'C'); sys.exit('out of everything')", "exit status 1: out of everything"),
        ("sys.exit(7)", "exit status 7"),
        ("say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); os.kill(os.getpid(), 9)", "exit status -9"),
    ],
)
def test_a_host_that_hangs_up_midway(script: str, reason: str) -> None:
    with rogue(script) as relay:
        with pytest.raises(ConnectionAbortedError, match=reason):
            go_on(relay)
        (told,) = relay.resolve([("www.example", "ipv4")], soon(), Event())
        assert told.error == relay.error == f"the relay on the host is gone: {reason}"


def test_a_host_that_says_nothing_is_waited_for_until_its_time() -> None:
    with rogue("time.sleep(100)", seconds=1.0) as relay:
        begun = time.monotonic()
        with pytest.raises((TimeoutError, ConnectionAbortedError)):
            relay.connected("127.0.0.1", 443, soon())
        assert relay.store("", [], soon()).error
        assert time.monotonic() - begun < SOON


def test_a_host_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shipworthy.relay.SENDING", 0.3)
    with rogue("say(b'Y', 0); time.sleep(100)") as relay:
        wait_until(lambda: relay._ready, what="readiness")
        for _ in range(1000):
            relay.say(frames.packed(frames.STORE, 1, bytes(1000)))
        with pytest.raises(ConnectionAbortedError, match="did not read its standard input"):
            relay.connected("127.0.0.1", 443, soon())


def test_late_words_for_what_was_let_go_are_passed_over_but_not_for_ever() -> None:
    flood = "say(b'Y', 0); n = hear_of(b'C'); say(b'C', n); hear_of(b'E'); say(b'D', n, b'late'); say(b'E', n)\n"
    flood += "m = hear_of(b'C'); say(b'C', m); hear_of(b'E')\nwhile True: say(b'D', n, bytes(2**14))"
    with rogue(flood) as relay:
        relay.connected("127.0.0.1", 443, soon()).close()
        relay.connected("127.0.0.1", 443, soon()).close()
        before = resident_bytes()
        wait_until(lambda: relay.error, what="the end")
        assert resident_bytes() - before < 10_000_000
    assert relay.error.endswith("a frame b'D' for nobody")


def test_entering_and_leaving_is_quick() -> None:
    begun = time.monotonic()
    with relay_here() as relay:
        assert not relay.error
    assert time.monotonic() - begun < SENDING, "nobody waits for its thread"
