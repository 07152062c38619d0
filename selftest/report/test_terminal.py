"""What the terminal says, word by word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from selftest.report import fleet
from shipworthy.report.terminal import findings, progress, summary
from shipworthy.results import Result

HOSTS = [f"web{number}" for number in range(40)]

GOLDEN = Path(__file__).parent / "golden"


def told(results: list[Result], hosts: int) -> str:
    return "".join(f"{line.text}\n" for line in findings(results, hosts))


def aaaa(hosts: list[str]) -> list[Result]:
    message = "www.example.org has no AAAA"
    return [fleet.result(host, "dns", "resolves_on_ipv6", "failed", message, "www.example.org") for host in hosts]


def test_a_small_fleet_with_one_of_each_trouble() -> None:
    assert told(fleet.small(), 5) == (GOLDEN / "terminal.txt").read_text()


def test_the_same_finding_on_every_host_is_one_line() -> None:
    assert told(aaaa(HOSTS), 40) == "FAILED  dns.resolves_on_ipv6  www.example.org has no AAAA: 40 of 40 hosts\n"


def test_what_is_only_observed_is_shown() -> None:
    result = replace(aaaa(["web0"])[0], outcome="passed", note="observed only; would have failed")
    assert told([result, replace(result, note="", host="web1")], 2) == (
        "PASSED  web0/www.example.org  dns.resolves_on_ipv6  www.example.org has no AAAA"
        " (observed only; would have failed)\n"
    )


def test_the_same_finding_on_a_few_hosts_names_them() -> None:
    assert "7 of 40 hosts (web0, web1, web2, web3, web4 and 2 more)\n" in told(aaaa(HOSTS[:7]), 40)


def test_the_same_words_about_another_item_are_another_finding() -> None:
    other = replace(aaaa(["web0"])[0], item="old.example.org")
    assert told([*aaaa(HOSTS), other], 40).count("\n") == 2


def test_the_same_words_about_items_that_they_do_not_name_are_one_line() -> None:
    results = [
        replace(result, item=f"n{number}.example.org", message="no name server answers")
        for number in range(200)
        for result in aaaa(HOSTS[:2])
    ]
    assert told(results, 2) == (
        "FAILED  dns.resolves_on_ipv6  no name server answers"
        " (n0.example.org, n1.example.org, n2.example.org, n3.example.org, n4.example.org and 195 more): 2 of 2 hosts\n"
    )


def test_an_item_that_the_words_do_not_name_is_named_for_many_hosts_too() -> None:
    results = [replace(result, message="no name server answers") for result in aaaa(HOSTS)]
    assert told(results, 40).endswith("  no name server answers (www.example.org): 40 of 40 hosts\n")


def test_what_is_of_no_item_stands_before_what_is_of_items() -> None:
    items = [replace(result, message=f"{number}") for number, result in enumerate(aaaa(["web0"]) * 99)]
    of_host = fleet.result("web0", "dns", "every_nameserver_answers", "failed", "name server 10.0.0.1: refused")
    assert told([*items, of_host], 2).startswith("FAILED  web0  dns.every_nameserver_answers  name server 10.0.0.1")


def test_unreachable_hosts_take_one_line_each() -> None:
    results = []
    for host in HOSTS[:3]:
        results.append(fleet.result(host, "reachable", "host_is_reachable", "failed", "connect: no route to host"))
        results += [fleet.result(host, "memory", f"claim_{n}", "error", "host is unreachable") for n in range(9)]
    assert told(results, 40) == "".join(
        f"FAILED  {host}  reachable.host_is_reachable  connect: no route to host"
        " (so 9 other checks could not be measured)\n"
        for host in HOSTS[:3]
    )


def test_one_reason_for_many_errors_is_said_once_a_host() -> None:
    results = [fleet.result("db1", "limits", f"claim_{n}", "error", "needs root") for n in range(9)]
    assert told(results, 2) == "ERROR   db1  9 checks  needs root\n"


def unmet(*items: str, host: str = "db1") -> list[Result]:
    """Two claims of each item, and one of the last alone, that cannot be judged for one reason."""
    reason = "no certificate was shown: refused; see certificates.handshake"
    claims = [("chain", item) for item in items] + [("trust", item) for item in items] + [("issuer", items[-1])]
    return [fleet.result(host, "certificates", claim, "error", reason, item) for claim, item in claims]


def test_one_reason_for_errors_of_items_names_them() -> None:
    reason = "no certificate was shown: refused; see certificates.handshake"
    assert told(unmet("good", "untrusted", "closed"), 1) == (
        f"ERROR   db1/good, untrusted, closed  3 checks  {reason}\n"
    )
    assert told(unmet("good"), 1) == f"ERROR   db1/good  3 checks  {reason}\n"
    assert told(unmet(*"abcdefg"), 1).startswith("ERROR   db1/a, b, c, d, e and 2 more  3 checks  ")
    assert told(unmet("/etc/a.pem", "/etc/b.pem"), 1).startswith("ERROR   db1: /etc/a.pem, /etc/b.pem  3 checks  ")


@pytest.mark.parametrize("items", [["/var"], ["/var", "/srv"]])
def test_a_reason_that_hits_more_than_items_names_none(items: list[str]) -> None:
    results = [fleet.result("db1", "disks", "used", "error", "needs root", item) for item in items]
    of_host = [fleet.result("db1", "limits", f"claim_{n}", "error", "needs root") for n in range(2)]
    for mixed in ([*results, *of_host], [*of_host, *results]):
        assert told(mixed, 1) == "ERROR   db1  3 checks  needs root\n"


def test_a_path_is_told_from_its_host() -> None:
    result = fleet.result("db1", "certificates", "files", "failed", "/etc/a.pem: no such file", "/etc/a.pem")
    assert told([result], 1) == "FAILED  db1: /etc/a.pem  certificates.files  /etc/a.pem: no such file\n"
    assert told([replace(result, host=None)], 1) == "FAILED  /etc/a.pem  certificates.files  /etc/a.pem: no such file\n"


def test_what_needs_root_is_said_once_a_host() -> None:
    reasons = ("table: /proc/net/x needs root", "1 process: needs root", "descriptors: /proc/1/fd needs root")
    results = [fleet.result("db1", "limits", f"claim_{n}", "error", reason) for n, reason in enumerate(reasons)]
    assert told(results, 2) == "ERROR   db1  3 checks  this user may not see what they judge by: needs root\n"
    assert told(results[:1], 2) == "ERROR   db1  limits.claim_0  table: /proc/net/x needs root\n"


def test_the_same_error_of_one_check_on_many_hosts_is_one_line() -> None:
    results = [fleet.result(host, "limits", "claim", "error", "needs root") for host in HOSTS]
    assert told(results, 40) == "ERROR   limits.claim  needs root: 40 of 40 hosts\n"


def test_a_check_of_a_set_of_hosts_names_the_set() -> None:
    result = fleet.result(None, "dns", "views_agree", "failed", "2 different answers", "web1, db1")
    assert told([result], 2) == "FAILED  web1, db1  dns.views_agree  2 different answers\n"


def test_evidence_beyond_ten_lines_is_left_to_the_report() -> None:
    result = replace(fleet.swap_failed("db1"), evidence=tuple(f"java[{n}]" for n in range(25)))
    assert told([result], 1).splitlines()[-1] == "        │ … 15 lines more in the report"


def test_more_findings_than_people_read_are_counted() -> None:
    results = [fleet.result(f"web{n}", "memory", "claim", "failed", f"measured {n}") for n in range(250)]
    lines = told(results, 250).splitlines()
    assert len(lines) == 101
    assert lines[-1] == "… and 150 failed more, not listed here; all are in the report and in results.jsonl"


def test_no_line_carries_a_command_or_a_control_sequence() -> None:
    evil = "\x1b]0;owned\x07\n::error::owned ##vso[task.complete]\u202e"
    result = replace(
        fleet.result(evil, "memory", "claim", "failed", f"::warning::{evil}", evil),
        check=f"::{evil}",
        evidence=(evil, "::error::x", "  ::error::x"),
        note=evil,
    )
    for text, _ in findings([result], 1):
        assert text.isprintable()
        assert not text.lstrip().startswith("::") and "##vso[" not in text


def test_the_closing_line_adds_up() -> None:
    counts = {"passed": 212, "warned": 3, "failed": 2, "error": 1, "skipped": 4, "waived": 1}
    line = summary(counts, 12, 2.1)  # type: ignore[arg-type]
    assert line == ("212 passed, 3 warned, 2 failed, 1 error, 4 skipped, 1 waived on 12 hosts in 2.1 s", "red")
    assert summary({"passed": 7}, 1, 0.04) == ("7 passed on 1 host in 40 ms", "green")
    assert summary({"error": 2, "passed": 1}, 1, 1) == ("1 passed, 2 errors on 1 host in 1.0 s", "red")
    assert summary({}, 0, 0).text == "no check finished on 0 hosts in 0 ms"


def test_progress_says_how_many_of_how_many() -> None:
    assert (progress(3, 0, 40), progress(12, 2, 40)) == ("3 of 40 hosts done", "12 of 40 hosts done, 2 failed")
