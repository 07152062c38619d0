"""DNS names and messages: people's spellings, and bytes of servers that mean no good.

Whatever bytes come, `reply` gives a Reply or raises Garbled, and soon: a message has 64 KiB at most.
"""

from __future__ import annotations

import struct
import time

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipworthy.dns_messages import PAYLOAD, Garbled, NoName, Record, Reply, ascii_name, parsed, query, reply

NAME = "www.example.org"
RECORDS = (
    ("www.example.org.", "CNAME", ("web.example.org.",)),
    ("web.example.org.", "AAAA", ("2001:db8::1", "2001:db8::2")),
    ("example.org.", "SOA", ("ns.example.org. root.example.org. 7 3600 900 1209600 300",)),
    ("example.org.", "MX", ("10 mail.example.org.",)),
    ("example.org.", "TXT", ('"v=spf1 -all" "\\003\\255"',)),
    ("example.org.", "CAA", ('0 issue "ca.example.net"',)),
    ("_imap._tcp.example.org.", "SRV", ("0 1 143 mail.example.org.",)),
    ("example.org.", "DNSKEY", ("257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxIL",)),
    ("example.org.", "RRSIG", ("A 13 2 300 20300101000000 20200101000000 1 example.org. AAAA",)),
    ("example.org.", "NSEC3PARAM", ("1 0 0 -",)),
    ("x.example.org.", "NSEC3", ("1 1 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A RRSIG",)),
    ("example.org.", "HTTPS", ("1 . alpn=h2,h3 ipv4hint=192.0.2.1",)),
    ("example.org.", "LOC", ("52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m",)),
    ("example.org.", "TYPE65400", ("\\# 3 010203",)),
)


def sound() -> bytes:
    """An answer with records of many types, compressed names, EDNS and an extended error."""
    message = dns.message.make_response(dns.message.from_wire(query(NAME, "AAAA")))
    # Each by itself: dnspython writes the records of one set in any order.
    message.answer = [dns.rrset.from_text(name, 60, "IN", kind, one) for name, kind, data in RECORDS for one in data]
    message.use_edns(0, payload=PAYLOAD, options=[dns.edns.EDEOption(dns.edns.EDECode.STALE_ANSWER, "was down")])
    return message.to_wire()


SOUND = sound()


