"""The house keeps its shape: imports go one way, each library stays in its room, files stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "shipworthy"

ROOMS = (
    "plugin",
    "report",
    "here",
    "collect",
    "asking",
    "relay",
    "outcome",
    "snapshot",
    "exchange",
    "links",
    "vantage",
    "policy",
    "inventory",
    "results",
    "errors",
)
MAY_IMPORT = {
    "plugin": {*ROOMS, "judging", "probes", "checks"},
    "report": {"results", "errors", "policy"},
    "here": {"collect", "snapshot", "strict", "links", "vantage", "inventory", "probes", "errors"},
    "collect": {"asking", "exchange", "relay", "snapshot", "links", "vantage", "inventory", "probes", "errors"},
    "relay": {"links", "vantage", "probes", "strict", "errors"},
    "asking": {"exchange", "links", "errors"},
    "exchange": {"errors"},
    "outcome": {"policy", "results", "errors"},
    "judging": {"exchange", "snapshot", "policy", "probes", "vantage", "dns_messages", "errors"},
    "vantage": {"dns_messages", "errors"},
    "dns_messages": set(),
    "snapshot": {"exchange", "probes", "vantage", "errors", "strict"},
    "strict": {"errors"},
    "links": {"inventory", "errors", "probes"},
    "policy": {"inventory", "results", "checks", "probes", "vantage", "dns_messages", "errors"},
    "inventory": {"errors"},
    "catalogue": {"policy", "checks"},
    "results": set(),
    "checks": {"errors"},
    "errors": set(),
    "probes": set(),
}
ONLY_IN = {
    "ansible": {"inventory"},
    "pytest": {"plugin", "report"},
    "_pytest": {"report"},
    "paramiko": {"links"},
    "testinfra": {"links"},
    "ruamel": {"policy"},
    "jinja2": {"policy", "report"},
    "pytest_html": {"report"},
    "pydantic": {"policy", "strict"},
    "dns": {"vantage", "dns_messages", "judging"},
    "OpenSSL": {"vantage"},
    "cryptography": {"vantage", "judging", "links"},  # links: keys of people, as paramiko gives them
    "idna": {"vantage"},
}
LINES = 320


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "shipworthy":
            yield from (f"shipworthy.{name.name}" for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    mine = room(path)
    if mine in {"__init__", "__main__"}:
        return
    theirs = {name.split(".")[1] for name in imports(path) if name.startswith("shipworthy.")} - {"__version__"}
    assert theirs <= {mine, *MAY_IMPORT[mine]}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path: Path) -> None:
    strangers = {name.partition(".")[0] for name in imports(path)} & ONLY_IN.keys()
    assert {library for library in strangers if room(path) not in ONLY_IN[library]} == set()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_rooms_not_halls(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LINES


def test_a_subject_has_the_same_name_in_every_room() -> None:
    probes = {path.stem for path in (PACKAGE / "probes").glob("[a-z]*.py")}
    policies = {path.stem for path in (PACKAGE / "policy").glob("[a-z]*.py")}
    tests = {path.stem.removeprefix("test_") for path in (PACKAGE.parent / "tests").glob("test_*.py")}
    assert probes <= policies == tests


def test_until_the_inventory_is_being_read_next_to_nothing_is_loaded() -> None:
    """What the plugin itself imports is waited for; the rest is loaded while the process beside reads."""
    loaded = "import sys, shipworthy.plugin; print(*(name for name in sys.modules if name.startswith('shipworthy')))"
    said = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True).stdout.split()
    assert not {"shipworthy.policy", "shipworthy.snapshot", "shipworthy.collect", "shipworthy.links"} & set(said)
