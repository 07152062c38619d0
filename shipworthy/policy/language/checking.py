"""The form of one policy file: is every key known, every value possible, play by play, whether a host matches or not.

In: the tree of a file. Out: problems. What takes all the plays of a host together is judged in `loading`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from pydantic import ValidationError

from shipworthy.errors import Problem
from shipworthy.policy.language.document import Node, is_template
from shipworthy.policy.language.form import file_form
from shipworthy.policy.language.problems import Location, has_default, problems_of, spoken, unknown_check, written
from shipworthy.policy.language.subject import Part
from shipworthy.policy.language.subjects import Subjects, limits_of
from shipworthy.policy.language.units import UnitError

BOUND_KEYS = {"above": "at_most", "below": "at_least"}
"""A waiver's key for the bound of a limit of each direction."""


def check(tree: Node, subjects: Subjects, known_checks: Collection[str]) -> Iterator[Problem]:
    """Every problem of one file."""
    form = file_form(subjects)
    try:
        form.model_validate(tree.plain())
    except ValidationError as error:
        yield from problems_of(error, tree, form, partial=True)
    yield from _wrong_templates(tree, form)
    for location, id, place in _named_checks(tree):
        if id not in known_checks:
            yield Problem(f"{place}: {spoken(location)}", unknown_check(id, sorted(known_checks)))
    yield from _wrong_waiver_bounds(tree, subjects)


def missing(trees: Sequence[Node], subjects: Subjects) -> Iterator[Problem]:
    """What items must say, and no play of any file does: each told once, where the first play speaks of the item."""
    form = file_form(subjects)
    plays = [play for tree in trees for play in tree.items("plays")]
    told: set[Location] = set()
    for tree in trees:
        for location in _missing(tree, form):
            path = location[2:]
            if path not in told and not any(_says(play, path) for play in plays):
                yield Problem(f"{tree.deepest(location).place}: {spoken(written(location, form))}", "is missing")
            told.add(path)


def _missing(tree: Node, form: type[Part]) -> Iterator[Location]:
    try:
        form.model_validate(tree.plain())
    except ValidationError as error:
        found = (tuple(one["loc"]) for one in error.errors(include_url=False) if one["type"] == "missing")
        yield from (each for each in found if _is_of_a_subject(each) and not has_default(form, each))


def _is_of_a_subject(location: Location) -> bool:
    return location[0] == "plays" and len(location) > len(("plays", 0, "hosts"))


def _says(play: Node, path: Location) -> bool:
    node: Node | None = play
    for key in path:
        node = node.child(key) if node else None
    return node is not None


def _wrong_templates(tree: Node, form: type[Part]) -> Iterator[Problem]:
    for location, node in tree.scalars():
        if not is_template(node.value):
            continue
        place = f"{node.place}: {spoken(written(location, form))}"
        if not _rendered(location):
            yield Problem(place, f"{node.shown()} would be a template, and none is rendered here")
            continue
        from shipworthy.policy.language.templates import Renderer, TemplateError

        try:
            Renderer().check(str(node.value))
        except TemplateError as error:
            yield Problem(place, f"{node.shown()} {error}")


def _rendered(location: Location) -> bool:
    """Templates stand in what a play says of subjects, and in reasons."""
    return _is_of_a_subject(location) and location[2] != "observe"


def _named_checks(tree: Node) -> Iterator[tuple[Location, str, str]]:
    for number, play in enumerate(tree.items("plays")):
        for id, reason in play.entries("off").items():
            yield ("plays", number, "off", id), id, reason.place
        for index, id_node in enumerate(play.items("observe")):
            if isinstance(id_node.value, str):
                yield ("plays", number, "observe", index), id_node.value, id_node.place
    for number, waiver in enumerate(tree.items("waivers")):
        check = waiver.child("check")
        if check is not None and isinstance(check.value, str):
            yield ("waivers", number, "check"), check.value, check.place


def _wrong_waiver_bounds(tree: Node, subjects: Subjects) -> Iterator[Problem]:
    for number, waiver in enumerate(tree.items("waivers")):
        check = waiver.child("check")
        for key, direction in (("at_most", "above"), ("at_least", "below")):
            bound = waiver.child(key)
            if bound is None or check is None or is_template(bound.value):
                continue
            reason = _wrong_bound(bound, str(check.value), direction, subjects)
            if reason:
                yield Problem(f"{bound.place}: {spoken(('waivers', number, key))}", reason)


def _wrong_bound(bound: Node, check: str, direction: str, subjects: Subjects) -> str:
    limits = limits_of(check, subjects)
    fitting = [limit for limit in limits if limit.direction == direction]
    if not limits:
        told = check if check.isprintable() else repr(check)
        return f"nothing that {told} measures has a limit to be exceeded; leave it out"
    if not fitting:
        return f"{check} is bounded from {limits[0].direction}: write {BOUND_KEYS[limits[0].direction]}"
    try:
        fitting[0].unit.parse(bound.value)
    except UnitError as error:
        return f"{bound.shown()} {error}"
    return ""
