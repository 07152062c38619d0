"""Strict YAML 1.2: what a file says is what it looks like, and nothing that is thrown at it breaks more than itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selftest.policy import fleet
from shipworthy.errors import PolicyError, Problem
from shipworthy.policy.language.checking import check
from shipworthy.policy.language.document import MAX_DEPTH, parse
from shipworthy.policy.language.subjects import discover


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("12:30:45", "12:30:45"),
        ("2027-01-31", "2027-01-31"),
        ("0o17", "0o17"),
        ("017", 17),
        ("1_000", "1_000"),
        ("64 MiB", "64 MiB"),
        ("10 %", "10 %"),
        ("'5'", "5"),
        ('"true"', "true"),
        ("true", True),
        ("~", None),
        ("", None),
        ("-3", -3),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("|\n   5\n", "5\n"),
        ("[a, {b: c}]", ["a", {"b": "c"}]),
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: Any) -> None:
    found = parse(f"a: {text}".encode(), "x.yml").plain()["a"]
    assert found == value
    assert type(found) is type(value)


def test_a_value_stands_where_its_key_stands() -> None:
    tree = parse(b"a:\n  b:\n    - 1\n    - {c: 2}\nd: &x {e: 1}\nf: *x\n", "x.yml")
    places = {path: node.place for path, node in tree.scalars()}
    assert places == {
        ("a", "b", 0): "x.yml:3",
        ("a", "b", 1, "c"): "x.yml:4",
        ("d", "e"): "x.yml:5",
        ("f", "e"): "x.yml:5",
    }
    assert tree.deepest(["f"]).place == "x.yml:6"
    assert tree.deepest(["a", "b", 7, "c"]).place == "x.yml:2"


def test_a_key_is_text_whatever_it_looks_like() -> None:
    assert dict(parse(b"443: 1\nno: 2\n", "x.yml").plain()) == {"443": 1, "no": 2}


def judged(content: bytes) -> None:
    """Read and judge: whatever is wrong is a problem with a place, and nothing else is raised."""
    for problem in problems(content):
        assert problem.place.startswith("x.yml")
        assert str(problem).isprintable()


def problems(content: bytes) -> tuple[Problem, ...]:
    try:
        return tuple(check(parse(content, "x.yml"), discover(), fleet.CHECKS))
    except PolicyError as error:
        return error.problems


@given(st.binary(max_size=200))
def test_any_bytes(content: bytes) -> None:
    judged(content)


YAML_LIKE = st.lists(
    st.sampled_from(
        [
            *"{}[],:?-&*!|>'\"%@`#~\n\n\t\\",
            *("  ", "a", "b: ", "- ", "&a ", "*a", "!!str ", "<<: ", "---\n", "...\n", "%YAML 1.1\n", "{{ x }}", "{%"),
            *("plays:", "\n- hosts: all", "\n  memory:", " {swap_used: ", "{fail_above: ", "1 MiB", "null", "}}"),
            *("\nwaivers:\n- ", "check: memory.fork", "\n  off: ", "\n  observe: ", "\\ud800", "\\U11111111", "\ufeff"),
        ]
    ),
    max_size=60,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(YAML_LIKE)
def test_anything_like_yaml(parts: list[str]) -> None:
    judged("".join(parts).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(["extends", "families", "plays", "waivers", "x"]), JSON)
    | st.fixed_dictionaries(
        {
            "plays": st.lists(
                st.dictionaries(st.sampled_from(["hosts", "memory", "off", "observe", "reachable"]), JSON), max_size=3
            ),
            "waivers": st.lists(
                st.dictionaries(st.sampled_from(["check", "hosts", "until", "at_most", "owner", "approved_by"]), JSON),
                max_size=2,
            ),
        }
    )
)
def test_any_values_in_the_right_places(value: dict[str, Any]) -> None:
    judged(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "!!x [", "&a ["])
def test_depth_costs_nothing(opening: str) -> None:
    with pytest.raises(PolicyError):
        parse((opening * 200_000).encode(), "x.yml")


def test_depth_within_the_bound_is_read() -> None:
    levels = MAX_DEPTH - 1
    assert parse(f"a: {'[' * levels}1{']' * levels}".encode(), "x.yml").plain()
