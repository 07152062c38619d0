"""The clock: right by this machine's, by the other hosts' and by its own sources', and somebody keeps it so."""

from collections.abc import Iterator

from shipworthy.checks import check, does_not_apply, seen
from shipworthy.errors import NotMeasured
from shipworthy.exchange import Exchange
from shipworthy.judging.clocks import Between, from_median, offset, require_certain
from shipworthy.judging.wording import SHOWN, first_of
from shipworthy.plugin.fleet import Fleet
from shipworthy.policy import HostPolicy, Verdict
from shipworthy.policy.language.units import SECONDS
from shipworthy.probes.clock import Clock
from shipworthy.probes.parts.time_daemons import Daemon, Source


@check("clock.offset")
def test_clock_agrees_with_this_machines(exchanges: list[Exchange], policy: HostPolicy) -> None:
    """The clock is no further than its limit from that of the machine that runs the checks.

    Why: certificates, tokens, leases and the order of events go by the clock. It is measured by several exchanges over
    the link, and known to half the quickest one's round trip: only what is beyond the limit for certain fails.
    Look: `date -u` on both: this machine's own clock may be what is wrong; then clock.synchronised of the host.
    """
    found, limit = offset(exchanges), policy.clock.offset
    what = f"clock {found.direction} this machine's by at least"
    verdict = limit.allows(found.least, what=what, evidence=_exchanged(exchanges, found))
    if verdict:
        require_certain(limit, found, "the clock against this machine's")
    assert verdict


@check("clock.odd_one_out")
def test_no_clock_is_the_odd_one_out(fleet: Fleet) -> None:
    """No host's clock is further than its limit from the median of all hosts' clocks.

    Why: hosts that work together must agree on the time, whatever the time is; and unlike an offset against this
    machine, the median of several clocks does not go wrong with one of them.
    Look: clock.synchronised and clock.sources of the host that is named.
    """
    offsets, missing = _offsets(fleet)
    _needs_three(offsets, missing)
    apart = from_median(offsets)
    whose = f"the median of {len(offsets)} hosts{f' (of --limit={fleet.cut})' if fleet.cut else ''}"
    evidence = [*_compared(apart), *_left_out(missing)]
    odd = _worth_telling(apart, fleet)
    verdicts = [_against(apart[name], fleet.policy(name), name, whose, evidence) for name in odd]
    assert all(verdicts)
    for name, difference in apart.items():
        require_certain(fleet.policy(name).clock.odd_one_out, difference, f"{name}'s clock against {whose}")
    if missing:
        raise NotMeasured(f"{_listed(missing)}; the clocks of the other {len(offsets)} hosts agree")


@check("clock.synchronised")
def test_clock_is_synchronised(clock: Clock) -> None:
    """Somebody keeps the clock, and says that it is synchronised.

    Why: a clock that nobody keeps is wrong by seconds within a day, and nothing tells.
    Look: `chronyc tracking`, `timedatectl timesync-status` or `ntpq -c rv`; `timedatectl`.
    """
    _needs_a_clock_of_its_own(clock)
    if clock.running is None and clock.kernel and clock.kernel.synchronised:
        return  # who keeps it cannot be seen, but whoever that is has told the kernel, hours ago at most
    if not seen(clock, "running"):
        assert seen(clock, "kernel.synchronised"), "no time daemon runs, and the kernel's clock is not synchronised"
        return
    name = clock.running[0] if clock.running else ""
    if clock.daemon and clock.daemon.synchronised is not None:
        assert clock.daemon.synchronised, f"{name} says that the clock is not synchronised: {clock.daemon.status}"
    elif not seen(clock, "kernel.synchronised"):
        why = clock.unseen.get("daemon") or clock.unseen.get("daemon.synchronised")
        raise NotMeasured(f"{name} does not say whether it is synchronised ({why}), and the kernel was not told so")


@check("clock.accuracy")
def test_clock_is_near_its_source(clock: Clock, policy: HostPolicy) -> None:
    """The daemon that keeps the clock holds it near its source, and that source is near a reference clock.

    Why: synchronised says that there is a source, and not how good it is or how closely it is followed.
    Look: `chronyc tracking` (System time, Root delay, Root dispersion), `ntpq -c rv` (offset, rootdisp).
    """
    daemon, limits = _keeper(clock), policy.clock
    if daemon.synchronised is False:
        does_not_apply(f"{daemon.name} is not synchronised")
    told = (
        (limits.own_offset, daemon.offset_seconds),
        (limits.root_distance, daemon.root_distance_seconds),
        (limits.stratum, daemon.stratum),
    )
    verdicts = [limit.allows(value, evidence=_kept(daemon)) for limit, value in told if value is not None]
    if not verdicts:
        seen(clock, "daemon.root_distance_seconds")
    assert all(verdicts)


