"""One run of the suite: who is asked, by which policy, what they said, and where it is written.

In: `Options`. Out: `Run`, found by `config.stash[RUN]`, which the hooks and the fixtures share.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shipworthy import inventory as inventories
from shipworthy import links
from shipworthy import snapshot as snapshots
from shipworthy.checks import CHECKS, Described, catalogue, ids
from shipworthy.collect import Collector, Request
from shipworthy.errors import NotMeasured, Problem, ReplayError
from shipworthy.inventory import Host, Inventory, Redaction
from shipworthy.plugin import replay
from shipworthy.plugin.addresses import at_known_addresses, is_unresolved
from shipworthy.plugin.cases import Case
from shipworthy.plugin.horizon import Horizon
from shipworthy.plugin.options import DEFAULT_INVENTORY, Options, told_time
from shipworthy.plugin.questions import Questions
from shipworthy.policy import HostPolicy, Policy, Waiver
from shipworthy.policy import load as load_policy
from shipworthy.policy import make_ready as make_policies_ready
from shipworthy.report.run import ResultLog, RunDirectory, RunFacts, RunLog, file_name, replace_file
from shipworthy.report.text import some
from shipworthy.results import Outcome, Result
from shipworthy.snapshot import Snapshot

if TYPE_CHECKING:
    from shipworthy.here import Here, Measuring

EARLIER_RUNS = 20
"""How many runs back the counters of a host are looked for."""
DAY = timedelta(days=1)
"""Rare events count for so long: the counters to compare with are those of the oldest run within it."""


@dataclass
class Files:
    """What this run writes while it goes."""

    directory: RunDirectory
    results: ResultLog
    log: RunLog
    unwritten: str = ""
    """Why no more is written: a disk that is full costs a run its files, and not what it found."""

    @classmethod
    def create(cls, reports: Path, now: datetime) -> Files:
        directory = RunDirectory.create(reports, now)
        return cls(directory, ResultLog(directory.results), RunLog(directory.path / "run.log", directory.run))

    @contextmanager
    def writing(self) -> Iterator[Files]:
        """Inside, files are written; the first that cannot be is the last that is tried."""
        try:
            yield self
        except OSError as error:
            self.unwritten = self.unwritten or f"{self.directory.path}: {error.strerror or error}"

    def close(self) -> None:
        self.results.close()
        self.log.close()


@dataclass
class Run:
    """Everything that this run knows. `snapshots` holds those of the hosts whose checks run now."""

    options: Options
    started: datetime
    at: datetime
    inventory: Inventory
    policy: Policy | None
    policy_files: tuple[str, ...]
    policies: Mapping[str, HostPolicy]
    notices: list[str]
    files: Files | None = None
    collector: Collector | None = None
    measuring: Measuring | None = None
    questions: Questions = field(default_factory=Questions)
    horizon: Horizon = field(default_factory=Horizon)
    unresolved: list[str] = field(default_factory=list)
    """Hosts that were not reached because their name leads nowhere."""
    here: Here | None = None
    """What was measured from here, once that is there."""
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    """What is not plainly passed: the terminal's findings."""
    counts: Counter[Outcome] = field(default_factory=Counter)
    judged_checks: set[str] = field(default_factory=set)
    used_waivers: set[Waiver] = field(default_factory=set)
    selected: int = 0
    finished: set[str] = field(default_factory=set)
    """Node ids."""
    not_run: list[Case] = field(default_factory=list)
    facts: RunFacts | None = None

    @property
    def name(self) -> str:
        """The run's name; `collect-only` and the like leave no files and have none."""
        return self.files.directory.run if self.files else ""

    @cached_property
    def hosts(self) -> dict[str, Host]:
        return {host.name: host for host in self.inventory.hosts}

    def snapshot(self, host: str) -> Snapshot:
        """The snapshot of `host`; raises NotMeasured when there is none."""
        if host not in self.snapshots:
            raise NotMeasured("not a part of the run that is replayed" if self.options.replay else "was not asked")
        return self.snapshots[host]

    def request(self, host: str, checks: frozenset[str], whole: frozenset[str] = frozenset()) -> Request:
        """What `host` is asked so that `checks` can be judged, and of the subjects in `whole` all that there is."""
        policy = self.policies[host]
        probes = policy.requests(checks)
        for subject in whole & policy.subjects.keys():
            if (request := policy.subjects[subject].request(own_checks_of(subject))) is not None:
                probes[subject] = request
        wanted = policy.certificates.wanted("host", checks - policy.off.keys(), policy.families)
        return Request(probes, self.options.window, max(10.0, self.options.window), wanted=wanted)

    def record(self, result: Result) -> None:
        """Write down one finished check."""
        self.counts[result.outcome] += 1
        self.judged_checks.add(result.check)
        if result.note or result.outcome not in {"passed", "skipped"}:
            self.results.append(result)
        self.finished.add(result.nodeid)
        if self.files and not self.files.unwritten:
            with self.files.writing():
                self.files.results.append(result)

    def set_of_hosts(self) -> str:
        """All hosts of this run, in a few words: of whom a check of a set speaks."""
        return some(list(self.hosts))

    def policies_as_data(self) -> dict[str, Any]:
        """The effective policies, each once, and which is whose: for run.json and `--policy-as-run`."""
        documents: dict[str, Any] = {}
        policy_of = {}
        for name, policy in self.policies.items():
            document = self.redact.data(policy.document())
            key = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]
            documents[key] = document
            policy_of[name] = key
        return {"policies": documents, "policy_of": policy_of}

    @cached_property
    def redact(self) -> Redaction:
        """Takes out every secret of the inventory's that may have crept into a text."""
        return Redaction.of(self.inventory)

    def make_ready(self) -> None:
        """Look for the runs to compare with: it would be done when the first answer is there."""
        _ = self._runs

    def receive(self, snapshot: Snapshot) -> Snapshot:
        """Take in a host's snapshot: with what the last run knew, stored, and at hand for the checks."""
        if not self.options.replay:
            snapshot = self._without_secrets(snapshot.remembering(self._last(snapshot)))
            self.questions.add(snapshot)
            if is_unresolved(snapshot):
                self.unresolved.append(snapshot.host)
        self.snapshots[snapshot.host] = snapshot
        if self.files and not self.files.unwritten:
            with self.files.writing() as files:
                _store(snapshot, files)
        return snapshot

    def _without_secrets(self, snapshot: Snapshot) -> Snapshot:
        """A host that was given a password may say it: in an error, as a process's name."""
        said = snapshot.to_bytes()
        if not self.redact.finds(said.decode("ascii")):
            return snapshot
        return snapshots.from_bytes(json.dumps(self.redact.data(json.loads(said))).encode("ascii"))

    def _last(self, snapshot: Snapshot) -> Snapshot | None:
        """The oldest snapshot of this host within a day, else its newest, with counters of a probe that was asked now.

        So what happened is told for a day, or until the next run if that comes later, however often one runs.
        """
        for path in self._earlier(snapshot.host):
            with suppress(ReplayError):
                earlier = snapshots.load(path)
                known = earlier.counters().keys() & snapshot.asked["probes"].keys()
                if known and snapshot.of_the_same_boot(earlier):
                    return earlier
        return None

    def _earlier(self, host: str) -> Iterator[Path]:
        name = Path("snapshots") / file_name(host, ".json.gz")
        since = (self.started - DAY).strftime("%Y-%m-%dT%H-%M-%SZ")
        recent = [run for run in self._runs if run.name >= since]
        for run in [*reversed(recent), *self._runs[len(recent) :]]:
            if (run / name).exists():
                yield run / name

    @cached_property
    def _runs(self) -> list[Path]:
        """The newest earlier runs in which hosts were asked; in a replay, hosts are older than their run."""
        mine = self.files.directory.run if self.files else ""
        runs = sorted((path for path in self.options.reports.glob("2*Z-*") if path.name != mine), reverse=True)
        return [run for run in runs[:EARLIER_RUNS] if not replay.is_replay(run)]

    def stored(self) -> Iterator[Snapshot]:
        """With `--replay`: the snapshots of that run; raises ReplayError."""
        return map(snapshots.load, self._stored_files())

    def refuse_damaged(self) -> None:
        """With `--replay`, before anything is judged: raises ReplayError with every snapshot that cannot be read."""
        problems: list[Problem] = []
        for path in self._stored_files():
            try:
                snapshots.load(path)
            except ReplayError as error:
                problems.extend(error.problems)
        if problems:
            raise ReplayError.of(problems)

    def _stored_files(self) -> Iterator[Path]:
        if self.options.replay:
            folder = self.options.replay / "snapshots"
            yield from (path for name in self.hosts if (path := folder / file_name(name, ".json.gz")).exists())

    @contextmanager
    def testinfra_host(self, name: str) -> Iterator[Any]:
        """testinfra's view of `name`, over the kept link, to oneself."""
        from shipworthy.links.testinfra import testinfra_host

        if self.collector is None:
            raise NotMeasured("testinfra's host needs the host itself, and this run is a replay")
        failed = self.snapshot(name).login.failed
        # A wrong sudo password is not tried again with every test: that locks accounts.
        if failed and (not self.collector.kept(name) or failed.rung == "become"):
            raise NotMeasured(f"unreachable: {failed.rung}: {failed.reason}")
        with self.collector.reserve(name) as (link,):
            yield testinfra_host(link, self.hosts[name])


