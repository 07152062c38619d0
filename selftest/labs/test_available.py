"""Where no lab can be built the reason is said: a skip for a person, a failure for CI."""

from __future__ import annotations

import os

import pytest

from lab import available
from lab.machines import requirements
from selftest.labs import possible


def test_here_a_lab_can_be_built() -> None:
    assert available() is None


def test_without_root_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert available() == "the lab needs root"


def test_missing_commands_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.requirements.COMMANDS", ("ip", "no-such-command"))
    assert available() == "the lab needs no-such-command: see selftest/packages.txt"


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_lab_is_skipped_or_fails(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(possible, "available", lambda: "the lab needs root")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="the lab needs root"):
        possible.require_lab()


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_missing_machines_are_skipped_or_fail(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(requirements, "COMMANDS", ("ip", "no-such-command"))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="machines need no-such-command: see selftest"):
        possible.require_machines()
