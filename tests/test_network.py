"""Network: links are sound, the host drops nothing, both families work, peers are reached, bad clients do no harm."""

from collections.abc import Iterable, Iterator

from shipworthy.checks import Item, asked, check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.judging.network import (
    Loss,
    bounds,
    frames,
    half,
    in_window,
    is_told,
    lacking,
    proof,
    retransmitted,
    share,
    since_last_run,
)
from shipworthy.policy import HostPolicy
from shipworthy.policy._network_items import HalfSent, Peer
from shipworthy.policy._network_items import Interface as Declared
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.language.units import BYTES_PER_SECOND, SECONDS
from shipworthy.probes.network import Network
from shipworthy.probes.parts import shares
from shipworthy.probes.parts.interfaces import Interface
from shipworthy.probes.parts.peers import Address
from shipworthy.snapshot import NOTHING_BEFORE, Previous


@check("network.throughput")
def test_no_interface_is_full(network: Network, policy: HostPolicy) -> None:
    """No interface carries nearly as much as its speed allows.

    Why: beyond it packets wait, then are dropped, and every connection over it slows down.
    Look: `sar -n DEV 1`, `iftop`; whether a copy or a backup runs; what was negotiated, by `ethtool`.
    """
    rated = [each for each in seen(network, "interfaces") if each.real and each.bytes_per_second]
    if not rated:
        does_not_apply("no interface here has a speed of its own")
    verdicts = []
    for each in rated:
        for words, rate in _rates(network, each.name, "bytes"):
            told = f"{BYTES_PER_SECOND.format(rate)} of {BYTES_PER_SECOND.format(each.bytes_per_second)}"
            percent = 100 * rate / each.bytes_per_second
            verdicts.append(
                policy.network.throughput.allows(
                    percent, evidence=[f"{each.name}: {told}"], what=f"{each.name} {words}"
                )
            )
    assert all(verdicts)


@check("network.errors")
def test_frames_arrive_unbroken(network: Network, policy: HostPolicy, previous: Previous) -> None:
    """Next to no frames are broken on any interface.

    Why: a bad cable, port or transceiver shows here first, and TCP hides it as slowness.
    Look: `ethtool -S`, `ip -s -s link`; the switch's port counters; another cable.
    """
    seen(network, "interfaces")
    losses = ((words, share(network, previous, one)) for words, one in frames(network, shares.errors))
    _frames_are_few(policy, policy.network.errors, losses)


@check("network.drops")
def test_interfaces_drop_few_frames(network: Network, policy: HostPolicy) -> None:
    """Interfaces drop next to no frames now.

    Why: what a full ring or queue drops has to be sent again. Frames that nobody here wants count as well, a few of
    them all the time, so that only what is dropped in the window is judged.
    Look: `ip -s -s link` (missed), `ethtool -S`, `ethtool -g` for the rings' sizes.
    """
    seen(network, "interfaces")
    losses = ((words, share(network, NOTHING_BEFORE, one)) for words, one in frames(network, shares.drops))
    _frames_are_few(policy, policy.network.drops, losses)


@check("network.carrier")
def test_links_in_use_are_there(network: Network, policy: HostPolicy) -> None:
    """Every interface that has an address or a route has its link.

    Why: what is sent through it is lost, or goes another way than was meant.
    Look: `ip -br link`, the cable, the switch's port.
    """
    used = [each for each in seen(network, "interfaces") if each.used and each.up and not each.may_idle]
    if not used:
        does_not_apply("no interface but lo is in use")
    dark = [each.name for each in used if each.carrier is False]
    assert policy.network.no_carrier.allows(len(dark), what=_named("interfaces in use without carrier", dark))


@check("network.carrier_changes")
def test_links_do_not_flap(network: Network, policy: HostPolicy, previous: Previous) -> None:
    """No link was lost and found again and again since the last run.

    Why: each time, connections stall and routes are learnt anew; a link that flaps is about to fail.
    Look: `journalctl -k -g "link is"`; the cable, the transceiver, the switch's log.
    """
    verdicts = []
    for each in seen(network, "interfaces"):
        name = f"{each.name}.carrier_changes"
        if (each.real or each.used) and not each.may_idle and is_told(network, name):
            moved = since_last_run(network, previous, [name])
            what = f"{each.name}: carrier changes {moved.told}"
            verdicts.append(policy.network.carrier_changes.allows(moved.by[name], what=what))
    if not verdicts:
        does_not_apply("no interface here counts them")
    assert all(verdicts)


