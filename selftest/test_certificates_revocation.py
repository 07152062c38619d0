"""What is concluded of revocation: staples, responders and lists, each signed or not, in time or not; soft and hard."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509 import ocsp

from selftest.certificates import (
    AT,
    DAY,
    HOUR,
    ISSUING,
    ITEM,
    LEAF,
    NAME,
    ROOT,
    SECOND,
    V4,
    V6,
    Case,
    Place,
    World,
    at_one,
    concluded,
    everywhere,
    fingerprint,
    leaf,
    policy_of,
    text,
    told,
)
from selftest.chains import authority, pki
from selftest.chains.authority import GOOD, HASH, REVOKED, UNKNOWN
from selftest.chains.pki import Issued
from selftest.judged import lines
from shipworthy.judging.shown import shown_of
from shipworthy.vantage.meeting import Asked, Listed

OCSP_URL, CRL_URL = "http://ocsp.example.com/", "http://crl.example.com/issuing.crl"
CHECK = "test_not_revoked"
NO_ANSWER = "no answer within 5 s"


MUST_STAPLE = leaf((x509.TLSFeature, (x509.TLSFeature([x509.TLSFeatureType.status_request]), False)))
NAMING = leaf(authority.at_responders(OCSP_URL), authority.at_lists(CRL_URL))
RESPONDER = pki.leaf(ISSUING, pki.purposes(x509.OID_OCSP_SIGNING), subject="CN=responder")
LATE_RESPONDER = pki.leaf(
    ISSUING, pki.purposes(x509.OID_OCSP_SIGNING), subject="CN=responder", end=AT - HOUR, begin=AT - 9 * DAY
)


def response(
    of: Issued = LEAF,
    status: ocsp.OCSPCertStatus = GOOD,
    *,
    since: timedelta = -2 * DAY,
    until: timedelta | None = 5 * DAY,
    by: Issued = ISSUING,
) -> bytes:
    """An OCSP response for a week, of which five days are left."""
    beside = () if by is ISSUING else (by,)
    end = None if until is None else AT + until
    return authority.response(
        of, ISSUING, status, by=by, beside=beside, named=HASH, begin=AT + since, end=end, revoked_at=AT - HOUR
    )


def stapled(staple: bytes, of: Issued = LEAF) -> World:
    return everywhere(Place((of, ISSUING), staple=staple))


def asked(*answers: Asked, of: Issued = NAMING, staple: bytes = b"") -> World:
    place = Place((of, ISSUING), staple=staple)
    return World({NAME: dict.fromkeys((V4, V6), place)}, asked=answers)


def by_ocsp(data: bytes | None, error: str = "", of: Issued = NAMING) -> Asked:
    return Asked(fingerprint(of), "ocsp", OCSP_URL, error, text(data) if data else "")


def by_list(of: Issued = NAMING, **changes: Any) -> Asked:
    listed = Listed("CN=issuing", (AT - 2 * DAY).timestamp(), (AT + 5 * DAY).timestamp(), True, None, "")
    return Asked(fingerprint(of), "crl", CRL_URL, "", "", listed._replace(**changes))


AT_BOTH = ", at 10.0.0.1 and 1 more"
HARD = {"revocation": "hard"}
STAPLE = "www: the stapled OCSP response"
NOT_KNOWN = f"www: whether CN={NAME} is revoked is not known: "
REVOKED_AT = "2026-11-25 11:00:00 UTC, key compromise"
REVOCATION = {
    # staples
    "stapled": Case("passed", "", stapled(response())),
    "stapled by a delegate": Case("passed", "", stapled(response(by=RESPONDER))),
    "stapled, and holds for ever": Case("passed", "", stapled(response(until=None))),
    "stapled, and told a day when it has long ended": Case("passed", "", stapled(response()), after=30 * DAY),
    "a list, and told a day when it has long ended": Case("passed", "", asked(by_list()), after=30 * DAY),
    "revoked by staple": Case(
        "failed", f"www: CN={NAME} was revoked on {REVOKED_AT} (stapled){AT_BOTH}", stapled(response(LEAF, REVOKED))
    ),
    "revoked by staple at one": Case(
        "failed",
        f"www: CN={NAME} was revoked on {REVOKED_AT} (stapled), only at fd00::1",
        at_one(Place((LEAF, ISSUING), staple=response(LEAF, REVOKED))),
    ),
    "revoked by a staple that has ended": Case(
        "failed",
        f"www: CN={NAME} was revoked on {REVOKED_AT} (stapled){AT_BOTH}",
        stapled(response(LEAF, REVOKED, until=-SECOND)),
    ),
    "a staple in its last second": Case(
        "warned", f"{STAPLE}: of its window left 0 %, warning below 20 %", stapled(response(until=timedelta(0)))
    ),
    "a stale staple": Case(
        "failed", f"{STAPLE} ended on 2026-11-25 11:59:59 UTC{AT_BOTH}", stapled(response(until=-SECOND))
    ),
    "a staple by a clock that is ahead": Case("passed", "", stapled(response(since=300 * SECOND))),
    "a staple of tomorrow": Case(
        "failed",
        f"{STAPLE} holds from 2026-11-25 12:05:01 UTC only{AT_BOTH}",
        stapled(response(since=301 * SECOND)),
    ),
    "a staple of another certificate": Case(
        "failed",
        f"{STAPLE} is not to be believed: it is about another certificate{AT_BOTH}",
        stapled(response(leaf(serial=0xB2))),
    ),
    "a staple that somebody else signed": Case(
        "failed", "", stapled(response(by=pki.leaf(ROOT, pki.purposes(x509.OID_OCSP_SIGNING), subject="CN=other")))
    ),
    "a staple by a delegate that has expired": Case(
        "failed",
        f"{STAPLE} is signed with a certificate that expired on 2026-11-25 11:00:00 UTC{AT_BOTH}",
        stapled(response(by=LATE_RESPONDER)),
    ),
    "a staple that does not know it": Case(
        "failed", f"{STAPLE} does not know CN={NAME}{AT_BOTH}", stapled(response(LEAF, UNKNOWN))
    ),
    "a staple of garbage": Case("failed", "", stapled(b"garbage")),
    "must-staple with one": Case("passed", "", stapled(response(MUST_STAPLE), MUST_STAPLE)),
    "must-staple without one": Case(
        "failed",
        f"www: CN={NAME} must be served with a stapled OCSP response, and is not, only at fd00::1",
        World({NAME: {V4: Place((MUST_STAPLE, ISSUING), staple=response(MUST_STAPLE)),
                      V6: Place((MUST_STAPLE, ISSUING))}}),
    ),
    "a fifth of the window is left": Case(
        "passed", "", stapled(response(since=-4 * DAY, until=1 * DAY))
    ),
    "a second less than a fifth": Case(
        "warned",
        f"{STAPLE}: of its window left 19.9998 %, warning below 20 %",
        stapled(response(since=-4 * DAY - SECOND, until=1 * DAY - SECOND)),
    ),
    "little is left, which a policy wants more of": Case(
        "failed",
        f"{STAPLE}: of its window left 20 %, limit at least 25 %",
        stapled(response(since=-4 * DAY, until=1 * DAY)),
        policy={"staple_left": {"warn_below": "50 %", "fail_below": "25 %"}},
    ),
    # responders and lists
    "nobody is named": Case("skipped", "nothing is stapled, and it names nobody who tells whether it is revoked"),
    "a responder says it is good": Case("passed", "", asked(by_ocsp(response(NAMING)))),
    "a responder says it is revoked": Case(
        "failed",
        f"www: CN={NAME} was revoked on {REVOKED_AT} (OCSP {OCSP_URL}){AT_BOTH}",
        asked(by_ocsp(response(NAMING, REVOKED))),
    ),
    "it will be revoked": Case(
        "passed", "", asked(by_list(revoked_at=(AT + DAY).timestamp(), reason="superseded"))
    ),
    "a responder does not know it": Case(
        "warned", f"{NOT_KNOWN}OCSP {OCSP_URL} does not know it{AT_BOTH}", asked(by_ocsp(response(NAMING, UNKNOWN)))
    ),
    "a responder is silent, soft": Case(
        "warned", f"{NOT_KNOWN}OCSP {OCSP_URL}: {NO_ANSWER}{AT_BOTH}", asked(by_ocsp(None, NO_ANSWER))
    ),
    "a responder is silent, hard": Case(
        "failed", f"{NOT_KNOWN}OCSP {OCSP_URL}: {NO_ANSWER}{AT_BOTH}", asked(by_ocsp(None, NO_ANSWER)), HARD
    ),
    "a responder is silent, and a staple says it": Case(
        "passed", "", asked(by_ocsp(None, NO_ANSWER), staple=response(NAMING)), HARD
    ),
    "a responder is silent, and a staple says it, and other names are met without": Case(
        "passed", "", asked(by_ocsp(None, NO_ANSWER), staple=response(NAMING)), {**HARD, "without_name": True}
    ),
    "a responder is silent, and a list says it": Case(
        "passed", "", asked(by_ocsp(None, NO_ANSWER), by_list()), HARD
    ),
    "a responder that is not the issuer's": Case(
        "warned", "", asked(by_ocsp(response(NAMING, REVOKED, by=pki.leaf(
            ROOT, pki.purposes(x509.OID_OCSP_SIGNING), subject="CN=other")))),
    ),
    "a responder's answer has ended": Case(
        "warned",
        f"{NOT_KNOWN}OCSP {OCSP_URL} ended on 2026-11-25 11:59:59 UTC{AT_BOTH}",
        asked(by_ocsp(response(NAMING, until=-SECOND))),
    ),
    "a list has it": Case(
        "failed",
        f"www: CN={NAME} was revoked on {REVOKED_AT} (CRL {CRL_URL}){AT_BOTH}",
        asked(by_list(revoked_at=(AT - HOUR).timestamp(), reason="key_compromise")),
    ),
    "a list has it, though a responder says it is good": Case(
        "failed",
        f"www: CN={NAME} was revoked on {REVOKED_AT} (CRL {CRL_URL}){AT_BOTH}",
        asked(by_ocsp(response(NAMING)), by_list(revoked_at=(AT - HOUR).timestamp(), reason="key_compromise")),
    ),
    "a list that nobody signed has it": Case(
        "warned",
        f"{NOT_KNOWN}CRL {CRL_URL} is signed by nobody who may{AT_BOTH}",
        asked(by_list(signed=False, revoked_at=(AT - HOUR).timestamp(), reason="key_compromise")),
    ),
    "a list has ended": Case(
        "failed",
        f"www: the list of the revoked ended on 2026-11-25 11:59:59 UTC (CRL {CRL_URL}){AT_BOTH}",
        asked(by_list(next_update=(AT - SECOND).timestamp())),
    ),
    "a list that nobody signed has ended": Case(
        "warned",
        f"{NOT_KNOWN}CRL {CRL_URL} is signed by nobody who may{AT_BOTH}",
        asked(by_list(signed=False, next_update=(AT - SECOND).timestamp())),
    ),
    "a list that holds for ever": Case("passed", "", asked(by_list(next_update=None))),
    "a list of which little is left": Case(
        "warned",
        f"www: CRL {CRL_URL}: of its window left 10 %, warning below 20 %",
        asked(by_list(this_update=(AT - 9 * DAY).timestamp(), next_update=(AT + DAY).timestamp())),
    ),
    "somebody is named, and was not asked": Case(
        "warned", f"{NOT_KNOWN}who it names was not asked{AT_BOTH}", asked()
    ),
    "nobody vouches for it, and so nobody was asked": Case(
        "warned",
        f"{NOT_KNOWN}no root vouches for it, so nobody was asked{AT_BOTH}",
        World({NAME: dict.fromkeys((V4, V6), Place((NAMING, ISSUING)))}, roots=()),
    ),
    "an intermediate is revoked": Case(
        "failed",
        f"www: CN=issuing was revoked on 2026-11-25 11:00:00 UTC (CRL {CRL_URL}){AT_BOTH}",
        asked(by_list(ISSUING, revoked_at=(AT - HOUR).timestamp()), by_ocsp(response(NAMING))),
    ),
    "an answer about the root is nobody's": Case(
        "passed", "", asked(by_list(ROOT, revoked_at=(AT - HOUR).timestamp()), by_ocsp(response(NAMING)))
    ),
    "an answer about another certificate": Case(
        "passed", "", asked(by_list(leaf(serial=0xC3), revoked_at=(AT - HOUR).timestamp()), by_ocsp(response(NAMING)))
    ),
    "the issuer is not at hand": Case(
        "warned",
        f"{NOT_KNOWN}OCSP {OCSP_URL}: its issuer is not at hand, who signs the answer{AT_BOTH}",
        World({NAME: dict.fromkeys((V4, V6), Place((NAMING,)))}, asked=(by_ocsp(response(NAMING)),)),
    ),
    "none was shown": Case(
        "error",
        "no certificate was shown: refused; see certificates.handshake",
        everywhere(Place(error="refused", rung="tcp")),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("check", "case"), lines({CHECK: REVOCATION}))
def test_what_is_concluded(check: str, case: Case) -> None:
    if case.message or case.outcome in {"passed", "skipped"}:
        told(check, case)
    else:  # the words are those of whoever reads the response
        assert concluded(check, case).outcome == case.outcome


@pytest.mark.parametrize(
    ("world", "words"),
    [
        (stapled(b"garbage"), f"{STAPLE} is not to be believed: it cannot be read: "),
        (
            asked(by_ocsp(b"garbage")),
            f"{NOT_KNOWN}OCSP {OCSP_URL} cannot be read: ",
        ),
        (
            asked(Asked(fingerprint(NAMING), "ocsp", "http://\x1b[31m/" + "x" * 500, "\x1b[0mno\nanswer")),
            f"{NOT_KNOWN}OCSP http://\N{REPLACEMENT CHARACTER}[31m/xxx",
        ),
    ],
    ids=["a staple", "an answer", "a URL"],
)
def test_hostile_answers_are_words(world: World, words: str) -> None:
    said = concluded(CHECK, Case("", "", world))
    assert said.message.startswith(words), said
    assert said.message.isprintable()
    assert len(said.message) < 500


def test_a_staple_that_is_stored_garbled_is_an_error_of_one_line() -> None:
    case = Case("error", "www: an OCSP response as it is stored is no base64", stapled(response()))
    policy = policy_of(case)
    said = policy.certificates.endpoints[ITEM]
    met = case.world.met(said.endpoints(), said.store)
    garbled = met._replace(seen=[[each._replace(staple="~~~") for each in seen] for seen in met.seen])
    found = shown_of(garbled, ITEM, said, ("ipv4", "ipv6"), AT)
    told(CHECK, replace(case, given={"shown": found}))


def test_times_beyond_the_calendar_are_no_crash() -> None:
    world = asked(by_list(this_update=-1e18, next_update=1e18))
    assert concluded(CHECK, Case("", "", world)).outcome in {"passed", "warned"}
    world = asked(by_list(revoked_at=-1e18))
    assert concluded(CHECK, Case("", "", world)).outcome == "failed"
