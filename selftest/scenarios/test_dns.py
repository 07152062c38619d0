"""Names, zones, servers and resolvers that are broken: the claims that speak of it turn, and name the culprit.

One estate and one run: each client's policy names the one broken name that it is to meet, or a name that is well and
that this client alone cannot look up. `well` and `fine` name all that is well, and so do the servers themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from lab import lab
from lab.faults import TESTS, dns
from lab.names import SERVERS, estate
from lab.names.zones import LARGE, MEDIUM
from selftest.scenarios.broken import OF_FLEET, WELL, Broken, Case, Faults
from selftest.scenarios.suite import suite
from shipworthy.checks import catalogue
from shipworthy.results import Result

pytestmark = pytest.mark.xdist_group("names")

CASES = {
    "no-a": Case(dns.no_ipv4_address, r"only6\.example\.test"),
    "no-aaaa": Case(dns.no_ipv6_address, r"only4\.example\.test"),
    "servfail": Case(dns.servfail_for_aaaa, "servfail6.*SERVFAIL"),
    "dangling": Case(dns.dangling_alias, r"dangling.*gone\.example\.test"),
    "no-ptr": Case(dns.no_pointer, r"10\.77\.9\.50"),
    "wrong-ptr": Case(dns.pointer_elsewhere, r"mail\.example\.test"),
    "dead-first": Case(dns.first_nameserver_dead, r"10\.77\.0\.13"),
    "no-tcp": Case(dns.nameserver_without_tcp, r"10\.77\.0\.13.*TCP|TCP.*10\.77\.0\.13"),
    "no-v6": Case(dns.nameserver_silent_on_ipv6, "fd77::e"),
    "slow": Case(dns.slow_nameserver, r"127\.0\.0\.2.*1\.2|1\.2.*127\.0\.0\.2"),
    "down": Case(dns.dns_down, r"^no name server answers: .*10\.77\.0\.13"),
    "fragments": Case(dns.fragments_dropped, r"medium\.example\.test.*TXT"),
    "partial": Case(dns.one_nameserver_knows_nothing, r"127\.0\.0\.1.*NXDOMAIN|NXDOMAIN.*127\.0\.0\.1"),
    "moved": Case(dns.another_answer, r"10\.77\.9\.99|fd77::9:99"),
    "elsewhere": Case(dns.another_view, "elsewhere"),
    "rewriting": Case(dns.nxdomain_rewritten, r"nowhere.*10\.77\.9\.99"),
    "pinned": Case(dns.hosts_file_overrides, r"pinned.*10\.77\.9\.99"),
    "searching": Case(dns.searches_first, r"warning above 2"),
    "standing": Case(dns.rotation_stands_still, r"even.*10\.77\.9\.1"),
    "stale": Case(dns.old_serial, "2026010100"),
    "lame": Case(dns.lame_delegation, r"lame-ns\.test.*REFUSED"),
    "nov6": Case(dns.authoritative_server_without_ipv6, "fd77::e6"),
    "notcp": Case(dns.authoritative_server_without_tcp, r"10\.77\.0\.231.*(TCP|tcp)|(TCP|tcp).*10\.77\.0\.231"),
    "fleeting": Case(dns.ttl_of_seconds, r"www\.fleeting\.test A+: shortest TTL 5 s, warning below 30 s"),
    "wide": Case(
        dns.datagrams_of_4096_bytes, r"wide\.test: wide-ns\.test .*: UDP payload in bytes 4096, warning above 1232"
    ),
    "hasty": Case(dns.zone_expires_in_hours, r"hasty\.test: SOA expire 2 h, limit at least 7 d"),
    "expired": Case(dns.signatures_ended, r"expired\.test"),
    "ending": Case(dns.signatures_end_in_two_days, r"until a signature ends .*(1\.9|2|47|48).*, warning below 3 d"),
    "tonight": Case(dns.signatures_end_tonight, r"until a signature ends .*(5|6).*, limit.* 12 h"),
    "wrongds": Case(dns.wrong_ds, r"wrongds\.test.*DS"),
    "hashed": Case(dns.names_hashed_often, r"NSEC3 iterations .*hashed\.test.* 50|hashed\.test.*NSEC3 iterations 50"),
    "long": Case(dns.long_answers),
}
NAMED = {
    host: f"www.{host}.test"
    for host in (
        "stale",
        "lame",
        "nov6",
        "notcp",
        "fleeting",
        "wide",
        "hasty",
        "expired",
        "ending",
        "tonight",
        "wrongds",
        "hashed",
    )
}
"""The names whose zones are looked at from here, once, by the client that names them."""
EVEN = {"weights": dict.fromkeys(("10.77.9.11", "10.77.9.12", "fd77::9:11", "fd77::9:12"), 1)}
ABSENT = {"must_not_exist": True}
WELL_TO_ALL: dict[str, dict[str, Any]] = {
    "www.example.test": {
        "addresses": ["10.77.9.80", "fd77::9:80"],
        "reverse": True,
        "authoritative": True,
        "dnssec": True,
    },
    "www.unsigned.test": {"addresses": ["10.77.9.0/24", "fd77::9:0/112"], "authoritative": True},
    "example.test": {
        "records": {
            "MX": ["10 mail.example.test"],
            "TXT": ['"v=spf1 mx -all"'],
            "CAA": ['0 issue "ca.example.test"'],
        }
    },
}
PLAYS: dict[str, dict[str, Any]] = {
    "no-a": {"only6.example.test": {}},
    "no-aaaa": {"only4.example.test": {}},
    "servfail": {"servfail6.example.test": {}},
    "dangling": {"dangling.example.test": {}},
    "no-ptr": {"noptr.example.test": {"addresses": ["10.77.9.50", "fd77::9:50"], "reverse": True}},
    "wrong-ptr": {"wrongptr.example.test": {"addresses": ["10.77.9.51", "fd77::9:51"], "reverse": True}},
    "dead-first:no-tcp:no-v6:slow:down:searching": {"mail.example.test": {}},
    "fragments": {"medium.example.test": {"records": {"TXT": [MEDIUM]}}},
    "long": {"large.example.test": {"records": {"TXT": [LARGE]}}},
    "partial": {"partial.example.test": {}},
    "moved": {"moved.example.test": {"addresses": ["10.77.9.60", "fd77::9:60"]}},
    "elsewhere:well:fine": {"view.example.test": {}},
    "rewriting:well:fine": {"nowhere.example.test": ABSENT},
    "pinned": {"pinned.example.test": {}},
    "standing:well": {"even.example.test": EVEN},
    "well": {"web.example.test": {"alias": "www.example.test", "vantage": "here"}},
    ":".join([*WELL, *SERVERS]): WELL_TO_ALL,
    **{host: {name: {"authoritative": True}} for host, name in NAMED.items() if host != "hashed"},
    "hashed": {NAMED["hashed"]: {"authoritative": True, "families": ["ipv4"]}},
}
CALM: dict[str, Any] = {"within": {"warn_above": "900 ms"}, "cold_within": {"warn_above": "4 s"}}
"""So many hosts on two cores: time is judged where it is the fault."""
LIMITS: dict[str, dict[str, Any]] = {
    "dead-first": {"dns": {"mail.example.test": {"cold_within": {"warn_above": "1 s"}}}},
    "hasty": {"dns": {"soa_expire": {"fail_below": "7 d"}}},
    # Chance would fail one healthy run in some hundreds.
    "well": {"dns": {"uneven": {"fail_above": "1.9"}, "neglected": {"fail_below": "0.1"}}},
}
CHECKS = {id for id, check in catalogue([TESTS]).items() if check.subject == "dns"}


def plays() -> str:
    """What stands below `plays:`; JSON is YAML, without quoting to get wrong."""
    named = {hosts: {"dns": {name: {**CALM, **said} for name, said in names.items()}} for hosts, names in PLAYS.items()}
    said = [{"hosts": hosts, **play} for each in (named, LIMITS) for hosts, play in each.items()]
    return "".join(f"- {json.dumps(play)}\n" for play in said)


class TestFaults(Faults):
    cases = CASES
    named = NAMED

    @classmethod
    @contextmanager
    def fleet(cls) -> Iterator[Broken]:
        with lab(names=[*SERVERS, *CASES, *WELL]) as fleet, estate(fleet) as names, ExitStack() as faults:
            hosts = {host.name: host for host in names.lab}
            injected = {name: faults.enter_context(case.fault(hosts[name])) for name, case in CASES.items()}
            run = suite(names.lab, "-m", "dns", faults=injected.values(), policy=names.policy + plays())
            yield Broken(names.lab, injected, run)

    def told_of(self, broken: Broken, case: str) -> list[Result]:
        """And those of all hosts."""
        turned = {turn.check for turn in broken.injected[case].turns} & OF_FLEET
        return [*super().told_of(broken, case), *(one for one in broken.run.results if one.check in turned)]

    @pytest.mark.parametrize("name", NAMED)
    def test_what_is_said_of_a_zone_is_exactly_what_the_fault_declares(self, broken: Broken, name: str) -> None:
        said = {(one.check, one.outcome) for one in broken.run.results if one.item == NAMED[name] and not one.host}
        declared = {(turn.check, turn.outcome) for turn in broken.injected[name].turns if not turn.host}
        assert {one for one in said if one[1] not in {"passed", "skipped"}} == declared, broken.run

    def test_the_hosts_that_are_well_are_untouched(self, broken: Broken) -> None:
        for name in (*WELL, *SERVERS):
            outcomes = {one.outcome for one in broken.run.results if one.host == name}
            assert outcomes, name
            assert outcomes <= {"passed", "skipped"}, name

    def test_where_all_is_well_every_check_is_judged_and_passes(self, broken: Broken) -> None:
        """But that of all hosts, in which one has another view."""
        judged = [
            one
            for one in broken.run.results
            if one.host == WELL[0] or (one.host is None and one.item in {"www.example.test", "www.unsigned.test"})
        ]
        assert {one.check for one in judged if one.outcome == "passed"} == CHECKS - {"dns.same"}

    def test_a_name_that_is_looked_up_here_is_judged_here(self, broken: Broken) -> None:
        mine = {one.check: one.outcome for one in broken.run.results if one.item == "web.example.test"}
        assert {mine[check] for check in ("dns.ipv4", "dns.ipv6", "dns.expected", "dns.dangling")} == {"passed"}

    def test_the_questions_of_the_run_are_told(self, broken: Broken) -> None:
        assert re.search(r"dns: [\d,]+ questions to \d+ name servers by \d+ hosts", broken.run.stdout), broken.run
