"""What holds probes to their place: nothing newer than Python 3.6, nothing of the project but their own runtime."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from shipworthy import probes

FOLDER = Path(probes.__file__).parent
VERMIN = str(Path(sys.executable).with_name("vermin"))


def files() -> list[Path]:
    return sorted(FOLDER.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The modules that a file imports; relative imports count as the project's."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("shipworthy" if node.level else node.module or "")
    return found


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_probe_imports_the_standard_library_and_its_runtime(path: Path) -> None:
    for name in imported(path):
        if name.startswith("shipworthy"):
            assert name.startswith(("shipworthy.probes.runtime", "shipworthy.probes.parts"))
        else:
            assert name.partition(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(FOLDER)))
def test_a_file_stays_small_and_tells_its_place(path: Path) -> None:
    source = path.read_text()
    assert source.count("\n") <= 320
    assert ast.get_docstring(ast.parse(source))


def test_nothing_is_newer_than_python_3_6() -> None:
    # typing's additions are in every 3.6 that a distribution still has (3.6.8); vermin counts minor versions only.
    command = [VERMIN, "-t=3.6-", "--no-tips", "--eval-annotations", "--violations", str(FOLDER)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_static_check_would_see_something_newer(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("if (size := 3): print(f'{size=}')\n")
    command = [VERMIN, "-t=3.6-", "--no-tips", "--violations", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "named expressions require !2, 3.8" in done.stdout
