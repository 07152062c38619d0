"""Stars stand for secrets, in whatever form a text holds them, and for nothing else."""

from __future__ import annotations

import json

import pytest

from shipworthy.inventory import Become, Host, Inventory, Redaction, Secret


def redaction(*passwords: str, vaulted: frozenset[str] = frozenset()) -> Redaction:
    hosts = tuple(Host(f"db{n}", f"db{n}", password=Secret(text)) for n, text in enumerate(passwords))
    return Redaction.of(Inventory(hosts, sources=(), vaulted=vaulted))


@pytest.mark.parametrize(
    "written",
    ["p'ss\\wörd", repr("p'ss\\wörd"), json.dumps("p'ss\\wörd"), repr("p'ss\\wörd".encode()), "p%27ss%5Cw%C3%B6rd"],
)
def test_in_every_form(written: str) -> None:
    assert "********" in redaction("p'ss\\wörd")(f"before {written} after")
    assert "ss" not in redaction("p'ss\\wörd")(written)


def test_a_longer_secret_goes_whole() -> None:
    assert redaction("tiger", "tiger-in-the-tank")("say tiger-in-the-tank") == "say ********"


def test_what_the_vault_held_and_what_sudo_wants() -> None:
    become = Inventory((Host("db", "db", become=Become("root", Secret("sudo-secret"))),), sources=())
    assert Redaction.of(become)("sudo-secret") == "********"
    assert redaction(vaulted=frozenset({"from-the-vault"}))("from-the-vault") == "********"


@pytest.mark.parametrize("short", ["", " ", "    ", "abc"])
def test_a_secret_too_short_to_be_told_from_words(short: str) -> None:
    assert redaction(short)("an abc of texts    with blanks") == "an abc of texts    with blanks"


def test_a_word_or_a_port_in_the_vault_mutilates_nothing() -> None:
    assert redaction(vaulted=frozenset({"5432", "root"}))("root at port 5432") == "root at port 5432"


def test_in_data_the_format_stays() -> None:
    data = {"swap": "swap", "a swap": ["swap", 1, None, ("swap",)], "other": {"deep": "no swap"}}
    assert redaction("swap").data(data) == {
        "swap": "********",
        "a ********": ["********", 1, None, ("********",)],
        "other": {"deep": "no ********"},
    }