@check("network.duplex")
def test_links_are_full_duplex(network: Network, policy: HostPolicy) -> None:
    """Every link sends and receives at once.

    Why: half duplex is a negotiation that failed; it works in tests, and collapses under load.
    Look: `ethtool`; whether one end has a fixed speed and the other negotiates.
    """
    told = [each for each in seen(network, "interfaces") if each.up and each.carrier and each.duplex]
    if not told:
        does_not_apply("no interface here tells its duplex")
    slow = [each.name for each in told if each.duplex == "half"]
    assert policy.network.half_duplex.allows(len(slow), what=_named("interfaces in half duplex", slow))


@check("network.bonds")
def test_bonds_are_whole(network: Network, policy: HostPolicy) -> None:
    """Every member of every bond carries traffic, or could at once.

    Why: a bond that lost a member looks well until it loses the other.
    Look: /proc/net/bonding; the cable and the switch's port of the member; LACP on the switch.
    """
    bonds = [each for each in seen(network, "interfaces") if each.bond]
    if not bonds:
        does_not_apply("this host has no bond")
    limits, verdicts = policy.network, []
    for each in bonds:
        down = [member for member in each.bond.members if member.state not in {"up", None} or not member.aggregated]
        what = _named(f"{each.name}: members that carry nothing", [member.name for member in down])
        verdicts += [
            limits.bond_members_down.allows(len(down), evidence=_members(each), what=what),
            limits.bond_members.allows(len(each.bond.members), what=f"{each.name}: members"),
        ]
        if all(verdicts) and f"interfaces.{each.name}" in network.unseen:
            raise NotMeasured(f"{each.name}: {network.unseen[f'interfaces.{each.name}']}")
    assert all(verdicts)


@check("network.softnet")
def test_cpus_keep_up_with_packets(network: Network, policy: HostPolicy) -> None:
    """No CPU drops packets that had already arrived, or is cut short all the time.

    Why: these are lost within the host, and no counter of an interface tells of them.
    Look: /proc/net/softnet_stat; net.core.netdev_max_backlog and netdev_budget; interrupts all on one CPU.
    """
    limits, verdicts = policy.network, []
    queues, seconds = seen(network, "backlogs"), seen(network, "seconds")
    for each in queues:
        told = [f"CPU {each.cpu}: {each.processed} packets, {each.dropped} dropped, {each.squeezed} rounds cut short"]
        dropped, squeezed = each.dropped / seconds, each.squeezed / seconds
        verdicts += [
            limits.softnet_dropped.allows(dropped, evidence=told, what=f"CPU {each.cpu}: packets dropped"),
            limits.softnet_squeezed.allows(squeezed, evidence=told, what=f"CPU {each.cpu}: receive rounds cut short"),
        ]
    assert all(verdicts)


@check("network.tcp_drops")
def test_tcp_has_room(network: Network, policy: HostPolicy, previous: Previous) -> None:
    """Nothing that arrives for a TCP socket is dropped for want of room.

    Why: a connection that a full listener drops costs its client seconds, and shows in no log of the server.
    Look: `ss -ltn` (Recv-Q against Send-Q), `nstat -az`; the application's backlog, net.core.somaxconn, tcp_mem.
    """
    limits = policy.network
    listen = share(network, previous, shares.LISTEN)
    verdicts = [
        limits.listen_drops.allows(_judged(listen.lost, policy), evidence=_queues(network, previous, str(listen)))
    ]
    if is_told(network, *shares.BACKLOG.lost):
        backlog = share(network, previous, shares.BACKLOG)
        verdicts.append(limits.backlog_drops.allows(_judged(backlog.lost, policy), evidence=[str(backlog)]))
    for limit, name in (
        (limits.memory_aborts, "TcpExt.TCPAbortOnMemory"),
        (limits.memory_pressures, "TcpExt.TCPMemoryPressures"),
    ):
        if is_told(network, name):
            moved = since_last_run(network, previous, [name])
            verdicts.append(limit.allows(moved.by[name], what=f"{limit.words} {moved.told}:"))
    assert all(verdicts)


