"""What the DNS probe carries to name servers and back: real servers on loopback, sound ones and every bad kind."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import threading
import time
from base64 import b64decode

import pytest

from selftest.probes.name_server import (
    NameServer,
    OverTcp,
    answer,
    framed,
    kind_of,
    name_server,
    silent,
    stays_silent,
    well,
)
from shipworthy.dns_messages import query, reply
from shipworthy.probes.parts.dns_answers import Answers, Budget, Question, Said, Server
from shipworthy.probes.parts.name_servers import Asked, ask

WAIT = 0.5

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")


def questions(count: int = 1, types: tuple[str, ...] = ("A",), samples: int = 0) -> list[Question]:
    names = [f"www{number}.example.org" for number in range(count)]
    return [Question(name, kind, query(name, kind).hex(), None, samples) for name in names for kind in types]


def asked(server: NameServer, *, wait: float = WAIT, most: int = 1000, **wanted: object) -> tuple[Server, Asked]:
    """What one server said to some questions."""
    found = ask(questions(**wanted), [server.address], wait, Budget(most), server.port)  # type: ignore[arg-type]
    (one,) = found.servers
    return one, found


def errors(said: list[Said]) -> list[str]:
    return [each.error for each in said]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_sound_server_is_asked_twice_over_udp_and_once_over_tcp(address: str) -> None:
    with name_server(address=address) as server:
        one, found = asked(server, count=3, types=("A", "AAAA"))
        assert (one.address, one.ignored) == (address, 0)
        assert errors(one.udp) == [""] * 6
        assert [each.question for each in one.udp] == [0, 1, 2, 3, 4, 5]
        assert all(0 < each.seconds < WAIT and each.warm_seconds and each.warm_seconds < WAIT for each in one.udp)
        assert [(each.question, each.error, each.warm_seconds) for each in one.tcp] == [(0, "", None)]
        said = reply(b64decode(found.messages[one.udp[3].message]), "www1.example.org", "AAAA")
        assert said.data("AAAA") == ("2001:db8::1",)
        assert (len(server.over_udp), len(server.over_tcp)) == (12, 1)
        ids = {wire[:2] for wire in server.over_udp}
        assert len(ids) == 12 and b"\0\0" + server.over_udp[0][2:] == query("www0.example.org", "A")


def test_an_answer_that_comes_again_and_again_is_kept_once() -> None:
    with name_server() as server:
        one, found = asked(server)
        assert len(found.messages) == 1
        assert one.udp[0].message == one.tcp[0].message == 0
        assert b64decode(found.messages[0])[:2] == b"\0\0"


def test_samples_are_of_the_first_server_alone() -> None:
    turn = iter(range(10_000))

    def rotating(question: bytes) -> list[bytes]:
        return [answer(question, address=f"192.0.2.{next(turn) % 2 + 1}")]

    with name_server(rotating) as first, name_server(address="127.0.0.2", port=first.port) as second:
        found = ask(questions(samples=30), [first.address, second.address], WAIT, Budget(1000), first.port)
        assert sorted(found.samples) == ["0"]
        assert [found.samples["0"].count(index) for index in sorted(set(found.samples["0"]))] == [15, 15]
        assert (len(first.over_udp), len(second.over_udp)) == (32, 2)


def test_a_truncated_answer_is_asked_for_over_tcp_as_well() -> None:
    def cut(question: bytes) -> list[bytes]:
        return [answer(question, truncated=kind_of(question) == "AAAA")]

    with name_server(cut) as server:
        one, found = asked(server, count=2, types=("A", "AAAA"))
        assert [each.question for each in one.tcp] == [0, 1, 3]
        assert reply(b64decode(found.messages[one.udp[1].message]), "www0.example.org", "AAAA").truncated
        assert reply(b64decode(found.messages[one.tcp[1].message]), "www0.example.org", "AAAA").data("AAAA")


def test_a_silent_server_is_given_up_after_its_first_window() -> None:
    with name_server(silent, stays_silent) as server:
        begin = time.monotonic()
        one, _ = asked(server, count=40, types=("A", "AAAA"))
        assert time.monotonic() - begin < WAIT + 1
        assert len({wire[2:] for wire in server.over_udp}) == 20
        assert errors(one.udp).count("no answer within 0.5 s") == 20
        assert set(errors(one.udp)[20:]) == {"not asked: the server answered none of 20"}
        assert errors(one.tcp) == ["no answer within 0.5 s"]


def test_a_server_that_is_silent_for_one_type_says_all_of_the_other() -> None:
    def half(question: bytes) -> list[bytes]:
        return well(question) if kind_of(question) == "A" else []

    with name_server(half) as server:
        one, _ = asked(server, count=100, types=("A", "AAAA"))
        said = {kind: errors([each for each in one.udp if each.question % 2 == at]) for at, kind in enumerate("A6")}
        assert set(said["A"]) == {""}
        assert said["6"].count("no answer within 0.5 s") == 10
        assert said["6"].count("not asked: the server answered none of 10 for AAAA") == 90


def test_silence_for_some_names_does_not_keep_the_others_waiting() -> None:
    def some(question: bytes) -> list[bytes]:
        return [] if b"www1" in question else well(question)

    with name_server(some) as server:
        one, _ = asked(server, count=30, types=("A", "AAAA"), wait=1.0)
        silent_ones = {each.question // 2 for each in one.udp if each.error}
        assert silent_ones == {1, *range(10, 20)}
        assert {error for error in errors(one.udp) if error} <= {
            "no answer within 1 s",
            "no answer before the time was up",
        }


def test_a_lost_answer_is_slow_and_not_silence() -> None:
    heard: list[bytes] = []

    def loses_the_first(question: bytes) -> list[bytes]:
        heard.append(question)
        return well(question) if len(heard) > 1 else []

    with name_server(loses_the_first) as server:
        one, _ = asked(server)
        assert errors(one.udp) == [""]
        assert WAIT / 2 <= one.udp[0].seconds < WAIT
        assert heard[0] == heard[1] != heard[2]


def test_a_late_answer_is_no_answer_and_not_taken_for_anothers() -> None:
    with name_server(late=WAIT + 0.2) as server:
        one, _ = asked(server, count=3)
        assert set(errors(one.udp)) == {"no answer within 0.5 s"}
        assert one.ignored == 0


def test_a_slow_server_is_timed() -> None:
    with name_server(late=0.1) as server:
        one, _ = asked(server)
        assert 0.1 <= one.udp[0].seconds < 0.4
        assert one.udp[0].warm_seconds and 0.1 <= one.udp[0].warm_seconds < 0.4


def test_answers_of_another_id_are_ignored_and_counted() -> None:
    def wrong_first(question: bytes) -> list[bytes]:
        other = struct.pack("!H", (question[0] << 8 | question[1]) ^ 0x5555)
        return [other + answer(question)[2:], b"", b"x", answer(question)]

    with name_server(wrong_first) as server:
        one, _ = asked(server)
        assert errors(one.udp) == [""]
        assert one.ignored == 6


def test_answers_from_elsewhere_are_ignored_and_counted() -> None:
    """As from a server of two addresses that answers by the wrong one; or from somebody who lies."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other, socket.socket(type=socket.SOCK_DGRAM) as server:
        other.bind(("127.0.0.3", 0))
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                question, source = server.recvfrom(65535)
                other.sendto(answer(question), source)

        threading.Thread(target=serve, daemon=True).start()
        one, _ = asked(NameServer("127.0.0.1", server.getsockname()[1]))
        assert errors(one.udp) == ["no answer within 0.5 s"]
        assert one.ignored == 2  # the first time, and once more


