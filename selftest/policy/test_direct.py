"""Items that stand directly below their subject: merged, told and stored by the paths that people write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from selftest.policy import fleet
from shipworthy.errors import PolicyError
from shipworthy.policy import HostPolicy, Policy
from shipworthy.policy.language.reference import reference
from shipworthy.policy.language.schema import schema
from shipworthy.policy.language.subjects import discover

TEXT = """\
plays:
- hosts: all
  dns:
    www.example.org: {addresses: [10.0.0.1], within: {fail_above: 2 s}}
    old.example.org: {must_not_exist: true}
    wait: 1 s
- hosts: db
  dns:
    WWW.Example.ORG.: {within: {warn_above: 50 ms}}
    old.example.org: null
    bücher.example: {}
"""


@pytest.fixture
def understood(tmp_path: Path) -> Callable[..., Policy]:
    return lambda *texts: fleet.understood(tmp_path, *texts)


def test_plays_merge_by_the_name_however_it_is_spelt(understood: Callable[..., Policy]) -> None:
    policy = understood(TEXT)
    assert list(policy.for_host("web1").dns.names) == ["www.example.org", "old.example.org"]
    dns = policy.for_host("db1").dns
    assert list(dns.names) == ["www.example.org", "xn--bcher-kva.example"]
    assert dns.names["www.example.org"].addresses == ["10.0.0.1"]
    assert dns.wait == 1


def test_a_limit_is_called_as_it_is_written(understood: Callable[..., Policy]) -> None:
    within = understood(TEXT).for_host("db1").dns.names["www.example.org"].within
    assert (within.name, within.warn, within.fail, within.origin) == (
        "dns.www.example.org.within",
        0.05,
        2,
        "one.yml:9",
    )
    assert within.words == "answers after"


def test_a_policy_explains_itself_by_what_was_written(understood: Callable[..., Policy]) -> None:
    told = understood(TEXT).for_host("db1").explain()
    both = "warn above 50 ms, fail above 2 s +warn above: one.yml:9; fail above: one.yml:4"
    assert re.search(rf"^dns\.www\.example\.org\.within +{both}$", told, re.MULTILINE)
    assert re.search(r"^dns\.www\.example\.org\.addresses +10\.0\.0\.1 +one.yml:4$", told, re.MULTILINE)
    assert re.search(r"^dns\.wait +1 s +one.yml:6$", told, re.MULTILINE)
    assert "dns.names." not in told


def test_a_saved_policy_is_read_back_as_it_was(understood: Callable[..., Policy]) -> None:
    policy = understood(TEXT).for_host("db1")
    document = json.loads(json.dumps(policy.document()))
    again = HostPolicy.from_document(document)
    assert again.document() == document
    assert again.dns == policy.dns


def test_a_file_that_names_nothing_names_nothing(understood: Callable[..., Policy]) -> None:
    assert understood("plays:\n- hosts: all\n  dns: {budget: 7}\n").for_host("db1").dns.names == {}


def test_editors_know_them() -> None:
    definitions: dict[str, Any] = json.loads(schema(discover()))["$defs"]
    dns = next(value for key, value in definitions.items() if key.endswith("dns__Policy"))
    assert "names" not in dns["properties"]
    assert dns["patternProperties"] == {r"\.": {"anyOf": [{"$ref": "#/$defs/Name"}, {"type": "null"}]}}
    assert dns["additionalProperties"] is False
    assert "Directly below `dns:`: DNS names" in reference(discover())


@pytest.mark.parametrize("text", ["plays: 5\n", "plays:\n- 5\n", "plays:\n- hosts: all\n  dns: 5\n"])
def test_what_is_no_mapping_is_left_to_be_complained_of(understood: Callable[..., Policy], text: str) -> None:
    with pytest.raises(PolicyError, match="is wanted here, not 5"):
        understood(text)