@check("network.udp_drops")
def test_udp_readers_keep_up(network: Network, policy: HostPolicy, previous: Previous) -> None:
    """Next to no datagrams are dropped because a socket's buffer is full.

    Why: nobody sends them again: a log line, a metric, an answer of a resolver is gone.
    Look: `ss -uamp` (Recv-Q, and d in skmem), `nstat -az 'Udp*'`; net.core.rmem_default, or a reader that is too slow.
    """
    verdicts = []
    for words, one in shares.UDP.items():
        if is_told(network, *one.lost, *one.kept):
            loss = share(network, previous, one)
            verdicts.append(
                policy.network.udp_drops.allows(
                    _judged(loss.lost, policy), evidence=[f"{words}: {loss}"], what=f"datagrams dropped, {words}"
                )
            )
    if not verdicts:
        share(network, previous, shares.UDP["IPv4 received"])
    assert all(verdicts)


@check("network.retransmissions")
def test_few_segments_are_sent_again(network: Network, policy: HostPolicy, previous: Previous) -> None:
    """Few TCP segments have to be sent again.

    Why: each waits for at least a round trip, and often for 200 ms; whatever is slow may be slow for it.
    Look: `ss -ti` (retrans) for the connections that suffer; declared peers have a check of their own.
    """
    floor = policy.network.segments_floor
    loss = retransmitted(network, previous, floor)
    if loss.lost.of < floor:
        does_not_apply(f"only {loss.lost.of} segments were sent {loss.moved.told}, and {floor:g} are needed")
    assert policy.network.retransmissions.allows(loss.lost.percent, evidence=[str(loss)])


@check("network.families")
def test_families_are_whole(network: Network, policy: HostPolicy) -> None:
    """Each address family is here with an address and a default route, or not at all.

    Why: half a family is worse than none: clients try it first, and wait.
    Look: `ip -br addr`, `ip route`, `ip -6 route`; router advertisements (accept_ra), DHCPv6.
    """
    seen(network, "routing")
    if policy.families_from != "baseline":
        missing = lacking(network, policy)
        assert policy.network.missing_families.allows(len(missing), what=_named("families missing", missing))
        return
    lacks = half(network)
    assert policy.network.half_families.allows(len(lacks), what=_named("families that the host has half", lacks))


@check("network.syn_cookies")
def test_syn_cookies_are_on(network: Network, policy: HostPolicy) -> None:
    """A flood of SYNs cannot keep others out: SYN cookies are on.

    Why: without them a few hundred spoofed packets a second fill a listener's queue.
    Look: `sysctl net.ipv4.tcp_syncookies`, and who set it.
    """
    if network.syn_cookies is None and network.unseen["syn_cookies"].startswith("no "):
        does_not_apply("this kernel has no tcp_syncookies here")
    assert policy.network.syn_cookies.allows(seen(network, "syn_cookies"))


@check("network.half_open")
def test_half_open_connections_are_few(network: Network, policy: HostPolicy) -> None:
    """Few connections are asked for and never confirmed.

    Why: many are a flood, or a firewall that lets SYNs in and the answers not out.
    Look: `ss -tn state syn-recv` for whom they claim to be from; `nstat -az TcpExtSyncookiesSent`.
    """
    limits = policy.network
    verdicts = [limits.half_open.allows(seen(network, "clients").half_open)]
    if is_told(network, "TcpExt.SyncookiesSent"):
        moved = in_window(network, ["TcpExt.SyncookiesSent"])
        verdicts.append(limits.cookies_sent.allows(moved.by["TcpExt.SyncookiesSent"] / moved.seconds))
    assert all(verdicts)