def test_a_flood_of_answers_does_not_keep_the_others_waiting() -> None:
    over = threading.Event()

    with name_server() as sound, socket.socket(type=socket.SOCK_DGRAM) as flooding:
        flooding.bind(("127.0.0.2", sound.port))

        def flood() -> None:
            _, source = flooding.recvfrom(65535)
            while not over.is_set():
                flooding.sendto(bytes(20), source)

        thread = threading.Thread(target=flood, daemon=True)
        thread.start()
        begin = time.monotonic()
        found = ask(questions(count=5), ["127.0.0.2", "127.0.0.1"], WAIT, Budget(1000), sound.port)
        took = time.monotonic() - begin
        over.set()
        thread.join()
    assert took < WAIT + 1
    assert set(errors(found.servers[0].udp)) == {"no answer within 0.5 s"} and found.servers[0].ignored
    assert set(errors(found.servers[1].udp)) == {""}


def test_random_bytes_are_carried_as_they_are() -> None:
    def random(question: bytes) -> list[bytes]:
        return [question[:2] + os.urandom(300)]

    with name_server(random) as server:
        one, found = asked(server)
        assert one.udp[0].error == ""
        assert len(b64decode(found.messages[one.udp[0].message])) == 302


def closes(_: socket.socket, __: bytes) -> None:
    pass


def cuts(connection: socket.socket, question: bytes) -> None:
    connection.sendall(framed(answer(question))[:-3])


def says_a_huge_length(connection: socket.socket, question: bytes) -> None:
    connection.sendall(b"\xff\xff" + question[:2] + bytes(1000))
    time.sleep(2)


def says_another_id(connection: socket.socket, question: bytes) -> None:
    connection.sendall(framed(b"xx" + answer(question)[2:]))


def says_nothing_without_end(connection: socket.socket, _: bytes) -> None:
    while True:
        connection.sendall(bytes(4096))


def resets(connection: socket.socket, _: bytes) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def byte_by_byte(connection: socket.socket, question: bytes) -> None:
    for byte in framed(answer(question)):
        connection.sendall(bytes([byte]))


def after_an_empty_one(connection: socket.socket, question: bytes) -> None:
    connection.sendall(framed(b"") + framed(answer(question)))


