"""Names that are broken, servers that do not answer or answer wrongly, and hosts that ask them badly.

All are of a lab with an `estate` (lab.names). What is wrong with a name or a zone stands in the estate from the start:
such a fault looks, from the host whose policy names it, whether it is there. The others break one host's own view.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from lab.faults import NOTHING, confirm, fault
from lab.host import LabHost
from lab.island import ADDRESS, island
from lab.names.build import rewritten
from lab.names.client import (
    OWN,
    SPOILING,
    asking,
    authoritative,
    data,
    nameservers,
    resolver,
    rule,
    spoiled,
    status,
    unheard,
)
from lab.names.servers import answers
from lab.names.zones import MEDIUM


@fault(turns={"dns.ipv4": "failed"})
def no_ipv4_address(host: LabHost) -> Iterator[None]:
    """The name has no A."""
    name = "only6.example.test"
    confirm(data(host, name) == ("", "fd77::9:46"), host, f"{name}: {data(host, name)}")
    yield


@fault(turns={"dns.ipv6": "failed"})
def no_ipv6_address(host: LabHost) -> Iterator[None]:
    """The name has no AAAA."""
    name = "only4.example.test"
    confirm(data(host, name) == ("10.77.9.44", ""), host, f"{name}: {data(host, name)}")
    yield


@fault(turns={"dns.ipv6": "failed"})
def servfail_for_aaaa(host: LabHost) -> Iterator[None]:
    """The signature of the name's AAAA is broken, so that resolvers that validate say SERVFAIL."""
    name = "servfail6.example.test"
    told = [status(host, name, type) for type in ("A", "AAAA")]
    confirm(told == ["NOERROR", "SERVFAIL"], host, f"{name}: {told}")
    yield


@fault(turns={"dns.ipv4": "failed", "dns.ipv6": "failed", "dns.dangling": "failed"})
def dangling_alias(host: LabHost) -> Iterator[None]:
    """The name is an alias of one that is gone."""
    name = "dangling.example.test"
    alias = answers(host, name, "CNAME")
    confirm(alias == "gone.example.test.\n" and status(host, name) == "NXDOMAIN", host, f"{name}: {alias}")
    yield


@fault(turns={"dns.reverse": "failed"})
def no_pointer(host: LabHost) -> Iterator[None]:
    """The name's addresses have no PTR."""
    confirm(status(host, "50.9.77.10.in-addr.arpa", "PTR") == "NXDOMAIN", host, "10.77.9.50 has a PTR")
    yield


@fault(turns={"dns.reverse": "failed"})
def pointer_elsewhere(host: LabHost) -> Iterator[None]:
    """The PTR of the name's addresses leads to a name with other addresses."""
    confirm(answers(host, "51.9.77.10.in-addr.arpa", "PTR") == "mail.example.test.\n", host, "the PTR of 10.77.9.51")
    yield


@fault(turns={"dns.nameservers": "failed", "dns.time": "warned"})
def first_nameserver_dead(host: LabHost) -> Iterator[None]:
    """The first name server answers nothing, and the C library waits for it each time."""
    first, *_ = nameservers(host)
    with (
        asking(host, nameservers(host), "options timeout:1"),
        unheard(host, "udp", first),
        unheard(host, "tcp", first),
    ):
        confirm(not answers(host, "www.example.test", "A", f"@{first}"), host, f"{first} answers")
        yield


@fault(turns={"dns.nameservers": "failed"})
def nameserver_without_tcp(host: LabHost) -> Iterator[None]:
    """A name server answers over UDP, and a firewall has forgotten TCP."""
    first, *_ = nameservers(host)
    with unheard(host, "tcp", first):
        told = [bool(answers(host, "www.example.test", "A", f"@{first}", how)) for how in ("+notcp", "+tcp")]
        confirm(told == [True, False], host, f"{first} answers over UDP, TCP: {told}")
        yield


@fault(turns={"dns.nameservers": "failed"})
def nameserver_silent_on_ipv6(host: LabHost) -> Iterator[None]:
    """A firewall has forgotten DNS over IPv6, over which one of the name servers is asked."""
    (sixth,) = (one for one in nameservers(host) if ":" in one)
    with unheard(host, "udp", "::/0"), unheard(host, "tcp", "::/0"):
        confirm(not answers(host, "www.example.test", "A", f"@{sixth}"), host, f"{sixth} answers")
        yield


@fault(turns={"dns.time": "failed"})
def slow_nameserver(host: LabHost) -> Iterator[None]:
    """The first name server takes more than a second for each answer."""
    with spoiled(host, "slow", "1.2"), asking(host, [SPOILING, *nameservers(host)]):
        yield