@check("network.stuck_readers")
def test_peers_read_what_they_are_sent(network: Network, policy: HostPolicy) -> None:
    """Few connections wait for a peer that has stopped reading.

    Why: each holds what it was to read in the kernel's memory, and often a worker; some do it on purpose.
    Look: `ss -tno` (timer:persist); the peers in the evidence; the server's send timeout.
    """
    clients = seen(network, "clients")
    evidence = [f"{told}: {count}" for told, count in clients.stuck_to.items()]
    assert policy.network.stuck_readers.allows(clients.stuck, evidence=evidence)


@check("network.interface_present", each="interfaces")
def test_declared_interface_is_there(network: Network, item: Item[Declared]) -> None:
    """The interface is there, has its link, and negotiated the speed that it should.

    Why: a host that should have two networks, or ten gigabits, and has not, fails when it is needed.
    Look: `ip -br link`, `ethtool`; udev's names; the switch's port.
    """
    found = _declared(network, item.name)
    assert found is not None, f"{item.name}: there is no such interface"
    assert found.up, f"{item.name}: is down"
    assert found.carrier, f"{item.name}: has no carrier"
    if item.policy.speed.doubt is not None:
        if found.bytes_per_second is None:
            raise NotMeasured(f"{item.name}: does not tell its speed")
        assert item.policy.speed.allows(found.bytes_per_second, what=f"{item.name}: speed")


@check("network.interface_throughput", each="interfaces")
def test_declared_interface_has_bytes_left(network: Network, item: Item[Declared]) -> None:
    """The interface carries no more bytes than it is granted.

    Why: clouds drop what is beyond the grant, without a word to the host.
    Look: `sar -n DEV 1`; `ethtool -S` (bw_in_allowance_exceeded and the like).
    """
    _within_grant(network, item.name, item.policy.throughput, "bytes", "throughput")


@check("network.interface_packets", each="interfaces")
def test_declared_interface_has_packets_left(network: Network, item: Item[Declared]) -> None:
    """The interface carries no more packets than it is granted.

    Why: small packets meet this bound long before the bytes do.
    Look: `sar -n DEV 1`; `ethtool -S` (pps_allowance_exceeded and the like).
    """
    _within_grant(network, item.name, item.policy.packets, "packets", "packets")


@check("network.peer_connects", each="peers")
def test_peer_takes_connections(network: Network, policy: HostPolicy, item: Item[Peer]) -> None:
    """The peer takes connections on every address of each family that is expected.

    Why: clients pick any of them; one dead address is a delay or an error for some.
    Look: `nc -vz ADDRESS PORT` from this host; the peer's listener ([::] or 0.0.0.0); firewalls, for each family.
    """
    if item.policy.port is None:
        does_not_apply("no port is declared")
    addresses, limit = _addresses(network, item, policy), item.policy.unanswered
    tried = [each for each in addresses if each.connects]
    if not tried:
        raise NotMeasured(f"{item.name}: its port was not asked for in this run")
    bad = [each for each in tried if each.connects and each.connects.connected < each.connects.tried]
    if all(each.no_route for each in bad) and not _expected(policy, item):
        # A client without a route gives up at once, and takes the other family.
        limit = limit.softened()
    told = [f"{each.address}: {each.connects.error}" for each in bad if each.connects]
    assert limit.allows(len(bad), evidence=told, what=_named(f"{item.name}: addresses that take no connection", told))


@check("network.peer_loss", each="peers")
def test_packets_to_peer_arrive(network: Network, policy: HostPolicy, item: Item[Peer]) -> None:
    """Echoes to the peer are not lost, as far as so many packets can prove.

    Why: a few percent lost is a fraction of the throughput, and retries everywhere.
    Look: `mtr` to the address, judging its last line alone; the link counters on both ends.
    """
    verdicts = []
    for each in _echoed(network, item, policy):
        lost = each.sent - each.answered
        limit = item.policy.loss
        # One of twenty lost is bad luck more often than a bad path.
        if limit.fail is not None and bounds(each.sent, lost)[0] <= limit.fail:
            limit = limit.softened()
        what = f"{item.name} {each.address}: echoes lost ({proof(each)})"
        evidence = [f"{each.address}: {each.echo_error}"] if each.echo_error else []
        verdicts.append(limit.allows(100 * lost / each.sent, evidence=evidence, what=what))
    assert all(verdicts)


