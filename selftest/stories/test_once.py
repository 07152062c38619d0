"""Checks that are made once for a thing that several hosts' policies name."""

from __future__ import annotations

import pytest

from selftest.stories.user import Ran, Repository

TWO = "all:\n  hosts:\n    first: {ansible_connection: local}\n    second: {ansible_connection: local}\n"
THEIRS = """
from shipworthy.checks import check, Item
from shipworthy.policy._disks_items import Mount


@check("disks.ours", each="mounts", once=True)
def test_it_is_of_a_known_type(item: Item[Mount], policy, now):
    '''It is.

    Why: of others we know nothing.
    Look: at it.
    '''
    assert now.tzinfo
    assert policy.disks.mounts[item.name] is item.policy
    assert item.policy.type == "ext4", f"{item.name} is of the type {item.policy.type or 'that nobody said'}"
"""
SAID = """
plays:
- hosts: all
  disks: {{mounts: {{/a: {{type: ext4}}, /b: {{type: {}}}}}}}
- hosts: second
  disks: {{mounts: {{/a: {{type: {}}}}}}}
"""


@pytest.fixture
def theirs(repository: Repository) -> Repository:
    repository.write("inventories/local.yml", TWO)
    repository.write("tests/test_theirs.py", THEIRS)
    return repository


def ran(repository: Repository, policy: str, *arguments: str) -> Ran:
    repository.write("policies/local.yml", policy)
    return repository.pytest("tests", *arguments)


def told(ran: Ran) -> dict[str | None, str]:
    return {result.item: result.outcome for result in ran.results}


def test_it_is_one_result_whose_item_is_the_thing(theirs: Repository) -> None:
    once = ran(theirs, SAID.format("xfs", "ext4"))
    assert (once.status, told(once)) == (1, {"/a": "passed", "/b": "failed"}), once
    (broken,) = (result for result in once.results if result.outcome == "failed")
    assert (broken.host, broken.message) == (None, "/b is of the type xfs")
    assert broken.nodeid == "tests/test_theirs.py::test_it_is_of_a_known_type[/b]"
    assert "FAILED  /b  disks.ours  /b is of the type xfs" in once.said
    assert "note:" not in once.said


def test_the_first_host_that_names_it_says_what_holds_and_who_says_otherwise_is_told(theirs: Repository) -> None:
    once = ran(theirs, SAID.format("ext4", "xfs"))
    assert told(once) == {"/a": "passed", "/b": "passed"}, once
    note = "note: disks./a, which is judged once, as first has it: the policy of second says otherwise of it"
    assert once.said.count(note) == 1
    assert "disks./b" not in once.said


def test_no_host_is_asked_for_it(theirs: Repository) -> None:
    theirs.write("inventories/local.yml", "all: {hosts: {gone: {ansible_connection: openssh}}}\n")
    once = ran(theirs, SAID.format("ext4", "ext4").replace("second", "gone"))
    assert (once.status, told(once)) == (0, {"/a": "passed", "/b": "passed"}), once
    assert not list((once.directory / "snapshots").glob("*"))


@pytest.mark.parametrize(("hosts", "outcome"), [("first", "failed"), ("all", "skipped")])
def test_it_is_off_only_where_all_that_name_it_turn_it_off(theirs: Repository, hosts: str, outcome: str) -> None:
    off = f"- hosts: {hosts}\n  off: {{disks.ours: not yet}}\n"
    once = ran(theirs, SAID.format("xfs", "ext4") + off)
    assert told(once)["/b"] == outcome, once


def test_observed_is_what_all_observe_and_a_waiver_of_any_holds(theirs: Repository) -> None:
    observe = "- hosts: {}\n  observe: [disks.ours]\n"
    assert told(ran(theirs, SAID.format("xfs", "ext4") + observe.format("second")))["/b"] == "failed"
    assert told(ran(theirs, SAID.format("xfs", "ext4") + observe.format("all")))["/b"] == "passed"
    waiver = "waivers: [{check: disks.ours, hosts: second, until: 2999-01-01, owner: us, approved_by: them}]\n"
    assert told(ran(theirs, SAID.format("xfs", "ext4") + waiver))["/b"] == "waived"


def test_where_nobody_names_anything_it_is_not_there(theirs: Repository) -> None:
    once = ran(theirs, "plays: []\n")
    assert (once.status, once.results) == (5, ()), once


def test_it_is_judged_again(theirs: Repository) -> None:
    first = ran(theirs, SAID.format("xfs", "ext4"))
    again = theirs.pytest("tests", f"--replay={first.directory}", "--policy-as-run")
    assert (again.status, told(again)) == (1, told(first)), again
