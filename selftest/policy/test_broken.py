"""Broken policy files, each with every line of what is said of it: `broken/NAME.yml` and `broken/NAME.txt`."""

from __future__ import annotations

from pathlib import Path

import pytest

from selftest.policy import fleet
from shipworthy.errors import PolicyError
from shipworthy.policy import load
from shipworthy.policy.language.subjects import discover

BROKEN = Path(__file__).parent / "broken"


def complaint(*files: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        load(files, fleet.INVENTORY, fleet.CHECKS, root=BROKEN)
    return str(caught.value)


@pytest.mark.parametrize("file", sorted(BROKEN.glob("*.yml")), ids=lambda file: file.stem)
def test_what_is_wrong_is_said_with_its_place(file: Path) -> None:
    said = file.with_suffix(".txt").read_text().rstrip("\n")
    assert complaint(file) == said.replace("SUBJECTS", ", ".join(discover()))


@pytest.mark.parametrize("file", sorted(BROKEN.glob("*.yml")), ids=lambda file: file.stem)
def test_no_message_holds_a_variables_value_or_what_a_terminal_obeys(file: Path) -> None:
    message = complaint(file)
    assert fleet.SECRET not in message
    assert all(character.isprintable() or character == "\n" for character in message)


def test_all_files_are_judged_at_once() -> None:
    both = complaint(BROKEN / "unknown-keys.yml", BROKEN / "wrong-types.yml")
    assert both == "\n".join(complaint(BROKEN / name) for name in ("unknown-keys.yml", "wrong-types.yml"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert complaint(tmp_path / "gone.yml") == f"{tmp_path}/gone.yml: cannot be read: No such file or directory"


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    file = tmp_path / "large.yml"
    file.write_bytes(b"#" * 1024 * 1024 + b"\n")
    assert complaint(file) == f"{file}: is larger than 1024 KiB"


def test_what_is_no_pattern_is_told_at_the_play(tmp_path: Path) -> None:
    file = tmp_path / "x.yml"
    file.write_text("plays:\n- hosts: db[\n")
    assert complaint(file) == f"{file}:2: hosts: is no pattern"
