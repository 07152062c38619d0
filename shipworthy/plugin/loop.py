"""The order in which things happen: ask all hosts, run a host's checks as soon as its snapshot is there.

In: collected items and a `Run`. Out: pytest's ordinary run of each item, host by host in the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import cast

import pytest

from shipworthy.collect import Collector, Request
from shipworthy.links import Deadlines
from shipworthy.plugin import ending, here
from shipworthy.plugin.cases import CLOCK, EXCHANGES, case_of, is_ours
from shipworthy.plugin.lasting import lasting
from shipworthy.plugin.progress import Progress
from shipworthy.plugin.session import Run
from shipworthy.plugin.signals import Signals
from shipworthy.report.findings import REACHABLE
from shipworthy.snapshot import Snapshot, make_ready


def run_items(session: pytest.Session, run: Run, progress: Progress, signals: Signals) -> None:
    """Run every selected item; raises what pytest's own loop raises to stop early."""
    by_host: dict[str | None, list[pytest.Item]] = {}
    of_fleet: list[pytest.Item] = []
    for item in session.items:
        case = case_of(item)
        (of_fleet if case.of_fleet else by_host.setdefault(case.host, [])).append(item)
    of_no_host = by_host.pop(None, [])
    fleet_checks = frozenset(case_of(item).check for item in of_fleet)
    if of_fleet:  # they need every host's answer, also of hosts that are asked nothing else
        known = all(case_of(item).once and is_ours(item) for item in of_fleet)
        by_host = {
            name: by_host.get(name, [])
            for name in run.hosts
            if name in by_host or not known or _is_asked(run, name, fleet_checks)
        }
    names = [name for name in run.hosts if name in by_host]
    progress.start(names)
    here.begin(run, session.items)
    snapshots = _snapshots(run, names, by_host, fleet_checks)
    _run_all(session, of_no_host)  # meanwhile hosts are asked: what is told from here does not wait for them
    for name in _arrivals(run, names, snapshots, signals):
        _run_all(session, sorted(by_host.pop(name), key=_is_not_of_the_login))
        run.snapshots.pop(name, None)
        progress.host_done(name)
    _run_all(session, of_fleet)


def _arrivals(run: Run, names: list[str], snapshots: Iterator[Snapshot], signals: Signals) -> Iterator[str]:
    """The names of the hosts, each as soon as its checks can be judged."""
    missing = set(names)
    for snapshot in _waited_for(snapshots, signals):
        if snapshot.host in missing:
            missing.discard(run.receive(snapshot).host)
            yield snapshot.host
    yield from sorted(missing)


def _waited_for(snapshots: Iterator[Snapshot], signals: Signals) -> Iterator[Snapshot]:
    """The same, but that waiting for the next one may be interrupted."""
    while True:
        with signals.heeded():
            snapshot = next(snapshots, None)
        if snapshot is None:
            return
        yield snapshot


def _snapshots(
    run: Run, names: list[str], by_host: dict[str | None, list[pytest.Item]], fleet_checks: frozenset[str]
) -> Iterator[Snapshot]:
    """Those of the hosts, as they come; hosts are asked from now on."""
    if run.options.replay:
        return run.stored()
    keep = frozenset(name for name in names if any("host" in _fixtures(item) for item in by_host[name]))
    options = run.options
    deadlines = Deadlines(connect=options.connect_timeout, whole=options.deadline, login_rate=options.login_rate)
    run.collector = Collector(deadlines, options.forks, keep)
    requests = {run.hosts[name]: _request(run, name, by_host[name], fleet_checks) for name in names}
    return run.collector.collect(requests, partial(_make_ready, run, requests.values()))


def _make_ready(run: Run, requests: Iterable[Request]) -> None:
    """Load what is needed once the first answer is there: while hosts let the window pass, it costs no time."""
    with lasting():
        make_ready({subject for request in requests for subject in request.probes})
        run.make_ready()
        ending.make_ready()


def _is_asked(run: Run, host: str, checks: frozenset[str]) -> bool:
    """Whether a host has anything to answer for `checks`."""
    request = run.request(host, checks)
    return bool(request.probes) or request.wanted is not None


def _request(run: Run, name: str, items: Sequence[pytest.Item], fleet_checks: frozenset[str]) -> Request:
    """What the checks of a host need. Of what a user's own test looks at nobody knows, so it gets a reading whole."""
    checks = fleet_checks.union(case_of(item).check for item in items)
    theirs = (item for item in items if not is_ours(item))
    whole = {fixture for item in theirs for fixture in _fixtures(item)}
    return run.request(name, checks, frozenset(whole | ({CLOCK} if EXCHANGES in whole else set())))


def _fixtures(item: pytest.Item) -> Sequence[str]:
    return getattr(item, "fixturenames", ())


def _is_not_of_the_login(item: pytest.Item) -> bool:
    """Whether a host is there at all comes before what it says: with `-x` nothing else is told of one that is not."""
    return case_of(item).subject != REACHABLE


def _run_all(session: pytest.Session, items: list[pytest.Item]) -> None:
    """As pytest's own loop does, for a part of the items; everything but session fixtures is torn down at its end."""
    for item, following in zip_longest(items, items[1:]):
        # The host that comes next is not known yet. All that pytest asks of the next item is its chain of
        # collectors; the session's own chain says: tear down modules, keep what lives as long as the session.
        nextitem = following or cast(pytest.Item, session)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        if session.shouldstop:
            raise session.Interrupted(session.shouldstop)
