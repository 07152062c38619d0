"""Items that stand directly below their subject: `dns: {www.example.org: {}}`, though the model has them in a field.

In: a file's tree, as it was written. Out: the tree as the models have it (`dns: {names: {www.example.org: {}}}`), with
each name in its one form; and the way back, for paths that people read. A subject says by `DIRECT` which field it is.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from shipworthy.errors import Problem
from shipworthy.policy.language.document import Node
from shipworthy.policy.language.plays import item_model
from shipworthy.policy.language.subject import Bounded, Part
from shipworthy.policy.language.subjects import Subjects

Found = list[Problem]
NEAR = 0.65
"""How much of a word must be right for it to be known again."""


def as_modelled(tree: Node, subjects: Subjects, problems: Found) -> Node:
    """A whole file; what is wrong with names is added to `problems`."""
    plays = tree.child("plays")
    if plays is None or not isinstance(plays.value, list):
        return tree
    moved = Node([_play(play, subjects, problems) for play in plays.value], plays.place)
    return Node({**tree.entries(), "plays": moved}, tree.place)


def _play(play: Node, subjects: Subjects, problems: Found) -> Node:
    said = play.entries()
    moved = {name: gathered(name, subjects[name], said[name], problems) for name in said if name in subjects}
    return Node({**said, **moved}, play.place) if said else play


def gathered(subject: str, model: type[Part], node: Node, problems: Found) -> Node:
    """What was said of a subject, the items that stand directly below it in their field."""
    if not model.DIRECT or not isinstance(node.value, dict):
        return node
    fields: dict[str, Node] = {}
    items: dict[str, Node] = {}
    for key, one in node.value.items():
        # A key is nobody's secret: templates stand in values only.
        place = f"{one.place}: {subject}.{key if key.isprintable() else repr(key)}"
        if _means_an_item(model, key, one):
            problems.append(Problem(place, f"is a field of `{subject}:`, so no item can be called that"))
            continue
        if key in model.model_fields or not model.direct_key(key) or _means_a_field(model, key, one):
            fields[key] = one
            continue
        try:
            name = model.item_name(key)
        except ValueError as error:
            problems.append(Problem(place, str(error)))
            continue
        if name in items:
            problems.append(Problem(place, f"is there twice, first in line {items[name].place.rpartition(':')[2]}"))
        items[name] = one
    if model.DIRECT in fields:
        problems.append(
            Problem(f"{fields[model.DIRECT].place}: {subject}.{model.DIRECT}", f"its items stand below `{subject}:`")
        )
    if len(fields) == len(node.value):
        return node
    return Node({**fields, model.DIRECT: Node(items, node.place)}, node.place)


def _means_a_field(model: type[Part], key: str, node: Node) -> bool:
    """Whether a key that any item could have is that of a field, misspelt: near it, and with nothing of an item's."""
    item = item_model(model, model.DIRECT)
    said = node.value is None or (item and not item.model_fields.keys().isdisjoint(node.entries()))
    return not said and bool(get_close_matches(key, model.model_fields, n=1, cutoff=NEAR))


def _means_an_item(model: type[Part], key: str, node: Node) -> bool:
    """Whether an item is called as a field is: it says what items say, and nothing that the field has."""
    item, said = item_model(model, model.DIRECT), node.entries().keys()
    if key not in model.model_fields or key == model.DIRECT or not item or item.model_fields.keys().isdisjoint(said):
        return False
    declared = model.declarations().get(key)
    return not (isinstance(declared, Bounded) and said & set(declared.keys))


def as_written(model: type[Part], node: Node) -> Node:
    """What holds for a subject, as people write it."""
    if not model.DIRECT or node.child(model.DIRECT) is None:
        return node
    fields = {key: one for key, one in node.entries().items() if key != model.DIRECT}
    return Node({**fields, **node.entries(model.DIRECT)}, node.place)


def plain(subject: str, model: type[Part], node: Node) -> Any:
    """As plain values in the form of the model; each mapping knows its path as people write it."""
    values = node.plain((subject,))
    if model.DIRECT and (items := node.child(model.DIRECT)) is not None:
        values[model.DIRECT] = items.plain((subject,))
    return values