@fault(turns={"dns.nameservers": "failed", "dns.ipv4": "failed", "dns.ipv6": "failed"})
def dns_down(host: LabHost) -> Iterator[None]:
    """Whatever the host asks, no name server answers."""
    with asking(host, nameservers(host), "options timeout:1 attempts:1"), ExitStack() as walls:
        for protocol in ("udp", "tcp"):
            for everybody in ("0.0.0.0/0", "::/0"):
                walls.enter_context(unheard(host, protocol, everybody))
        confirm(
            host.run(["getent", "ahosts", "www.example.test"], check=False).returncode != 0, host, "a name resolves"
        )
        yield


@fault(turns={"dns.expected": "failed"})
def fragments_dropped(host: LabHost) -> Iterator[None]:
    """The path to the name server takes 800 bytes and drops fragments: what is larger never arrives over UDP."""
    name = "medium.example.test"
    told = f"{name}. A 10.77.9.82", f"{name}. AAAA fd77::9:82", f"{name}. TXT {MEDIUM}"
    with island(host) as far, resolver(host, ADDRESS, *told, far=far), asking(host, [ADDRESS]):
        far.run("ip", "link", "set", "eth0", "mtu", "800")
        confirm(bool(answers(host, name, "TXT", "+bufsize=1232")), host, f"{name} has no TXT")
        with rule(host, "iptables-legacy", "PREROUTING", "-t", "raw", "-f", "-j", "DROP"):
            told_udp, told_tcp = (answers(host, name, "TXT", "+bufsize=1232", how) for how in ("+notcp", "+tcp"))
            confirm(not told_udp and bool(told_tcp), host, f"{name} TXT arrives over UDP, or not over TCP")
            yield


@fault(turns={"dns.agreement": "failed"})
def one_nameserver_knows_nothing(host: LabHost) -> Iterator[None]:
    """The second name server says that there is no such name."""
    before = nameservers(host)
    with resolver(host, OWN, zone="partial.example.test. always_nxdomain"), asking(host, [before[0], OWN]):
        confirm(status(host, "partial.example.test", "A", OWN) == "NXDOMAIN", host, "it knows the name")
        yield


@fault(turns={"dns.expected": "failed"})
def another_answer(host: LabHost) -> Iterator[None]:
    """The host's name server gives a name other addresses than it has."""
    told = "moved.example.test. A 10.77.9.99", "moved.example.test. AAAA fd77::9:99"
    with resolver(host, OWN, *told), asking(host, [OWN]):
        confirm(data(host, "moved.example.test") == ("10.77.9.99", "fd77::9:99"), host, "the addresses are the same")
        yield


@fault(turns={"dns.same": "failed"})
def another_view(host: LabHost) -> Iterator[None]:
    """The host's name server gives a name other addresses than other hosts' servers do."""
    told = "view.example.test. A 10.77.9.99", "view.example.test. AAAA fd77::9:99"
    with resolver(host, OWN, *told), asking(host, [OWN]):
        confirm(data(host, "view.example.test") == ("10.77.9.99", "fd77::9:99"), host, "the addresses are the same")
        yield


@fault(turns={"dns.absent": "failed"})
def nxdomain_rewritten(host: LabHost) -> Iterator[None]:
    """A name server gives an address to names that do not exist."""
    with spoiled(host, "rewrite", "10.77.9.99"), asking(host, [SPOILING]):
        confirm(answers(host, "nowhere.example.test") == "10.77.9.99\n", host, "nowhere.example.test has no address")
        yield


@fault(turns={"dns.hosts_file": "failed"})
def hosts_file_overrides(host: LabHost) -> Iterator[None]:
    """Somebody has once written another address into /etc/hosts."""
    with rewritten(host, "/etc/hosts", f"{host.read('/etc/hosts')}10.77.9.99 pinned.example.test\n"):
        told = host.run(["getent", "ahostsv4", "pinned.example.test"]).stdout
        confirm(told.startswith("10.77.9.99 "), host, told)
        yield


@fault(turns={"dns.resolver": "warned"})
def searches_first(host: LabHost) -> Iterator[None]:
    """Each name is first looked up below four others, as in a cluster's containers."""
    search = "search web.svc.example.test svc.example.test example.test test"
    with asking(host, nameservers(host), search, "options ndots:5"):
        told = host.run(["getent", "ahosts", "www.example.test"]).stdout
        confirm("10.77.9.80" in told, host, told)
        yield


@fault(turns={"dns.rotation": "failed"})
def rotation_stands_still(host: LabHost) -> Iterator[None]:
    """The host's name server gives addresses in the same order each time."""
    with resolver(host, OWN, rotate=False), asking(host, [OWN]):
        firsts = {answers(host, "even.example.test").split()[0] for _ in range(20)}
        confirm(len(firsts) == 1, host, f"the first addresses are {firsts}")
        yield


@fault(turns={"dns.serials": "failed"})
def old_serial(host: LabHost) -> Iterator[None]:
    """One of a zone's servers has an older version of it."""
    first, second = (
        answers(host, "stale.test", "SOA", "+norec", f"@{server}") for server in authoritative(host, "stale.test")
    )
    confirm(first.split()[2] > second.split()[2], host, f"{first}{second}")
    yield


