"""What the selected checks need to be measured from here: begun before hosts are asked, waited for by who needs it.

In: collected items, and the policies that they are judged by. Out: `Here`, stored with the run, or read back of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from shipworthy.plugin.cases import HOST, ITEM, case_of
from shipworthy.plugin.result import policies_of
from shipworthy.plugin.session import Run
from shipworthy.policy import HostPolicy
from shipworthy.report.run import replace_file

if TYPE_CHECKING:
    from shipworthy.here import Here, Names
    from shipworthy.judging.dnssec import Chain
    from shipworthy.judging.lookups import Looked
    from shipworthy.policy._dns_items import Name
    from shipworthy.probes import dns

SUBJECT = "dns."
FILE = "here.json.gz"
ADDRESSES = ("A", "AAAA")


def read_back(run: Run) -> None:
    """With `--replay`: what that run measured from here; raises ReplayError before anything is judged."""
    if run.options.replay and (path := run.options.replay / FILE).exists():
        from shipworthy.here import load

        run.here = load(path)


def begin(run: Run, items: Iterable[pytest.Item]) -> None:
    """Measure what `items` need, from now on."""
    if run.options.replay:
        _store(run)
        return
    items = [item for item in items if case_of(item).check.startswith(SUBJECT) and ITEM in _params(item)]
    names, lookups = _names(run, items), _lookups(run, items)
    if names or lookups:
        from shipworthy.here import Measuring, Wanted, together

        run.measuring = Measuring(Wanted(together(lookups), names))


def measured(run: Run) -> Here:
    """What was measured from here, when it is there."""
    if run.here is None:
        from shipworthy.here import Here

        run.here = run.measuring.result() if run.measuring else Here()
        if run.here.snapshot and not run.options.replay:
            run.questions.add(run.here.snapshot, from_here=True)
        _store(run)
    return run.here


def looked_up(run: Run, host: str, name: str, said: Name) -> Looked:
    """What was said of a name where a host's policy has it looked up: on the host, or on this machine."""
    from shipworthy.judging.lookups import looked_of

    snapshot = measured(run).looking() if said.vantage == "here" else run.snapshot(host)
    return looked_of(snapshot, name, said.servers)


def vouched_for(run: Run, host: str, name: str) -> Chain:
    """The chain from the trust anchors of a host's policy to a name."""
    from shipworthy.judging import dnssec

    return dnssec.judge(measured(run).authority, name, run.policies[host].dns.trust_anchors, run.at)


def _store(run: Run) -> None:
    if run.here and run.files and not run.files.unwritten:
        with run.files.writing() as files:
            replace_file(files.directory.path / FILE, run.here.packed())


def _names(run: Run, items: Iterable[pytest.Item]) -> Names | None:
    """Those whose authoritative side is judged, by the policy of the first host that names each."""
    policies: dict[str, HostPolicy] = {}
    for item in items:
        case = case_of(item)
        if case.once and case.once.name not in policies and policies_of(run, case):
            policies[case.once.name] = run.policies[_params(item)[HOST]]
    if not policies:
        return None
    from shipworthy.here import Names

    first = next(iter(policies.values()))
    return Names(
        types={name: [*ADDRESSES, *policy.dns.names[name].records] for name, policy in policies.items()},
        roots=first.dns.root_servers,
        families=list(dict.fromkeys(family for policy in policies.values() for family in policy.families)),
        wait_seconds=first.dns.wait,
    )


def _lookups(run: Run, items: Iterable[pytest.Item]) -> list[dns.Request]:
    """What each policy asks of names that are looked up from here."""
    checks: dict[int, tuple[HostPolicy, set[str]]] = {}
    for item in items:
        case = case_of(item)
        if case.host is not None and case.check not in (policy := run.policies[case.host]).off:
            checks.setdefault(id(policy), (policy, set()))[1].add(case.check)
    asked = (policy.dns.here_request(frozenset(its)) for policy, its in checks.values())
    return [request for request in asked if request is not None]


def _params(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}
