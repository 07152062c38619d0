"""Judging a server's chain: certificates and a time in, findings out. No network, no clock.

In: what a server shows, what a client trusts, which name it asks for. `loading` reads the bytes, `paths` lists the ways
to a root, `judging` asks OpenSSL (`openssl`), cryptography (`webpki`) and our own `rules` and `names` about each; the
first path that all accept is the chain's, and `served` says what of the served was not needed for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from shipworthy.vantage.chain import judging, loading, names, openssl, rules, served
from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.chain.findings import Finding, accepted, ours, softened
from shipworthy.vantage.chain.paths import MOST_ISSUERS, Path, Paths

MOST_SERVED = 100
MOST_SERVED_BYTES = 1024 * 1024
"""Beside the leaf; OpenSSL's clients give up at 100 KiB."""
MOST_JUDGED_BYTES = 512 * 1024
"""Of all paths of a chain together; those of a public one come to some 10 KiB."""


def examine_chain(
    leaf: bytes,
    intermediates: Sequence[bytes],
    roots: Sequence[bytes],
    name: str | None,
    at: datetime,
    *,
    private: bool | None = None,
) -> list[Finding]:
    """Every finding on the chain of a server, as a client of a public server has to judge it.

    In: certificates in DER or PEM, a PEM with any number of them; the DNS name or IP address that the client asks for,
    or None to judge the path alone; the time, with its zone; whether the chain is a private one, which only its own
    rules bind: None where that is to be seen from the chain. Out: findings; the chain is accepted when none is fatal.
    Bytes never raise, whatever they are, and cost bounded time. Raises ValueError for a time without a zone.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"{at.isoformat()} is a time without a zone")
    at = _utc(at)
    findings: list[Finding] = []
    first = _first(leaf, findings)
    beside = _beside(intermediates, findings)
    trusted = _trusted(roots, findings)
    wanted = _wanted(name, findings)
    if not first:
        return findings
    mine, *more = first
    beside = [*more, *beside]
    search = Paths(mine, beside, trusted, at)
    path, judged = _best(search, wanted, at, private)
    if path is None:
        findings += _without_path(search, beside, wanted, at, private)
    else:
        findings += judged
        findings += served.examine(path, beside, {each.der for each in trusted})
        findings += _as_served(path, search, beside, at)
    if search.stopped and path:
        sentence = "there are more ways to a root than are looked at"
        findings.append(ours("too-many-paths", sentence, fatal=False))
    return list(dict.fromkeys(findings))


def _best(
    search: Paths, name: names.Wanted | None, at: datetime, private: bool | None
) -> tuple[Path | None, list[Finding]]:
    """The first path without a fatal finding, or else that with the fewest."""
    best: Path | None = None
    fewest: list[Finding] = []
    left = MOST_JUDGED_BYTES
    for path in search.found():
        left -= sum(len(each.der) for each in path)
        if best is not None and left < 0:
            search.stopped = True
            break
        findings = judging.judge(path, name, at, private=private)
        if best is None or _fatals(findings) < _fatals(fewest):
            best, fewest = path, findings
        if accepted(findings):
            break
    return best, fewest


def _without_path(
    search: Paths, beside: list[Certificate], name: names.Wanted | None, at: datetime, private: bool | None
) -> Iterator[Finding]:
    leaf, last = search.longest[0], search.longest[-1]
    if private is None:
        private = judging.is_private(last if last.is_self_issued else None, name)
    yield from softened(rules.examine_leaf(leaf, named=name is not None), private=private)
    yield from softened(names.examine(leaf, name), private=private)
    yield from softened(rules.examine_path(search.longest, at, anchored=last.is_self_issued), private=private)
    unsigned = [issuer for child, issuer in search.unsigned if child is last]
    if search.stopped:
        yield ours("too-many-paths", "among the ways that were looked at none leads to a root, and there are more")
    elif search.too_long:
        sentence = f"over {MOST_ISSUERS} issuers of {leaf.label} no trusted root is reached, and there are more"
        yield ours("path-too-long", sentence)
    elif last.is_self_issued:
        yield ours("root-unknown", f"{last.label} is its own issuer, and no root that is trusted")
    elif unsigned:
        yield ours("signature-invalid", f"{last.label} is not signed by {unsigned[0].label}, whose name it gives")
    elif any(each.subject == last.issuer for each in search.longest):
        yield ours("issuer-missing", f"the issuers of {leaf.label} vouch for each other, and no trusted root for them")
    else:
        yield ours("issuer-missing", f"the issuer of {last.label} was not served, and is no root that is trusted")
    verdict = openssl.judge(leaf, beside, search.anchors(), at)
    if not verdict.accepts:
        yield Finding(verdict.code, f"OpenSSL: {verdict.told}", True, "openssl")


def _as_served(path: Path, search: Paths, beside: list[Certificate], at: datetime) -> Iterator[Finding]:
    """OpenSSL tries one path and no other: whether it finds the good one among what was served."""
    if len(path) - 2 >= len(beside) or not openssl.judge(path[0], path[1:-1], path[-1:], at).accepts:
        return
    verdict = openssl.judge(path[0], beside, search.anchors(), at)
    if not verdict.accepts:
        yield Finding("other-path", f"OpenSSL, given all that was served: {verdict.told}", False, "openssl")


def _fatals(findings: list[Finding]) -> int:
    return sum(finding.fatal for finding in findings)


def _first(data: bytes, findings: list[Finding]) -> tuple[Certificate, ...]:
    """The leaf, and what stands behind it in the same PEM."""
    loaded = loading.load(data, most=MOST_SERVED + 1)
    findings += [Finding("unreadable", f"the leaf: {problem}", True, "webpki") for problem in loaded.problems]
    return loaded.certificates if not loaded.problems else ()


def _beside(pieces: Sequence[bytes], findings: list[Finding]) -> list[Certificate]:
    found: list[Certificate] = []
    left = MOST_SERVED_BYTES
    passed = max(0, len(pieces) - MOST_SERVED)
    for number, piece in enumerate(pieces[:MOST_SERVED], 1):
        if len(found) >= MOST_SERVED or len(piece) > left:
            passed += 1
            continue
        left -= len(piece)
        loaded = loading.load(piece, most=MOST_SERVED - len(found))
        found += loaded.certificates
        findings += [
            Finding("unreadable", f"certificate {number} beside the leaf: {problem}", False, "webpki")
            for problem in loaded.problems
        ]
    if passed:
        limits = f"{MOST_SERVED} certificates and {MOST_SERVED_BYTES} bytes"
        sentence = f"{passed} of {len(pieces)} certificates beside the leaf were not looked at: at most {limits} are"
        findings.append(ours("too-many-served", sentence, fatal=False))
    return found


def _trusted(pieces: Sequence[bytes], findings: list[Finding]) -> list[Certificate]:
    found: list[Certificate] = []
    problems = 0
    for piece in pieces:
        loaded = loading.load_root(piece)
        found += loaded.certificates
        problems += len(loaded.problems)
    if problems:
        findings.append(Finding("unreadable", f"{problems} of the roots cannot be read", False, "webpki"))
    return found


def _wanted(name: str | None, findings: list[Finding]) -> names.Wanted | None:
    if name is None:
        return None
    try:
        return names.wanted(name)
    except ValueError as error:
        findings.append(ours("name-invalid", str(error)))
        return None


def _utc(at: datetime) -> datetime:
    """To the second, as certificates are; at either end of the calendar, that end."""
    try:
        return at.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        return at.replace(tzinfo=UTC, microsecond=0)
