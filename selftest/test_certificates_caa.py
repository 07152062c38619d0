"""What is concluded of CAA: what servers say of a name and its parents, who issued → outcome and message (RFC 8659)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from selftest.certificates import ISSUING, NAME, ROOT, V4, V6, Case, Place, World, concluded, leaf, told
from selftest.chains import pki
from selftest.judged import lines
from shipworthy import dns_messages
from shipworthy.judging.caa import NAMES_OF, Answers
from shipworthy.policy.certificates import climbed
from shipworthy.probes.certificates import Certificates, Question, Server
from shipworthy.probes.parts.dns_answers import Said

CHECK = "test_issuer_is_permitted"
PARENT, TOP = "example.com", "com"
FIRST, SECOND = "10.0.0.53", "fd00::53"
SILENT = "no answer within 2 s"
Says = Mapping[str, Sequence[str] | str | bytes]
"""By name: records; a code or an error; or these bytes instead of a message."""
LE = pki.intermediate(ROOT, subject="CN=E7,O=Let's Encrypt")
SECTIGO = pki.intermediate(ROOT, subject="CN=Sectigo DV,O=Sectigo Limited")
BY_LE, BY_SECTIGO = leaf(by=LE), leaf(by=SECTIGO)
WILD = leaf(by=LE, names=("*.example.com",))
NAMED_TOO = leaf(by=LE, names=("*.example.com", NAME))
CODES = ("SERVFAIL", "REFUSED", "NXDOMAIN")


def answers(says: Says, second: Says | None = None, name: str = NAME) -> Answers:
    """What two servers say of a name and its parents; nothing is there of which nothing is said."""
    questions = [Question(each, "CAA", dns_messages.query(each, "CAA").hex()) for each in climbed(name)]
    messages: list[str] = []
    servers = []
    for address, each in ((FIRST, says), (SECOND, says if second is None else second)):
        udp = [_said(number, question.name, each.get(question.name, ()), messages)
               for number, question in enumerate(questions)]  # fmt: skip
        servers.append(Server(address, udp, [], 0))
    return Answers(Certificates({}, servers, messages, len(questions), {}), questions)


def _said(number: int, name: str, says: Sequence[str] | str | bytes, messages: list[str]) -> Said:
    if isinstance(says, str) and says not in CODES:
        return Said(number, -1, says, 2.0, None)
    messages.append(base64.b64encode(says if isinstance(says, bytes) else _message(name, says)).decode())
    return Said(number, len(messages) - 1, "", 0.001, None)


def _message(name: str, says: Sequence[str] | str) -> bytes:
    message = dns.message.make_response(dns.message.make_query(name, "CAA", id=0))
    if isinstance(says, str):
        message.set_rcode(dns.rcode.from_text(says))
    elif says:
        message.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", "CAA", *says))
    return message.to_wire()


def alias(name: str, target: str, *records: str) -> bytes:
    """The name is an alias of one that has records."""
    message = dns.message.make_response(dns.message.make_query(name, "CAA", id=0))
    message.answer.append(dns.rrset.from_text(f"{name}.", 300, "IN", "CNAME", f"{target}."))
    message.answer.append(dns.rrset.from_text(f"{target}.", 300, "IN", "CAA", *records))
    return message.to_wire()


def case(
    outcome: str,
    message: str,
    says: Says,
    of: pki.Issued = BY_LE,
    by: pki.Issued = LE,
    *,
    second: Says | None = None,
    **said: Any,
) -> Case:
    """The same certificate at both addresses."""
    world = World({NAME: dict.fromkeys((V4, V6), Place((of, by)))})
    return Case(outcome, message, world, said, given={"caa_answers": answers(says, second)})


BOTH = ", at 10.0.0.1 and 1 more"
PERMITTED, OTHER, NOBODY = '0 issue "letsencrypt.org"', '0 issue "digicert.com"', '0 issue ";"'
REFUSED = f"www: CAA of {PARENT} permits digicert.com, and Let's Encrypt has issued it{BOTH}"
CAA = {
    "none on the way up": case("passed", "", {}),
    "there is no such name": case("passed", "", {NAME: "NXDOMAIN"}),
    "its own": case("passed", "", {NAME: [PERMITTED]}),
    "its own names another": case(
        "failed", f"www: CAA of {NAME} permits digicert.com, and Let's Encrypt has issued it{BOTH}", {NAME: [OTHER]}
    ),
    "its parent's": case("passed", "", {PARENT: [PERMITTED]}),
    "its parent names another": case("failed", REFUSED, {PARENT: [OTHER]}),
    "the top's": case(
        "failed", f"www: CAA of com permits digicert.com, and Let's Encrypt has issued it{BOTH}", {TOP: [OTHER]}
    ),
    "its own goes before its parent's": case("passed", "", {NAME: [PERMITTED], PARENT: [OTHER]}),
    "its own goes before its parent's, to its harm": case(
        "failed",
        f"www: CAA of {NAME} permits digicert.com, and Let's Encrypt has issued it{BOTH}",
        {NAME: [OTHER], PARENT: [PERMITTED]},
    ),
    "an alias with records": case(
        "failed",
        f"www: CAA of {NAME} permits digicert.com, and Let's Encrypt has issued it{BOTH}",
        {NAME: alias(NAME, "cdn.example.net", OTHER), PARENT: [PERMITTED]},
    ),
    "one of several": case("passed", "", {PARENT: [OTHER, PERMITTED]}),
    "nobody": case(
        "failed", f"www: CAA of {PARENT} permits nobody, and Let's Encrypt has issued it{BOTH}", {PARENT: [NOBODY]}
    ),
    "nobody, and somebody": case("passed", "", {PARENT: [NOBODY, PERMITTED]}),
    "nobody, by an empty value": case(
        "failed",
        f"www: CAA of {PARENT} permits nobody, and Let's Encrypt has issued it{BOTH}",
        {PARENT: ['0 issue ""']},
    ),
    "with parameters": case(
        "passed", "", {PARENT: ['0 issue "letsencrypt.org; validationmethods=dns-01; accounturi=https://x/1"']}
    ),
    "in capitals, with blanks": case("passed", "", {PARENT: ['0 ISSUE "  LetsEncrypt.ORG ; a=b"']}),
    "no more than a mailbox": case("passed", "", {PARENT: ['0 iodef "mailto:ca@example.com"']}),
    "a parent is hidden by a mailbox": case(
        "passed", "", {NAME: ['0 iodef "mailto:ca@example.com"'], PARENT: [OTHER]}
    ),
    "for wildcards only": case("passed", "", {PARENT: ['0 issuewild "digicert.com"']}),
    "for mail only": case("passed", "", {PARENT: ['0 issuemail ";"']}),
    "a tag that nobody understands": case("passed", "", {PARENT: [PERMITTED, '0 tbs "x"']}),
    "a critical tag that nobody understands": case(
        "failed",
        f"www: {PARENT} has CAA that no CA understands, and that is critical: tbs{BOTH}",
        {PARENT: [PERMITTED, '128 tbs "x"']},
    ),
    "a critical tag that CAs understand": case("passed", "", {PARENT: ['128 issue "letsencrypt.org"']}),
    # wildcards
    "a wildcard, by issue": case("passed", "", {PARENT: [PERMITTED]}, WILD),
    "a wildcard, by issuewild": case(
        "passed", "", {PARENT: [OTHER, '0 issuewild "letsencrypt.org"']}, WILD
    ),
    "a wildcard, and issuewild names another": case(
        "failed", REFUSED, {PARENT: [PERMITTED, '0 issuewild "digicert.com"']}, WILD
    ),
    "no wildcard, and issuewild names another": case(
        "passed", "", {PARENT: [PERMITTED, '0 issuewild "digicert.com"']}, NAMED_TOO
    ),
    "wildcards are nobody's": case(
        "failed",
        f"www: CAA of {PARENT} permits nobody, and Let's Encrypt has issued it{BOTH}",
        {PARENT: [PERMITTED, '0 issuewild ";"']},
        WILD,
    ),
    "a wildcard is asked for above the name": case("passed", "", {NAME: [OTHER]}, WILD),
    # who it is
    "by one of its CA's names": case("passed", "", {PARENT: ['0 issue "comodoca.com"']}, BY_SECTIGO, SECTIGO),
    "a CA that is not known": case(
        "skipped",
        f"www: CAA of {PARENT} permits letsencrypt.org, and Example Trust has issued it, "
        f"whose name in CAA records is not known here{BOTH}: say `caa:`",
        {PARENT: [PERMITTED]},
        leaf(),
        ISSUING,
    ),
    "a CA that is not known, and no records": case("passed", "", {}, leaf(), ISSUING),
    "a CA that is not known, and nobody may": case(
        "failed",
        f"www: CAA of {PARENT} permits nobody, and Example Trust has issued it{BOTH}",
        {PARENT: [NOBODY]},
        leaf(),
        ISSUING,
    ),
    "a CA that is named": case(
        "passed", "", {PARENT: ['0 issue "trust.example"']}, leaf(), ISSUING, caa="trust.example"
    ),
    "a CA that is named, and is not permitted": case(
        "failed",
        f"www: CAA of {PARENT} permits letsencrypt.org, and Example Trust has issued it{BOTH}",
        {PARENT: [PERMITTED]},
        leaf(),
        ISSUING,
        caa="trust.example",
    ),
    "what is named goes before what is known": case(
        "failed",
        f"www: CAA of {PARENT} permits letsencrypt.org, and Let's Encrypt has issued it{BOTH}",
        {PARENT: [PERMITTED]},
        caa="trust.example",
    ),
    # who answers
    "a server fails": case("passed", "", {NAME: "SERVFAIL"}, second={PARENT: [PERMITTED]}),
    "a server is silent": case("failed", REFUSED, {NAME: SILENT, PARENT: SILENT}, second={PARENT: [OTHER]}),
    "all fail": case(
        "error", f"{NAME} CAA: SERVFAIL ({FIRST}); {SILENT} ({SECOND})", {NAME: "SERVFAIL"}, second={NAME: SILENT}
    ),
    "all fail for the parent": case(
        "error", f"{PARENT} CAA: SERVFAIL ({FIRST}, {SECOND})", {PARENT: "SERVFAIL"}
    ),
    "nobody answers": case(
        "error", f"{NAME} CAA: no name server answers: {SILENT} ({FIRST}, {SECOND})", {NAME: SILENT}
    ),
    "nobody answers, each in a way of its own": case(
        "error",
        f"{NAME} CAA: no name server answers: refused ({FIRST}); {SILENT} ({SECOND})",
        {NAME: "refused"},
        second={NAME: SILENT},
    ),
    "one was not asked": case(
        "error", f"{NAME} CAA: {SILENT} ({FIRST}); no route ({SECOND})", {NAME: SILENT}, second={NAME: "no route"}
    ),
    "all fail for a parent that does not matter": case("passed", "", {NAME: [PERMITTED], PARENT: "SERVFAIL"}),
    "garbage": case("error", "", {NAME: b"garbage"}),
    "another certificate at one": Case(
        "failed",
        f"www: CAA of {PARENT} permits letsencrypt.org, and Sectigo Limited has issued it, only at fd00::1",
        World({NAME: {V4: Place((BY_LE, LE)), V6: Place((BY_SECTIGO, SECTIGO))}}),
        given={"caa_answers": answers({PARENT: [PERMITTED]})},
    ),
    "another has issued the second one": Case(
        "failed",
        f"www: CAA of {PARENT} permits letsencrypt.org, and Sectigo Limited has issued it, only at fd00::1 by RSA",
        World({NAME: {V4: Place((BY_LE, LE)), V6: Place((BY_LE, LE), by_key=("RSA", (BY_SECTIGO, SECTIGO)))}}),
        given={"caa_answers": answers({PARENT: [PERMITTED]})},
    ),
    "not asked": Case(
        "error",
        f"{NAME} CAA was not asked for in this run",
        given={"caa_answers": answers({}, name="other.example.com")},
    ),
    "nobody to ask": Case(
        "error",
        f"{NAME} CAA: no name server is configured",
        given={"caa_answers": answers({})._replace(
            reading=Certificates({}, [], [], 0, {"servers": "no name server is configured"}))},
    ),
    "none was shown": Case(
        "error",
        "no certificate was shown: refused; see certificates.handshake",
        World({NAME: dict.fromkeys((V4, V6), Place(error="refused", rung="tcp"))}),
        given={"caa_answers": answers({})},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("check", "case"), lines({CHECK: CAA}))
def test_what_is_concluded(check: str, case: Case) -> None:
    said = concluded(check, case)
    assert (said.outcome, said.message) == (case.outcome, case.message or said.message), said


def test_evidence_has_the_records() -> None:
    said = told(CHECK, CAA["its parent names another"])
    assert said.evidence[0] == f"{PARENT} CAA {OTHER}"


def test_hostile_records_are_words() -> None:
    says = {PARENT: ['0 issue "\\027[31m\\000' + "x" * 200 + '"', "128 " + "t" * 200 + ' "y"']}
    said = concluded(CHECK, case("failed", "", says))
    assert said.outcome == "failed"
    assert said.message.isprintable()
    assert len(said.message) < 300
    assert all(line.isprintable() for line in said.evidence)


def test_names_of_cas_are_names() -> None:
    """In the form in which records are compared."""
    for names in NAMES_OF.values():
        assert names
        assert all(dns_messages.ascii_name(name) == name for name in names)
