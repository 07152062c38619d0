"""Results put together for people: counts that add up, the fleet matrix, and identical findings told once.

In: results one by one, as many as there are. Out: a `Tally` of all, and `Findings` of what is not plainly passed.
Memory is bounded: hosts × subjects for the tally, `ROOM` findings of each outcome, `EXAMPLES` results in each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shipworthy.results import OUTCOMES, Outcome, Result

ROOM: Mapping[Outcome, int] = {
    "failed": 1000,
    "error": 500,
    "warned": 300,
    "waived": 100,
    "skipped": 100,
    "passed": 100,
}
"""How many findings of each outcome are told; 2,000 rows are what a browser shows without delay."""

EXAMPLES = 20
"""How many results of one finding are kept whole; of the others the host's name."""

WORST_FIRST: tuple[Outcome, ...] = ("failed", "error", "warned", "waived", "skipped", "passed")

REACHABLE = "reachable"
"""The subject that stands before the others."""

NEEDS_ROOT = "this user may not see what they judge by: needs root"

UNREACHABLE = "test_host_is_reachable"
"""The test whose failure explains every error of its host."""

_FOLDED = 20
"""How many times the room there is for findings that are folded further at the end."""


@dataclass
class Tally:
    """Counts of all results: by outcome, and by host and subject. `None` is a set of hosts."""

    counts: Counter[Outcome] = field(default_factory=Counter)
    matrix: dict[str | None, dict[str, Counter[Outcome]]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, result: Result) -> None:
        self.counts[result.outcome] += 1
        self.seconds += result.seconds
        self.matrix.setdefault(result.host, {}).setdefault(result.subject, Counter())[result.outcome] += 1

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def subjects(self) -> list[str]:
        """Reachability first, the others by name."""
        found = {subject for row in self.matrix.values() for subject in row}
        return sorted(found, key=lambda subject: (subject != REACHABLE, subject))


def worst(counts: Mapping[Outcome, int]) -> Outcome:
    """The outcome that says most of `counts`; skipped alone stays skipped, beside a pass it says nothing."""
    present = [outcome for outcome in WORST_FIRST if counts.get(outcome)]
    return "passed" if present == ["skipped", "passed"] or not present else present[0]


@dataclass
class Finding:
    """One thing to tell: the same claim broken in the same words on some hosts, or one reason for several checks."""

    outcome: Outcome
    message: str
    checks: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    examples: list[Result] = field(default_factory=list)
    count: int = 0
    """How many results it stands for."""
    of_no_item: int = 0
    """How many of them are of no item."""
    also: int = 0
    """How many other checks of the same host could not be measured because of it."""

    @property
    def first(self) -> Result:
        return self.examples[0]

    @property
    def is_folded(self) -> bool:
        """Whether several checks have one reason: what any of them says of itself is not said of the others."""
        return len(self.checks) > 1

    @property
    def named(self) -> list[str]:
        """The items that it speaks of; none where it speaks of their host as well."""
        return [] if self.of_no_item else self.items

    def add(self, result: Result) -> None:
        self.count += 1
        _add_new(self.checks, result.check)
        if result.host is not None:
            _add_new(self.hosts, result.host)
        if result.item is not None:
            _add_new(self.items, result.item)
        else:
            self.of_no_item += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(result)

    def merge(self, other: Finding) -> None:
        self.count += other.count
        self.of_no_item += other.of_no_item
        for mine, theirs in ((self.checks, other.checks), (self.hosts, other.hosts), (self.items, other.items)):
            for name in theirs:
                _add_new(mine, name)
        self.examples.extend(other.examples[: EXAMPLES - len(self.examples)])


def _add_new(names: list[str], name: str) -> None:
    # Results of one finding mostly come in the order of hosts: the last one is nearly always the only candidate.
    if (not names or names[-1] != name) and name not in names:
        names.append(name)


