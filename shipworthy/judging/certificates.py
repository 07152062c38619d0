"""What is wrong with a certificate where clients meet it: whose claim each finding on its chain is.

In: `Shown`. Out: `Fault`s, none where all is well. Each code belongs to one claim; what nobody claims is a matter of
trust, since somebody rejects the chain for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from shipworthy.errors import NotMeasured
from shipworthy.judging.chains import Chain, ends, written
from shipworthy.judging.shown import Fault, Shown, gathered
from shipworthy.vantage.chain import rules
from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.tls import Finding

_CODES: Mapping[str, tuple[str, ...]] = {
    "in_date": ("expired", "not-yet-valid", "not-in-date"),
    "lifetime": ("lifetime",),
    "name": (
        "wrong-name",
        "names-missing",
        "name-invalid",
        "wildcard-too-wide",
        "common-name-misspelt",
        "common-name-differs",
        "common-name-absent",
    ),
    "trust": (
        "unreadable",
        "extensions-malformed",
        "version",
        "issuer-missing",
        "root-unknown",
        "signature-invalid",
        "issuer-is-no-authority",
        "path-too-long",
        "name-constraints",
        "critical-unknown",
        "critical-missing",
        "subject-missing",
        "issuer-unidentified",
        "anchor-is-no-root",
        "root-purpose",
        "root-key-identifier",
        "root-issuer-named",
        "profile",
        "verifiers-disagree",
        "rejected",
        "too-many-paths",
    ),
    "strength": ("key-weak", "key-not-public", "key-unreadable", "signature-weak", "serial", "serial-zero"),
    "purpose": ("purpose-missing", "purpose-wrong", "purpose-too-wide", "purpose-critical", "usage-wrong"),
    "chain": (
        "served-twice",
        "served-out-of-order",
        "served-unused",
        "root-served",
        "other-path",
        "too-many-served",
    ),
}
CLAIM_OF: Mapping[str, str] = {code: claim for claim, codes in _CODES.items() for code in codes}
_OF_ROOTS = frozenset({"issuer-missing", "root-unknown"})
_OF_VERIFIERS = frozenset({"profile", "verifiers-disagree"})
"""They say that somebody would reject the chain, and not what for: where another claim tells that, it is told."""


def claim_of(code: str) -> str:
    """Whose the finding is."""
    return CLAIM_OF.get(code, "trust")


def wrong(shown: Shown, claim: str) -> list[Fault]:
    """What a claim fails by; raises NotMeasured where that hangs on roots that are not known."""
    match claim:
        case "chain":
            return _incomplete(shown)
        case "trust":
            return _untrusted(shown)
        case _:
            return gathered((spot, each.sentence) for spot, chain in shown.chains() for each in _fatal(chain, claim))


def odd(shown: Shown, claim: str) -> list[Fault]:
    """What it warns of. Rules of public certificates are worth no warning where it is said to be none."""
    if claim == "in_date":
        return _spare(shown)
    return gathered(
        (spot, each.sentence)
        for spot, chain in shown.chains()
        for each in chain.findings
        if claim_of(each.code) == claim
        and not each.fatal
        and not (each.code == "profile" and not shown.said.is_public)
        and not (each.code in _OF_VERIFIERS and any(other.fatal for other in chain.findings))
    )


def _untrusted(shown: Shown) -> list[Fault]:
    """Why clients with the trust store would turn away."""
    found, unknown = [], []
    for spot, chain in shown.chains():
        for each in _fatal(chain, "trust"):
            if each.code not in _OF_ROOTS:
                found.append((spot, each.sentence))
            elif not shown.storeless and shown.store:
                among = f"of {shown.store.size} in {shown.store.path or 'the trust store'}"
                found.append((spot, f"{each.sentence} ({among})"))
            else:
                unknown.append((spot, each.sentence))
    if unknown and not found:
        raise NotMeasured(f"{shown.name}: {shown.storeless}")
    return gathered(found)


def _incomplete(shown: Shown) -> list[Fault]:
    """Chains that break off among what should have been served; where the last one's issuer is no root that is
    trusted, that is a matter of trust."""
    found = []
    for spot, chain in shown.chains():
        if chain.leaf and not chain.path and (above := _missing(chain)):
            if shown.storeless:
                raise NotMeasured(f"{shown.name}: {shown.storeless}")
            found.append((spot, f"the issuer of {above.label}, {written(above.parsed.issuer)}, was not served"))
    return gathered(found)


def _missing(chain: Chain) -> Certificate | None:
    """The certificate behind which there is a gap."""
    last = chain.walk[-1]
    if last.is_self_issued or any(each.code == "signature-invalid" for each in chain.findings):
        return None
    beyond = [each for each in chain.served if each not in chain.walk and each.is_authority]
    return last if len(chain.walk) == 1 or beyond else None


def _spare(shown: Shown) -> list[Fault]:
    """Certificates that were served, are not in date, and are not needed."""
    needed = {fault.sentence for fault in wrong(shown, "in_date")}
    return gathered(
        (spot, f"{each.sentence}, and is served without need")
        for spot, chain in shown.chains()
        for certificate in dict.fromkeys(chain.served)
        for each in rules.dates(certificate, shown.at)
        if each.sentence not in needed
    )


def first_end(shown: Shown) -> datetime | None:
    """When the first chain will be out of date."""
    return min((ends(chain.known) for _, chain in shown.chains() if chain.known), default=None)


def other_issuers(shown: Shown, declared: str) -> list[Fault]:
    """Leaves that somebody else has issued than is declared: by its CN, its O, or its whole name."""
    return gathered(
        (spot, f"its issuer is {written(chain.leaf.parsed.issuer)}, not {declared}")
        for spot, chain in shown.chains()
        if chain.leaf and declared not in _names_of(chain.leaf)
    )


def unasked(shown: Shown) -> list[Fault]:
    """Places that do not ask for a client certificate."""
    found = ((spot, "no client certificate is asked for") for spot in shown.mains)
    return gathered((spot, words) for spot, words in found if not spot.seen.asks_for_certificate)


def _fatal(chain: Chain, claim: str) -> Sequence[Finding]:
    """A claim's fatal findings: ours, which name the culprit; the verifiers' words only where we have none."""
    found = [each for each in chain.findings if each.fatal and claim_of(each.code) == claim]
    return [each for each in found if each.by == "ours"] or found


def _names_of(leaf: Certificate) -> list[str]:
    """What an issuer is called, in each of the ways that a policy may call it."""
    return [written(leaf.parsed.issuer), *attributes(leaf, "2.5.4.3"), *attributes(leaf, "2.5.4.10")]


def attributes(leaf: Certificate, oid: str) -> Iterator[str]:
    """The issuer's attributes of one kind."""
    try:
        for each in leaf.parsed.issuer:
            if each.oid.dotted_string == oid and isinstance(each.value, str):
                yield each.value
    except (ValueError, TypeError):
        return
