"""What can be broken on a lab host, and exactly which checks that turns.

A fault is a context manager: it injects itself, proves by plain commands that it is there (`LabError` if not), and
undoes itself. What it gives has `.turns`: the checks that turn on its host and how; no other may, on any host.

    with lab(hosts=2) as fleet, swap_in_use(fleet[0]) as fault:
        run = suite(fleet)
        assert run.turned == fault.turns

To add one: a generator function under `@fault(turns={check id: outcome})` in the file of its subject, whose first
parameter is the host. It yields once the fault is confirmed: nothing, or what the inventory must say of the host for
the fault to be met (a login user, a password).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, NamedTuple, ParamSpec, Protocol, TypeVar, cast

from lab.build import Lab
from lab.errors import LabError
from lab.host import LabHost
from shipworthy.checks import catalogue
from shipworthy.results import Outcome

P = ParamSpec("P")

TESTS = Path(__file__).parents[2] / "tests"


class Turn(NamedTuple):
    """A check that does not pass on a host, and what it comes to instead; one of a set of hosts has no host."""

    check: str
    host: str
    outcome: Outcome


@dataclass(frozen=True)
class Injected:
    """A fault that is there now: what it turns, and what the inventory must say of its host to meet it."""

    turns: frozenset[Turn]
    variables: Mapping[str, Mapping[str, object]] = field(default_factory=dict)


Turns = Mapping[str, Outcome] | Callable[[], Mapping[str, Outcome]]
Where = TypeVar("Where", LabHost, Lab)
Contra = TypeVar("Contra", LabHost, Lab, contravariant=True)
Injector = Callable[Concatenate[Where, P], Iterator[Mapping[str, object] | None]]


class Fault(Protocol[Contra, P]):
    """A fault, ready to be injected into a host, or into the machine that all hosts of a lab share."""

    __name__: str
    turns: Callable[[], Mapping[str, Outcome]]

    def __call__(self, where: Contra, /, *args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[Injected]: ...


def fault(*, turns: Turns) -> Callable[[Injector[Where, P]], Fault[Where, P]]:
    """Make a fault of a generator function: what it yields to is a broken host. See the module's docstring."""

    def make(inject: Injector[Where, P]) -> Fault[Where, P]:
        @wraps(inject)
        @contextmanager
        def injected(where: Where, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[Injected]:
            hosts = [host.name for host in where] if isinstance(where, Lab) else [where.name]
            with contextmanager(inject)(where, *args, **kwargs) as variables:
                turned = frozenset(Turn(*turn) for host in hosts for turn in _on(host, declared()))
                yield Injected(turned, dict.fromkeys(hosts, variables) if variables else {})

        def declared() -> Mapping[str, Outcome]:
            return turns() if callable(turns) else turns

        made = cast(Any, injected)
        made.turns = declared
        return cast(Fault[Where, P], made)

    return make


def _on(host: str, turns: Mapping[str, Outcome]) -> Iterator[tuple[str, str, Outcome]]:
    sets = {id for id, check in catalogue([TESTS]).items() if "fleet" in check.arguments or check.once}
    yield from ((check, "" if check in sets else host, how) for check, how in turns.items())


NOTHING: Mapping[str, Outcome] = {}
"""What a host must bear: a fault that turns no check."""


def unreachable() -> Mapping[str, Outcome]:
    """What a host turns from which no answer comes: its login fails, and nothing else is known of it."""
    own = (check.id for check in catalogue([TESTS]).values() if not check.each and "fleet" not in check.arguments)
    return {id: "failed" if id == "reachable.login" else "error" for id in own}


def confirm(there: bool, host: LabHost, what: str) -> None:
    """Raise LabError unless the fault is there."""
    if not there:
        raise LabError(f"{host.name}: the fault was injected, but it is not there: {what}")
