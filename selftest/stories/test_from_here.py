"""What is measured from here: names looked up on this machine, and the servers that vouch for them."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from selftest.labs.possible import require_lab
from selftest.stories.user import Ran, Repository
from selftest.vantage.servers import Apart, apart
from selftest.vantage.zones import Signed
from shipworthy.here import load

ROOT = "10.9.0.1"
THEIRS = """
from shipworthy import dns_messages
from shipworthy.checks import check, Item


@check("dns.ours", each="names", once=True)
def test_its_zone_is_known(item: Item, here):
    '''It is.

    Why: of others we know nothing.
    Look: at it.
    '''
    if item.policy.authoritative:
        zone = here.authority.zone_of.get(item.name)
        assert zone == "test", f"{item.name}: {here.authority.stopped.get(item.name)}"


@check("dns.theirs", each="names")
def test_it_has_an_address(looked):
    '''It has.

    Why: of others we know nothing.
    Look: at it.
    '''
    assert not looked.mute, "; ".join(f"{server}: {why}" for server, why in looked.mute.items())
    (answer,) = looked.of("A")
    assert answer.data, str(answer)
"""
NAMES = f"""
plays:
- hosts: all
  dns:
    root_servers: [{ROOT}]
    wait: 0.5 s
    www.test: {{authoritative: true, vantage: here, servers: [{ROOT}]}}
"""


@pytest.fixture(scope="module")
def net() -> Iterator[Apart]:
    require_lab()
    with apart() as made:
        served = f"@ 300 IN NS ns.test.\nns.test. 300 IN A {ROOT}\n"
        root = Signed(".", served + "test. 300 IN NS ns.test.\n", signed=False)
        test = Signed("test.", served + "www 300 IN A 192.0.2.1\n", signed=False)
        made.serve([ROOT], {zone.name: zone.text() for zone in (root, test)})
        yield made


@pytest.fixture
def theirs(repository: Repository) -> Repository:
    repository.write("tests/test_theirs.py", THEIRS)
    repository.write("policies/local.yml", NAMES)
    return repository


def ran(theirs: Repository, net: Apart, *arguments: str) -> Ran:
    return net.run(lambda: theirs.pytest("tests", *arguments))


def told(ran: Ran) -> dict[str, str]:
    return {result.check: result.message or result.outcome for result in ran.results}


def test_names_are_looked_up_here_and_their_servers_are_asked(theirs: Repository, net: Apart) -> None:
    first = ran(theirs, net)
    assert told(first) == {"dns.ours": "passed", "dns.theirs": "passed"}, first
    here = load(first.directory / "here.json.gz")
    assert list(here.authority.zones) == [".", "test"]
    assert [server.address for server in here.dns.servers] == [ROOT]


def test_what_was_measured_here_is_judged_again_without_a_network(theirs: Repository, net: Apart) -> None:
    first = ran(theirs, net)
    again = theirs.pytest("tests", f"--replay={first.directory}")
    assert told(again) == {"dns.ours": "passed", "dns.theirs": "passed"}, again
    third = theirs.pytest("tests", f"--replay={again.directory}", "--policy-as-run")
    assert told(third) == told(again), third


def test_only_what_is_selected_is_asked(theirs: Repository, net: Apart) -> None:
    assert load(ran(theirs, net, "-k", "zone").directory / "here.json.gz").snapshot is None
    assert load(ran(theirs, net, "-k", "address").directory / "here.json.gz").surveyed is None
    off = f"{NAMES}  off: {{dns.ours: not now, dns.theirs: not now}}\n"
    theirs.write("policies/local.yml", off)
    assert not (ran(theirs, net).directory / "here.json.gz").exists()


def test_what_was_not_measured_here_then_is_an_error(theirs: Repository, net: Apart) -> None:
    first = ran(theirs, net)
    (first.directory / "here.json.gz").unlink()
    again = theirs.pytest("tests", f"--replay={first.directory}")
    assert told(again) == {
        "dns.ours": "the authoritative side of names was not surveyed in this run",
        "dns.theirs": "nothing was looked up from here in this run",
    }, again


def test_checks_from_here_come_first_though_hosts_are_asked_meanwhile(theirs: Repository, net: Apart) -> None:
    theirs.write("policies/local.yml", NAMES.replace(ROOT, "10.9.0.9"))
    silent = ran(theirs, net)
    assert [result.check for result in silent.results] == ["dns.ours", "dns.theirs"], silent
    assert told(silent)["dns.ours"] == "www.test: the root: no route to any of its servers"
    assert told(silent)["dns.theirs"] == "10.9.0.9: no route"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("[]", "0: Field required"),
        ('{"schema": 9, "authority": null, "error": ""}', "schema 9, not 1"),
        (
            '{"schema": 1, "authority": {"zones": 3}, "error": ""}',
            "authority.zones: Input should be a valid dictionary",
        ),
        ('{"schema": 1, "authority": null, "error": NaN}', "NaN is not a number"),
    ],
)
def test_a_damaged_record_is_refused_before_anything_is_judged(
    theirs: Repository, net: Apart, content: str, why: str
) -> None:
    first = ran(theirs, net)
    path = first.directory / "here.json.gz"
    path.write_bytes(gzip.compress(content.encode()))
    again = theirs.pytest("tests", f"--replay={first.directory}")
    assert again.status == 4, again
    assert f"{path}: {why}" in again.said, again