@fault(turns={"dns.delegation": "failed"})
def lame_delegation(host: LabHost) -> Iterator[None]:
    """A zone is delegated to a server that does not have it, and refuses."""
    _, lame = authoritative(host, "lame.test")
    confirm(status(host, "lame.test", "SOA", lame, "+norec") == "REFUSED", host, f"{lame} knows lame.test")
    yield


@fault(turns={"dns.delegation": "failed"})
def authoritative_server_without_ipv6(host: LabHost) -> Iterator[None]:
    """One of a zone's servers has an IPv6 address, and a firewall that forgot it."""
    _, silent = authoritative(host, "nov6.test", "AAAA")
    confirm(status(host, "nov6.test", "SOA", silent, "+norec") == "silent", host, f"{silent} answers")
    yield


@fault(turns={"dns.delegation": "failed"})
def authoritative_server_without_tcp(host: LabHost) -> Iterator[None]:
    """One of a zone's servers answers over UDP, and nothing over TCP."""
    _, server = authoritative(host, "notcp.test")
    told = [status(host, "notcp.test", "SOA", server, "+norec", how) for how in ("+notcp", "+tcp")]
    confirm(told == ["NOERROR", "silent"], host, f"{server} over UDP, TCP: {told}")
    yield


@fault(turns={"dns.ttl": "warned"})
def ttl_of_seconds(host: LabHost) -> Iterator[None]:
    """Caches may keep the name for five seconds."""
    server, *_ = authoritative(host, "fleeting.test")
    told = host.run(["kdig", "+noall", "+answer", "+norec", f"@{server}", "www.fleeting.test", "A"]).stdout
    confirm(told.split()[1:2] == ["5"], host, told)
    yield


@fault(turns={"dns.edns": "warned"})
def datagrams_of_4096_bytes(host: LabHost) -> Iterator[None]:
    """One of a zone's servers advertises datagrams that arrive, on many paths, in fragments only."""
    _, wide = authoritative(host, "wide.test")
    told = host.run(["kdig", "+edns", "+norec", f"@{wide}", "wide.test", "SOA"]).stdout
    confirm("UDP size: 4096 B" in told, host, told)
    yield


@fault(turns={"dns.zone": "failed"})
def zone_expires_in_hours(host: LabHost) -> Iterator[None]:
    """A zone's secondary servers give up after two hours; where a policy bounds that, it fails."""
    server, *_ = authoritative(host, "hasty.test")
    told = answers(host, "hasty.test", "SOA", "+norec", f"@{server}")
    confirm(told.split()[5:6] == ["7200"], host, told)
    yield


@fault(turns={"dns.ipv4": "failed", "dns.ipv6": "failed", "dns.dnssec": "failed", "dns.signatures": "failed"})
def signatures_ended(host: LabHost) -> Iterator[None]:
    """A zone's signatures have ended three days ago, and resolvers that validate say SERVFAIL."""
    _bogus(host, "www.expired.test")
    yield


@fault(turns={"dns.signatures": "warned"})
def signatures_end_in_two_days(host: LabHost) -> Iterator[None]:
    """A zone's signatures end in two days, and nobody has renewed them."""
    confirm(status(host, "www.ending.test") == "NOERROR", host, "www.ending.test does not resolve")
    yield


@fault(turns={"dns.signatures": "failed"})
def signatures_end_tonight(host: LabHost) -> Iterator[None]:
    """A zone's signatures end in six hours."""
    confirm(status(host, "www.tonight.test") == "NOERROR", host, "www.tonight.test does not resolve")
    yield


@fault(turns={"dns.ipv4": "failed", "dns.ipv6": "failed", "dns.dnssec": "failed"})
def wrong_ds(host: LabHost) -> Iterator[None]:
    """The parent of a zone vouches for another key than the zone's."""
    _bogus(host, "www.wrongds.test")
    yield


@fault(turns={"dns.dnssec": "warned"})
def names_hashed_often(host: LabHost) -> Iterator[None]:
    """A zone denies names by NSEC3 with many iterations, which is work for all, and no secret kept."""
    told = host.run(["kdig", "+dnssec", "+noall", "+authority", "www.hashed.test", "AAAA"]).stdout
    confirm("NSEC3\t1 0 50 - " in told and status(host, "www.hashed.test") == "NOERROR", host, told)
    yield


@fault(turns=NOTHING)
def long_answers(host: LabHost) -> Iterator[None]:
    """An answer is longer than a datagram, and comes over TCP. To be borne."""
    short, long = (answers(host, "large.example.test", "TXT", how) for how in ("+ignore", "+noignore"))
    confirm(not short and len(long) > 3000, host, "the answer is not cut over UDP, or not whole over TCP")
    yield


def _bogus(host: LabHost, name: str) -> None:
    """Confirm that resolvers give the name's address only to who does not want it checked."""
    told = [status(host, name, "A", "", how) for how in ("+nocdflag", "+cdflag")]
    confirm(told == ["SERVFAIL", "NOERROR"], host, f"{name}: {told}")
