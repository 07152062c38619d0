"""Servers that answer as no server should: each is an error or a silence of its own, in time, and nothing else."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selftest.labs.possible import require_lab
from selftest.vantage.servers import Apart, apart
from selftest.vantage.zones import NOW, Signed, ds
from shipworthy import dns_messages
from shipworthy.errors import NotMeasured
from shipworthy.judging import authority as judging
from shipworthy.judging.dnssec import judge
from shipworthy.vantage import wire
from shipworthy.vantage.authority import Asked, Authority, Zone
from shipworthy.vantage.survey import survey

ADDRESS = "10.9.0.1"
WAIT = 0.4
QUESTION = dns_messages.query("www.example.test", "A")
Answers = Callable[[bytes], list[bytes]]


def answer(question: bytes, *records: tuple[str, str, str], section: str = "answer") -> bytes:
    """An answer with authority; records as (name, type, data)."""
    message = dns.message.make_response(dns.message.from_wire(question))
    message.flags |= dns.flags.AA
    getattr(message, section).extend(dns.rrset.from_text(name, 300, "IN", *rest) for name, *rest in records)
    return message.to_wire()


def answer_datagrams(datagrams: socket.socket, udp: Answers) -> None:
    with suppress(OSError):
        while question := datagrams.recvfrom(4096):
            if question[1] is None:
                return  # it was shut down
            for data in udp(question[0]):
                datagrams.sendto(data, question[1])


def answer_connections(connections: socket.socket, tcp: Answers) -> None:
    with suppress(OSError):
        while True:
            stream, _ = connections.accept()
            with stream:
                for data in tcp(stream.recv(4096)[2:]):
                    stream.sendall(data)


def nothing(_question: bytes) -> list[bytes]:
    return []


@contextmanager
def serving(net: Apart, udp: Answers, tcp: Answers = nothing) -> Iterator[None]:
    """Answer every datagram by `udp`, and what every connection says first by `tcp`: as it is, and that is the end."""
    datagrams = net.run(lambda: socket.socket(type=socket.SOCK_DGRAM))
    datagrams.bind((ADDRESS, 53))
    connections = net.run(lambda: socket.create_server((ADDRESS, 53)))
    threads = [
        threading.Thread(target=answer_datagrams, args=(datagrams, udp)),
        threading.Thread(target=answer_connections, args=(connections, tcp)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for each, thread in zip((datagrams, connections), threads, strict=True):
            with suppress(OSError):  # a datagram socket is not connected, and woken all the same
                each.shutdown(socket.SHUT_RDWR)
            thread.join(2)
            each.close()


@pytest.fixture(scope="module")
def net() -> Iterator[Apart]:
    require_lab()
    with apart() as made:
        made.address(ADDRESS)
        yield made


def asked(net: Apart, transport: str = "udp") -> wire.Heard:
    begun = time.monotonic()
    heard = net.run(lambda: wire.ask(ADDRESS, transport, QUESTION, WAIT))
    assert time.monotonic() - begun < 2 * WAIT
    return heard


def other_id(question: bytes) -> bytes:
    return bytes([question[0] ^ 1]) + answer(question)[1:]


SILENT = f"no answer within {WAIT:g} s"
UDP: dict[str, Answers] = {
    "silent": lambda _: [],
    "random bytes": lambda _: [b"\xff" * 100, b"", b"x"],
    "another id": lambda question: [other_id(question)],
    "the question itself": lambda question: [question],
    "the answer to another question": lambda question: [
        question[:2] + answer(dns_messages.query("other.test", "A"))[2:],
    ],
}


@pytest.mark.parametrize("udp", UDP.values(), ids=UDP)
def test_what_is_no_answer_is_waited_past(net: Apart, udp: Answers) -> None:
    with serving(net, udp):
        assert asked(net).error == SILENT
    with serving(net, lambda question: [*udp(question), answer(question)]):
        assert dns_messages.reply(asked(net).message, "www.example.test", "A").rcode == "NOERROR"


@pytest.mark.parametrize(
    ("tcp", "error"),
    [
        (lambda _: [], "closed without an answer"),
        (lambda _: [b"\x00"], "closed before its answer was whole"),
        (lambda question: [b"\xff\xff", answer(question)], "closed before its answer was whole"),
        (lambda _: [b"\x00\x00"], "answers something else"),
        (lambda question: [len(question).to_bytes(2, "big"), question], "answers something else"),
    ],
)
def test_broken_streams(net: Apart, tcp: Answers, error: str) -> None:
    with serving(net, lambda _: [], tcp):
        assert asked(net, "tcp").error == error


def test_nobody_listens(net: Apart) -> None:
    assert (asked(net).error, asked(net, "tcp").error) == ("refused", "refused")


NOT_HOSTS = (r"a\.b.test.", r"a\000b.test.", r"\195\164.test.", "a b.test.".replace(" ", r"\032"))
HOSTILE: dict[str, Answers] = {
    "garbled": lambda question: [question[:2] + b"\x84\x00" + question[4:6] + b"\xff\xff" * 3 + question[12:]],
    "a loop of pointers": lambda question: [
        question[:2] + b"\x84\x00\x00\x01\x00\x01\x00\x00\x00\x00" + question[12:-11] + b"\xc0\x0c" * 8
    ],
    "names that no host can have": lambda question: [
        answer(question, *((".", "NS", name) for name in NOT_HOSTS), section="authority")
    ],
    "aliases of everything to itself": lambda question: [
        answer(question, ("www.example.test.", "CNAME", "www.example.test."))
    ],
    "aliases without end": lambda question: [
        answer(
            question, (str(dns.message.from_wire(question).question[0].name), "CNAME", f"{time.monotonic_ns()}.test.")
        )
    ],
    "everything is delegated to itself": lambda question: [
        answer(question, (str(dns.message.from_wire(question).question[0].name), "NS", "ns.test."))
    ],
}


def judged(authority: Authority, name: str) -> None:
    """Nothing but what a check can be told comes of it."""
    for judgement in (judging.lame, judging.faults, judging.serials, judging.unasked):
        with suppress(NotMeasured):
            judgement(authority, name)
    with suppress(NotMeasured):
        judge(authority, name, [ds(".")], NOW)


@pytest.mark.parametrize("udp", HOSTILE.values(), ids=HOSTILE)
def test_a_survey_of_hostile_servers_ends_in_time(net: Apart, udp: Answers) -> None:
    with serving(net, udp):
        begun = time.monotonic()
        authority = net.run(lambda: survey({"www.example.test": ("A",)}, [ADDRESS], ["ipv4"], WAIT, 3.0))
        assert time.monotonic() - begun < 4
    judged(authority, "www.example.test")


def test_nobody_is_sent_to_addresses_that_are_no_servers(net: Apart) -> None:
    def delegate(question: bytes) -> list[bytes]:
        message = dns.message.from_wire(answer(question, ("test.", "NS", "ns.test."), section="authority"))
        message.flags &= ~dns.flags.AA
        message.additional.append(dns.rrset.from_text("ns.test.", 300, "IN", "A", "169.254.169.254", "224.0.0.1"))
        return [message.to_wire()]

    with serving(net, delegate):
        authority = net.run(lambda: survey({"www.test": ("A",)}, [ADDRESS], ["ipv4"], WAIT, 3.0))
    assert authority.zones["test"].servers == {"ns.test": []}


def of_one(message: bytes, type: str) -> Authority:
    """A survey in which every server of a zone said the same, to every question of a type."""
    said = Asked("ns.test", ADDRESS, "udp", "test", type, 0.0, base64.b64encode(message).decode(), "")
    root = said._replace(name=".", message=base64.b64encode(REAL["DNSKEY"]).decode(), type="DNSKEY")
    zones = {
        ".": Zone(".", "", {"": [ADDRESS]}, [], [root]),
        "test": Zone("test", ".", {"ns.test": [ADDRESS]}, [said], [said]),
    }
    return Authority(zones, {"test": "test"}, {}, {})


def _real() -> dict[str, bytes]:
    """What an honest root would say of its own zone, and of the one below, as if that were its own too."""
    zone = Signed(".", f"@ 300 IN NS ns.test.\ntest 300 IN NS ns.test.\ntest 300 IN DS {ds('test.')}\n").zone()
    found = {}
    for type, name in (("DNSKEY", "."), ("SOA", "."), ("NS", "."), ("DS", "test.")):
        message = dns.message.from_wire(answer(dns_messages.query(name, type)))
        node = zone.get_node(name)
        assert node
        message.answer += [
            dns.rrset.from_rdata_list(name, 300, list(each))
            for each in node
            if type in {dns.rdatatype.to_text(each.rdtype), dns.rdatatype.to_text(each.covers)}
        ]
        found[type] = message.to_wire()
    return found


REAL = _real()


@given(st.binary(max_size=300), st.sampled_from(["DNSKEY", "DS", "SOA", "NS", "A"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_stored_is_judged(data: bytes, type: str) -> None:
    authority = of_one(b"\0\0\x84\0" + data, type)
    judged(authority, "test")


@given(st.data())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_changed_in_a_real_answer_is_judged(data: st.DataObject) -> None:
    type = data.draw(st.sampled_from(sorted(REAL)))
    message = bytearray(REAL[type])
    for place in data.draw(st.lists(st.integers(0, len(message) - 1), min_size=1, max_size=4)):
        message[place] = data.draw(st.integers(0, 255))
    judged(of_one(bytes(message), type), "test")
