"""What checks are given: one fixture per probe, made from its file, and a handful of others.

In: the host's name, as a parameter. Out: readings, the policy, the time that the run was told, testinfra's host.
They know where their run is instead of asking `request` for it, which costs pytest as much as the rest of a fixture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from shipworthy.checks import Item
from shipworthy.exchange import Exchange
from shipworthy.plugin import here as from_here
from shipworthy.plugin import sightings
from shipworthy.plugin.cases import EXCHANGES, FLEET, Named
from shipworthy.plugin.fleet import Fleet
from shipworthy.plugin.horizon import Horizon
from shipworthy.plugin.session import RUN
from shipworthy.policy import HostPolicy
from shipworthy.probes import runtime
from shipworthy.snapshot import Facts, Login, Previous

if TYPE_CHECKING:
    from shipworthy.here import Here
    from shipworthy.judging.caa import Answers
    from shipworthy.judging.dnssec import Chain
    from shipworthy.judging.lookups import Looked
    from shipworthy.judging.shown import Shown


def provide(config: pytest.Config) -> None:
    """Make the fixtures known, as those of any plugin are: one of the same name in a conftest goes before ours."""
    room = ModuleType("shipworthy.fixtures")
    vars(room).update({name: pytest.fixture(function, name=name) for name, function in _of_hosts(config).items()})
    vars(room)["host"] = pytest.fixture(_testinfra_of(config), scope="session", name="host")
    config.pluginmanager.register(room, room.__name__)


def provide_to(checks: pytest.Directory) -> None:
    """To our own checks, once more: whatever a user's conftest has by these names, they get what they are made for."""
    for name, function in _of_hosts(checks.config).items():
        pytest.register_fixture(name=name, func=function, node=checks)


def _of_hosts(config: pytest.Config) -> dict[str, Callable[..., Any]]:
    def policy(shipworthy_host: str) -> HostPolicy:
        """What must be true of the host."""
        return config.stash[RUN].policies[shipworthy_host]

    def previous(shipworthy_host: str) -> Previous:
        """The host's rare-event counters at its last run, if it has not been booted since."""
        return config.stash[RUN].snapshot(shipworthy_host).previous

    def facts(shipworthy_host: str) -> Facts:
        """What the host says of itself, whatever it was asked: kernel, uptime in seconds, uid of the login."""
        return config.stash[RUN].snapshot(shipworthy_host).facts()

    def login(shipworthy_host: str) -> Login:
        """How the suite came in, rung by rung."""
        return config.stash[RUN].snapshot(shipworthy_host).login

    def exchanges(shipworthy_host: str) -> list[Exchange]:
        """The exchanges of time with the host, made while its probes worked; at least one."""
        return config.stash[RUN].snapshot(shipworthy_host).times()

    def now() -> datetime:
        """The time that checks are told (`--at`), with its zone."""
        return config.stash[RUN].at

    def item(shipworthy_host: str, shipworthy_item: Named) -> Item[Any]:
        """The thing that the check is made for, with what the host's policy says of it."""
        return Item(shipworthy_item.name, _said_of(config.stash[RUN].policies[shipworthy_host], shipworthy_item))

    def fleet() -> Fleet:
        """Every host of the run at once, for checks of a set of hosts."""
        return Fleet(config.stash[RUN])

    def horizon() -> Horizon:
        """Where a check that holds tells when it will fail by time alone."""
        return config.stash[RUN].horizon

    assert (fleet.__name__, exchanges.__name__) == (FLEET, EXCHANGES)
    readings = {subject: _reading_of(subject, config) for subject in runtime.probe_names()}
    others: tuple[Callable[..., Any], ...]
    others = (policy, previous, facts, login, exchanges, now, item, fleet, horizon)
    others = (*others, *_from_here(config), *_of_certificates(config))
    return readings | {function.__name__: function for function in others}


def _from_here(config: pytest.Config) -> tuple[Callable[..., Any], ...]:
    def here() -> Here:
        """What was measured from here, the machine that runs the checks; waits for it."""
        return from_here.measured(config.stash[RUN])

    def looked(shipworthy_host: str, shipworthy_item: Named) -> Looked:
        """All that was said of the item's name where it is looked up: on the host, or here (`vantage: here`)."""
        run = config.stash[RUN]
        said = _said_of(run.policies[shipworthy_host], shipworthy_item)
        return from_here.looked_up(run, shipworthy_host, shipworthy_item.name, said)

    def chain(shipworthy_host: str, shipworthy_item: Named) -> Chain:
        """Whether the item's name is signed by whom the root vouches for, at the time that checks are told."""
        return from_here.vouched_for(config.stash[RUN], shipworthy_host, shipworthy_item.name)

    return here, looked, chain


def _of_certificates(config: pytest.Config) -> tuple[Callable[..., Any], ...]:
    def shown(shipworthy_host: str, shipworthy_item: Named) -> Shown:
        """What clients meet where the item is served, from where its policy says: here, or the host."""
        return sightings.shown(config.stash[RUN], shipworthy_host, shipworthy_item.name)

    def served(shipworthy_host: str, shipworthy_item: Named) -> Shown:
        """What clients meet of the certificate that is served from the item, a file."""
        return sightings.served(config.stash[RUN], shipworthy_host, shipworthy_item.name)

    def everywhere(fleet: Fleet, shipworthy_item: Named) -> sightings.Everywhere:
        """What is met of the item from here and from every host whose policy names it."""
        return sightings.everywhere(config.stash[RUN], fleet, shipworthy_item)

    def caa_answers(shipworthy_host: str, shipworthy_item: Named) -> Answers:
        """What DNS says of who may issue the item, where it is met."""
        return sightings.caa_answers(config.stash[RUN], shipworthy_host, shipworthy_item.name)

    return shown, served, everywhere, caa_answers


def _said_of(policy: HostPolicy, named: Named) -> Any:
    return getattr(policy.subjects[named.subject], named.field)[named.name]


def _reading_of(subject: str, config: pytest.Config) -> Callable[..., Any]:
    def reading(shipworthy_host: str) -> Any:
        return config.stash[RUN].snapshot(shipworthy_host).reading(subject)

    reading.__doc__ = f"The {subject} probe's reading of the host."
    return reading


def _testinfra_of(config: pytest.Config) -> Callable[..., Iterator[Any]]:
    def host(shipworthy_host: str) -> Iterator[Any]:
        """testinfra's host, over the connection that the suite already has."""
        with config.stash[RUN].testinfra_host(shipworthy_host) as host:
            yield host

    return host
