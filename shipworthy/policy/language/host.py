"""What must be true of one host: every limit and expectation that holds for it, and where each was said.

In: the plays of a host, merged. Out: typed subjects, the requests that they make of probes, and a document that is
saved with the run and read back for `--policy-as-run`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple

from pydantic import ValidationError

from shipworthy.errors import PolicyError, Problem
from shipworthy.policy.language.direct import plain
from shipworthy.policy.language.document import Node
from shipworthy.policy.language.plays import BASELINE, complete
from shipworthy.policy.language.problems import problems_of
from shipworthy.policy.language.subject import SubjectPolicy
from shipworthy.policy.language.subjects import Subjects, discover
from shipworthy.policy.language.waivers import Waiver

SCHEMA = 1


@dataclass(frozen=True)
class HostPolicy:
    """The effective policy of a host. Its subjects are attributes: `policy.memory.swap_used`."""

    extends: str
    families: tuple[str, ...]
    """What the estate is expected to speak: both, where nobody said it."""
    off: Mapping[str, str]
    """Checks that are left out, by id, with the reason."""
    observe: frozenset[str]
    """Checks that are measured and shown, and never a reason to fail."""
    waivers: tuple[Waiver, ...]
    """Those that name this host."""
    subjects: Mapping[str, SubjectPolicy]
    tree: Node
    """All of it as texts, defaults included, each with its place."""
    families_from: str = BASELINE
    """Where the families were said; `baseline` where nobody did, and nothing strict should come of them."""

    def __getattr__(self, name: str) -> Any:
        subjects = self.__dict__.get("subjects", {})
        if name not in subjects:
            raise AttributeError(f"there is no subject {name!r} in a policy; there are {', '.join(subjects)}")
        return subjects[name]

    def requests(self, checks: frozenset[str]) -> dict[str, NamedTuple]:
        """What each probe is asked so that `checks` can be judged; a probe that none of them needs is left out."""
        wanted = checks - self.off.keys()
        asked = {name: subject.request(wanted) for name, subject in self.subjects.items()}
        return {name: request for name, request in asked.items() if request is not None}

    def document(self) -> dict[str, Any]:
        """All of it as JSON-able data, with the place of each value; `from_document` reads it back."""
        return {
            "schema": SCHEMA,
            "extends": self.extends,
            "families": list(self.families),
            "families_from": self.families_from,
            "off": dict(self.off),
            "observe": sorted(self.observe),
            "waivers": [_as_data(waiver) for waiver in self.waivers],
            "subjects": _plain(self.tree),
            "from": dict(_places(self.tree)),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], subjects: Subjects | None = None) -> HostPolicy:
        """The policy that `document` holds, validated anew. Raises PolicyError."""
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            raise PolicyError(Problem("the stored policy", f"is not one of schema {SCHEMA}"))
        try:
            tree = _placed(document["subjects"], document["from"])
            waivers = tuple(_waiver(data) for data in document["waivers"])
            return build(
                tree,
                extends=str(document["extends"]),
                families=tuple(map(str, document["families"])),
                families_from=str(document.get("families_from", BASELINE)),
                off={str(check): str(reason) for check, reason in document["off"].items()},
                observe=frozenset(map(str, document["observe"])),
                waivers=waivers,
                subjects=discover() if subjects is None else subjects,
            )
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise PolicyError(Problem("the stored policy", f"cannot be read: {type(error).__name__}")) from error

    def explain(self) -> str:
        """Every effective limit and expectation with its place, for people."""
        from shipworthy.policy.language.explain import explain  # only for those who ask

        return explain(self)


def build(tree: Node, *, extends: str, subjects: Subjects, partial: bool = False, **rest: Any) -> HostPolicy:
    """Validate what plays said of a host, over the defaults. Raises PolicyError with every problem.

    `partial`: some templates could not be rendered, which is told elsewhere; the others are judged all the same.
    """
    said = tree.entries()
    if unknown := said.keys() - subjects.keys():
        raise PolicyError(*(Problem(said[name].place, f"there is no subject {name!r}") for name in sorted(unknown)))
    completed: dict[str, Node] = {}
    validated: dict[str, SubjectPolicy] = {}
    problems: list[Problem] = []
    for name, model in subjects.items():
        completed[name] = node = complete(model, said.get(name), strict=extends == "strict")
        try:
            validated[name] = model.model_validate(plain(name, model, node))
        except ValidationError as error:
            problems.extend(problems_of(error, node, model, (name,), partial=partial))
    if problems:
        raise PolicyError(*problems)
    return HostPolicy(extends=extends, subjects=validated, tree=Node(completed, ""), **rest)


def _as_data(waiver: Waiver) -> dict[str, Any]:
    return {**asdict(waiver), "hosts": list(waiver.hosts), "until": waiver.until.isoformat()}


def _waiver(data: Mapping[str, Any]) -> Waiver:
    return Waiver(**{**data, "hosts": tuple(data["hosts"]), "until": date.fromisoformat(data["until"])})


def _plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {key: _plain(item) for key, item in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(item) for item in node.value]
    return node.value


def _places(node: Node, pointer: str = "", above: str = "") -> list[tuple[str, str]]:
    """JSON pointers and places; what stands where the mapping above it stands is left out."""
    found = [(pointer, node.place)] if node.place != above else []
    for key, item in _children(node.value):
        found.extend(_places(item, f"{pointer}/{_escaped(key)}", node.place))
    return found


def _children(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    return [(str(index), item) for index, item in enumerate(value)] if isinstance(value, list) else []


def _placed(value: Any, places: Mapping[str, str], pointer: str = "", above: str = "") -> Node:
    place = places.get(pointer, above)
    below = {key: _placed(item, places, f"{pointer}/{_escaped(key)}", place) for key, item in _children(value)}
    if isinstance(value, Mapping):
        return Node(below, place)
    return Node(list(below.values()) if isinstance(value, list) else value, place)


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