@check("clock.sources")
def test_time_sources_answer(clock: Clock, policy: HostPolicy) -> None:
    """The daemon that keeps the clock hears from its sources.

    Why: chronyd and ntpd go on calling the clock synchronised for hours after the last source has fallen silent.
    Look: `chronyc sources -v`, `ntpq -p`, `timedatectl timesync-status`; UDP port 123 on the way.
    """
    daemon = _keeper(clock)
    sources: list[Source] = seen(clock, "daemon.sources")
    if daemon.by_itself and not sources:
        does_not_apply(f"{daemon.name} serves its own clock, and has no sources")
    evidence = [*map(_source, sorted(sources, key=lambda each: each.reachable))][:SHOWN]
    answering = [source for source in sources if source.reachable]
    what = f"of {len(sources)} time sources, those that answer:" if sources else ""
    verdicts = [policy.clock.sources.allows(len(answering), what=what, evidence=evidence)]
    heard = [source.heard_seconds_ago for source in answering if source.heard_seconds_ago is not None]
    if heard:
        verdicts.append(policy.clock.silence.allows(min(heard), evidence=evidence))
    assert all(verdicts)


def _exchanged(exchanges: list[Exchange], found: Between) -> list[str]:
    best = SECONDS.format(found.uncertainty * 2)
    return [f"{found} against this machine, by the quickest of {len(exchanges)} exchanges, which took {best}"]


def _offsets(fleet: Fleet) -> tuple[dict[str, Between], dict[str, str]]:
    """Of each host against this machine; and those of which it is not known, with the reason."""
    offsets, missing = {}, {}
    for name in fleet.hosts("clock.odd_one_out"):
        try:
            offsets[name] = offset(fleet.snapshot(name).times())
        except NotMeasured as reason:
            missing[name] = str(reason)
    return offsets, missing


def _needs_three(offsets: dict[str, Between], missing: dict[str, str]) -> None:
    if len(offsets) + len(missing) < 3:
        does_not_apply("there is an odd one out from three hosts on")
    if len(offsets) < 3:
        raise NotMeasured(f"{_listed(missing)}; {len(offsets)} are too few to find the odd one out among")


def _listed(missing: dict[str, str]) -> str:
    """`2 hosts told no time: db7 (unreachable: …), db9 (…)`."""
    shown = first_of([f"{name} ({why})" for name, why in missing.items()])
    return f"{len(missing)} host{'s' if len(missing) > 1 else ''} told no time: {shown}"


def _left_out(missing: dict[str, str]) -> list[str]:
    lines = [f"left out: {name}: {why}" for name, why in missing.items()]
    return lines[:SHOWN] + ([f"left out: {len(lines) - SHOWN} more"] if len(lines) > SHOWN else [])


def _worth_telling(apart: dict[str, Between], fleet: Fleet) -> list[str]:
    """Those that fail or warn, the farthest first; or the farthest alone."""

    def is_odd(name: str) -> bool:
        limit = fleet.policy(name).clock.odd_one_out
        return limit.doubt is not None and bool(limit.beyond(apart[name].least, limit.doubt))

    ordered = sorted(apart, key=lambda name: apart[name].least, reverse=True)
    return [name for name in ordered if is_odd(name)] or ordered[:1]


def _against(difference: Between, policy: HostPolicy, name: str, whose: str, evidence: list[str]) -> Verdict:
    what = f"{name}'s clock {difference.direction} {whose} by at least"
    verdict: Verdict = policy.clock.odd_one_out.allows(difference.least, what=what, evidence=evidence)
    return verdict


def _compared(apart: dict[str, Between]) -> Iterator[str]:
    ordered = sorted(apart, key=lambda name: apart[name].most, reverse=True)
    yield from (f"{name} {apart[name]}" for name in ordered[:SHOWN])
    if len(ordered) > SHOWN:
        yield f"… and {len(ordered) - SHOWN} hosts that are nearer to the median"


def _needs_a_clock_of_its_own(clock: Clock) -> None:
    """A container without a daemon that can be asked is healthy; one of the machine's may be seen from there."""
    if clock.borrowed and clock.daemon is None:
        does_not_apply(f"a container ({clock.borrowed}): its clock is kept by the machine around it")


def _keeper(clock: Clock) -> Daemon:
    """The daemon that keeps the clock, as far as it can be asked."""
    _needs_a_clock_of_its_own(clock)
    if not seen(clock, "running"):
        does_not_apply("no time daemon runs here")
    if clock.mute:
        does_not_apply(clock.mute)
    daemon: Daemon = seen(clock, "daemon")
    return daemon


def _kept(daemon: Daemon) -> list[str]:
    by = "its own clock" if daemon.by_itself else f"stratum {daemon.stratum}"
    return [f"{daemon.name}: {daemon.status}, {by}", *map(_source, (daemon.sources or [])[:SHOWN])]


def _source(source: Source) -> str:
    heard = "" if source.heard_seconds_ago is None else f", heard {SECONDS.format(source.heard_seconds_ago)} ago"
    return f"{source.name}: {source.state}, {'answers' if source.reachable else 'does not answer'}{heard}"
