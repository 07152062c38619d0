"""Names as the C library resolves them, each family by itself: nsswitch, the hosts file, `search` and all.

In: names, and how often each is looked up. Out: `Resolved` by name and family, and which address came first how often.
One child holds many threads, since a look-up can neither be cut short nor be told to hurry; at the deadline it is left,
and what it has said until then is kept.
Source: getaddrinfo(3). Without AI_ADDRCONFIG, so that a host without IPv6 looks for it all the same.
"""

import socket
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Iterable, List, Mapping, NamedTuple, Set, Tuple

from shipworthy.probes.parts.dns_answers import BEYOND, NO_TIME, NO_TIME_LEFT, Budget, silence, spent
from shipworthy.probes.runtime import child

FAMILIES = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}

_THREADS = 64
_STARTING = 0.1
"""Seconds that a child with its threads needs until all have asked."""
_STACK = 256 * 1024
_KEPT = 64
"""Addresses of one name."""
_MAPPED = "::ffff:"

Lookup = Tuple[str, str]
"""A name and a family."""


class Resolved(NamedTuple):
    """What the C library said of a name in one family."""

    addresses: List[str]
    """In its order; IPv4-mapped ones are none of IPv6 and left out."""
    error: str
    """`EAI_NONAME`, `EAI_AGAIN`, …, `no answer within 2 s`, `not asked: …`; empty where there are addresses."""
    seconds: float


class Found(NamedTuple):
    """All that it said."""

    libc: Dict[str, Dict[str, Resolved]]
    firsts: Dict[str, Dict[str, int]]
    """By `NAME/ipv4`, of the names that were to be looked up more than once: how often each address came first."""


class Resolving:
    """Starts to ask, and gathers what was found."""

    def __init__(
        self, names: Iterable[str], samples: Mapping[str, int], wait: float, budget: Budget, reserved: int
    ) -> None:
        """Looking up again leaves so many questions as are `reserved`."""
        every = [(name, family) for name in dict.fromkeys(names) for family in FAMILIES]
        self._lookups, self._beyond = every[: budget.left], every[budget.left :]
        budget.take(len(self._lookups))
        self._again = _affordable(self._lookups, samples, budget, reserved)
        self._budget = budget
        self._wait = wait
        # Those that begin at once have had their time when it is over: the wait is an engineer's, when DNS is down.
        self._until = wait + (BEYOND if len(self._lookups) + sum(self._again.values()) > _THREADS else _STARTING)
        self._said: List[Any] = []
        self._error = ""
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)

    def start(self) -> None:
        if self._lookups:
            self._thread.start()

    def give_up(self) -> None:
        """There is nobody to ask, as half of the wait has shown: what is not said by now is not waited for."""
        self._wait /= 2
        self._enough.set()

    def gather(self) -> Found:
        """Wait until all is said, or the time is over."""
        if self._lookups:
            self._thread.join(self._until + 0.3)
        begun, ended, firsts = self._sorted()
        libc: Dict[str, Dict[str, Resolved]] = {}
        for lookup in self._lookups + self._beyond:
            name, family = lookup
            said = ended.get(lookup) or Resolved([], self._silence(lookup, begun, bool(ended)), 0.0)
            libc.setdefault(name, {})[family] = said
        return Found(libc, firsts)

    def _ask(self) -> None:
        def work(say: Callable[[Any], None]) -> None:
            look_up(self._lookups, self._again, say)

        try:
            self._said = child.tell(work, self._until, self._enough.is_set)
        except (OSError, ValueError) as error:
            self._error = "not asked: {}".format(error)

    def _sorted(self) -> Tuple[Dict[Lookup, float], Dict[Lookup, Resolved], Dict[str, Dict[str, int]]]:
        begun: Dict[Lookup, float] = {}
        ended: Dict[Lookup, Resolved] = {}
        firsts: Dict[str, Dict[str, int]] = {}
        for index, at, outcome in list(self._said):
            lookup = self._lookups[index]
            if outcome is None:
                begun[lookup] = at
                continue
            resolved = Resolved(**outcome)
            ended.setdefault(lookup, resolved)
            if lookup in self._again and resolved.addresses:
                counts = firsts.setdefault("/".join(lookup), {})
                counts[resolved.addresses[0]] = counts.get(resolved.addresses[0], 0) + 1
        return begun, ended, firsts

    def _silence(self, lookup: Lookup, begun: Mapping[Lookup, float], answers: bool) -> str:
        """Why there is no answer."""
        if lookup in self._beyond:
            return spent(self._budget.most)
        if self._error:
            return self._error
        if lookup in begun:
            return silence(self._wait) if begun[lookup] <= BEYOND else NO_TIME
        if answers or not begun:
            return NO_TIME_LEFT
        return "not asked: the C library answered none of {}".format(len(begun))


def look_up(lookups: List[Lookup], again: Mapping[Lookup, int], say: Callable[[Any], None]) -> None:
    """Look all of them up, and those that have addresses as often again as is wanted.

    Says `[index, seconds since the start, None]` when one begins, and `[index, seconds, Resolved]` when it ends.
    """
    started = time.monotonic()
    waiting: Deque[Tuple[int, bool]] = deque((index, True) for index in range(len(lookups)))
    first_ones = len(lookups)
    ready = threading.Condition()

    def work() -> None:
        nonlocal first_ones
        while True:
            with ready:
                while not waiting and first_ones:
                    ready.wait()
                if not waiting:
                    return
                index, first = waiting.popleft()
            if first:
                say([index, time.monotonic() - started, None])
            found = resolve(*lookups[index])
            say([index, time.monotonic() - started, found if first else Resolved(found.addresses[:1], "", 0.0)])
            if first:
                with ready:
                    first_ones -= 1
                    waiting.extend([(index, False)] * (again.get(lookups[index], 0) if found.addresses else 0))
                    ready.notify_all()

    threading.stack_size(_STACK)
    count = min(_THREADS, len(lookups) + sum(again.values()))
    threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def resolve(name: str, family: str) -> Resolved:
    """One look-up, however long the C library takes for it."""
    started = time.monotonic()
    addresses: List[str] = []
    error = ""
    try:
        # Bytes: Python would put a text through IDNA of its own.
        found = socket.getaddrinfo(name.encode("ascii"), None, FAMILIES[family], socket.SOCK_STREAM)
        unique = dict.fromkeys(str(target[0]) for _, _, _, _, target in found)
        addresses = [each for each in unique if not each.startswith(_MAPPED)][:_KEPT]
        error = "" if addresses else "only IPv4-mapped addresses"
    except socket.gaierror as refusal:
        error = _ERRORS.get(refusal.errno, "EAI {}".format(refusal.errno))
    except (OSError, ValueError) as refusal:
        error = "not asked: {}".format(refusal)
    return Resolved(addresses, error, round(time.monotonic() - started, 6))


def _affordable(
    lookups: Iterable[Lookup], samples: Mapping[str, int], budget: Budget, reserved: int
) -> Dict[Lookup, int]:
    """How often each is looked up again, as far as the budget goes."""
    again: Dict[Lookup, int] = {}
    known: Set[Lookup] = set(lookups)
    for name, count in samples.items():
        for family in FAMILIES:
            if (name, family) in known:
                again[name, family] = max(0, min(count - 1, budget.left - reserved))
                budget.take(again[name, family])
    return again


_ERRORS = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
