"""resolv.conf, nsswitch.conf, the hosts file: whatever stands there is understood as by the C library, or skipped."""

from __future__ import annotations

import ipaddress
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.probes.parts.hosts_file import overrides
from shipworthy.probes.parts.nsswitch import parse_hosts_sources
from shipworthy.probes.parts.resolv_conf import Resolver, address, asked_servers, parse_resolv_conf
from shipworthy.probes.runtime.errors import NotSeen

KEYWORDS = (
    "nameserver",
    "search",
    "domain",
    "options",
    "ndots:",
    "timeout:-3",
    "attempts:9e9",
    "hosts:",
    "#",
    "[",
    "]",
)
ODDITIES = ("::1", "fe80::1%", "255.1", "1", "%", "\udcff", "\x00", "٣", "\x85", "\u2028", "9" * 5000, "a" * 300)
WORDS = st.sampled_from((*KEYWORDS, *ODDITIES, " ", "\t", "\n"))
TEXTS = st.lists(st.one_of(WORDS, st.text(max_size=10)), max_size=60).map("".join)


@given(TEXTS)
def test_any_resolv_conf_is_understood(text: str) -> None:
    found = parse_resolv_conf(text)
    assert 0 <= found.ndots <= 15 and 0 <= found.timeout <= 30 and 0 <= found.attempts <= 5
    assert len(asked_servers(found)) <= 3
    for one in asked_servers(found):
        ipaddress.ip_address(one.partition("%")[0])


@given(TEXTS)
def test_any_nsswitch_conf_is_understood(text: str) -> None:
    with suppress(NotSeen):
        assert all(source and "[" not in source for source in parse_hosts_sources(text))


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([b"a.test", b"1.2.3.4 a.test", b"::1%x a.test #"]))))
def test_any_hosts_file_is_understood(lines: list[bytes]) -> None:
    for addresses in overrides(lines, ["a.test"]).values():
        for one in addresses:
            ipaddress.ip_address(one.partition("%")[0])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("192.0.2.1 www.a.test a.test", ["192.0.2.1"]),
        ("192.0.2.1\tb.test\tA.Test # and so on", ["192.0.2.1"]),
        ("2001:DB8:0::1 a.test.", ["2001:db8::1"]),
        ("fe80::1%eth0 a.test", ["fe80::1%eth0"]),
        ("192.0.2.1 a.test\n192.0.2.2 a.test\n192.0.2.1 a.test", ["192.0.2.1", "192.0.2.2"]),
        ("#192.0.2.1 a.test", None),
        ("192.0.2.1 b.test # a.test", None),
        ("192.0.2.1 aa.test a.test.b", None),
        ("a.test 192.0.2.1", None),
        ("127.1 a.test", None),
        ("300.0.0.1 a.test", None),
    ],
)
def test_the_hosts_file(line: str, expected: list[str] | None) -> None:
    assert overrides(line.encode().split(b"\n"), ["a.test"]).get("a.test") == expected


def test_a_hosts_file_of_half_a_million_names_costs_little() -> None:
    lines = [b"0.0.0.0 ads%d.example" % number for number in range(500_000)]
    begin = time.process_time()
    assert overrides([*lines, b"192.0.2.1 a.test"], ["a.test"]) == {"a.test": ["192.0.2.1"]}
    assert time.process_time() - begin < 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("2001:DB8::0:1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.1"),
        ("192.0.2.1:53", ""),
        ("[::1]", ""),
        ("192.0.2.1.", ""),
        ("localhost", ""),
        ("", ""),
    ],
)
def test_addresses(text: str, expected: str) -> None:
    assert address(text) == expected


def test_without_a_line_for_hosts_there_is_nothing_to_tell() -> None:
    with pytest.raises(NotSeen, match=r"^/etc/nsswitch.conf has no line `hosts:`$"):
        parse_hosts_sources("passwd: files\n")


def test_a_fourth_server_is_named_and_not_asked() -> None:
    text = "".join(f"nameserver 192.0.2.{number}\n" for number in (1, 1, 2, 3))
    found = parse_resolv_conf(text)
    assert found.nameservers == ["192.0.2.1", "192.0.2.1", "192.0.2.2", "192.0.2.3"]
    assert asked_servers(found) == ["192.0.2.1", "192.0.2.2"]


GLIBC = """
import ctypes, os, sys
libc = ctypes.CDLL("libresolv.so.2")
class State(ctypes.Structure):
    _fields_ = [("retrans", ctypes.c_int), ("retry", ctypes.c_int), ("options", ctypes.c_ulong),
                ("nscount", ctypes.c_int), ("addresses", ctypes.c_char * 48), ("id", ctypes.c_ushort),
                ("dnsrch", ctypes.c_char_p * 7), ("defdname", ctypes.c_char * 256), ("pfcode", ctypes.c_ulong),
                ("bits", ctypes.c_uint), ("rest", ctypes.c_char * 4096)]
state = State()
assert libc.__res_ninit(ctypes.byref(state)) == 0
search = [name.decode() for name in state.dnsrch if name]
print(state.retrans, state.retry, state.bits & 15, *search)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a file over /etc/resolv.conf needs root")
@pytest.mark.parametrize(
    "text",
    [
        "nameserver 192.0.2.1\nsearch a.test b.test\n",
        "search a.test\ndomain b.test c.test\noptions timeout:3 attempts:4 ndots:2\n",
        "options timeout:60 attempts:9 ndots:20\noptions ndots:3\nsearch a.test\nsearch b.test\n",
        " search a.test\n#search b.test\nsearch c.test # d.test\n",
        "options timeout: attempts:x\nsearch\tx.test\n",
    ],
)
def test_it_is_read_as_glibc_reads_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)
    script = 'mount --bind "$1" /etc/resolv.conf && exec "$2" -c "$3"'
    command = ["unshare", "--mount", "sh", "-c", script, "sh", str(file), sys.executable, GLIBC]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    ours = parse_resolv_conf(text)
    assert done.stdout.split() == [str(ours.timeout), str(ours.attempts), str(ours.ndots), *ours.search]


def test_nothing_is_configured() -> None:
    assert parse_resolv_conf("") == Resolver([], [], 1, 5, 2, [])
    assert asked_servers(None) == []
