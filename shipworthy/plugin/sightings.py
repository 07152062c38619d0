"""What was seen of certificates that a policy names, from where it says: from here, from a host, from every host.

In: the run, a host, a certificate's name. Out: `Shown`, made once for all checks of it; `Everywhere`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from shipworthy.checks import does_not_apply
from shipworthy.errors import NotMeasured
from shipworthy.plugin import here as from_here
from shipworthy.plugin.cases import Named
from shipworthy.plugin.fleet import Fleet
from shipworthy.plugin.session import Run

if TYPE_CHECKING:
    from shipworthy.here import Here
    from shipworthy.judging.caa import Answers
    from shipworthy.judging.shown import Shown
    from shipworthy.snapshot import Snapshot

HERE = "here"
SAME = "certificates.same"
"""The check that compares what is seen everywhere."""


class Sighted(NamedTuple):
    """What was seen from one place."""

    place: str
    """`here`, or a host's name."""
    shown: Shown


class Everywhere(NamedTuple):
    """What was seen of one certificate, by all hosts whose policies name it."""

    sighted: list[Sighted]
    """From here, each distinct set of endpoints once; from hosts, once for each."""
    missing: dict[str, str]
    """Why nothing is known, by place."""


def shown(run: Run, host: str, name: str) -> Shown:
    """What was met of `name` from where the policy of `host` says; raises NotMeasured."""
    if run.policies[host].certificates.endpoints[name].vantage == HERE:
        return _understood(run, host, name, from_here.measured(run))
    return _understood(run, host, name, run.snapshot(host))


def served(run: Run, host: str, path: str) -> Shown:
    """The same of what is served from a file."""
    certificates = run.policies[host].certificates
    name: str | None = certificates.files[path].served_by
    if name is None:
        does_not_apply(f"nothing is said to be served from {path}")
    return shown(run, host, name)


def caa_answers(run: Run, host: str, name: str) -> Answers:
    """What was said of CAA records where `name` is met; raises NotMeasured."""
    from shipworthy.judging.caa import Answers
    from shipworthy.probes.certificates import Question

    is_here = run.policies[host].certificates.endpoints[name].vantage == HERE
    snapshot = from_here.measured(run).looking() if is_here else run.snapshot(host)
    reading = snapshot.reading("certificates")
    return Answers(reading, [Question(**one) for one in snapshot.asked["probes"]["certificates"]["questions"]])


def everywhere(run: Run, fleet: Fleet, thing: Named) -> Everywhere:
    """What all hosts' policies that name `thing` have looked at, but for those that turn the check off."""
    sighted: list[Sighted] = []
    missing: dict[str, str] = {}
    known: set[Any] = set()
    for host in fleet.hosts(SAME):
        said = fleet.policy(host).certificates.endpoints.get(thing.name)
        if said is None or not said.applies("same"):
            continue
        place = HERE if said.vantage == HERE else host
        if (what := (place, *said.endpoints())) in known:
            continue
        known.add(what)
        try:
            source = from_here.measured(run) if place == HERE else fleet.snapshot(host)
            sighted.append(Sighted(place, _understood(run, host, thing.name, source)))
        except NotMeasured as error:
            missing[place] = str(error)
    return Everywhere(sighted, missing)


def _understood(run: Run, host: str, name: str, source: Snapshot | Here) -> Shown:
    policy = run.policies[host]
    key = ("shown", name, id(policy))
    if key not in source.understood:
        from shipworthy.judging.shown import shown_of

        said = policy.certificates.endpoints[name]
        source.understood[key] = shown_of(source.meeting(), name, said, said.expected(policy.families), run.at)
    found: Shown = source.understood[key]
    return found