@check("network.peer_round_trip", each="peers")
def test_peer_is_near(network: Network, policy: HostPolicy, item: Item[Peer]) -> None:
    """A packet to the peer and back takes no longer than it should.

    Why: what asks a peer twenty times for one page multiplies it.
    Look: `mtr` to the address; a route that goes the long way round; a queue that is full (network.throughput).
    """
    verdicts = []
    for each in _addresses(network, item, policy):
        if each.median_seconds is not None:
            told = f"{each.address}: best {SECONDS.format(each.best_seconds or 0.0)}, {each.answered} echoes"
            what = f"{item.name} {each.address}: round trip"
            verdicts.append(item.policy.round_trip.allows(each.median_seconds, evidence=[told], what=what))
    if not verdicts:
        raise NotMeasured(f"{item.name}: nothing that was sent to it was answered")
    assert all(verdicts)


@check("network.peer_mtu", each="peers")
def test_packets_to_peer_stay_whole(network: Network, policy: HostPolicy, item: Item[Peer]) -> None:
    """Packets of the declared size reach the peer without being cut.

    Why: where they do not, small requests work and large ones hang.
    Look: `tracepath ADDRESS`; the MTU of each tunnel on the way; whether a firewall drops ICMP "too big".
    """
    wanted = item.policy.mtu
    if wanted is None:
        does_not_apply("no size is declared")
    small = []
    for each in _echoed(network, item, policy):
        if not each.answered:
            raise NotMeasured(f"{item.name} {each.address}: no echo is answered, of whatever size")
        if each.mtu is None or each.mtu < wanted:
            size = f"{each.mtu} bytes arrive whole" if each.mtu else "not even 576 bytes arrive whole"
            small.append(f"{each.address}: {size}, not {wanted}")
    assert not small, f"{item.name}: {'; '.join(small)}"


@check("network.peer_retransmissions", each="peers")
def test_segments_to_peer_arrive(network: Network, policy: HostPolicy, item: Item[Peer]) -> None:
    """Few segments of the connections to the peer have to be sent again.

    Why: between hosts of one estate the path is yours to mend.
    Look: `ss -tin dst ADDRESS`; the link counters on both ends; an MTU that differs.
    """
    peer, floor = asked(network.peers, item.name), policy.network.segments_floor
    if peer.segments is None or peer.segments_again is None:
        raise NotMeasured(f"{item.name}: {peer.error or peer.segments_unseen}")
    if peer.segments < floor:
        does_not_apply(f"only {peer.segments} segments were sent over connections that are open to it")
    told = f"{peer.segments_again} of {peer.segments}, over the connections that are open to it"
    percent = 100 * peer.segments_again / peer.segments
    assert item.policy.retransmissions.allows(percent, evidence=[told], what=f"{item.name}: segments sent again")


@check("network.closes_half_sent", each="closes_half_sent")
def test_half_a_request_is_not_waited_for(network: Network, item: Item[HalfSent]) -> None:
    """The listener closes on a client that sends half a request and then nothing.

    Why: a few hundred such clients take every worker of a server that waits for them (slowloris).
    Look: client_header_timeout, RequestReadTimeout, or whatever bounds reading a request's head.
    """
    found = asked(network.half_sent, item.name)
    if found.error:
        raise NotMeasured(f"{item.name}: no connection to try it on: {found.error}")
    still = found.closed_after_seconds is None
    within = item.policy.within
    if still and found.waited_seconds <= (within.doubt or 0.0):
        raise NotMeasured(
            f"{item.name}: still open after {SECONDS.format(found.waited_seconds)}, as long as was waited"
        )
    what = f"{item.name}: {'still ' if still else ''}open to half a request after"
    assert within.allows(found.waited_seconds, what=what)


def _rates(network: Network, interface: str, unit: str) -> Iterator[tuple[str, float]]:
    """What an interface receives and sends in a second."""
    for direction, words in (("rx", "received"), ("tx", "sent")):
        name = f"{interface}.{direction}_{unit}"
        moved = in_window(network, [name])
        yield words, moved.by[name] / moved.seconds


