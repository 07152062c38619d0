"""Whether certificates were revoked: what was stapled, what OCSP responders say, and lists of the revoked.

In: `Shown`. Out: `Revocation`. What nobody has signed who may is nobody's word. A staple that is wrong is the server's
fault, and harms its clients; so does a list that its issuer has not renewed. A responder that is silent, or gives an
old answer, leaves a question open. Answers live for days and are renewed by machines: whether one still holds is judged
at the time when it was given, and not at the time that checks are told.
Source: RFC 5019, 6960, 7633; RFC 5280 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509

from shipworthy.errors import NotMeasured
from shipworthy.judging.chains import Chain, decoded, moment
from shipworthy.judging.shown import Fault, Shown, Spot, gathered
from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.chain.certificate import shown as printable
from shipworthy.vantage.chain.paths import Path
from shipworthy.vantage.meeting import Asked, Listed
from shipworthy.vantage.ocsp import Ocsp
from shipworthy.vantage.ocsp import read as read_ocsp

SLACK = 300.0
"""Seconds that a responder's clock may be ahead. Source: openssl ocsp, -validity_period."""


@dataclass(frozen=True)
class Window:
    """The time for which an answer holds."""

    what: str
    share: float
    """Percent of it that is left."""
    ends: datetime


@dataclass
class Revocation:
    """What came of it for every certificate that is shown and needed."""

    wrong: list[Fault] = field(default_factory=list)
    unknown: list[Fault] = field(default_factory=list)
    """Nobody tells whether these are revoked, though they name who should."""
    windows: list[Window] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """What was said, a line each."""
    applies: bool = False
    """Something was stapled, or somebody is named that can be asked."""


@dataclass
class _Word:
    """What is known of one certificate."""

    good: bool = False
    wrong: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def judged(shown: Shown) -> Revocation:
    """Judge all that was said."""
    found = Revocation()
    wrong: list[tuple[Spot, str]] = []
    unknown: list[tuple[Spot, str]] = []
    vouched: set[bytes] = set()
    for spot, chain in shown.chains():
        staple = _stapled(shown, spot, chain, found)
        wrong += [(spot, words) for words in staple.wrong]
        if chain.leaf and (staple.good or staple.wrong):
            vouched.add(chain.leaf.der)
    for spot, chain in shown.chains():
        for each, issuer in _pairs(chain):
            word = _asked(shown, each, issuer, found, vouched=bool(chain.path))
            wrong += [(spot, words) for words in word.wrong]
            if word.doubts and not (word.good or word.wrong or each.der in vouched):
                reasons = "; ".join(dict.fromkeys(word.doubts))
                unknown.append((spot, f"whether {each.label} is revoked is not known: {reasons}"))
            found.applies |= word.good or bool(word.wrong or word.doubts)
    found.wrong, found.unknown = gathered(wrong), gathered(unknown)
    found.windows = list(dict.fromkeys(found.windows))
    found.told = list(dict.fromkeys(found.told))
    return found


def _pairs(chain: Chain) -> Iterator[tuple[Certificate, Certificate | None]]:
    """Each certificate that is needed, below the root, with its issuer where that is at hand."""
    path: Path = chain.known
    for number, each in enumerate(path):
        if each is chain.anchor:
            return
        yield each, path[number + 1] if number + 1 < len(path) else None


def _stapled(shown: Shown, spot: Spot, chain: Chain, found: Revocation) -> _Word:
    word = _Word()
    if chain.leaf is None or not spot.is_main:
        return word
    if not spot.seen.staple:
        if _must_staple(chain.leaf):
            found.applies = True
            word.wrong.append(f"{chain.leaf.label} must be served with a stapled OCSP response, and is not")
        return word
    found.applies = True
    issuer = chain.known[1] if len(chain.known) > 1 else None
    if issuer is None:
        word.doubts.append("its issuer is not at hand, who signs the stapled OCSP response")
        return word
    said = _read(shown.name, spot.seen.staple, chain.leaf, issuer)
    found.told.append(f"stapled at {spot.where}: {_told(said)}")
    if isinstance(said, str):
        word.wrong.append(f"the stapled OCSP response is not to be believed: it {said}")
    elif _is_revoked(said, shown.at):
        word.wrong.append(f"{chain.leaf.label} was revoked {_since(said.revoked_at, said.reason)} (stapled)")
    elif staleness := _stale(said.this_update, said.next_update, shown.met_at) or _signer_out(said, shown.met_at):
        word.wrong.append(f"the stapled OCSP response {staleness}")
    elif said.status == "unknown":
        word.wrong.append(f"the stapled OCSP response does not know {chain.leaf.label}")
    else:
        word.good = True
        _window(found, "the stapled OCSP response", said.this_update, said.next_update, shown.met_at)
    return word


def _asked(shown: Shown, each: Certificate, issuer: Certificate | None, found: Revocation, *, vouched: bool) -> _Word:
    word = _Word()
    fingerprint = sha256(each.der).hexdigest()
    answers = [asked for asked in shown.asked if asked.certificate.lower() == fingerprint]
    for asked in answers:
        _one(shown, asked, each, issuer, word, found)
    if not answers and _names_who_knows(each):
        word.doubts.append("who it names was not asked" if vouched else "no root vouches for it, so nobody was asked")
    return word


