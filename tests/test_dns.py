"""DNS: names resolve on both families, from every server, to what they should, evenly, in time; and who vouches.

Each name is judged by the servers that answer anything; one that answers nothing is told once, of its host.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from shipworthy.checks import Item, check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.judging import dns as judging
from shipworthy.judging.evenness import evenness
from shipworthy.judging.lookups import LIBRARY, TYPES, Looked, is_mute, knows, silence_of, unasked, without_servers
from shipworthy.judging.views import View, layers, told_apart, view
from shipworthy.plugin.fleet import Fleet
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy._dns_items import FAMILIES, Family, Name, samples_needed
from shipworthy.probes.dns import Dns, Question, Server
from shipworthy.probes.parts.resolv_conf import MOST_ASKED, address

if TYPE_CHECKING:  # dnspython takes its time to load: only where a policy asks for it
    from shipworthy.here import Here
    from shipworthy.judging.dnssec import Chain

SHOWN = 5
NOTHING = "nothing is answered, which is dns.ipv4's and dns.ipv6's to tell"


@check("dns.ipv4", each="names")
def test_resolves_on_ipv4(lookups: Dns, questions: list[Question], item: Item[Name], policy: HostPolicy) -> None:
    """The name has an IPv4 address, for the C library and for every server that answers.

    Why: clients that speak IPv4 alone reach nothing without one; a server that fails is a delay for some look-ups.
    Look: `getent ahostsv4 NAME` and `dig NAME A @SERVER` there; of SERVFAIL `dig +cd`, which leaves DNSSEC out.
    """
    _resolves("ipv4", _looked_up(lookups, questions, item), item, policy)


@check("dns.ipv6", each="names")
def test_resolves_on_ipv6(lookups: Dns, questions: list[Question], item: Item[Name], policy: HostPolicy) -> None:
    """The name has an IPv6 address where it should, and no server fails when it is asked for one.

    Why: clients ask for both families and wait for both answers; an IPv4-mapped address is no IPv6.
    Look: `getent ahostsv6 NAME` (which maps IPv4) and `dig NAME AAAA @SERVER` there; load balancers that know A alone.
    """
    _resolves("ipv6", _looked_up(lookups, questions, item), item, policy)


@check("dns.expected", each="names")
def test_answers_are_expected(lookups: Dns, questions: list[Question], item: Item[Name], policy: HostPolicy) -> None:
    """Every server's answer, and the C library's, is what is declared: all of it, and nothing else.

    Why: an old address leads to a machine that is no longer yours; a record that is missing is a mail that bounces.
    Look: `dig NAME TYPE @SERVER` at each server that is named; caches that have not run out; split horizons.
    """
    looked = _looked_up(lookups, questions, item)
    families = [*dict.fromkeys([*_families(item, policy), *_declared_families(item.policy)])]
    types = [*(["CNAME"] if item.policy.alias else []), *item.policy.records]
    wrong = [looked.lost] if looked.lost else judging.unexpected(looked, item.policy, families)
    assert not wrong, _told(wrong, looked, *types)
    judging.require(looked, *types, *(TYPES[family] for family in families if item.policy.addresses))


@check("dns.time", each="names")
def test_answers_in_time(lookups: Dns, questions: list[Question], item: Item[Name]) -> None:
    """Every server answers fast what it has at hand, and soon what it must look for; so does the C library.

    Why: every connection begins with it. A C library that is slower than the servers waits for one that is dead.
    Look: `dig NAME @SERVER` (Query time), twice; resolv.conf, where the first server is asked first each time.
    """
    looked = _looked_up(lookups, questions, item)
    if looked.lost:
        does_not_apply(NOTHING)
    verdicts = [*_of_servers(looked, item.policy), *_of_library(looked, item.policy)]
    judging.require(looked, *(() if verdicts else TYPES.values()))
    assert all(verdicts)


@check("dns.nameservers")
def test_every_nameserver_answers(dns: Dns, policy: HostPolicy) -> None:
    """Every name server that this host asks answers, over UDP and over TCP.

    Why: a dead one is a wait of seconds for every look-up that comes to it, for the first one that is every look-up.
    Without TCP, answers that are longer than a datagram are lost.
    Look: `dig NAME @SERVER`, and with `+tcp`; firewalls, which forget TCP port 53 and IPv6.
    """
    if not any(name.vantage == "host" for name in policy.dns.names.values()):
        does_not_apply("no name is looked up on this host")
    if not dns.servers and (why := without_servers(dns) or dns.unseen.get("servers", "")):
        raise NotMeasured(why)
    silent = [(server, how) for server in dns.servers for how in _silences(server)]
    dead = [f"name server {server.address}: {how}" for server, how in silent if not unasked(how)]
    assert not dead, "\n".join(["; ".join(dead), *_ignored(dns.servers)])
    for server, how in silent:
        raise NotMeasured(f"name server {server.address}: {how}")


@check("dns.agreement", each="names")
def test_nameservers_agree(lookups: Dns, questions: list[Question], item: Item[Name]) -> None:
    """Servers that are asked for one name say the same: whether it is there, and has what is declared.

    Why: which of them is asked is chance, so that it works now and then. Without declared addresses, different ones are
    no finding: that is how CDNs answer.
    Look: `dig NAME @SERVER` at each; which of them forwards elsewhere, or has a zone or a cache of its own.
    """
    looked = _looked_up(lookups, questions, item)
    if all(len(answers) < 2 for answers in looked.addresses.values()):
        does_not_apply("fewer than two name servers answer")
    wrong = judging.disagreements(looked, item.policy)
    assert not wrong, _told(wrong, looked)
    judging.require(looked, *TYPES.values())


@check("dns.resolver")
def test_resolver_configuration_is_sound(dns: Dns, policy: HostPolicy) -> None:
    """The host's resolv.conf and nsswitch.conf ask whom they name, do not wait for long, and do not search in vain.

    Why: the C library passes over what it does not understand, and over the fourth name server, without a word.
    Look: /etc/resolv.conf and who writes it (resolvconf, NetworkManager, DHCP); `hosts:` in /etc/nsswitch.conf.
    """
    names = [name for name, said in policy.dns.names.items() if said.vantage == "host" and said.servers is None]
    if not names and not (dns.resolver and dns.resolver.nameservers):
        does_not_apply("no name server is configured, and no name is looked up")
    resolver = seen(dns, "resolver")
    if not resolver.nameservers:
        raise NotMeasured(without_servers(dns))
    strange = [each for each in resolver.nameservers if not address(each)]
    assert not strange, f"name servers that are no addresses: {', '.join(strange[:SHOWN])}"
    blind = bool(names and dns.sources) and not {"dns", "resolve"} & set(dns.sources or ())
    assert not blind, f"nsswitch.conf looks hosts up in {', '.join(dns.sources or ())}, and not in DNS"
    limits, asked = policy.dns, resolver.nameservers[:MOST_ASKED]
    wait = f"{resolver.timeout} s × {resolver.attempts} attempts × {len(asked)} name servers"
    verdicts = [
        limits.nameservers.allows(len(resolver.nameservers), evidence=resolver.nameservers[MOST_ASKED:]),
        limits.worst_wait.allows(resolver.timeout * resolver.attempts * len(asked), evidence=[wait]),
    ]
    if names:
        before = max((judging.asked_first(name, resolver.search, resolver.ndots) for name in names), key=len)
        verdicts.append(limits.searches.allows(len(before), evidence=before))
    assert all(verdicts)


@check("dns.hosts_file", each="names")
def test_hosts_file_does_not_override(lookups: Dns, questions: list[Question], item: Item[Name]) -> None:
    """The hosts file gives the name no address that DNS does not give it.

    Why: such a line was written for a test or a migration, is forgotten, and lasts when the address moves.
    Look: `grep NAME /etc/hosts`, and what writes it (cloud-init's manage_etc_hosts, configuration management).
    """
    if item.policy.servers:
        does_not_apply("it is looked up at name servers of its own")
    if lookups.sources is not None and "files" not in lookups.sources:
        does_not_apply("nsswitch.conf does not look into the hosts file")
    if why := lookups.unseen.get("hosts_file"):
        if why.startswith("no "):
            does_not_apply(why)
        raise NotMeasured(f"hosts_file: {why}")
    looked = _looked_up(lookups, questions, item)
    pinned = judging.overriding(looked, item.policy)
    if pinned and not any(looked.addresses.values()):
        raise NotMeasured(f"{item.name}: no name server says what the hosts file overrides")
    assert not pinned, _told([f"{item.name} is {', '.join(pinned)} in /etc/hosts"], looked)


@check("dns.absent", each="names")
def test_absent_name_is_absent(lookups: Dns, questions: list[Question], item: Item[Name]) -> None:
    """Every server says of a name that must not exist that it does not.

    Why: a server that answers all the same sends clients to whoever pays for it, and hides every misspelling.
    Look: `dig NAME @SERVER` (status: NXDOMAIN); wildcards; search domains of resolv.conf; whether it is still there.
    """
    looked = _looked_up(lookups, questions, item)
    there = [looked.lost] if looked.lost else judging.presences(looked)
    assert not there, _told(there, looked)
    judging.require(looked, *TYPES.values())


@check("dns.dangling", each="names")
def test_no_dangling_alias(lookups: Dns, questions: list[Question], item: Item[Name]) -> None:
    """A name that is an alias leads to one that has an address.

    Why: whoever can register what a dangling alias leads to answers in your name, with a valid certificate.
    Look: `dig NAME CNAME`, and its target; a cloud service that was given up before its alias.
    """
    looked = _looked_up(lookups, questions, item)
    if looked.lost:
        does_not_apply(NOTHING)
    ends = judging.dangling(looked)
    assert not ends, _told(ends, looked)
    judging.require(looked, *TYPES.values())
    if not judging.is_alias(looked):
        does_not_apply("it is no alias")


@check("dns.reverse", each="names")
def test_reverse_matches_forward(lookups: Dns, questions: list[Question], item: Item[Name]) -> None:
    """Each declared address has a PTR that leads to a name with that address.

    Why: mail servers refuse senders without one; logs and access lists name whom it names.
    Look: `dig -x ADDRESS`; the reverse zone, which is often somebody else's.
    """
    looked = _looked_up(lookups, questions, item)
    wrong = [looked.lost] if looked.lost else judging.reverses(looked, item.policy)
    assert not wrong, _told(wrong, looked)
    judging.require_pointers(looked, item.policy)


@check("dns.rotation", each="names")
def test_rotation_is_even(lookups: Dns, questions: list[Question], item: Item[Name], policy: HostPolicy) -> None:
    """Each address comes first in answers as often as its share says, as far as so many answers can tell.

    Why: most clients take the first; an address that is never first bears nothing, and one that always is bears all.
    Look: the server's order (rrset-order, rrset-roundrobin), a cache before it; where the wire is even and the C
    library is not, its sorting by RFC 6724 (gai.conf), which prefers addresses that are near.
    """
    looked = _looked_up(lookups, questions, item)
    if looked.lost:
        does_not_apply(NOTHING)
    verdicts: list[Verdict] = []
    few = []
    for layer in layers(looked, item.policy.weights):
        strange = sorted(layer.counts.keys() - layer.shares.keys())
        assert not strange, f"{layer.words}: {', '.join(strange)} comes first, and has no share"
        total, needed = sum(layer.counts.values()), samples_needed(layer.shares.values())
        found = evenness(layer.counts, layer.shares) if total else None
        if found and not found.by_chance:
            evidence = [f"{each} first {layer.counts.get(each, 0)} of {total} times" for each in layer.shares]
            told = f"{layer.words}, {{}}: times that it comes first, by what it should"
            verdicts += [
                policy.dns.uneven.allows(found.ratios[found.most], what=told.format(found.most), evidence=evidence),
                policy.dns.neglected.allows(
                    found.ratios[found.least], what=told.format(found.least), evidence=evidence
                ),
            ]
        elif total < needed:
            few.append(f"{layer.words}: {total} answers are too few to tell, and {needed} are needed")
    assert all(verdicts)
    if few:
        raise NotMeasured("; ".join(few))


@check("dns.same")
def test_hosts_see_the_same_answers(fleet: Fleet) -> None:
    """No host is told other addresses of a name than most hosts are.

    Why: a resolver with a zone of its own, a forgotten hosts file, a split horizon on the wrong side. Names whose
    addresses are declared are dns.expected's; where no view has most hosts, answers differ as a CDN's do.
    Look: `getent ahosts NAME` on the host that is named and on another; their resolv.conf.
    """
    views, missing = _views(fleet)
    known = max(map(len, views.values()), default=0)
    if known + len(missing) < 3:
        does_not_apply("there is an odd one out from three hosts on that look up the same name")
    odd = [line for what, seen_by in views.items() if len(seen_by) > 2 for line in told_apart(what, seen_by)]
    assert not odd, "\n".join([_some(odd), *odd[SHOWN:]])
    if missing:
        silent = _some([f"{host} ({why})" for host, why in missing.items()], ", ")
        rest = "the others see the same" if known > 2 else f"{known} are too few to find the odd one out among"
        raise NotMeasured(f"hosts that told nothing: {silent}; {rest}")


@check("dns.serials", each="names", once=True)
def test_authoritative_servers_agree(here: Here, item: Item[Name]) -> None:
    """Every server of the name's zone has the same version of it.

    Why: one that has stopped to follow answers with what was true once, and stops altogether when the zone expires.
    Look: `dig ZONE SOA @SERVER` at each; NOTIFY and transfers (port 53 over TCP, TSIG keys) to the one that is behind.
    """
    from shipworthy.judging import authority

    found = authority.serials(here.authority, item.name)
    if not found:
        raise NotMeasured(f"{here.authority.zone_of[item.name]}: none of its servers tells its serial")
    zone, told = here.authority.zone_of[item.name], []
    for serial in sorted(set(found.values())):
        told.append(f"{serial} ({', '.join(server for server in sorted(found) if found[server] == serial)})")
    assert len(told) == 1, f"{zone}: its servers have different serials: {'; '.join(told)}"


@check("dns.delegation", each="names", once=True)
def test_delegation_is_not_lame(here: Here, item: Item[Name]) -> None:
    """Every server that the name's zones are delegated to answers for them, over both families, over UDP and TCP.

    Why: resolvers try any of them, and wait for those that do not answer; what parent and zone say differently is what
    fails when one of them is changed.
    Look: `dig ZONE SOA +norecurse @ADDRESS` (status, and aa among the flags), `dig ZONE NS` at parent and zone, glue.
    """
    from shipworthy.judging import authority

    wrong = authority.lame(here.authority, item.name)
    wrong += [] if item.name in here.authority.stopped else authority.faults(here.authority, item.name)
    assert not wrong, "\n".join([_some(wrong), *wrong[SHOWN:]])
    if unknown := authority.unasked(here.authority, item.name):
        raise NotMeasured(f"{item.name}: from here, {_some(unknown)}")


@check("dns.dnssec", each="names", once=True)
def test_dnssec_is_valid(here: Here, item: Item[Name], policy: HostPolicy, now: datetime) -> None:
    """What is signed is signed by whom the root vouches for; and what must be signed is.

    Why: for whoever validates, a name whose signatures are wrong is gone.
    Look: `delv NAME`, `dig ZONE DS` at the parent and `dig ZONE DNSKEY`; dnsviz.net draws it.
    """
    chain = _chain(here, item, policy, now)
    assert chain.state != "bogus", f"{item.name}: {chain.reason}"
    assert chain.state == "secure" or not item.policy.dnssec, f"{item.name} must be signed: {chain.reason}"
    assert not chain.weak, f"{item.name}: {'; '.join(chain.weak)}"
    zone = here.authority.zone_of[item.name]
    if zone in chain.iterations:
        assert policy.dns.nsec3_iterations.allows(chain.iterations[zone], what=f"{zone}: NSEC3 iterations")


@check("dns.signatures", each="names", once=True)
def test_signatures_outlive_their_limit(here: Here, item: Item[Name], policy: HostPolicy, now: datetime) -> None:
    """Every signature on the way from the root to the name lasts for a while yet, and not for ever.

    Why: they are renewed by a job, and when that has stopped, all is well until the last moment.
    Look: the signer's log and timers; `dig NAME +dnssec`, where an RRSIG has its end and its beginning.
    """
    signatures = _chain(here, item, policy, now).signatures
    if not signatures:
        does_not_apply("nothing on the way to it is signed")
    first = min(signatures, key=lambda each: each.expiration)
    longest = max(signatures, key=lambda each: each.expiration - each.inception)
    ends = [f"{each.covers}, key {each.key_tag} of {each.zone}: from {each.inception} to {each.expiration}"
            for each in sorted(signatures, key=lambda each: each.expiration)[:SHOWN]]  # fmt: skip
    left, life = (first.expiration - now).total_seconds(), (longest.expiration - longest.inception).total_seconds()
    verdicts = [
        policy.dns.signature_left.allows(left, what=f"{first.covers}: until a signature ends", evidence=ends),
        policy.dns.signature_life.allows(life, what=f"{longest.covers}: life of a signature", evidence=ends),
    ]
    assert all(verdicts)


def _looked_up(lookups: Dns, questions: list[Question], item: Item[Name]) -> Looked:
    return Looked(item.name, lookups, questions, item.policy.servers)


def _told(wrong: list[str], looked: Looked, *types: str) -> str:
    """All in one line, and below it what everybody said."""
    return "\n".join(["; ".join(wrong), *looked.evidence(*TYPES.values(), *types)])


def _some(lines: list[str], between: str = "; ") -> str:
    """The first of them, and how many more there are."""
    more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
    return between.join(lines[:SHOWN]) + more


def _families(item: Item[Name], policy: HostPolicy) -> list[Family]:
    """Those in which the name has addresses: by itself, or as the estate does."""
    return item.policy.families or [family for family in FAMILIES if family in policy.families]


def _declared_families(said: Name) -> list[Family]:
    return [family for family in FAMILIES if any((":" in each) == (family == "ipv6") for each in said.addresses or ())]


def _resolves(family: Family, looked: Looked, item: Item[Name], policy: HostPolicy) -> None:
    assert not looked.lost, _told([looked.lost], looked)
    failing = judging.undecided(looked, family)
    assert not failing, _told(failing, looked)
    there = judging.addresses_of(looked, family)
    if family in _families(item, policy) and not there:
        judging.require(looked, TYPES[family])
        raise AssertionError(_told([judging.lack(looked, family)], looked))
    judging.require(looked, TYPES[family])


def _of_servers(looked: Looked, limits: Name) -> Iterator[Verdict]:
    """The slowest answer of each server, first asked and asked again; failing takes its time, and is told as such."""
    by_server: dict[str, list[tuple[str, float, float | None]]] = {}
    for type in TYPES.values():
        for each in looked.of(type):
            if each.reply and not each.broken:
                by_server.setdefault(each.server, []).append((type, each.said.seconds, each.said.warm_seconds))
    for server, said in by_server.items():
        warm = [(seconds, type) for type, _, seconds in said if seconds is not None]
        if warm:
            seconds, type = max(warm)
            yield limits.within.allows(seconds, what=f"{looked.name} {type}: {server} answers after")
        seconds, type = max((seconds, type) for type, seconds, _ in said)
        yield limits.cold_within.allows(seconds, what=f"{looked.name} {type}: {server} answers, first asked, after")


def _of_library(looked: Looked, limits: Name) -> Iterator[Verdict]:
    said = [(each.seconds, TYPES[family]) for family, each in looked.libc.items() if knows(each)]
    if said:
        seconds, type = max(said)
        yield limits.cold_within.allows(seconds, what=f"{looked.name} {type}: {LIBRARY} answers after")


def _silences(server: Server) -> list[str]:
    """Over which transport a server answers nothing, and why."""
    found = {"UDP": silence_of(server)} if is_mute(server) else {}
    if server.tcp and not any(said.message >= 0 for said in server.tcp):
        found["TCP"] = server.tcp[0].error
    if len(set(found.values())) == 1 and len(found) == 2:
        return [f"{found['UDP']}, over UDP and TCP" if not unasked(found["UDP"]) else found["UDP"]]
    return [f"{why}, over {how}" if not unasked(why) else why for how, why in found.items()]


def _ignored(servers: Iterable[Server]) -> list[str]:
    return [
        f"{each.address}: {each.ignored} answers with another id or from elsewhere" for each in servers if each.ignored
    ]


def _views(fleet: Fleet) -> tuple[dict[str, dict[str, View]], dict[str, str]]:
    """What each host sees, by `NAME A`; and hosts that told nothing, with the reason."""
    views: dict[str, dict[str, View]] = {}
    missing = {}
    for host in fleet.hosts("dns.same"):
        names = {name: said for name, said in fleet.policy(host).dns.names.items() if _is_compared(said)}
        if not names:
            continue
        try:
            snapshot = fleet.snapshot(host)
            reading: Dns = snapshot.reading("dns")
        except NotMeasured as reason:
            missing[host] = str(reason)
            continue
        questions = [Question(**each) for each in snapshot.asked["probes"]["dns"].get("questions", ())]
        for name, said in names.items():
            looked = Looked(name, reading, questions, said.servers)
            for family in FAMILIES:
                if (addresses := view(looked, family)) is not None:
                    views.setdefault(f"{name} {TYPES[family]}", {})[host] = addresses
    return views, missing


def _is_compared(said: Name) -> bool:
    return said.vantage == "host" and not said.must_not_exist and not said.addresses


def _chain(here: Here, item: Item[Name], policy: HostPolicy, now: datetime) -> Chain:
    from shipworthy.judging import dnssec

    return dnssec.judge(here.authority, item.name, policy.dns.trust_anchors, now)
