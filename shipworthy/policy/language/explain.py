"""A host's effective policy as people read it: every limit and expectation with the place where it was said."""

from __future__ import annotations

from collections.abc import Iterator

from shipworthy.policy.language.direct import as_written
from shipworthy.policy.language.document import Node
from shipworthy.policy.language.host import HostPolicy
from shipworthy.policy.language.subjects import limits_of
from shipworthy.policy.language.waivers import Waiver

_Row = tuple[str, str, str]


def explain(policy: HostPolicy) -> str:
    """The whole policy, a line for each thing that can be said, aligned."""
    rows: list[_Row] = [("extends", policy.extends, ""), ("families", ", ".join(policy.families), "")]
    said = {name: as_written(type(policy.subjects[name]), node) for name, node in policy.tree.entries().items()}
    blocks = [rows, *(list(_rows(node, name)) for name, node in said.items())]
    blocks.append([("off", f"{check}: {reason}", "") for check, reason in sorted(policy.off.items())])
    blocks.append([("observe", check, "") for check in sorted(policy.observe)])
    blocks.append([("waiver", _waiver(waiver, policy), waiver.origin) for waiver in policy.waivers])
    left = max(len(name) for block in blocks for name, _, _ in block)
    return "\n\n".join(_aligned(block, left) for block in blocks if block) + "\n"


def _aligned(rows: list[_Row], left: int) -> str:
    middle = max(len(value) for _, value, _ in rows)
    return "\n".join(f"{name:<{left}}  {value:<{middle}}  {place}".rstrip() for name, value, place in rows)


def _rows(node: Node, name: str) -> Iterator[_Row]:
    if not isinstance(node.value, dict):
        yield name, _shown(node), node.place
        return
    if node.value and not any(isinstance(item.value, dict) for item in node.value.values()):
        yield name, ", ".join(_part(key, item) for key, item in node.value.items()), _places(node)
        return
    for key, item in node.value.items():
        yield from _rows(item, f"{name}.{key}")


def _part(key: str, node: Node) -> str:
    words = key.replace("_", " ")
    if node.value is None:
        return f"no {words}"
    # A bound is a number by now, rendered or not, and no secret.
    return f"{words} {node.value if key.startswith(('warn_', 'fail_')) else _shown(node)}"


def _shown(node: Node) -> str:
    """The value; what was rendered is told by its template, as a variable may be a secret."""
    if isinstance(node.value, list):
        return ", ".join(_shown(item) for item in node.value)
    text = node.template if node.template is not None else str(node.value)
    return text if text.isprintable() else repr(text)


def _places(node: Node) -> str:
    """One place for all the bounds, or each bound's own."""
    places = {key: item.place for key, item in node.entries().items()}
    if len(set(places.values())) == 1:
        return next(iter(places.values()))
    return "; ".join(f"{key.replace('_', ' ')}: {place}" for key, place in places.items())


def _waiver(waiver: Waiver, policy: HostPolicy) -> str:
    limits = limits_of(waiver.check, {name: type(subject) for name, subject in policy.subjects.items()})
    bounds = [
        f", {words} {limits[0].unit.format(bound)}"
        for words, bound in (("at most", waiver.at_most), ("at least", waiver.at_least))
        if bound is not None and limits
    ]
    ticket = f", {waiver.ticket}" if waiver.ticket else ""
    people = f"owner {waiver.owner}, approved by {waiver.approved_by}{ticket}"
    return f"{waiver.check}{''.join(bounds)} until {waiver.until}, {people}"
