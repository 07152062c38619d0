"""Certificates that are wrong, or served or stored wrongly: the claims that speak of it turn, and name the culprit.

One estate and one run: each host serves, or has on disk, what is wrong, and its policy alone names it, by the host's
name. `well` and `fine` have everything that is right, and name all of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from lab import lab
from lab.faults import TESTS, certificate_files, certificate_names, certificate_servers, certificates
from lab.names import SERVERS, estate
from lab.pki.files import DIRECTORY
from lab.pki.trusted import roots
from selftest.scenarios import certified
from selftest.scenarios.broken import WELL, Broken, Case, Faults
from selftest.scenarios.suite import suite
from shipworthy.checks import catalogue

pytestmark = pytest.mark.xdist_group("names")

CASES = {
    "expired": Case(certificates.expired_leaf, r"CN=expired\.hosts\.test expired on \d{4}-"),
    "expired-above": Case(certificates.expired_intermediate, r"CN=Lab Issuing expired on \d{4}-"),
    "expired-rsa": Case(certificates.second_certificate_expired, r"only at 10\.77\.0\.\d+ by RSA, fd77::\w+ by RSA"),
    "early": Case(certificates.not_yet_valid, r"CN=early\.hosts\.test is valid from \d{4}-"),
    "five-days": Case(certificates.ends_in_5_days, r"five-days.* of 90 d left.* limit .*16\.7 %"),
    "twenty-days": Case(certificates.ends_in_20_days, r"twenty-days.* of 90 d left.* warning below "),
    "above-ends": Case(certificates.intermediate_ends_in_100_days, r"CN=Lab Issuing.* warning below 180 d"),
    "missing": Case(certificates.missing_intermediate, r"issuer of CN=missing\.hosts\.test was not served"),
    "order": Case(certificates.wrong_order, "not served in the order of their issuers"),
    "extra": Case(certificates.extra_certificate, r"CN=other\.example\.test"),
    "wrong-name": Case(certificates.wrong_name, r"other\.example\.test.* not for wrong-name\.hosts\.test"),
    "cn-only": Case(certificates.common_name_only, r"CN=cn-only\.hosts\.test has no DNS name"),
    "wildcard": Case(certificates.wildcard_too_high, r"\*\.hosts\.test, and not for www\.wildcard\.hosts\.test"),
    "rsa": Case(certificates.rsa_1024, "RSA key of 1024 bits"),
    "sha1": Case(certificates.sha1, r"CN=sha1\.hosts\.test is signed with sha1"),
    "no-purpose": Case(certificates.without_purpose, "it has no extendedKeyUsage"),
    "for-clients": Case(certificates.for_clients_only, "serverAuth is not among its purposes"),
    "self-signed": Case(certificates.self_signed, r"CN=self-signed\.hosts\.test is its own issuer"),
    "unknown-root": Case(certificates.unknown_root, "CN=Other Issuing"),
    "root-anew": Case(certificates.root_made_anew, "CN=Lab Issuing is not signed by CN=Lab Root"),
    "issuer": Case(certificates.another_issuer, "Lab Second"),
    "long-life": Case(certificates.lives_400_days, "lives 400 d, public ones at most 200 d"),
    "revoked": Case(certificate_servers.revoked_by_staple, "stapl.*revoked|revoked.*stapl"),
    "stale": Case(certificate_servers.stale_staple, r"stapl.*\d{4}-"),
    "must-staple": Case(certificate_servers.must_staple_without_staple, "stapl"),
    "on-a-list": Case(certificate_servers.revoked_by_crl, "revoked"),
    "asked-for": Case(certificate_servers.revoked_by_ocsp, "revoked"),
    "nobody-tells": Case(certificate_servers.responder_unreachable, r"http://10\.77\.0\.\d+:8080/"),
    "old-tls": Case(certificate_servers.tls_1_0_offered, r"TLSv1 is spoken"),
    "only-old-tls": Case(certificate_servers.only_tls_1_0, r"TLSv1 is spoken"),
    "other-on-v6": Case(certificate_servers.another_on_ipv6, r"fd77::[0-9a-f]+\S* shows serial"),
    "old-backend": Case(certificate_servers.old_on_one_backend, r"10\.77\.0\.\d+:8443.* show"),
    "silent": Case(certificate_servers.silent_port, "no answer within"),
    "plain": Case(certificate_servers.plain_text, "speaks no TLS: plain text '220 plain text is spoken here'"),
    "reset": Case(certificate_servers.reset_in_the_handshake, "reset in the handshake"),
    "no-v6": Case(certificate_servers.nothing_on_ipv6, r"refused.* at fd77::"),
    "sni": Case(certificate_servers.name_required, "alert unrecognized_name"),
    "not-asked": Case(certificate_servers.client_certificate_not_asked_for, "client certificate"),
    "mail": Case(certificate_servers.expired_at_a_mail_server, r"CN=mail\.hosts\.test expired on \d{4}-"),
    "database": Case(certificate_servers.expired_at_a_database, r"CN=database\.hosts\.test expired on \d{4}-"),
    "not-reloaded": Case(certificate_files.renewed_and_not_reloaded, r"site0\.pem"),
    "key-mode": Case(certificate_files.key_for_everybody, r"site0\.key.*0?644"),
    "key-owner": Case(certificate_files.key_of_another, r"site0\.key.*deploy"),
    "file-expired": Case(certificate_files.expired_on_disk, r"other\.pem.* expired"),
    "file-missing": Case(certificate_files.file_missing, r"other\.pem.* no such file"),
    "no-client": Case(certificate_files.no_client_certificate, r"other\.pem.*clientAuth"),
    "caa": Case(certificate_names.another_authority_permitted, r"foreign\.example\.test.*another-ca\.test"),
}
MORE: dict[str, dict[str, Any]] = {
    "wildcard": {"name": "www.wildcard.hosts.test"},
    "issuer": {"issuer": "Lab Issuing"},
    "long-life": {"public": True},
    "old-backend": {"backends": ["old-backend.hosts.test:8443"]},
    "sni": {"without_name": True},
    "not-asked": {"client_certificate": True},
    "mail": {"connect": "mail.hosts.test:25", "starttls": "smtp"},
    "database": {"connect": "database.hosts.test:5432", "starttls": "postgres"},
    "caa": {"name": certificate_names.NAME, "public": True, "caa": "ca.example.test"},
}
"""What a policy says of a certificate besides where it is served, and whom it trusts."""
SITE = f"{DIRECTORY}/site0.pem"
KEY: dict[str, dict[str, Any]] = {SITE: {"key": f"{DIRECTORY}/site0.key"}}
FILES: dict[str, dict[str, dict[str, Any]]] = {
    "not-reloaded": {SITE: {"served_by": "not-reloaded"}},
    "key-mode": KEY,
    "key-owner": KEY,
    "file-expired": {certificate_files.OTHER: {}},
    "file-missing": {certificate_files.OTHER: {}},
    "no-client": {certificate_files.OTHER: {"purpose": "client"}},
}
NOT_SERVED = {"file-expired", "file-missing", "no-client"}
NAMED = {case: case for case in CASES}
CHECKS = {id for id, check in catalogue([TESTS]).items() if check.subject == "certificates"}


def play(case: str, root: str) -> dict[str, Any]:
    """What stands below `certificates:` of a host."""
    served = {} if case in NOT_SERVED else {case: {"connect": f"{case}.hosts.test:443", "roots": root}}
    return {name: {**said, **MORE.get(case, {})} for name, said in served.items()} | {"files": FILES.get(case, {})}


class TestFaults(Faults):
    cases = CASES
    named = NAMED

    @classmethod
    @contextmanager
    def fleet(cls) -> Iterator[Broken]:
        with lab(names=[*SERVERS, *CASES, *WELL]) as fleet, estate(fleet) as names, ExitStack() as faults:
            hosts = {host.name: host for host in names.lab}
            well, root = [hosts[name] for name in WELL], str(roots(fleet.directory))
            faults.enter_context(certified.certified(well))
            injected = {name: faults.enter_context(case.fault(hosts[name])) for name, case in CASES.items()}
            said = {name: play(name, root) for name in CASES} | {":".join(WELL): certified.policy(well, root)}
            plays = "".join(f"- {json.dumps({'hosts': name, 'certificates': its})}\n" for name, its in said.items())
            run = suite(names.lab, "-m", "certificates", faults=injected.values(), policy=names.policy + plays)
            yield Broken(names.lab, injected, run)

    @pytest.mark.parametrize("name", CASES)
    def test_what_is_said_of_it_once_is_exactly_what_the_fault_declares(self, broken: Broken, name: str) -> None:
        said = {(one.check, one.outcome) for one in broken.run.results if one.item == name and not one.host}
        declared = {(turn.check, turn.outcome) for turn in broken.injected[name].turns if not turn.host}
        assert {one for one in said if one[1] not in {"passed", "skipped"}} == declared, broken.run

    def test_the_hosts_that_are_well_are_untouched(self, broken: Broken) -> None:
        for name in WELL:
            outcomes = {one.outcome for one in broken.run.results if one.host == name}
            assert outcomes, name
            assert outcomes <= {"passed", "skipped"}, name

    def test_where_all_is_well_every_check_is_judged_and_passes(self, broken: Broken) -> None:
        judged = [one for one in broken.run.results if one.host == WELL[0] or (not one.host and one.item == "www")]
        assert {one.check for one in judged if one.outcome == "passed"} == CHECKS

    @pytest.mark.parametrize("item", ["www", "smtp", "postgres"])
    def test_what_is_right_is_so_from_here_and_from_hosts(self, broken: Broken, item: str) -> None:
        for name in (item, f"{item}-inside"):
            judged = [one for one in broken.run.results if one.host in WELL and one.item == name]
            handshakes = {one.host: one.outcome for one in judged if one.check == "certificates.handshake"}
            assert handshakes == dict.fromkeys(WELL, "passed")