class Findings:
    """Gathers what is not plainly passed. After `told()`, `left_out` counts the results that there was no room for."""

    def __init__(self, room: Mapping[Outcome, int] = ROOM) -> None:
        self._room = room
        self._claims: dict[tuple[object, ...], Finding] = {}
        self._reasons: dict[tuple[object, ...], Finding] = {}
        self._kept: Counter[tuple[Outcome, bool]] = Counter()
        self._turned_away: Counter[Outcome] = Counter()
        self.left_out: Counter[Outcome] = Counter()

    def add(self, result: Result) -> None:
        if result.outcome == "passed" and not result.note:
            return
        # One reason for many errors of a host (unreachable, no privilege) is one finding, whatever it hit.
        reason = result.outcome == "error" and result.host is not None
        key = (result.host, _reason(result.message)) if reason else _claim(result)
        groups = self._reasons if reason else self._claims
        finding = groups.get(key)
        if finding is None:
            folded = reason or _is_of_items(result)
            kind = result.outcome, folded
            if self._kept[kind] >= self._room.get(result.outcome, 0) * (_FOLDED if folded else 1):
                self._turned_away[result.outcome] += 1
                return
            self._kept[kind] += 1
            finding = groups[key] = Finding(result.outcome, result.message)
        finding.add(result)
        if reason and result.message != finding.message:
            finding.message = NEEDS_ROOT

    def extend(self, results: Iterable[Result]) -> Findings:
        for result in results:
            self.add(result)
        return self

    def told(self) -> list[Finding]:
        """The findings, worst first; within an outcome, those of most hosts first, and of these what is of no item."""
        claims = {key: _copy(finding) for key, finding in self._claims.items()}
        unreachable = {
            finding.hosts[0]: finding
            for finding in claims.values()
            if finding.outcome == "failed" and finding.first.test == UNREACHABLE and finding.hosts
        }
        for finding in self._reasons.values():
            if broken := unreachable.get(finding.hosts[0]):
                broken.also += finding.count
            elif finding.count > 1:
                claims[("reason", *finding.hosts, finding.message)] = _copy(finding)
            else:
                claims.setdefault(_claim(finding.first), Finding("error", finding.message)).merge(finding)
        return self._within_room(sorted(_folded(claims.values()), key=_rank))

    def _within_room(self, findings: list[Finding]) -> list[Finding]:
        used: Counter[Outcome] = Counter()
        self.left_out = self._turned_away.copy()
        told = []
        for finding in findings:
            used[finding.outcome] += 1
            if used[finding.outcome] <= self._room.get(finding.outcome, 0):
                told.append(finding)
            else:
                self.left_out[finding.outcome] += finding.count
        return told


def _reason(message: str) -> str:
    """Whatever it is that root alone may see, there is one thing to be done about it."""
    return NEEDS_ROOT if message.endswith("needs root") else message


def _claim(result: Result) -> tuple[object, ...]:
    if result.test == UNREACHABLE and result.outcome == "failed":
        return result.outcome, result.check, result.message, result.host  # told host by host
    return result.outcome, result.check, result.item, result.message, result.note


def _is_of_items(result: Result) -> bool:
    """Whether its words may be those about other items too: they do not name its own."""
    return result.item is not None and result.item not in result.message


def _folded(findings: Iterable[Finding]) -> Iterable[Finding]:
    """With one finding for all items of the same hosts of which the same words are said."""
    found: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        first = finding.first
        key: tuple[object, ...] = (id(finding),)
        if _is_of_items(first):
            key = finding.outcome, *finding.checks, finding.message, first.note, frozenset(finding.hosts)
        if found.setdefault(key, finding) is not finding:
            found[key].merge(finding)
    return found.values()


def _rank(finding: Finding) -> tuple[int, int, bool]:
    return WORST_FIRST.index(finding.outcome), -len(finding.hosts), bool(finding.items)


def _copy(finding: Finding) -> Finding:
    copy = Finding(finding.outcome, finding.message)
    copy.merge(finding)
    return copy


def counts_in_words(counts: Mapping[Outcome, int]) -> list[tuple[Outcome, str]]:
    """(`failed`, `2 failed`) for each outcome that there is, in the fixed order of OUTCOMES; they add up."""
    return [
        (outcome, f"{counts[outcome]:,} {_noun(outcome, counts[outcome])}")
        for outcome in OUTCOMES
        if counts.get(outcome)
    ]


def _noun(outcome: Outcome, count: int) -> str:
    return "errors" if outcome == "error" and count != 1 else outcome
