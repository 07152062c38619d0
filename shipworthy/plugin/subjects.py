"""`-m SUBJECT`: subjects are marks, whether or not a check of theirs is made; and what it means that none is.

In: test files, by their names alone, and what was asked for by `-m`. Out: pytest's registered marks; notices.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

import pytest

from shipworthy.checks import CHECKS, subject_of
from shipworthy.plugin.cases import case_of, know_subject


def register(config: pytest.Config, folders: Iterable[Path]) -> None:
    """Where something is asked for by `-m`: the subjects of our own checks, and of those in `folders`."""
    if config.option.markexpr:
        for file in (file for folder in (CHECKS, *folders) for file in folder.rglob("test_*.py")):
            know_subject(subject_of(file), config)


def wanted(config: pytest.Config) -> list[str]:
    """The marks of a plain `-m memory or cpu`; none of any other expression."""
    names = str(config.option.markexpr or "").split(" or ")
    return names if all(name.isidentifier() and name != "not" for name in names) else []


def unnamed(config: pytest.Config, items: Iterable[pytest.Item], dropped: Iterable[tuple[str, str]]) -> list[str]:
    """A notice for each subject that is wanted, and of which no check was made.

    `dropped`: checks that were not made, as no policy names what they are for: subject of the file, and of the policy.
    """
    made = {case_of(item).subject for item in items}
    missing = dict.fromkeys(pair for pair in dropped if pair[0] in wanted(config) and pair[0] not in made)
    return [f"-m {file}: no policy names anything under `{policy}:` for these hosts" for file, policy in missing]


def meant(error: pytest.UsageError, config: pytest.Config) -> pytest.UsageError:
    """What pytest says of an unknown mark, and the subject that is called nearly so."""
    known = {line.partition(":")[0] for line in config.getini("markers")}
    near = [match for name in wanted(config) if name not in known for match in get_close_matches(name, known, n=1)]
    return pytest.UsageError(f"{error} Did you mean {' or '.join(near)}?") if near else error