def _frames_are_few(policy: HostPolicy, limit: Limit, losses: Iterable[tuple[str, Loss]]) -> None:
    verdicts = [
        limit.allows(_judged(loss.lost, policy), evidence=[f"{words}: {loss}"], what=f"{limit.words}, {words}")
        for words, loss in losses
    ]
    if not verdicts:
        does_not_apply("no interface but lo is here")
    assert all(verdicts)


def _judged(lost: shares.Lost, policy: HostPolicy) -> float:
    """The share, or none at all where too few were lost to speak of one."""
    return lost.percent if lost.lost >= policy.network.lost_floor else 0.0


def _named(what: str, names: list[str]) -> str:
    return f"{what} ({', '.join(names)})" if names else what


def _members(interface: Interface) -> Iterator[str]:
    for member in interface.bond.members if interface.bond else ():
        outside = "" if member.aggregated else ", outside the aggregate in use"
        yield f"{interface.name}: {member.name} is {member.state or 'unknown'}{outside}, failed {member.failures} times"


def _queues(network: Network, previous: Previous, drops: str) -> Iterator[str]:
    """Which of the drops it was, and who has a queue now."""
    yield drops
    for name in ("TcpExt.ListenOverflows", "TcpExt.TCPReqQFullDrop"):
        if is_told(network, name):
            moved = since_last_run(network, previous, [name])
            yield f"{name.partition('.')[2]} {moved.by[name]}"
    for each in network.clients.queued if network.clients else ():
        yield f"port {each.port} of {each.address} (uid {each.uid}): {each.queued} wait to be accepted"


def _declared(network: Network, name: str) -> Interface | None:
    return next((each for each in seen(network, "interfaces") if each.name == name), None)


def _within_grant(network: Network, name: str, limit: Limit, unit: str, words: str) -> None:
    if limit.doubt is None:
        does_not_apply("no grant is declared")
    if _declared(network, name) is None:
        raise NotMeasured(f"{name}: there is no such interface")
    verdicts = [limit.allows(rate, what=f"{name}: {words} {way}") for way, rate in _rates(network, name, unit)]
    assert all(verdicts)


def _expected(policy: HostPolicy, item: Item[Peer]) -> set[str]:
    """The families that somebody said: of the peer, or of the whole estate; none if nobody did."""
    if item.policy.families is not None:
        return set(item.policy.families)
    return set(policy.families) if policy.families_from != "baseline" else set()


def _addresses(network: Network, item: Item[Peer], policy: HostPolicy) -> list[Address]:
    """The peer's addresses in the families that count; fails when an expected one has none."""
    peer = asked(network.peers, item.name)
    if peer.error:
        raise NotMeasured(f"{item.name}: {peer.error}")
    there = {each.family for each in peer.addresses}
    expected = _expected(policy, item) or there
    missing = [family for family in item.policy.families or () if family not in there]
    assert not missing, f"{item.name}: no address of {' and '.join(missing)}"
    addresses = [each for each in peer.addresses if each.family in expected]
    assert addresses, f"{item.name}: no address of {' or '.join(sorted(expected))}"
    return addresses


def _echoed(network: Network, item: Item[Peer], policy: HostPolicy) -> list[Address]:
    """Its addresses that echoes were sent to; one that answers TCP and no echo cannot be judged by echoes."""
    if item.policy.packets == 0:
        does_not_apply("its policy has no echoes sent")
    expected = _expected(policy, item)
    addresses = [each for each in _addresses(network, item, policy) if each.family in expected or not each.no_route]
    if not addresses:
        raise NotMeasured(f"{item.name}: this host has no route to any of its addresses")
    for each in addresses:
        if not each.sent:
            raise NotMeasured(f"{item.name} {each.address}: {each.echo_error}")
        if not each.answered and each.connects and (each.connects.connected or "refused" in each.connects.error):
            raise NotMeasured(f"{item.name} {each.address}: answers TCP and no echo; `packets: 0` leaves echoes out")
    return addresses
