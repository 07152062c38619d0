"""Certificates: every one that clients meet is valid, everywhere it is served, and will be next month; and on disk.

Every address is judged by itself. One that shows no certificate is told once, by certificates.handshake; all other
claims speak of those that show one. Servers with an RSA and an ECDSA certificate show both: the one that they choose,
and `by RSA`, or `by ECDSA`, the one for clients that know nothing else, in TLS 1.2 and below.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shipworthy.checks import Item, check, does_not_apply
from shipworthy.errors import NotMeasured
from shipworthy.judging import handshakes
from shipworthy.judging.wording import SHOWN, first_of, listed
from shipworthy.policy import HostPolicy, warn

if TYPE_CHECKING:  # pyOpenSSL and cryptography take their time to load: only where a policy asks for them
    from shipworthy.judging.caa import Answers
    from shipworthy.judging.shown import Shown
    from shipworthy.plugin.horizon import Horizon
    from shipworthy.plugin.sightings import Everywhere
    from shipworthy.policy._certificates_items import Certificate, CertificateFile
    from shipworthy.probes.certificates import Certificates

OUT_OF_DATE = "it is not in date, which is certificates.in_date's to tell"


@check("certificates.handshake", each="endpoints")
def test_handshake_completes_on_every_address(shown: Shown) -> None:
    """Every address of the name, in every family, every backend, and each under every server name, speaks TLS.

    Why: clients take any of them; those that come to the broken one wait, fall back or fail, and nobody knows which.
    Look: `openssl s_client -connect ADDRESS:PORT -servername NAME`, with an address: with a name it falls back by
    itself; firewalls, listeners of one family, `-starttls`.
    """
    missed = handshakes.unmet(shown)
    assert not missed, shown.told(missed, shown.spots)
    if unknown := handshakes.unreached(shown):
        raise NotMeasured(shown.line(unknown, shown.spots))


@check("certificates.in_date", each="endpoints")
def test_certificate_is_in_date(shown: Shown, horizon: Horizon) -> None:
    """The certificate, and each one that it needs up to the root, is in date wherever it is served.

    Why: clients refuse what has expired, at once and all of them. One that is served and not needed harms old clients.
    Look: `openssl x509 -noout -dates`; whether the renewal ran, and what it wrote was loaded; an old intermediate in
    the file that the server reads; the clock of who issued it.
    """
    from shipworthy.judging import certificates

    _holds(shown, "in_date")
    if end := certificates.first_end(shown):
        horizon.fails(end, f"{shown.name}, expires")


@check("certificates.left", each="endpoints")
def test_certificate_outlives_its_limit(shown: Shown, policy: HostPolicy, horizon: Horizon) -> None:
    """The certificate and its intermediates last for a while yet: as long as who renews them needs.

    What machines renew is judged by the share of its life that is left; what people renew, or what lives long, by days.
    Why: a renewal that has failed is seen weeks before anybody else sees it.
    Look: the log and the timer of the ACME client; who is told of it; the day in the calendar of whoever renews it.
    """
    from shipworthy.judging import certificates, lifetimes

    shown.require()
    if certificates.wrong(shown, "in_date"):
        does_not_apply(OUT_OF_DATE)
    found = list(lifetimes.served(shown, policy.certificates.authority_left))
    assert all(each.verdict for each in found)
    if first := lifetimes.first_failure(found):
        horizon.fails(first, f"{shown.name}, too little is left until it expires")


@check("certificates.chain", each="endpoints")
def test_chain_is_complete_and_ordered(shown: Shown) -> None:
    """The server shows every intermediate, in order, and nothing else.

    Why: browsers fetch what is missing or remember it from elsewhere; programs do neither, and refuse. What is not
    needed costs bytes in every handshake, and leads some clients to another root.
    Look: `openssl s_client -showcerts`; nginx's ssl_certificate wants fullchain.pem; the issuer's URL in the
    certificate (CA Issuers).
    """
    _holds(shown, "chain")


@check("certificates.trust", each="endpoints")
def test_chain_is_trusted(shown: Shown) -> None:
    """Clients that trust the declared roots find a way from the certificate to one of them, by OpenSSL and WebPKI.

    Why: whoever does not find one turns away, or has been taught to ignore warnings.
    Look: `openssl verify -show_chain -untrusted CHAIN -CAfile ROOTS LEAF`; update-ca-certificates or update-ca-trust on
    the vantage; `roots:`, where the roots are those of an application.
    """
    _holds(shown, "trust")


@check("certificates.name", each="endpoints")
def test_name_matches(shown: Shown) -> None:
    """The certificate is for the name that clients ask for, and for each other name by which they come.

    Why: clients compare the name with subjectAltName alone; a wildcard stands for one label, and a CN for nothing.
    Look: `openssl x509 -noout -ext subjectAltName`; the server's default site, which answers for names it lacks.
    """
    _holds(shown, "name")


@check("certificates.strength", each="endpoints")
def test_key_and_signature_are_strong(shown: Shown) -> None:
    """Keys are RSA of 2048 bits, P-256 or stronger; signatures are better than SHA-1; serials are as they should be.

    Why: clients refuse what is weak, each by its own rules and from one update to the next.
    Look: `openssl x509 -noout -text` (Public Key Algorithm, Signature Algorithm); the template of who issues it.
    """
    _holds(shown, "strength")


@check("certificates.purpose", each="endpoints")
def test_certificate_is_for_servers(shown: Shown) -> None:
    """The certificate, and who issued it, are for servers: serverAuth, and a key usage that a handshake can use.

    Why: clients refuse a server with a certificate for people, mail or code; most of them one that does not say.
    Look: `openssl x509 -noout -ext extendedKeyUsage,keyUsage`; the profile of who issues it.
    """
    _holds(shown, "purpose")


@check("certificates.lifetime", each="endpoints")
def test_lifetime_is_allowed(shown: Shown) -> None:
    """A public certificate lives no longer than was allowed on the day when it was issued.

    Why: browsers refuse longer ones: 398 d since 2020-09-01, 200 d since 2026-03-15, 100 d since 2027-03-15, 47 d since
    2029-03-15.
    Look: `openssl x509 -noout -dates`; if it is a private one, say `public: false`, or its `roots`.
    """
    from shipworthy.judging import lifetimes

    if shown.said.public is None and lifetimes.is_private(shown):
        does_not_apply("its name or its root is private")
    wrong = lifetimes.too_long(shown)
    assert not wrong, shown.told(wrong)
    shown.require()


@check("certificates.revocation", each="endpoints")
def test_not_revoked(shown: Shown, policy: HostPolicy) -> None:
    """Nobody who may says that the certificate or an intermediate is revoked; what the server staples is right.

    Why: some clients never ask, and some refuse what was revoked, what must be stapled and is not, or a stale staple.
    Look: `openssl s_client -status`; `openssl ocsp`, the CRL's URL in the certificate; stapling's cache, and whether
    the server reaches the responder; the CA's mail about it.
    """
    from shipworthy.judging import revocation

    found = revocation.judged(shown)
    assert not found.wrong, "\n".join([shown.told(found.wrong), *found.told])
    shown.require()
    if not found.applies:
        does_not_apply("nothing is stapled, and it names nobody who tells whether it is revoked")
    assert not found.unknown or shown.said.revocation != "hard", shown.told(found.unknown)
    if found.unknown:
        warn(shown.line(found.unknown), [*found.told, *shown.evidence(found.unknown)])
    limit = policy.certificates.staple_left
    windows = [
        limit.allows(each.share, what=f"{shown.name}: {each.what}: of its window left", evidence=found.told)
        for each in found.windows
    ]
    assert all(windows)


@check("certificates.protocols", each="endpoints")
def test_protocol_versions(shown: Shown, item: Item[Certificate]) -> None:
    """The declared versions of TLS are spoken, and older ones refused: TLS 1.2 or 1.3, where nothing is declared.

    Why: TLS 1.0 and 1.1 are broken and forbidden (RFC 8996); with 1.2 alone or 1.3 alone, some clients are left out.
    Look: `openssl s_client -tls1_1 -cipher ALL:@SECLEVEL=0` (without the latter, the client refuses by itself);
    ssl_protocols, SSLProtocol, MinProtocol in openssl.cnf.
    """
    if not any(spot.seen.tried for spot in shown.mains):
        raise NotMeasured(f"{shown.name}: no version was tried in this run")
    wrong = handshakes.misspoken(shown, item.policy.protocols)
    assert not wrong, "\n".join([shown.line(wrong, shown.mains), *handshakes.trials(shown)])
    if unknown := handshakes.untried(shown, item.policy.protocols):
        raise NotMeasured(shown.line(unknown, shown.mains))


@check("certificates.same", each="endpoints", once=True)
def test_same_certificate_everywhere(everywhere: Everywhere, item: Item[Certificate]) -> None:
    """Every address, family, backend, server name and host shows the very same certificate, one for each kind of key.

    Why: a machine that was left out of a renewal is seen by chance, until the old one expires: then by some clients.
    Look: the machine that is named: what is on its disk, and whether its server was reloaded; a balancer's own copy.
    """
    from shipworthy.judging import sameness

    places = sameness.places_of(everywhere.sighted)
    odd = sameness.odd_ones(places)
    assert not odd, "\n".join([f"{item.name}: {first_of(odd, '; ')}", *odd[SHOWN:], *sameness.everywhere(places)])
    if missing := {**places.silent, **everywhere.missing}:
        raise NotMeasured(f"{item.name}: {first_of([f'{place}: {why}' for place, why in missing.items()], '; ')}")
    if places.most < 2:
        does_not_apply("fewer than two places show one")


@check("certificates.issuer", each="endpoints")
def test_issuer_is_the_declared_one(shown: Shown, item: Item[Certificate]) -> None:
    """The certificate was issued by the authority that the policy names, and by no other.

    Why: clients that have pinned it refuse another; one that nobody ordered there may be somebody else's.
    Look: `openssl x509 -noout -issuer`; the ACME client's server; certificate transparency (crt.sh) for the name.
    """
    from shipworthy.judging import certificates

    wrong = certificates.other_issuers(shown, item.policy.issuer or "")
    assert not wrong, shown.told(wrong)
    shown.require()


@check("certificates.caa", each="endpoints")
def test_issuer_is_permitted(shown: Shown, item: Item[Certificate], caa_answers: Answers) -> None:
    """Who issued the certificate may do it again, by the CAA records of its name or of its first parent with some.

    Why: the next renewal is refused where the records name somebody else, a month before anybody sees it.
    Look: `dig NAME CAA`, and each parent; `issuewild` for wildcards; `caa:`, where the CA is not known here.
    """
    from shipworthy.judging import caa

    shown.require()
    forbidden, unknown, records = caa.judged(shown, item.policy, caa_answers)
    assert not forbidden, "\n".join([shown.line(forbidden), *records, *shown.evidence(forbidden)])
    if unknown:
        does_not_apply(f"{shown.line(unknown)}: say `caa:`")


@check("certificates.client_asked", each="endpoints")
def test_client_certificate_is_asked_for(shown: Shown) -> None:
    """The server asks its clients for a certificate.

    Why: without it, who should be known by a certificate comes in without one, if nothing else stops him.
    Look: `openssl s_client` (Acceptable client certificate CA names); ssl_verify_client, SSLVerifyClient; whether the
    site or the balancer before it ends TLS.
    """
    from shipworthy.judging import certificates

    wrong = certificates.unasked(shown)
    assert not wrong, "\n".join([shown.line(wrong, shown.mains), *shown.evidence(wrong, shown.mains)])


@check("certificates.reloaded", each="files")
def test_served_certificate_is_the_one_on_disk(
    item: Item[CertificateFile], certificates: Certificates, served: Shown
) -> None:
    """What is served is what is on disk, at every address; of a server with two certificates, that with such a key.

    Why: a renewal that is not loaded lasts until the old one expires in the server's memory, with all well on disk.
    Look: when the server was reloaded, and the ACME client's deploy hook; `openssl x509 -in FILE -noout -serial`.
    """
    from shipworthy.judging import certificate_files as judging

    wrong = judging.not_reloaded(served, judging.readable(certificates, item.name))
    assert not wrong, served.told(wrong)
    served.require()


@check("certificates.files", each="files")
def test_certificate_files_are_in_date(
    item: Item[CertificateFile], certificates: Certificates, policy: HostPolicy, now: datetime, horizon: Horizon
) -> None:
    """Every certificate in the file, or in each file that the glob finds, is in date and lasts for a while yet.

    Why: what is not served to anybody yet, clients' certificates and authorities expire as well, and nothing asks.
    Look: `openssl x509 -in FILE -noout -subject -dates` (it shows the first); the renewal's log; an old copy.
    """
    from shipworthy.judging import certificate_files as judging
    from shipworthy.judging import lifetimes

    files = judging.files_of(certificates, item.name)
    held = judging.held(files)
    broken = [*judging.missing(files, item.name), *judging.unreadable(files), *judging.out_of_date(held, now)]
    assert not broken, listed(broken)
    limit = policy.certificates.authority_left
    found = [lifetimes.remaining(each.label, item.policy, each.certificate, now) for each in judging.leaves(held)]
    found += [
        lifetimes.authority(each.label, limit, each.certificate, now) for each in judging.authorities(held, item.policy)
    ]
    assert all(each.verdict for each in found)
    if unseen := judging.unseen(files):
        raise NotMeasured(first_of(unseen, "; "))
    if end := judging.first_end(held):
        horizon.fails(end, f"{item.name}, expires")
    if first := lifetimes.first_failure(found):
        horizon.fails(first, f"{item.name}, too little is left until it expires")


@check("certificates.keys", each="files")
def test_key_files_are_private(item: Item[CertificateFile], certificates: Certificates) -> None:
    """The private key may be read by those alone who must: its mode and its owner are as declared.

    No key leaves its host.
    Why: who has read it can be the server, until the certificate is revoked.
    Look: `ls -lL KEY`; what wrote it (the ACME client, configuration management) with which umask.
    """
    from shipworthy.judging import certificate_files as judging

    keys = judging.keys_of(judging.files_of(certificates, item.name), item.policy)
    exposed = judging.exposed(keys, item.policy)
    assert not exposed, "\n".join([first_of(exposed, "; "), *judging.modes(keys)])
    if unseen := judging.unseen_keys(keys, item.policy):
        raise NotMeasured(first_of(unseen, "; "))
    if not keys:
        does_not_apply("no key is named, and none is in the file")


@check("certificates.client", each="files")
def test_client_certificate_may_be_one(item: Item[CertificateFile], certificates: Certificates) -> None:
    """A certificate that is to log in with is one for clients: clientAuth, digitalSignature, and no authority.

    Why: servers refuse others, some without a word; public CAs no longer put clientAuth into servers' certificates.
    Look: `openssl x509 -in FILE -noout -ext extendedKeyUsage,keyUsage,basicConstraints`; the profile of who issues it.
    """
    from shipworthy.judging import certificate_files as judging

    unfit = judging.unfit(judging.readable(certificates, item.name))
    assert not unfit, listed(unfit)


def _holds(shown: Shown, claim: str) -> None:
    """What a claim is about is right wherever a certificate is shown; of what is merely odd it warns."""
    from shipworthy.judging import certificates

    wrong = certificates.wrong(shown, claim)
    assert not wrong, shown.told(wrong)
    if odd := certificates.odd(shown, claim):
        warn(shown.line(odd), shown.evidence(odd))
    shown.require()
