"""Ports: enough of them are left, who must listens and nobody else, and connections stay between their layers."""

from collections.abc import Iterator, Mapping

from shipworthy.checks import Item, check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.judging.conntrack import losses_of_late
from shipworthy.judging.endpoints import endpoint, held_by, listed
from shipworthy.judging.listening import Served, at, forbidden, served, unnamed, what_is_missing
from shipworthy.judging.port_use import Spent, bound_early, spent_by_destination, takes_over, worsens
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy.language.limit import Limit
from shipworthy.policy.ports import Listen, Peers, allowed, place
from shipworthy.probes.parts.conntrack import Conntrack
from shipworthy.probes.parts.crossings import Crossings
from shipworthy.probes.parts.listeners import Queue
from shipworthy.probes.ports import Ports
from shipworthy.snapshot import Previous


@check("ports.exhausted")
def test_ports_are_not_exhausted(ports: Ports, policy: HostPolicy) -> None:
    """Open connections leave enough ephemeral ports for each destination.

    Why: a (source, destination, port) has each ephemeral port once; when they are spent, connect() fails with
    EADDRNOTAVAIL, and long before that it searches.
    Look: the program in the evidence, which leaks connections or opens one for each request; `ss -tan dst ADDRESS`;
    more addresses on either side; net.ipv4.ip_local_port_range.
    """
    limit = policy.ports.spent
    spent = spent_by_destination(seen(ports, "tcp"), policy.ports.early_share)
    largest = sorted(spent, key=lambda one: -one.open_percent)[: int(policy.ports.top)]
    verdicts = [limit.allows(one.open_percent, what=_to(one), evidence=_spenders(one, ports)) for one in largest]
    assert all(verdicts or [limit.allows(0.0)])


@check("ports.time_wait")
def test_time_wait_leaves_ports(ports: Ports, policy: HostPolicy) -> None:
    """Closed connections in TIME_WAIT leave enough ephemeral ports for each destination.

    Why: whoever closes first keeps the port for 60 s more, so that 28,000 ports are 470 connections a second to one
    destination. Where the kernel may take such a connection over (tcp_tw_reuse), it is in nobody's way.
    Look: connections that could be kept open; net.ipv4.tcp_tw_reuse=1 where both sides have timestamps.
    """
    limits, settings = policy.ports, ports.settings
    if seen(ports, "settings.tw_reuse") == 1 and seen(ports, "settings.timestamps"):
        does_not_apply("net.ipv4.tcp_tw_reuse is 1: connections in TIME_WAIT are taken over")
    spent = [
        one
        for one in spent_by_destination(seen(ports, "tcp"), limits.early_share)
        if not takes_over(settings, one.destination) and worsens(one, limits.spent, limits.time_wait)
    ]
    worst = sorted(spent, key=lambda one: -one.percent)[: int(limits.top)]
    verdicts = [
        limits.time_wait.allows(one.percent, what=f"{_to(one)}, TIME_WAIT included,", evidence=_spenders(one, ports))
        for one in worst
    ]
    assert all(verdicts or [limits.time_wait.allows(0.0)])


@check("ports.exhausted_early")
def test_early_binds_find_ports(ports: Ports, policy: HostPolicy) -> None:
    """Programs that bind before they connect find free ephemeral ports at their source address.

    Why: bind() does not know the destination yet, so it needs a port that no connection at that address has; with
    EADDRINUSE such a program is cut off from everybody at once.
    Look: IP_BIND_ADDRESS_NO_PORT for whoever sets a source address; more source addresses.
    """
    tcp = seen(ports, "tcp")
    bound = bound_early(tcp, policy.ports.early_share)
    if not bound:
        does_not_apply("nothing here binds before it connects")
    verdicts = [
        policy.ports.spent_early.allows(
            percent,
            what=f"ephemeral ports spent for a bind to {source.address}",
            evidence=[f"{source.spent:,} of {tcp.capacity:,}, of which {source.bound_early:,} were bound early"],
        )
        for source, percent in bound
    ]
    assert all(verdicts)


@check("ports.exhausted_udp")
def test_udp_ports_are_not_exhausted(ports: Ports, policy: HostPolicy) -> None:
    """UDP sockets leave enough ephemeral ports.

    Why: each serves the whole host once, whatever it talks to; when they are spent, name queries fail first.
    Look: `ss -uanp`; the program in the evidence.
    """
    udp = seen(ports, "udp")
    percent = 100.0 * udp.spent / udp.capacity if udp.capacity else 100.0
    evidence = [f"{udp.spent:,} of {udp.capacity:,}"] + [f"{one.comm} holds {one.ports:,}" for one in udp.holders or ()]
    assert policy.ports.spent_udp.allows(percent, evidence=evidence)


