"""DNS: names resolve on both families, from every server, to what they should, evenly, in time; and who vouches.

Each name is judged by the servers that answer anything; one that answers nothing is told once, of its host.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from shipworthy.checks import Item, check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.judging import dns as judging
from shipworthy.judging import name_servers
from shipworthy.judging.answer_times import time_verdicts
from shipworthy.judging.dns import families_of, judged_families
from shipworthy.judging.lookups import TYPES, Looked, by_words, without_servers
from shipworthy.judging.rotation import rotation
from shipworthy.judging.views import views_of
from shipworthy.judging.wording import SHOWN, first_of, listed
from shipworthy.plugin.fleet import Fleet
from shipworthy.policy import HostPolicy
from shipworthy.policy._dns_items import Name
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.dns import Dns
from shipworthy.report.text import some

if TYPE_CHECKING:  # dnspython takes its time to load: only where a policy asks for it
    from shipworthy.here import Here
    from shipworthy.judging.dnssec import Chain

NOTHING = "nothing is answered, which is dns.ipv4's and dns.ipv6's to tell"


@check("dns.ipv4", each="names")
def test_resolves_on_ipv4(looked: Looked, item: Item[Name], policy: HostPolicy) -> None:
    """The name has an IPv4 address, for the C library and for every server that answers.

    Why: clients that speak IPv4 alone reach nothing without one; a server that fails is a delay for some look-ups.
    Look: `getent ahostsv4 NAME` and `dig NAME A @SERVER` there; of SERVFAIL `dig +cd`, which leaves DNSSEC out.
    """
    wrong = judging.unresolved(looked, "ipv4", expected="ipv4" in families_of(item.policy, policy.families))
    assert not wrong, looked.told(wrong)


@check("dns.ipv6", each="names")
def test_resolves_on_ipv6(looked: Looked, item: Item[Name], policy: HostPolicy) -> None:
    """The name has an IPv6 address where it should, and no server fails when it is asked for one.

    Why: clients ask for both families and wait for both answers; an IPv4-mapped address is no IPv6.
    Look: `getent ahostsv6 NAME` (which maps IPv4) and `dig NAME AAAA @SERVER` there; load balancers that know A alone.
    """
    wrong = judging.unresolved(looked, "ipv6", expected="ipv6" in families_of(item.policy, policy.families))
    assert not wrong, looked.told(wrong)


@check("dns.expected", each="names")
def test_answers_are_expected(looked: Looked, item: Item[Name], policy: HostPolicy) -> None:
    """Every server's answer, and the C library's, is what is declared: all of it, and nothing else.

    Why: an old address leads to a machine that is no longer yours; a record that is missing is a mail that bounces.
    Look: `dig NAME TYPE @SERVER` at each server that is named; caches that have not run out; split horizons.
    """
    families = judged_families(item.policy, policy.families)
    types = [*(["CNAME"] if item.policy.alias else []), *item.policy.records]
    wrong = judging.unexpected(looked, item.policy, families)
    assert not wrong, looked.told(wrong, *types)
    judging.require(looked, *types, *(TYPES[family] for family in families if item.policy.addresses))


@check("dns.time", each="names")
def test_answers_in_time(looked: Looked, item: Item[Name]) -> None:
    """Every server answers fast what it has at hand, and soon what it must look for; so does the C library.

    Why: every connection begins with it. A C library that is slower than the servers waits for one that is dead.
    Look: `dig NAME @SERVER` (Query time), twice; resolv.conf, where the first server is asked first each time.
    """
    if looked.lost:
        does_not_apply(NOTHING)
    verdicts = time_verdicts(looked, item.policy)
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
    silent = name_servers.dead(dns.servers)
    assert not silent, "\n".join(["; ".join(silent), *name_servers.ignored(dns.servers)])
    if unreached := name_servers.out_of_reach(dns.servers):
        raise NotMeasured(unreached[0])


@check("dns.agreement", each="names")
def test_nameservers_agree(looked: Looked, item: Item[Name]) -> None:
    """Servers that are asked for one name say the same: whether it is there, and has what is declared.

    Why: which of them is asked is chance, so that it works now and then. Without declared addresses, different ones are
    no finding: that is how CDNs answer.
    Look: `dig NAME @SERVER` at each; which of them forwards elsewhere, or has a zone or a cache of its own.
    """
    if all(len(answers) < 2 for answers in looked.addresses.values()):
        does_not_apply("fewer than two name servers answer")
    wrong = judging.disagreements(looked, item.policy)
    assert not wrong, looked.told(wrong)
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
    wrong = name_servers.misconfigured(dns, resolver, names)
    assert not wrong, wrong
    verdicts = [*name_servers.resolver_verdicts(resolver, names, policy)]
    assert all(verdicts)


@check("dns.hosts_file", each="names")
def test_hosts_file_does_not_override(looked: Looked, item: Item[Name]) -> None:
    """The hosts file gives the name no address that DNS does not give it.

    Why: such a line was written for a test or a migration, is forgotten, and lasts when the address moves.
    Look: `grep NAME /etc/hosts`, and what writes it (cloud-init's manage_etc_hosts, configuration management).
    """
    if item.policy.servers:
        does_not_apply("it is looked up at name servers of its own")
    if looked.reading.sources is not None and "files" not in looked.reading.sources:
        does_not_apply("nsswitch.conf does not look into the hosts file")
    if why := looked.reading.unseen.get("hosts_file"):
        if why.startswith("no "):
            does_not_apply(why)
        raise NotMeasured(f"hosts_file: {why}")
    pinned = judging.overriding(looked, item.policy)
    if pinned and not any(looked.addresses.values()):
        raise NotMeasured(f"{item.name}: no name server says what the hosts file overrides")
    assert not pinned, looked.told([f"{item.name} is {', '.join(pinned)} in /etc/hosts"])


@check("dns.absent", each="names")
def test_absent_name_is_absent(looked: Looked) -> None:
    """Every server says of a name that must not exist that it does not.

    Why: a server that answers all the same sends clients to whoever pays for it, and hides every misspelling.
    Look: `dig NAME @SERVER` (status: NXDOMAIN); wildcards; search domains of resolv.conf; whether it is still there.
    """
    there = judging.presences(looked)
    assert not there, looked.told(there)
    judging.require(looked, *TYPES.values())


@check("dns.dangling", each="names")
def test_no_dangling_alias(looked: Looked) -> None:
    """A name that is an alias leads to one that has an address.

    Why: whoever can register what a dangling alias leads to answers in your name, with a valid certificate.
    Look: `dig NAME CNAME`, and its target; a cloud service that was given up before its alias.
    """
    if looked.lost:
        does_not_apply(NOTHING)
    ends = judging.dangling(looked)
    assert not ends, looked.told(ends)
    judging.require(looked, *TYPES.values())
    if not judging.is_alias(looked):
        does_not_apply("it is no alias")


@check("dns.reverse", each="names")
def test_reverse_matches_forward(looked: Looked, item: Item[Name]) -> None:
    """Each declared address has a PTR that leads to a name with that address.

    Why: mail servers refuse senders without one; logs and access lists name whom it names.
    Look: `dig -x ADDRESS`; the reverse zone, which is often somebody else's.
    """
    wrong = judging.reverses(looked, item.policy)
    assert not wrong, looked.told(wrong)
    judging.require_pointers(looked, item.policy)


@check("dns.rotation", each="names")
def test_rotation_is_even(looked: Looked, item: Item[Name], policy: HostPolicy) -> None:
    """Each address comes first in answers as often as its share says, as far as so many answers can tell.

    Why: most clients take the first; an address that is never first bears nothing, and one that always is bears all.
    Look: the server's order (rrset-order, rrset-roundrobin), a cache before it; where the wire is even and the C
    library is not, its sorting by RFC 6724 (gai.conf), which prefers addresses that are near.
    """
    if looked.lost:
        does_not_apply(NOTHING)
    found = rotation(looked, item.policy.weights, policy)
    assert not found.strange, found.strange
    assert all(found.verdicts)
    if found.few:
        raise NotMeasured("; ".join(found.few))


@check("dns.same")
def test_hosts_see_the_same_answers(fleet: Fleet) -> None:
    """No host is told other addresses of a name than most hosts are.

    Why: a resolver with a zone of its own, a forgotten hosts file, a split horizon on the wrong side. Names whose
    addresses are declared are dns.expected's; where no view has most hosts, answers differ as a CDN's do.
    Look: `getent ahosts NAME` on the host that is named and on another; their resolv.conf.
    """
    views = views_of({host: fleet.policy(host) for host in fleet.hosts("dns.same")}, fleet.snapshot)
    if views.hosts + len(views.missing) < 3:
        does_not_apply("there is an odd one out from three hosts on that look up the same name")
    odd = views.odd()
    assert not odd, listed(odd)
    if views.missing:
        silent = first_of([f"{some(hosts)} ({why})" for why, hosts in by_words(views.missing.items()).items()], "; ")
        few = f"{views.hosts} are too few to find the odd one out among"
        raise NotMeasured(f"hosts that told nothing: {silent}; {few if views.hosts < 3 else 'the others see the same'}")


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
    assert not wrong, listed(wrong)
    if unknown := authority.unasked(here.authority, item.name):
        raise NotMeasured(f"from here, {first_of(unknown, '; ')}")


@check("dns.ttl", each="names", once=True)
def test_ttls_are_sensible(here: Here, item: Item[Name], policy: HostPolicy) -> None:
    """The name's own servers let caches keep its records for a while, and not for too long.

    Why: what is asked for anew each time fails with the zone's servers at once; what is kept for days is not changed in
    an hour of need.
    Look: `dig NAME +norecurse @SERVER` at the zone's servers; a cache's answer has only what is left of it.
    """
    from shipworthy.judging import authority

    found = authority.lifetimes(here.authority, item.name)
    if found is None:
        raise NotMeasured(f"{item.name}: none of the servers of {here.authority.zone_of[item.name]} answers for it")
    if not found:
        does_not_apply("it has no records")
    told = [f"{each.type} {each.seconds} s ({each.server})" for each in found]
    first, last = found[0], found[-1]
    verdicts = [
        policy.dns.ttl_short.allows(first.seconds, what=f"{item.name} {first.type}: shortest TTL", evidence=told),
        policy.dns.ttl_long.allows(last.seconds, what=f"{item.name} {last.type}: longest TTL", evidence=told[::-1]),
    ]
    assert all(verdicts)


@check("dns.edns", each="names", once=True)
def test_large_answers_arrive(here: Here, item: Item[Name], policy: HostPolicy) -> None:
    """Servers of the name's zone do not lead to datagrams that get lost, and what they cut comes whole over TCP.

    Why: datagrams beyond 1232 bytes are sent in fragments, which many firewalls drop; then only TCP is left.
    Look: `dig ZONE SOA +norecurse @SERVER` (EDNS: udp), max-udp-size and its like; `dig +tcp`, and port 53 over TCP.
    """
    from shipworthy.judging import authority

    lost = authority.cut_short(here.authority, item.name)
    assert not lost, listed(lost)
    found, zone = authority.payloads(here.authority, item.name), here.authority.zone_of[item.name]
    if not found:
        raise NotMeasured(f"{zone}: none of its servers answers over UDP")
    told = sorted(found, key=lambda server: (-found[server], server))
    evidence = [f"{server}: {found[server]}" for server in told]
    assert policy.dns.udp_payload.allows(
        found[told[0]], what=f"{zone}: {told[0]}: UDP payload in bytes", evidence=evidence
    )


@check("dns.zone", each="names", once=True)
def test_zone_is_kept_as_declared(here: Here, item: Item[Name], policy: HostPolicy) -> None:
    """The timers of the name's zone, and the networks that its servers are in, are within what a policy declares.

    Why: they say how soon a secondary server follows, how long it stands in, and what fails with one network. Large
    zones differ from what is recommended, by habit and unharmed: without a bound of yours they are only told.
    Look: `dig ZONE SOA` (serial, refresh, retry, expire, minimum); `dig ZONE NS`, and the addresses of those.
    """
    from shipworthy.judging import authority

    limits, zone = policy.dns, here.authority.zone_of.get(item.name)
    timers = authority.timers(here.authority, item.name)
    verdicts = [
        limits.server_networks.allows(
            len(networks), what=f"{zone}: {family} networks of its servers", evidence=networks
        )
        for family, networks in authority.networks(here.authority, item.name).items()
    ]
    if timers:
        verdicts += [
            limits.soa_refresh.allows(timers.refresh, what=f"{zone}: SOA refresh"),
            limits.soa_retry.allows(timers.retry, what=f"{zone}: SOA retry"),
            limits.soa_expire.allows(timers.expire, what=f"{zone}: SOA expire"),
            limits.soa_minimum.allows(timers.minimum, what=f"{zone}: SOA minimum"),
        ]
    assert all(verdicts)
    if not timers:
        raise NotMeasured(f"{zone}: none of its servers tells its SOA")


@check("dns.dnssec", each="names", once=True)
def test_dnssec_is_valid(chain: Chain, item: Item[Name], policy: HostPolicy) -> None:
    """What is signed is signed by whom the root vouches for; and what must be signed is.

    Why: for whoever validates, a name whose signatures are wrong is gone.
    Look: `delv NAME`, `dig ZONE DS` at the parent and `dig ZONE DNSKEY`; dnsviz.net draws it.
    """
    assert chain.state != "bogus", f"{item.name}: {chain.reason}"
    assert chain.state == "secure" or not item.policy.dnssec, f"{item.name} must be signed: {chain.reason}"
    assert not chain.weak, f"{item.name}: {'; '.join(chain.weak)}"
    if chain.zone in chain.iterations:
        hashed = chain.iterations[chain.zone]
        assert policy.dns.nsec3_iterations.allows(hashed, what=f"{chain.zone}: NSEC3 iterations")


@check("dns.signatures", each="names", once=True)
def test_signatures_outlive_their_limit(chain: Chain, policy: HostPolicy, now: datetime) -> None:
    """Every signature on the way from the root to the name lasts for a while yet, and not for ever.

    Those of the Internet's root and its top-level domains are left out: nobody here can renew them.
    Why: they are renewed by a job, and when that has stopped, all is well until the last moment.
    Look: the signer's log and timers; `dig NAME +dnssec`, where an RRSIG has its end and its beginning.
    """
    if not chain.signatures:
        does_not_apply("nothing on the way to it is signed")
    ours = [each for each in chain.signatures if policy.dns.root_servers or not each.is_of_registry]
    if not ours:
        does_not_apply("nothing on the way to it is signed below its top-level domain")
    first, longest = min(ours, key=lambda each: each.expiration), max(ours, key=lambda each: each.life)
    left, life = (first.expiration - now).total_seconds(), longest.life.total_seconds()
    ago = f"{first.covers}: a signature ended {SECONDS.format(-left)} ago" if left < 0 else ""
    ends = [str(each) for each in sorted(ours, key=lambda each: each.expiration)[:SHOWN]]
    verdicts = [
        policy.dns.signature_left.allows(left, what=f"{first.covers}: until a signature ends", told=ago, evidence=ends),
        policy.dns.signature_life.allows(life, what=f"{longest.covers}: life of a signature", evidence=ends),
    ]
    assert all(verdicts)
