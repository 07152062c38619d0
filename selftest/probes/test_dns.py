"""The DNS probe on a host with a network and an /etc of its own: what the C library says, and when it says nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from selftest.probes.dns_host import LINK_LOCAL, on_a_host
from selftest.probes.interpreters import answer, interpreters
from shipworthy.dns_messages import query
from shipworthy.probes.dns import Question, Request, probe
from shipworthy.probes.parts.dns_answers import Budget
from shipworthy.probes.parts.resolving import Resolving, resolve
from shipworthy.probes.runtime import child
from shipworthy.probes.runtime.encode import encode
from shipworthy.probes.runtime.machine import Machine

FILES = {
    "/etc/resolv.conf": "nameserver 127.0.0.1\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}
NAME = "www.example.org"

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a network of its own needs root")
pytestmark = pytest.mark.xdist_group("dns")


def questions(*names: str) -> list[Any]:
    return [encode(Question(name, kind, query(name, kind).hex())) for name in names for kind in ("A", "AAAA")]


def libc(how: str, *names: str, files: dict[str, str] | None = None, **request: Any) -> dict[str, Any]:
    """What the C library says of names where its server answers so."""
    reading = on_a_host({**FILES, **(files or {})}, {"127.0.0.1": how}, names=names or [NAME], **request)
    found: dict[str, Any] = reading["libc"]
    return found


@needs_root
def test_a_host_that_resolves() -> None:
    reading = on_a_host(FILES, {"127.0.0.1": "well"}, names=[NAME], questions=questions(NAME))
    assert reading["resolver"]["nameservers"] == ["127.0.0.1"]
    assert reading["sources"] == ["files", "dns"]
    families = reading["libc"][NAME]
    assert {family: (each["addresses"], each["error"]) for family, each in families.items()} == {
        "ipv4": (["192.0.2.1"], ""),
        "ipv6": (["2001:db8::1"], ""),
    }
    assert all(0 < each["seconds"] < 1 for each in families.values())
    (server,) = reading["servers"]
    assert [each["error"] for each in server["udp"] + server["tcp"]] == ["", "", ""]
    assert reading["asked"] == 2 + 4 + 1
    assert set(reading["unseen"]) == {"upstreams"}


@needs_root
@pytest.mark.parametrize(
    ("how", "ipv4", "ipv6"),
    [
        ("refuses", "EAI_AGAIN", "EAI_AGAIN"),
        ("knows_no_name", "EAI_NONAME", "EAI_NONAME"),
        ("silent", "no answer within 0.5 s", "no answer within 0.5 s"),
        ("silent_for_ipv6", "", "no answer within 0.5 s"),
        ("mapped", "", "only IPv4-mapped addresses"),
    ],
)
def test_what_the_c_library_cannot_find(how: str, ipv4: str, ipv6: str) -> None:
    begin = time.monotonic()
    found = libc(how, wait_seconds=0.5)[NAME]
    assert time.monotonic() - begin < 6  # of which most is the start of Python
    assert (found["ipv4"]["error"], found["ipv6"]["error"]) == (ipv4, ipv6)


@needs_root
def test_a_server_on_the_link_is_asked_over_its_interface() -> None:
    scoped = f"{LINK_LOCAL}%d0"
    files = {**FILES, "/etc/resolv.conf": f"nameserver {scoped}\n"}
    reading = on_a_host(files, {scoped: "well"}, names=[NAME], questions=questions(NAME))
    assert reading["libc"][NAME]["ipv6"]["addresses"] == ["2001:db8::1"]
    (server,) = reading["servers"]
    assert (server["address"], server["ignored"]) == (scoped, 0)
    assert [each["error"] for each in server["udp"] + server["tcp"]] == ["", "", ""]


@needs_root
def test_nobody_configured_and_nobody_there() -> None:
    reading = on_a_host({**FILES, "/etc/resolv.conf": ""}, {}, names=[NAME], questions=questions(NAME))
    assert reading["servers"] == []
    assert reading["libc"][NAME]["ipv4"]["error"] == "EAI_AGAIN"


@needs_root
def test_the_hosts_file_overrides_and_is_told() -> None:
    files = {**FILES, "/etc/hosts": "192.0.2.77 Www.Example.ORG other\n::1 localhost\n"}
    reading = on_a_host(files, {"127.0.0.1": "well"}, names=[NAME])
    assert reading["hosts_file"] == {NAME: ["192.0.2.77"]}
    assert reading["libc"][NAME]["ipv4"]["addresses"] == ["192.0.2.77"]


@needs_root
def test_silence_for_many_names_is_bounded_in_time_and_what_was_said_is_kept() -> None:
    names = [f"www{number}.example.org" for number in range(200)]
    begin = time.monotonic()
    found = libc("silent_for_most", *names, wait_seconds=0.5)
    assert time.monotonic() - begin < 5
    errors = [each[family]["error"] for each in found.values() for family in ("ipv4", "ipv6")]
    assert errors[:2] == ["", ""]
    assert set(errors[2:]) == {"no answer within 0.5 s", "not asked: no time was left"}


@needs_root
def test_silence_for_all_names_is_told_as_one() -> None:
    found = libc("silent", *(f"www{number}.example.org" for number in range(50)), wait_seconds=0.5)
    errors = [each[family]["error"] for each in found.values() for family in ("ipv4", "ipv6")]
    assert errors.count("no answer within 0.5 s") == 64
    assert errors.count("not asked: the C library answered none of 64") == 36


@needs_root
@pytest.mark.parametrize(
    ("how", "sources", "waited"),
    [("silent", "files dns", "1 s"), ("silent", "files dns ldap", "2 s"), ("silent_for_ipv6", "files dns", "2 s")],
)
def test_nobody_is_waited_for_when_no_server_lives(how: str, sources: str, waited: str) -> None:
    """Neither by the C library, unless somebody else may answer it."""
    files = {**FILES, "/etc/nsswitch.conf": f"hosts: {sources}\n", "/etc/hosts": "192.0.2.77 here.example.org\n"}
    names = [NAME, "here.example.org"]
    alive = query(".", "NS").hex()
    reading = on_a_host(files, {"127.0.0.1": how}, names=names, questions=questions(NAME), alive=alive)
    assert reading["libc"][NAME]["ipv6"]["error"] == f"no answer within {waited}"
    assert reading["libc"]["here.example.org"]["ipv4"]["addresses"] == ["192.0.2.77"]
    seconds = "2 s" if how != "silent" else "1 s"
    assert reading["servers"][0]["udp"][1]["error"] == f"no answer within {seconds}"


@needs_root
def test_which_address_comes_first_is_counted() -> None:
    reading = on_a_host(FILES, {"127.0.0.1": "rotates"}, names=[NAME, "b.example.org"], libc_samples={NAME: 40})
    firsts = reading["libc_firsts"]
    assert sorted(firsts) == [f"{NAME}/ipv4", f"{NAME}/ipv6"]
    assert sum(firsts[f"{NAME}/ipv4"].values()) == sum(firsts[f"{NAME}/ipv6"].values()) == 40
    assert set(firsts[f"{NAME}/ipv4"]) == {"192.0.2.1", "192.0.2.2"}
    assert reading["asked"] == 80 + 2


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".org", "\x00", "münchen.example", "." * 300, "a b"])
def test_what_is_no_name_is_an_error_of_that_name(name: str) -> None:
    found = resolve(name, "ipv4")
    assert found.addresses == []
    assert found.error


def test_the_budget_spares_names_last() -> None:
    resolving = Resolving(["localhost", "a.invalid"], {"localhost": 100}, 1.0, Budget(3), 0)
    resolving.start()
    found = resolving.gather()
    assert found.libc["localhost"]["ipv4"].addresses == ["127.0.0.1"]
    assert found.libc["a.invalid"]["ipv6"].error == "not asked: the budget of 3 questions is spent"


def test_looking_again_leaves_what_is_reserved() -> None:
    budget = Budget(20)
    resolving = Resolving(["localhost"], {"localhost": 100}, 1.0, budget, 10)
    resolving.start()
    assert sum(resolving.gather().firsts["localhost/ipv4"].values()) == 9
    assert (budget.asked, budget.left) == (10, 10)


def test_a_recorded_tree_has_nobody_to_ask(tmp_path: Path) -> None:
    reading = probe(Machine(str(tmp_path)), Request(names=[NAME], questions=questions(NAME)))
    assert (reading.libc, reading.servers, reading.asked) == ({}, [], 0)
    assert reading.unseen["servers"] == reading.unseen["libc"] == "a recorded tree has no network"


def test_a_child_that_is_left_has_said_what_it_had() -> None:
    def work(say: Any) -> None:
        say([1, "a"])
        say({"b": None})
        time.sleep(60)

    begin = time.monotonic()
    assert child.tell(work, 0.3) == [[1, "a"], {"b": None}]
    assert time.monotonic() - begin < 2


def test_a_child_is_left_when_it_is_enough() -> None:
    def work(say: Any) -> None:
        say(1)
        time.sleep(60)

    begin = time.monotonic()
    assert child.tell(work, 20, lambda: time.monotonic() - begin > 0.3) == [1]
    assert time.monotonic() - begin < 2


def test_questions_come_as_json_has_them(tmp_path: Path) -> None:
    """As lists, or as mappings: what is asked is the same, an unknown field is not."""
    told = Question(NAME, "A", query(NAME, "A").hex(), ["nonsense"])
    for each in (told, list(told), told._asdict()):
        reading = probe(Machine(), Request(questions=[each], resolver=False))  # type: ignore[list-item]
        assert [server.address for server in reading.servers] == ["nonsense"]
        assert reading.unseen["sources"] == reading.unseen["hosts_file"] == "not asked"
    with pytest.raises(TypeError):
        probe(Machine(), Request(questions=[{**told._asdict(), "more": 1}]))  # type: ignore[list-item]


@pytest.mark.parametrize("python", interpreters())
def test_every_python_asks(python: str) -> None:
    request = encode(Request(names=["localhost"], questions=[], wait_seconds=0.3, budget=10))
    wanted = {**questions("a.example")[0], "servers": ["127.0.0.1", "nonsense"], "samples": 3}
    stdout, stderr, status = answer(
        python, {"dns": {**request, "questions": [wanted], "libc_samples": {"localhost": 3}}}
    )
    assert (status, stderr) == (0, b"")
    assert b'"127.0.0.1":3' in stdout
    assert b"refused" in stdout or b"no answer" in stdout
    assert b"it is no address here" in stdout
