"""The subjects of a policy, found by their files: every plain module in `shipworthy/policy/` is one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from shipworthy import policy
from shipworthy.policy.language.plays import item_model
from shipworthy.policy.language.subject import Bounded, Part, SubjectPolicy

Subjects = Mapping[str, type[SubjectPolicy]]


@cache
def discover() -> Subjects:
    """Each subject's model, by the subject's name, in alphabetical order."""
    names = sorted(found.name for found in iter_modules(policy.__path__) if not found.ispkg)
    return {name: import_module(f"{policy.__name__}.{name}").Policy for name in names if not name.startswith("_")}


def limits_of(check: str, subjects: Subjects) -> list[Bounded]:
    """The declared limits that a check judges by, items' ones included."""
    subject, _, claim = check.partition(".")
    model = subjects.get(subject)
    return [bounded for name, bounded in _limits(model) if (bounded.check or name) == claim] if model else []


def _limits(model: type[Part]) -> Iterator[tuple[str, Bounded]]:
    for name, declared in model.declarations().items():
        if isinstance(declared, Bounded):
            yield name, declared
    for name in model.model_fields:
        item = item_model(model, name)
        if item is not None:
            yield from _limits(item)
