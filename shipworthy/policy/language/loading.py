"""Policy files and an inventory → the policy of every host. Nothing comes out when anything is wrong.

First every file is read and its form judged, play by play, whether a host matches or not; then the plays of each host
are rendered, merged and validated together. All problems of the first kind are told at once, with what is missing
whatever plays are taken together; else all of the second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shipworthy.errors import PolicyError, Problem, UsageError
from shipworthy.inventory import Inventory
from shipworthy.policy.language import document
from shipworthy.policy.language.checking import BOUND_KEYS, check, missing
from shipworthy.policy.language.direct import as_modelled
from shipworthy.policy.language.document import Node, is_template, read
from shipworthy.policy.language.form import file_form
from shipworthy.policy.language.host import HostPolicy, build
from shipworthy.policy.language.plays import BASELINE, merge
from shipworthy.policy.language.problems import Location, ordered, spoken, written
from shipworthy.policy.language.subjects import Subjects, discover, limits_of
from shipworthy.policy.language.waivers import Waiver

if TYPE_CHECKING:
    from shipworthy.policy.language.templates import Renderer

FAMILIES = ("ipv4", "ipv6")


@dataclass(frozen=True)
class Policy:
    """What must be true of every selected host."""

    hosts: Mapping[str, HostPolicy]
    waivers: tuple[Waiver, ...] = ()
    notices: tuple[str, ...] = ()
    """What a person should know of the policy, one line each: a pattern that matches no host, and the like."""

    def for_host(self, name: str) -> HostPolicy:
        return self.hosts[name]


def load(
    paths: Sequence[Path],
    inventory: Inventory,
    known_checks: Collection[str],
    *,
    root: Path | None = None,
    subjects: Subjects | None = None,
) -> Policy:
    """The policies in `paths`, later ones over earlier ones, for the hosts of `inventory`.

    `known_checks` are the ids that `off`, `observe` and waivers may name. Places are told relative to `root`, which is
    the working directory unless said. Raises PolicyError with every problem found.
    """
    subjects = discover() if subjects is None else subjects
    misnamed: list[Problem] = []
    trees = [as_modelled(tree, subjects, misnamed) for tree in _read_all(paths, root or Path.cwd())]
    found = [*misnamed, *(problem for tree in trees for problem in check(tree, subjects, known_checks))]
    _raise([*found, *missing(trees, subjects)] if found else [])
    return _Loading(trees, inventory, subjects).policy()


def make_ready(paths: Sequence[Path]) -> None:
    """Load what `load` will need for `paths`, while something else is waited for."""
    subjects = discover()
    if paths:
        document.make_ready()
        file_form(subjects)


def _raise(problems: Iterable[Problem]) -> None:
    found = ordered(problems)
    if found:
        raise PolicyError(*found)


def _read_all(paths: Sequence[Path], root: Path) -> list[Node]:
    trees: list[Node] = []
    problems: list[Problem] = []
    for path in paths:
        name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
        try:
            trees.append(read(path, name))
        except PolicyError as error:
            problems.extend(error.problems)
    _raise(problems)
    return trees


@dataclass
class _Loading:
    """The second half: files whose form is right, and the hosts that they are for."""

    trees: Sequence[Node]
    inventory: Inventory
    subjects: Subjects
    _problems: list[Problem] = field(default_factory=list)
    _notices: list[str] = field(default_factory=list)
    _undefined: dict[tuple[str, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    """Hosts by place and reason, for what is wrong with a template on some of them."""
    _built: dict[tuple[object, ...], HostPolicy | None] = field(default_factory=dict)
    _matched: dict[str, frozenset[str]] = field(default_factory=dict)
    _renderer: Renderer | None = None

    def policy(self) -> Policy:
        plays = [(play, self._hosts(play, "plays")) for tree in self.trees for play in tree.items("plays")]
        waivers = tuple(self._waiver(node) for tree in self.trees for node in tree.items("waivers"))
        hosts = {}
        for host in self.inventory.hosts:
            applied = [play for play, names in plays if host.name in names]
            named = tuple(waiver for waiver in waivers if host.name in waiver.hosts)
            hosts[host.name] = self._host(host.name, applied, named)
        for (place, reason), names in self._undefined.items():
            self._problems.append(Problem(place, f"{reason} (for {_some(names)})"))
        _raise(self._problems)
        return Policy(
            {name: policy for name, policy in hosts.items() if policy is not None}, waivers, tuple(self._notices)
        )

    def _hosts(self, node: Node, kind: str) -> frozenset[str]:
        hosts = node.deepest(["hosts"])
        pattern, place = str(hosts.value), hosts.place
        if pattern not in self._matched:
            try:
                found = self.inventory.find(pattern)
            except UsageError as error:
                reasons = "; ".join(problem.reason for problem in error.problems)
                self._problems.append(Problem(f"{place}: hosts", reasons))
                return frozenset()
            self._matched[pattern] = frozenset(found.hosts)
            unmatched = [part for part in found.unmatched if found.hosts]
            self._notices.extend(f"{place}: {part!r} in the pattern matches no host" for part in unmatched)
        names = self._matched[pattern]
        if not names:
            what = "the play" if kind == "plays" else "the waiver"
            self._notices.append(f"{place}: the pattern {pattern!r} matches no host, so {what} is for none")
        return names

    def _waiver(self, node: Node) -> Waiver:
        said = {key: str(item.value) for key, item in node.entries().items() if item.value is not None}
        check = said["check"]
        matched = self._hosts(node, "waivers")
        limits = limits_of(check, self.subjects)
        bounds = {
            key: limit.unit.parse(node.entries()[key].value)
            for key, direction in (("at_most", "above"), ("at_least", "below"))
            for limit in limits
            if key in said and limit.direction == direction
        }
        if limits and not bounds:
            wanted = " or ".join(dict.fromkeys(BOUND_KEYS[limit.direction] for limit in limits))
            self._notices.append(f"{node.place}: the waiver of {check} has no {wanted}, so it covers any value")
        return Waiver(
            check=check,
            hosts=tuple(host.name for host in self.inventory.hosts if host.name in matched),
            until=date.fromisoformat(said["until"]),
            at_most=bounds.get("at_most"),
            at_least=bounds.get("at_least"),
            owner=said["owner"],
            approved_by=said["approved_by"],
            ticket=said.get("ticket", ""),
            reason=said.get("reason", ""),
            origin=node.place,
        )

    def _host(self, host: str, plays: Sequence[Node], waivers: tuple[Waiver, ...]) -> HostPolicy | None:
        """The host's policy; one that other hosts with the same plays, waivers and rendered values have, is shared."""
        values: list[str | None] = []
        rendered = [self._render(play, host, values) for play in plays]
        key = (tuple(map(id, plays)), tuple(values), waivers)
        if key not in self._built:
            self._built[key] = self._build(rendered, waivers, partial=None in values)
        return self._built[key]

    def _render(self, play: Node, host: str, values: list[str | None]) -> Node:
        """`play` with this host's values; what has none stays a template, is a problem, and `None` among `values`."""
        found = [(location, node) for location, node in play.scalars() if is_template(node.value)]
        if not found:
            return play
        from shipworthy.policy.language.templates import Renderer, TemplateError

        self._renderer = self._renderer or Renderer()
        replaced: dict[int, Node] = {}
        for location, node in found:
            try:
                text = self._renderer.render(str(node.value), self.inventory.variables.get(host, {}))
            except TemplateError as error:
                place = f"{node.place}: {spoken(self._written(location))}"
                self._undefined[place, f"{node.shown()}: {error}"].append(host)
                values.append(None)
                continue
            values.append(text)
            replaced[id(node)] = Node(text, node.place, template=str(node.value))
        return _with(play, replaced)

    def _written(self, location: Location) -> Location:
        """A path in a play, as people write it."""
        plays: Location = ("plays", 0)
        return written((*plays, *location), file_form(self.subjects))[len(plays) :]

    def _build(self, plays: Sequence[Node], waivers: tuple[Waiver, ...], *, partial: bool) -> HostPolicy | None:
        merged = Node({}, "")
        for play in plays:
            merged = merge(merged, play)
        said = {name: node for name, node in merged.entries().items() if name in self.subjects}
        off = {id: str(node.value) for id, node in merged.entries("off").items() if node.value is not None}
        observed = (id.value for play in plays for id in play.items("observe"))
        try:
            return build(
                Node(said, ""),
                extends=str(self._last("extends", "baseline")),
                families=tuple(self._last("families", FAMILIES)),
                families_from=self._place_of_last("families"),
                off=off,
                observe=frozenset(map(str, observed)),
                waivers=waivers,
                subjects=self.subjects,
                partial=partial,
            )
        except PolicyError as error:
            self._problems.extend(error.problems)
            return None

    def _last(self, key: str, otherwise: Any) -> Any:
        """What the last file that says something of the whole estate says."""
        node = self._last_node(key)
        return otherwise if node is None else node.plain()

    def _place_of_last(self, key: str) -> str:
        """Where it is said; `baseline` if no file does."""
        node = self._last_node(key)
        return BASELINE if node is None else node.place

    def _last_node(self, key: str) -> Node | None:
        return next((node for tree in reversed(self.trees) if (node := tree.child(key)) is not None), None)


def _with(node: Node, replaced: Mapping[int, Node]) -> Node:
    if id(node) in replaced:
        return replaced[id(node)]
    if isinstance(node.value, dict):
        return Node({key: _with(item, replaced) for key, item in node.value.items()}, node.place)
    if isinstance(node.value, list):
        return Node([_with(item, replaced) for item in node.value], node.place)
    return node


def _some(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
