"""Plays upon plays upon defaults: how mappings merge, and what lies beneath them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from shipworthy.policy.language.document import Node
from shipworthy.policy.language.subject import Bounded, Part

BASELINE = "baseline"
STRICT = "strict"


def merge(lower: Node | None, upper: Node) -> Node:
    """`upper` over `lower`: mappings merge key by key; of anything else, `null` included, the upper one holds."""
    if lower is None or not isinstance(lower.value, dict) or not isinstance(upper.value, dict):
        return upper
    items = dict(lower.value)
    for key, node in upper.value.items():
        items[key] = merge(items.get(key), node)
    return Node(items, upper.place)


def nodes(value: Any, place: str) -> Node:
    """Plain values as nodes that all stand in one place."""
    if isinstance(value, Mapping):
        return Node({key: nodes(item, place) for key, item in value.items()}, place)
    if isinstance(value, list):
        return Node([nodes(item, place) for item in value], place)
    return Node(value, place)


def complete(model: type[Part], said: Node | None, *, strict: bool) -> Node:
    """What plays said of a part, over its defaults; items that they removed are gone."""
    given = dict(said.value) if said is not None and isinstance(said.value, dict) else {}
    items: dict[str, Node] = {}
    for name, declared in model.declarations().items():
        default = declared.defaults if isinstance(declared, Bounded) else declared.default
        beneath = nodes(default, BASELINE)
        if strict and name in model.STRICT:
            beneath = merge(beneath, nodes(model.STRICT[name], STRICT))
        items[name] = merge(beneath, given.pop(name)) if name in given else beneath
    for name, node in given.items():
        items[name] = _complete_items(model, name, node, strict)
    order = [*(name for name in model.model_fields if name in items), *(name for name in items if name in given)]
    return Node({name: items[name] for name in dict.fromkeys(order)}, said.place if said is not None else BASELINE)


def _complete_items(model: type[Part], name: str, node: Node, strict: bool) -> Node:
    item = item_model(model, name)
    if item is None or not isinstance(node.value, dict):
        return node
    kept = {key: one for key, one in node.value.items() if one.value is not None}
    filled = {key: complete(item, one, strict=strict) if _mapping(one) else one for key, one in kept.items()}
    return Node(filled, node.place)


def _mapping(node: Node) -> bool:
    return isinstance(node.value, dict)


def item_model(model: type[Part], name: str) -> type[Part] | None:
    """The model of the items in a field that is declared as `Items[…]`."""
    info = model.model_fields.get(name)
    arguments = get_args(info.annotation) if info is not None else ()
    last = arguments[-1] if arguments else None
    return last if isinstance(last, type) and issubclass(last, Part) else None