def refusal(data: bytes) -> str:
    """What is held against `data`; the time that it took is bounded too."""
    begin = time.process_time()
    try:
        found = reply(data, NAME, "AAAA")
    except Garbled as error:
        text = str(error)
        assert text.startswith(
            ("is no DNS message: ", "is a question", "answers another question", "is longer than")
        ), text
        assert len(text) < 600 and "\n" not in text
    else:
        assert isinstance(found, Reply)
        text = "understood"
    assert time.process_time() - begin < 2
    return text


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """The sound answer with some pieces cut out, and others in their places."""
    data = SOUND
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(data)))
        end = draw(st.integers(begin, min(len(data), begin + 20)))
        pointer = struct.pack("!H", 0xC000 | draw(st.integers(0, 0x3FFF)))
        data = data[:begin] + draw(st.one_of(st.binary(max_size=20), st.just(pointer))) + data[end:]
    return data


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A plausible head, any counts, and records of any type whose data are anything."""
    counts = draw(st.lists(st.integers(0, 4), min_size=4, max_size=4))
    body = b""
    for _ in range(sum(counts)):
        name = draw(st.sampled_from([b"\0", b"\xc0\x0c", b"\x01a\0", b"\xc0\x00", b"\x3f" + b"x" * 63 + b"\xc0\x0c"]))
        data = draw(st.binary(max_size=40))
        size = draw(st.sampled_from([len(data), len(data), len(data), 0, 65535]))
        body += name + struct.pack("!HHIH", draw(st.integers(0, 300)), 1, 60, size) + data
    return struct.pack("!HHHHHH", 0, draw(st.integers(0, 65535)) | 0x8000, *counts) + body


def test_a_sound_answer_is_understood() -> None:
    found = reply(SOUND, NAME, "AAAA")
    assert (found.rcode, found.truncated, found.authoritative) == ("NOERROR", False, False)
    assert found.data("AAAA") == ("2001:db8::1", "2001:db8::2")
    assert found.data("CNAME") == ("web.example.org.",)
    assert found.answer[0] == Record(NAME, "CNAME", 60, "web.example.org.")
    assert found.data("TYPE65400") == (r"\# 3 010203",)
    assert found.errors and "was down" in found.errors[0]


@given(st.binary(max_size=600))
@settings(max_examples=300)
def test_random_bytes(data: bytes) -> None:
    refusal(data)


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_random_bytes_behind_a_sound_head(data: bytes) -> None:
    refusal(SOUND[:12] + data)


@given(damaged())
@settings(max_examples=500)
def test_damaged_answers(data: bytes) -> None:
    refusal(data)


@given(messages())
@settings(max_examples=500)
def test_records_of_any_type_with_any_data(data: bytes) -> None:
    refusal(data)


@pytest.mark.parametrize("size", range(0, len(SOUND), 7))
def test_answers_that_are_cut_anywhere(size: int) -> None:
    assert refusal(SOUND[:size]).startswith("is no DNS message: ")


HEAD = struct.pack("!HHHHHH", 0, 0x8180, 1, 0, 0, 0)
LOOPS = {
    "a name that is itself": HEAD + b"\xc0\x0c\0\x1c\0\x01",
    "two names that are each other": HEAD + b"\xc0\x0e\xc0\x0c\0\x1c\0\x01",
    "a label and then itself": HEAD + b"\x01a\xc0\x0c\0\x1c\0\x01",
    "a pointer behind the end": HEAD + b"\xff\xff\0\x1c\0\x01",
    "a label of a reserved kind": HEAD + b"\x80a\0\0\x1c\0\x01",
    "labels without an end": HEAD + b"\x01a" * 1000,
}


@pytest.mark.parametrize("how", LOOPS)
def test_names_without_an_end(how: str) -> None:
    assert refusal(LOOPS[how]).startswith("is no DNS message: ")


def test_64_kib_of_long_names_take_no_time() -> None:
    """Two bytes each, that lead to a name of 120 labels: as many as a message holds."""
    question = b"\x01a" * 120 + b"\0" + b"\0\x1c\0\x01"
    record = struct.pack("!HHHIHH", 0xC00C, 5, 1, 60, 2, 0xC00C)
    for count, said in ((499, "answers another question"), (4600, "is longer than any that is meant well")):
        data = struct.pack("!HHHHHH", 0, 0x8180, 1, count, 0, 0) + question + record * count
        assert len(data) < 2**16
        assert refusal(data).startswith(said)


def test_counts_beyond_the_message() -> None:
    assert refusal(struct.pack("!HHHHHH", 0, 0x8180, 1, 400, 50, 40)).startswith("is no DNS message: ")
    assert refusal(struct.pack("!HHHHHH", 0, 0x8180, *[65535] * 4)).startswith("is longer than")


def test_what_answers_something_else() -> None:
    assert refusal(query(NAME, "AAAA")) == "is a question, and no answer"
    other = dns.message.make_response(dns.message.from_wire(query("evil.example", "AAAA"))).to_wire()
    assert refusal(other) == "answers another question, evil.example AAAA"
    kind = dns.message.make_response(dns.message.from_wire(query(NAME, "A"))).to_wire()
    assert refusal(kind) == "answers another question, www.example.org A"


def test_case_is_no_difference() -> None:
    shouted = dns.message.make_response(dns.message.from_wire(query(NAME.upper(), "AAAA"))).to_wire()
    assert refusal(shouted) == "understood"


@pytest.mark.parametrize("rcode", ["SERVFAIL", "REFUSED", "NXDOMAIN", "FORMERR", "NOTIMP"])
def test_refusals_are_answers(rcode: str) -> None:
    message = dns.message.make_response(dns.message.from_wire(query(NAME, "AAAA")))
    message.set_rcode(dns.rcode.from_text(rcode))
    assert reply(message.to_wire(), NAME, "AAAA").rcode == rcode


def test_a_truncated_answer_without_records_is_understood() -> None:
    message = dns.message.make_response(dns.message.from_wire(query(NAME, "AAAA")))
    message.flags |= dns.flags.TC
    assert reply(message.to_wire(), NAME, "AAAA").truncated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("www.Example.ORG.", NAME),
        ("münchen.example", "xn--mnchen-3ya.example"),
        ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("_dmarc.example.org", "_dmarc.example.org"),
        (".", "."),
    ],
)
def test_names_in_their_one_form(text: str, expected: str) -> None:
    assert ascii_name(text) == expected


@given(st.text(max_size=80))
@settings(max_examples=300)
def test_any_text_is_a_name_or_says_why_not(text: str) -> None:
    try:
        found = ascii_name(text)
    except NoName:
        return
    assert ascii_name(found) == found
    query(found, "A")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a..b",
        "x" * 64 + ".org",
        ".".join(["a" * 60] * 5),
        "a b.org",
        "-\u200d-.org",
        "a/b",
        "10.0.0.1",
        "0x7f000001",
        "0XA9.0XFE.",
        "a.0x",
    ],
)
def test_what_is_no_name_says_why(text: str) -> None:
    with pytest.raises(NoName, match=r"^is no DNS name: "):
        ascii_name(text)


def test_a_question_has_no_id_and_asks_for_what_passes_every_path() -> None:
    asked = parsed(query(NAME, "AAAA", dnssec=True, recursion=False))
    assert (asked.id, asked.payload) == (0, PAYLOAD)
    assert not asked.flags & dns.flags.RD and asked.ednsflags & dns.flags.DO