@check("ports.range")
def test_port_range_is_wide(ports: Ports, policy: HostPolicy) -> None:
    """The range of ephemeral ports is as wide as usual.

    Why: a narrow range is spent early, by UDP and early binds for the whole host at once.
    Look: net.ipv4.ip_local_port_range, net.ipv4.ip_local_reserved_ports; who set them.
    """
    usable = seen(ports, "range").usable
    known = ports.range
    evidence = [f"ip_local_port_range {known.low} {known.high}"] if known else []
    if known and (known.high - known.low) % 2 == 0:
        evidence.append("both ends are of one parity: connect() leaves out a port each time that it looks for one")
    if known and known.reserved:
        evidence.append(f"{len(known.reserved)} ranges are in ip_local_reserved_ports")
    assert policy.ports.range.allows(usable, evidence=evidence)


@check("ports.reserved")
def test_services_ports_are_reserved(ports: Ports, policy: HostPolicy) -> None:
    """No service that must listen has a port which the kernel may give to somebody else first.

    Why: while the service restarts, any connection that goes out may get its port, and then it cannot start.
    Look: net.ipv4.ip_local_reserved_ports, or a port below net.ipv4.ip_local_port_range.
    """
    known = seen(ports, "range")
    wanted = {name: place(name) for name, said in policy.ports.listen.items() if said.presence == "required"}
    if not wanted:
        does_not_apply("this host's policy names nobody who must listen")
    given = [name for name, where in wanted.items() if where.first == where.last and known.gives(where.first)]
    told = f"ports of services ({', '.join(given)}) that others may be given" if given else ""
    assert policy.ports.unreserved.allows(len(given), what=told)


@check("ports.listens", each="listen")
def test_declared_port_is_served(item: Item[Listen], ports: Ports, policy: HostPolicy) -> None:
    """Somebody listens where the policy says so, on each family and address, and it is who it says.

    Why: a service that runs and does not listen serves nobody; one on IPv4 alone fails half of its clients first.
    Look: `ss -lntup`; the address in the service's configuration.
    """
    if item.policy.presence != "required":
        does_not_apply(f"{item.name} is {item.policy.presence}")
    all = _served(ports)
    missing = list(what_is_missing(item.name, item.policy, all, policy.families))
    if missing and not at(all, place(item.name)) and "listening.clients" in ports.unseen:
        raise NotMeasured(f"{item.name}: {ports.unseen['listening.clients']}")
    there = [str(one) for one in at(all, place(item.name))]
    assert not missing, "\n".join(["; ".join(missing), *there])


@check("ports.closed")
def test_forbidden_ports_are_closed(ports: Ports, policy: HostPolicy) -> None:
    """Nobody listens where the policy forbids it.

    Why: what nobody should need is what nobody watches.
    Look: `ss -lntup`; the unit or container that starts the program in the evidence.
    """
    items = policy.ports.listen
    if not any(said.presence == "forbidden" for said in items.values()):
        does_not_apply("this host's policy forbids no port")
    found = forbidden(items.items(), _served(ports))
    assert not found, _listed("forbidden to listen: ", found)


@check("ports.nothing_else")
def test_nothing_else_listens(ports: Ports, policy: HostPolicy) -> None:
    """Nothing listens but what the policy names.

    Why: each listener is a way in, and one that nobody declared is one that nobody keeps up to date.
    Look: `ss -lntup`; then name it in `ports.listen`, or stop it.
    """
    limits = policy.ports
    if limits.nothing_else == "no":
        does_not_apply("this host's policy does not ask for it (ports.nothing_else)")
    everywhere = limits.nothing_else == "anywhere"
    found = unnamed(limits.listen.items(), _served(ports), ports, loopback=everywhere)
    assert not found, _listed("not named by the policy: ", found)


@check("ports.accept_queue")
def test_connections_are_accepted(ports: Ports, policy: HostPolicy) -> None:
    """Programs accept the connections that wait for them.

    Why: beyond the end of the queue the kernel drops connections, and their clients wait for seconds.
    Look: the program in the evidence: is it stuck, or short of workers? `ss -lnt` (Recv-Q, Send-Q).
    """
    limit = policy.ports.accept_queue
    verdicts = [_queue_verdict(queue, ports, policy) for queue in seen(ports, "queues")] or [limit.allows(0.0)]
    if all(verdicts) and not any(verdict.warned for verdict in verdicts):
        unknown = [queue for queue in seen(ports, "queues") if queue.backlog is None]
        if unknown:
            raise NotMeasured(f"the length of {_at(unknown[0])}'s queue: {ports.unseen.get('diagnosis')}")
    assert all(verdicts)


@check("ports.connects")
def test_connections_go_where_they_may(ports: Ports, policy: HostPolicy) -> None:
    """This host opens connections only to whom the policy allows it.

    Why: a layer that reaches past its neighbour has found a way around what guards it.
    Look: the program in the evidence; its configuration; the firewall that let it.
    """
    found = _crossings(ports, "outgoing", policy.ports.may_connect_to)
    told = [f"{endpoint(one.peer, one.port)}: {one.connections:,} by {held_by(one.owner)}" for one in found.largest]
    assert not found.total, listed("connected to whom policy does not allow: ", told, found.total)


