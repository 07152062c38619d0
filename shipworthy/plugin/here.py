"""What the selected checks need to be measured from here: begun before hosts are asked, waited for by who needs it.

In: collected items, and the policies that they are judged by. Out: `Here`, stored with the run, or read back of one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

from shipworthy.plugin.cases import HOST, ITEM, Case, case_of
from shipworthy.plugin.named import namers
from shipworthy.plugin.result import policies_of
from shipworthy.plugin.session import Run
from shipworthy.policy import HostPolicy
from shipworthy.report.run import replace_file

if TYPE_CHECKING:
    from shipworthy.here import Here, Names, Wanted
    from shipworthy.judging.dnssec import Chain
    from shipworthy.judging.lookups import Looked
    from shipworthy.policy._dns_items import Name

SUBJECTS = ("dns.", "certificates.")
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
    items = [item for item in items if case_of(item).check.startswith(SUBJECTS) and ITEM in _params(item)]
    if items and (wanted := _wanted(run, items)):
        from shipworthy.here import Measuring

        run.measuring = Measuring(wanted)


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


def _wanted(run: Run, items: list[pytest.Item]) -> Wanted | None:
    names, asking = _names(run, items), list(_asking(run, items))
    lookups = [one for policy, checks in asking if (one := policy.dns.here_request(checks))]
    caa = [one for policy, checks in asking if (one := policy.certificates.here_request(checks))]
    endpoints = [
        one for policy, checks in asking if (one := policy.certificates.wanted("here", checks, policy.families))
    ]
    if not (names or lookups or caa or endpoints):
        return None
    from shipworthy.here import Wanted, all_endpoints, each_question, together

    return Wanted(together(lookups), names, each_question(caa), all_endpoints(endpoints))


def _names(run: Run, items: Iterable[pytest.Item]) -> Names | None:
    """Those whose authoritative side is judged, by the policy of the first host that names each."""
    policies: dict[str, HostPolicy] = {}
    for item in items:
        case = case_of(item)
        if not case.once or case.once.subject != "dns" or case.once.name in policies:
            continue
        if policies_of(run, case):
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


def _asking(run: Run, items: Iterable[pytest.Item]) -> Iterable[tuple[HostPolicy, frozenset[str]]]:
    """Each policy by which something is judged, and the checks that are judged by it."""
    checks: dict[int, tuple[HostPolicy, set[str]]] = {}
    for item in items:
        case = case_of(item)
        for policy in _judges(run, case):
            if case.check not in policy.off:
                checks.setdefault(id(policy), (policy, set()))[1].add(case.check)
    return ((policy, frozenset(its)) for policy, its in checks.values())


def _judges(run: Run, case: Case) -> list[HostPolicy]:
    """The host's; for a check of a thing as all hosts meet it, those of all that name it."""
    if case.host is not None:
        return [run.policies[case.host]]
    return list(namers(run.policies, case).values()) if case.once and case.of_fleet else []


def _params(item: pytest.Item) -> dict[str, Any]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}