def _one(
    shown: Shown, asked: Asked, each: Certificate, issuer: Certificate | None, word: _Word, found: Revocation
) -> None:
    who, stale = f"{asked.kind.upper()} {printable(asked.url, 100)}", ""
    if asked.error or (not asked.response and asked.listed is None):
        word.doubts.append(f"{who}: {printable(asked.error, 200) or 'no answer'}")
        return
    if asked.listed is not None:
        revoked_at, reason, doubt = _of_list(asked.listed, shown.at)
        stale = _stale(asked.listed.this_update, asked.listed.next_update, shown.met_at) if asked.listed.signed else ""
        this_update, next_update = asked.listed.this_update, asked.listed.next_update
    elif issuer is None:
        word.doubts.append(f"{who}: its issuer is not at hand, who signs the answer")
        return
    else:
        said = _read(shown.name, asked.response, each, issuer)
        if isinstance(said, str):
            word.doubts.append(f"{who} {said}")
            return
        found.told.append(f"{who}: {_told(said)}")
        revoked_at, reason, doubt = _of_response(said, shown)
        this_update, next_update = said.this_update, said.next_update
    if revoked_at is not None:
        word.wrong.append(f"{each.label} was revoked {_since(revoked_at, reason)} ({who})")
    elif stale:
        word.wrong.append(f"the list of the revoked {stale} ({who})")
    elif doubt:
        word.doubts.append(f"{who} {doubt}")
    else:
        word.good = True
        _window(found, who, this_update, next_update, shown.met_at)


def _of_list(listed: Listed, at: datetime) -> tuple[float | None, str, str]:
    """When it was revoked, why; and why the list is not to be relied on where it says nothing."""
    if not listed.signed:
        return None, "", "is signed by nobody who may"
    if _is_past(listed.revoked_at, at):
        return listed.revoked_at, listed.reason, ""
    return None, "", ""


def _of_response(said: Ocsp, shown: Shown) -> tuple[float | None, str, str]:
    if _is_revoked(said, shown.at):
        return said.revoked_at or said.this_update, said.reason, ""
    doubt = "does not know it" if said.status == "unknown" else ""
    doubt = _signer_out(said, shown.met_at) or doubt
    return None, "", _stale(said.this_update, said.next_update, shown.met_at) or doubt


def _read(name: str, text: str, certificate: Certificate, issuer: Certificate) -> Ocsp | str:
    try:
        return read_ocsp(decoded(text), certificate.der, issuer.der)
    except NotMeasured:
        raise NotMeasured(f"{name}: an OCSP response as it is stored is no base64") from None


def _stale(this_update: float, next_update: float | None, at: datetime) -> str:
    now = at.timestamp()
    if this_update > now + SLACK:
        return f"holds from {_moment(this_update)} only"
    if next_update is not None and next_update < now:
        return f"ended on {_moment(next_update)}"
    return ""


def _signer_out(said: Ocsp, at: datetime) -> str:
    now = at.timestamp()
    if said.signer_until is not None and said.signer_until < now:
        return f"is signed with a certificate that expired on {_moment(said.signer_until)}"
    if said.signer_from is not None and said.signer_from > now + SLACK:
        return f"is signed with a certificate that is valid from {_moment(said.signer_from)}"
    return ""


def _window(found: Revocation, what: str, begin: float, end: float | None, at: datetime) -> None:
    if end is not None and end > begin:
        share = 100 * (end - at.timestamp()) / (end - begin)
        found.windows.append(Window(what, share, _time(end)))


def _is_revoked(said: Ocsp, at: datetime) -> bool:
    return said.status == "revoked" and (said.revoked_at is None or _is_past(said.revoked_at, at))


def _is_past(when: float | None, at: datetime) -> bool:
    return when is not None and when <= at.timestamp() + SLACK


def _since(when: float | None, reason: str) -> str:
    why = f", {printable(reason.replace('_', ' '), 40)}" if reason else ""
    return f"on {_moment(when)}{why}" if when is not None else f"at a time that is not told{why}"


def _told(said: Ocsp | str) -> str:
    if isinstance(said, str):
        return said
    until = f" to {_moment(said.next_update)}" if said.next_update is not None else ""
    return f"{said.status}, from {_moment(said.this_update)}{until}"


def _names_who_knows(each: Certificate) -> bool:
    """Whether it says who tells if it is revoked."""
    if each.value(x509.CRLDistributionPoints) is not None:
        return True
    access = each.value(x509.AuthorityInformationAccess)
    return access is not None and any(one.access_method == x509.OID_OCSP for one in access)


def _must_staple(leaf: Certificate) -> bool:
    features = leaf.value(x509.TLSFeature)
    return features is not None and x509.TLSFeatureType.status_request in features


def _time(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.max.replace(tzinfo=UTC)


def _moment(seconds: float) -> str:
    return moment(_time(seconds))