@check("ports.reached")
def test_connections_come_from_where_they_may(ports: Ports, policy: HostPolicy) -> None:
    """Only those whom the policy allows it have connections to this host.

    Why: who should come through the layer before has found a way around it.
    Look: the firewall; what the peer in the evidence is.
    """
    found = _crossings(ports, "incoming", policy.ports.may_be_reached_from)
    told = [f"{one.peer} to port {one.port}: {one.connections:,}, to {held_by(one.owner)}" for one in found.largest]
    assert not found.total, listed("reached by whom policy does not allow: ", told, found.total)


@check("ports.conntrack")
def test_connection_tracking_has_room(ports: Ports, policy: HostPolicy, previous: Previous) -> None:
    """The table of tracked connections is not nearly full, and no packet was lost for its sake since the last run.

    Why: when it is full, packets of new connections are dropped, whatever they are for; when two packets race for one
    entry, one is lost. Either way a client waits for its next try. Without an earlier run, the window is judged.
    Look: `conntrack -S`; net.netfilter.nf_conntrack_max; nf_conntrack_tcp_timeout_established; rules with notrack; for
    races, how resolvers send their queries through NAT.
    """
    table, limits = _tracked(ports), policy.ports
    filled = 100.0 * table.entries / table.most if table.most else 0.0  # a maximum of 0 is none
    verdicts = [limits.conntrack.allows(filled, evidence=[f"{table.entries:,} of {table.most:,}"])]
    lost = losses_of_late(ports, previous)  # raises NotMeasured where nothing tells: a full table fails all the same
    evidence = [f"{lost.dropped:,} dropped, {lost.thrown_out:,} thrown out, {lost.races:,} races lost {lost.when}"]
    verdicts += [
        limits.conntrack_drops.allows(lost.dropped, evidence=evidence),
        limits.conntrack_early_drops.allows(lost.thrown_out, evidence=evidence),
        limits.conntrack_races.allows(lost.races_per_second, evidence=evidence),
    ]
    assert all(verdicts)


def _to(one: Spent) -> str:
    each = one.destination
    return f"ephemeral ports to {endpoint(each.peer, each.port)} from {each.source}"


def _spenders(one: Spent, ports: Ports) -> Iterator[str]:
    each = one.destination
    looked_for = each.open and (each.owner is not None or "owners" in ports.unseen)
    held = f", one by {held_by(each.owner)}" if looked_for else ""
    yield f"{each.open:,} open{held}; {each.time_wait:,} in TIME_WAIT; of {one.capacity:,} ports"
    if one.blocked:
        yield f"{one.blocked:,} more were taken by programs that bind before they connect"
    if ports.range:
        ends = f"{ports.range.low} {ports.range.high}"
        yield f"net.ipv4: ip_local_port_range {ends}, tcp_tw_reuse {ports.settings.tw_reuse}"


def _served(ports: Ports) -> list[Served]:
    return served(ports, seen(ports, "listening"))


def _listed(what: str, found: list[Served]) -> str:
    """The first in the message, all of them below it."""
    return listed(what, [str(one) for one in found[:20]], len(found))


def _queue_verdict(queue: Queue, ports: Ports, policy: HostPolicy) -> Verdict:
    """One more connection than the backlog is let in; where it is not known, no queue can be longer than somaxconn."""
    backlog = queue.backlog if queue.backlog is not None else seen(ports, "settings.somaxconn")
    known = (
        f"{queue.queued:,} of {backlog:,}" if queue.backlog is not None else f"{queue.queued:,} of {backlog:,} at most"
    )
    percent = min(100.0, 100.0 * queue.queued / (backlog + 1))
    limit: Limit = policy.ports.accept_queue
    evidence = [f"{known} wait for {held_by(queue.owners)}"]
    return limit.allows(percent, what=f"accept queue of {_at(queue)}", evidence=evidence)


def _at(queue: Queue) -> str:
    return endpoint(queue.address, queue.port)


def _crossings(ports: Ports, direction: str, peers: Mapping[str, Peers]) -> Crossings:
    """What nothing allows, if the host was asked for what policy says today."""
    if not peers:
        does_not_apply("this host's policy does not say with whom it may be connected")
    found: Crossings = seen(ports, direction)
    if found.allowed != allowed(peers):
        raise NotMeasured("the host was asked with other networks than policy names now")
    return found


def _tracked(ports: Ports) -> Conntrack:
    if ports.conntrack is None and ports.unseen.get("conntrack", "").startswith("no /proc/sys/net/netfilter"):
        does_not_apply("this host tracks no connections")
    table: Conntrack = seen(ports, "conntrack")
    return table
