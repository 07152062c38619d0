"""One path judged by all three: OpenSSL, cryptography, and our rules; and what to make of it when they disagree.

Whatever either verifier has a right to reject for a public server is fatal. What it rejects of a private root's rules
is a warning; a chain is private when the caller says so, or else (`is_private`) when no public one can look or be used
like it. Four verdicts are not
taken as they stand, each with its reason:

- OpenSSL applies DNS constraints to a CN where subjectAltName has no DNS name. No client reads such a CN any more.
- cryptography counts self-issued certificates against a path length, RFC 5280 6.1.4 does not.
- cryptography cannot judge constraints on directory names. OpenSSL can.
- cryptography knows no version 1, no Ed25519 or Ed448, and no critical extension but those that public certificates
  have. Private ones may have them; OpenSSL's clients know them, or OpenSSL rejects them too.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import datetime

from cryptography import x509

from shipworthy.vantage.chain import names, openssl, rules, webpki
from shipworthy.vantage.chain.certificate import Certificate
from shipworthy.vantage.chain.findings import Finding, ours, softened
from shipworthy.vantage.chain.paths import Path

_OF_SELF_ISSUED = ("path-too-long", "signature-invalid")  # or its other certificate of that name, tried after it
_UNKNOWN_TO_WEBPKI = (
    "must be an X509v3",
    "Forbidden public key algorithm",
    "Forbidden signature algorithm",
    "unaccounted-for critical",
)


def is_private(anchor: Certificate | None, name: names.Wanted | None) -> bool:
    """Whether public rules do not bind this chain.

    So it is where the name is one that no public CA may certify (`db1.internal`, `10.0.0.1`), where the anchor is no
    authority (a pinned certificate), and where it is a root without keyUsage or of version 1. `openssl req -x509` makes
    such; of the roots that browsers trust, three of 2004 lack keyUsage, and lose nothing but this severity by it.
    """
    if names.is_internal(name):
        return True
    if anchor is None:
        return False
    if anchor.parsed.version is not x509.Version.v3:
        return True
    if anchor.malformed:
        return False
    if anchor.value(x509.BasicConstraints) is None:
        return anchor.is_self_issued and anchor.value(x509.KeyUsage) is None
    return not anchor.is_authority or (anchor.is_self_issued and anchor.value(x509.KeyUsage) is None)


def judge(path: Path, name: names.Wanted | None, at: datetime, *, private: bool | None = None) -> list[Finding]:
    """Every finding on a path, the leaf's own included. `private`: what is known of it; None to look."""
    leaf = path[0]
    if private is None:
        private = is_private(path[-1], name)
    findings = [
        *rules.examine_leaf(leaf, named=name is not None),
        *names.examine(leaf, name),
        *rules.examine_path(path, at),
        *(() if private else rules.lifetime(leaf)),
    ]
    return [*softened(findings, private=private), *_verdicts(path, name, at, private=private)]


def _verdicts(path: Path, name: names.Wanted | None, at: datetime, *, private: bool) -> Iterator[Finding]:
    """Both verifiers', each by the public rules, and where it rejects a private chain, by that's own."""
    leaf, *issuers = path
    strict = openssl.judge(leaf, issuers[:-1], path[-1:], at)
    plain = strict if strict.accepts or not private else openssl.judge(leaf, issuers[:-1], path[-1:], at, strict=False)
    public = yield from _of_path(path, name, at, private=private, relaxed=False)
    web = public
    if private and not public.accepts:
        web = yield from _of_path(path, name, at, private=private, relaxed=True)

    if not plain.accepts:
        fatal = not (web.accepts and _is_of_common_name(plain, path[1:]))
        yield Finding(plain.code if fatal else "profile", f"OpenSSL: {plain.told}", fatal, "openssl")
    elif not strict.accepts:
        yield Finding("profile", f"OpenSSL: {strict.told}", False, "openssl")
    if not web.accepts:
        fatal = not (plain.accepts and _is_beyond_webpki(web, path, private=private))
        yield Finding(web.code if fatal else "profile", f"cryptography: {web.told}", fatal, "webpki")
    elif not public.accepts:
        yield Finding("profile", f"cryptography: {public.told}", False, "webpki")
    if plain.accepts != web.accepts:
        accepting, rejecting = ("OpenSSL", "cryptography") if plain.accepts else ("cryptography", "OpenSSL")
        told = web.told if plain.accepts else plain.told
        sentence = f"the verifiers disagree: {accepting} accepts, {rejecting} does not ({told})"
        yield ours("verifiers-disagree", sentence, fatal=False)


def _of_path(
    path: Path, name: names.Wanted | None, at: datetime, *, private: bool, relaxed: bool
) -> Generator[Finding, None, webpki.Verdict]:
    """cryptography's verdict on the path, whatever it says of the name: that is one thing, trust is another."""
    leaf, issuers, anchor = path[0], path[1:-1], path[-1]
    verdict = webpki.judge(leaf, issuers, anchor, name, at, relaxed=relaxed)
    if name is None or not verdict.is_of_name:
        return verdict
    fatal = not (private and verdict.code == "name-invalid")  # an underscore, which hosts of a private network have
    yield Finding(verdict.code, f"cryptography: {verdict.told}", fatal, "webpki")
    return webpki.judge(leaf, issuers, anchor, None, at, relaxed=relaxed)


def _is_of_common_name(verdict: openssl.Verdict, authorities: Path) -> bool:
    """OpenSSL finds a name constraint violated that can only be the CN's: there are none but on DNS names and IPs."""
    if verdict.number not in openssl.NAME_CONSTRAINTS_VIOLATED:
        return False
    subtrees = [
        subtree
        for each in authorities
        if (constraints := each.value(x509.NameConstraints)) is not None
        for subtree in (*(constraints.permitted_subtrees or ()), *(constraints.excluded_subtrees or ()))
    ]
    return all(isinstance(subtree, x509.DNSName | x509.IPAddress) for subtree in subtrees)


def _is_beyond_webpki(verdict: webpki.Verdict, path: Path, *, private: bool) -> bool:
    """Whether cryptography's rejection is one of those that the docstring above leaves to OpenSSL."""
    if private and (len(path) == 1 or any(words in verdict.words for words in _UNKNOWN_TO_WEBPKI)):
        return True
    if verdict.code in _OF_SELF_ISSUED and any(each.is_self_issued for each in path[1:-1]):
        return True
    return any(words in verdict.words for words in webpki.UNSUPPORTED_CONSTRAINT)