@pytest.mark.parametrize(
    ("over_tcp", "error"),
    [
        (None, "refused"),
        (closes, "closed without an answer"),
        (stays_silent, "no answer within 0.5 s"),
        (cuts, "closed within the answer"),
        (says_a_huge_length, "no answer within 0.5 s"),
        (says_another_id, "closed without an answer"),
        (says_nothing_without_end, "other answers than to what was asked"),
        (resets, "reset"),
        (byte_by_byte, ""),
        (after_an_empty_one, ""),
    ],
)
def test_over_tcp(over_tcp: OverTcp | None, error: str) -> None:
    with name_server(over_tcp=over_tcp) as server:
        begin = time.monotonic()
        one, _ = asked(server)
        assert time.monotonic() - begin < WAIT + 1
        assert (errors(one.udp), errors(one.tcp)) == ([""], [error])


def test_a_closed_port_is_refused() -> None:
    """At once; where the kernel sends no more refusals for now (icmp_msgs_per_sec), when it is asked once more."""
    with name_server() as server:
        pass
    begin = time.monotonic()
    one, _ = asked(server, count=30, types=("A", "AAAA"), wait=4.0)
    assert time.monotonic() - begin < 3.5
    assert set(errors(one.udp)) == {"refused"} and len(one.udp) == 60
    assert errors(one.tcp) == ["refused"]


@pytest.mark.parametrize(
    ("server", "error"),
    [
        ("fe80::1%nothing0", "not asked: it is no address here"),
        ("www.example.org", "not asked: it is no address here"),
        ("300.1.1.1", "not asked: it is no address here"),
        ("255.255.255.255", "not permitted by this host's own rules"),
    ],
)
def test_what_cannot_be_asked_says_why(server: str, error: str) -> None:
    begin = time.monotonic()
    one, _ = asked(NameServer(server, 53), count=2, wait=2.0)
    assert time.monotonic() - begin < 1
    assert set(errors(one.udp)) == {error}


@needs_root
def test_a_family_without_a_route_says_so() -> None:
    """In a network of its own, whose only interface is down."""
    code = (
        "from shipworthy.probes.parts.name_servers import Answers, Budget, Question, ask\n"
        "questions = [Question('a', 'A', '00' * 20), Question('b', 'A', '00' * 20)]\n"
        "for one in ask(questions, ['192.0.2.1', '2001:db8::1', 'fe80::1'], 2.0, Budget(100)).servers:\n"
        "    print(one.address, {each.error for each in one.udp + one.tcp})\n"
    )
    begin = time.monotonic()
    command = ["unshare", "--net", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.splitlines() == [f"{one} {{'no route'}}" for one in ("192.0.2.1", "2001:db8::1", "fe80::1")]
    assert time.monotonic() - begin < 2


def test_the_budget_is_kept_and_told() -> None:
    with name_server() as server:
        budget = Budget(7)
        found = ask(questions(count=10), ["127.0.0.1"], WAIT, budget, server.port)
        told = errors(found.servers[0].udp)
        assert told.count("not asked: the budget of 7 questions is spent") == 4
        assert told.count("") == 6 and errors(found.servers[0].tcp) == [""]
        assert (budget.asked, len(server.over_udp), len(server.over_tcp)) == (7, 6, 1)


def test_servers_of_a_questions_own_are_asked_instead() -> None:
    with name_server() as server, name_server(address="127.0.0.2", port=server.port) as own:
        wanted = [*questions(), questions()[0]._replace(servers=["127.0.0.2", "127.0.0.2"])]
        found = ask(wanted, ["127.0.0.1"], WAIT, Budget(100), server.port)
        assert [(each.address, [said.question for said in each.udp]) for each in found.servers] == [
            ("127.0.0.1", [0]),
            ("127.0.0.2", [1]),
        ]
        assert len(own.over_udp) == 2


def test_one_dead_server_of_three_costs_no_other_anything() -> None:
    with name_server() as one, name_server(silent, None, "127.0.0.2", one.port) as dead:
        found = ask(questions(count=100), ["127.0.0.1", "127.0.0.2", "127.0.0.3"], WAIT, Budget(5000), one.port)
        alive, silent_one, closed = found.servers
        assert set(errors(alive.udp)) == {""}
        assert set(errors(silent_one.udp)) == {
            "no answer within 0.5 s",
            "not asked: the server answered none of 10",
        }
        assert set(errors(closed.udp)) == {"refused"}
        assert len(dead.over_udp) == 20  # ten, each once more after half of its time


def test_more_answers_than_fit_are_told() -> None:
    answers = Answers()
    said = [answers.said(index, os.urandom(60_000), 0.1) for index in range(20)]
    assert sum(map(len, answers.messages)) <= 2**20
    assert errors(said) == [""] * 13 + ["not kept: the answers of this host's servers take more than 1 MiB"] * 7
    assert [each.message for each in said] == [*range(13), *[-1] * 7]
