"""A host that is connected to at a known address: its name is looked up by nobody, and still is who it must be."""

from __future__ import annotations

import pytest

from selftest.links.servers import PATIENT, Lab, fail, say
from shipworthy.inventory import Host
from shipworthy.links import open_link

NAME = "db1.nowhere.invalid"
LINKS = ("paramiko", "openssh")


def known(lab: Lab, link: str, name: str = NAME, known_at: str | None = "127.0.0.1") -> Host:
    changes = {"address": name, "known_at": known_at}
    return lab.openssh(**changes) if link == "openssh" else lab.host(**changes)


@pytest.fixture
def by_name(lab: Lab) -> Lab:
    """The server's key is known by the name alone."""
    keys = lab.home / ".ssh/known_hosts"
    keys.write_text(lab.server.known_as(f"[{NAME}]:{lab.server.port}"))
    return lab


@pytest.mark.parametrize("link", LINKS)
def test_it_is_reached_without_its_name_being_looked_up(by_name: Lab, link: str) -> None:
    with open_link(known(by_name, link), PATIENT, {}) as opened:
        assert say(opened, "echo here") == "here"
        assert opened.address == "127.0.0.1"
    error, _, _ = fail(known(by_name, link, known_at=None))
    assert error.rung == "resolve"


@pytest.mark.parametrize("link", LINKS)
def test_its_key_is_checked_by_its_name(by_name: Lab, link: str) -> None:
    error, _, _ = fail(known(by_name, link, name="other.nowhere.invalid"))
    assert error.rung == "host key", error


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_where_it_was_reached_is_told(lab: Lab, link: str, address: str) -> None:
    with open_link(known(lab, link, name=address, known_at=None), PATIENT, {}) as opened:
        say(opened, "true")
        assert opened.address == address


def test_through_a_bastion_the_way_is_the_bastions(by_name: Lab) -> None:
    options = (("proxycommand", f"/bin/sh -c 'echo {NAME} >&2; exit 1'"),)
    error, _, _ = fail(by_name.host(address=NAME, known_at="127.0.0.1", ssh_options=options))
    assert (error.rung, NAME in error.reason) == ("banner", True), error