def _store(snapshot: Snapshot, files: Files) -> None:
    replace_file(files.directory.snapshot(snapshot.host), snapshots.packed(snapshot))
    failed = snapshot.login.failed
    files.log.event(
        "warning" if failed else "info",
        "host measured" if not failed else "host not reached",
        host=snapshot.host,
        rungs=snapshot.login.rungs,
        reason=failed.reason if failed else None,
    )


RUN = pytest.StashKey[Run]()


@cache
def own_checks() -> Mapping[str, Described]:
    """Shipworthy's own checks, by id."""
    return catalogue([CHECKS])


def own_checks_of(subject: str) -> frozenset[str]:
    """The ids of Shipworthy's own checks of one subject."""
    return frozenset(id for id, described in own_checks().items() if described.subject == subject)


def prepare(
    options: Options, inventory_of: Callable[[Options], Inventory], rootdir: Path, test_folders: list[Path]
) -> Run:
    """Read inventory and policies; raises UsageError with every problem found. Touches no host."""
    started = datetime.now(UTC)
    stored = replay.read(options.replay) if options.replay else None
    at = told_time(options.at, stored.started if stored else started)
    if stored and options.policy_as_run:
        return _as_run(options, started, at, stored)
    if stored:
        options = replay.by_its_inventory(options, stored, rootdir)
    files = _policy_files(options, rootdir)
    known = ids([CHECKS, *test_folders]) if files else frozenset()  # nothing else names a check
    make_policies_ready(files)
    if options.inventory_by != DEFAULT_INVENTORY:  # which is this machine; others are mostly reached by SSH
        links.make_ready()
    inventory = inventory_of(options)
    if options.addresses_from:
        inventory = at_known_addresses(inventory, options.addresses_from)
    policy = load_policy(files, inventory, known)
    policies = {host.name: policy.for_host(host.name) for host in inventory.hosts}
    names = tuple(str(file.relative_to(rootdir) if file.is_relative_to(rootdir) else file) for file in files)
    return Run(options, started, at, inventory, policy, names, policies, [*inventory.notices, *policy.notices])


def _as_run(options: Options, started: datetime, at: datetime, stored: replay.StoredRun) -> Run:
    """A run whose hosts and policies are those of the stored run: nothing of today's is read."""
    inventory = Inventory(tuple(Host(name, name) for name in stored.hosts), stored.inventories)
    options = replace(options, limit=stored.limit)  # nothing is left out now, but something was then
    return Run(options, started, at, inventory, None, stored.policies, stored.effective_policies(), [])


def _policy_files(options: Options, rootdir: Path) -> list[Path]:
    """The policies that were named, else those that the inventories bring along."""
    if options.policy:
        return [rootdir / path for path in options.policy]
    if options.hosts:
        return []
    beside = (inventories.policy_beside(source, rootdir) for source in options.inventory)
    return [path for path in beside if path]
