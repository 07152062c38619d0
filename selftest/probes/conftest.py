"""Probes of a test's own, sent over the wire like any other."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HEAD = """
from typing import Any, Dict, List, NamedTuple, Optional
import os, time
from shipworthy.probes.runtime import switch
VERSION = 7
class Request(NamedTuple):
    text: str = ""
class Reading(NamedTuple):
    value: Any = None
READING = Reading
"""

ProbeMaker = Callable[[str, str], None]


@pytest.fixture
def make_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProbeMaker]:
    """`make_probe(name, source)`: a probe module with the usual names already there, beside the real ones."""
    wire = importlib.import_module("shipworthy.probes.runtime.wire")
    real = wire._FOLDER
    folder = tmp_path / "probes"
    folder.mkdir()
    for file in (real / "parts", real / "runtime", *real.glob("[a-z]*.py")):
        (folder / file.name).symlink_to(file)
    monkeypatch.setattr(wire, "_FOLDER", folder)
    wire._bundle.cache_clear()

    def make(name: str, source: str) -> None:
        (folder / f"{name}.py").write_text(HEAD + textwrap.dedent(source))

    yield make
    wire._bundle.cache_clear()
