"""An inventory that a process of its own reads, while this one loads what else a run needs.

In: a function that reads it. Out: the `Inventory`, whose patterns and variables are asked of that process.
Ansible takes longer to load than all the rest together, and two cores do that at once. What it does to the process that
it is loaded into (to standard streams, to modules of its own) ends with that process.
"""

from __future__ import annotations

import atexit
import os
import signal
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, NamedTuple

from shipworthy.errors import InventoryError, UsageError
from shipworthy.inventory.deadline import kill_children
from shipworthy.inventory.model import Host, Inventory, Matches

_ENDING_SECONDS = 1.0


@contextmanager
def beside(read: Callable[[], Inventory]) -> Iterator[Callable[[], Inventory]]:
    """Inside, `read` is at work in a process of its own. What is yielded waits for it, and raises what it raised.

    Afterwards the inventory can be asked for no pattern and no variable any more.
    """
    fork = get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=_answer, args=(there, here, _Answers(read)))
    process.start()
    there.close()
    asking = _Asking(here)
    asking.begin("inventory")
    try:
        yield asking.inventory
        here.close()  # on which it ends by itself
        process.join(_ENDING_SECONDS)
    finally:
        process.terminate()
        process.join(_ENDING_SECONDS)
        process.kill()
        process.join()
        here.close()


class _Answer(NamedTuple):
    """What was asked for, or the error that came of it; and what was opened of the vault until now."""

    value: Any
    error: Exception | None
    vaulted: frozenset[str]


class _Asking:
    """This end: one question after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._vaulted: set[str] = set()

    def inventory(self) -> Inventory:
        """What was read, to the question that was asked first of all."""
        hosts, sources, notices = self._answer()
        variables = {host.name: _Variables(self, host.name) for host in hosts}
        return Inventory(hosts, sources, variables, notices, self._vaulted, self._find)

    def _find(self, pattern: str) -> Matches:
        matches: Matches = self.ask("find", pattern)
        return matches

    def ask(self, what: str, *arguments: object) -> Any:
        """What the method `what` of `_Answers` says there; raises what it raises."""
        self.begin(what, *arguments)
        return self._answer()

    def begin(self, what: str, *arguments: object) -> None:
        with suppress(BrokenPipeError):  # waiting for the answer says so
            self._connection.send((what, *arguments))

    def _answer(self) -> Any:
        try:
            answer: _Answer = self._connection.recv()
        except (EOFError, ConnectionResetError):
            raise InventoryError.at("the inventory", "the process that reads it has been ended") from None
        self._vaulted |= answer.vaulted
        if answer.error:
            raise answer.error
        return answer.value


class _Variables(Mapping[str, object]):
    """One host's variables, each asked for when it is looked up."""

    def __init__(self, asking: _Asking, host: str) -> None:
        self._asking = asking
        self._host = host

    def __getitem__(self, name: str) -> object:
        return self._asking.ask("variable", self._host, name)

    def __contains__(self, name: object) -> bool:
        return bool(self._asking.ask("has", self._host, name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._asking.ask("names", self._host))

    def __len__(self) -> int:
        return len(self._asking.ask("names", self._host))


class _Answers:
    """The other end: what can be asked."""

    def __init__(self, read: Callable[[], Inventory]) -> None:
        self._read = read
        self._inventory = Inventory((), ())

    def inventory(self) -> tuple[tuple[Host, ...], tuple[str, ...], tuple[str, ...]]:
        self._inventory = self._read()
        return self._inventory.hosts, self._inventory.sources, self._inventory.notices

    def find(self, pattern: str) -> Matches:
        return self._inventory.find(pattern)

    def variable(self, host: str, name: str) -> object:
        return self._inventory.variables[host][name]

    def has(self, host: str, name: object) -> bool:
        return name in self._inventory.variables[host]

    def names(self, host: str) -> list[str]:
        return list(self._inventory.variables[host])

    def vaulted(self) -> frozenset[str]:
        return frozenset(self._inventory.vaulted)


def _answer(there: Connection, here: Connection, answers: _Answers) -> None:
    """Answer until nobody asks any more; then leave as a process does, with what Ansible has to tidy up."""
    here.close()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)
    atexit._clear()  # pytest's own is for the process that it began in
    try:
        with suppress(EOFError, ConnectionResetError):
            while True:
                what, *arguments = there.recv()
                value, error = _tried(getattr(answers, what), *arguments)
                there.send(_Answer(value, error, answers.vaulted()))
    finally:
        atexit._run_exitfuncs()


def _tried(answer: Callable[..., Any], *arguments: object) -> tuple[Any, Exception | None]:
    try:
        return answer(*arguments), None
    except (UsageError, KeyError) as error:
        return None, error
    except Exception as error:  # noqa: BLE001  raised again there, where somebody is told of it
        return None, RuntimeError("".join(traceback.format_exception(error)))


def _end(number: int, _frame: FrameType | None) -> None:
    """An inventory script ends with what waits for it."""
    kill_children(os.getpid())
    raise SystemExit(128 + number)
