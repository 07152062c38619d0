"""What is wrong with a name, by what was said of it: in the words of messages, who says it in brackets.

In: `Looked`, and what a policy says of the name. Out: findings, none where all is well. No times and no order are in
them, so that what many hosts find reads the same.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from shipworthy.errors import NotMeasured
from shipworthy.judging.lookups import LIBRARY, TYPES, VERSIONS, Answer, Looked, by_words, knows, unasked
from shipworthy.policy._dns_items import FAMILIES, Family, Name

if TYPE_CHECKING:
    from shipworthy.dns_messages import Reply

_MAPPED = "only IPv4-mapped addresses"
_HOPS = 20


def families_of(said: Name, estate: Collection[str]) -> list[Family]:
    """Those in which the name has addresses: by itself, or as the estate does."""
    return said.families or [family for family in FAMILIES if family in estate]


def judged_families(said: Name, estate: Collection[str]) -> list[Family]:
    """Those in which its addresses are compared with the declared ones: the same, and those of the declared ones."""
    expected, declared = (
        families_of(said, estate),
        {ipaddress.ip_network(each).version for each in said.addresses or ()},
    )
    return [*expected, *(each for each in FAMILIES if VERSIONS[each] in declared and each not in expected)]


def addresses_of(looked: Looked, family: Family) -> list[str]:
    """The name's addresses as those have it who use it: the C library, or the servers that are asked instead of it."""
    if said := looked.libc.get(family):
        return said.addresses
    return list(dict.fromkeys(address for answer in looked.addresses[family] for address in answer.data))


def broken(looked: Looked, type: str) -> list[str]:
    """Servers that cannot say whether there is such a record: SERVFAIL, REFUSED, silence for this question."""
    said = by_words((answer.server, answer.status) for answer in looked.of(type) if answer.broken)
    return [f"{looked.name} {type}: {status} ({', '.join(servers)})" for status, servers in said.items()]


def undecided(looked: Looked, family: Family) -> list[str]:
    """Of a family: servers that are broken, and the C library, where no server explains it."""
    found = broken(looked, TYPES[family])
    said = looked.libc.get(family)
    if not found and said and not knows(said) and not unasked(said.error):
        found = [f"{looked.name} {TYPES[family]}: {said.error} ({LIBRARY})"]
    return found


def unresolved(looked: Looked, family: Family, *, expected: bool) -> list[str]:
    """Why it has no address of a family, or nobody can say; that it has none is wrong where one is expected.

    Raises NotMeasured where a server, of those that answer, was not asked.
    """
    if looked.lost:
        return [looked.lost]
    if failing := undecided(looked, family):
        return failing
    require(looked, TYPES[family])
    return [lack(looked, family)] if expected and not addresses_of(looked, family) else []


def lack(looked: Looked, family: Family) -> str:
    """That it has no address of a family, and how so."""
    told = f"{looked.name} has no {TYPES[family]}"
    answers = looked.addresses[family]
    if having := [answer.server for answer in answers if answer.data]:
        return f"{told} for {LIBRARY}, and has one for {', '.join(having)}"
    if (said := looked.libc.get(family)) and said.error == _MAPPED:
        return f"{told}: {LIBRARY} gives {_MAPPED}"
    if circle := next((end for answer in answers if (end := _circle(looked.name, answer.reply))), ""):
        return f"{told}: {'it' if circle == looked.name else f'its alias {circle}'} leads to itself"
    if answers and all(answer.status == "NXDOMAIN" for answer in answers):
        end = _end(looked.name, answers[0].reply)
        return f"{told}: {'it' if end == looked.name else f'its alias {end}'} does not exist (NXDOMAIN)"
    return told


def require(looked: Looked, *types: str) -> None:
    """Raise NotMeasured where a server, of those that answer, was not asked, or cannot be understood."""
    for type in types:
        for answer in looked.of(type):
            if answer.unknown:
                raise NotMeasured(_unknown(answer, f"{looked.name} {type}"))
    for family, said in looked.libc.items():
        if TYPES[family] in types and unasked(said.error):
            raise NotMeasured(f"{LIBRARY}: {said.error}")


def _unknown(answer: Answer, what: str) -> str:
    """That nothing follows from it; where nothing was asked, in words that are the same for all names."""
    told = f"{answer.server}: {answer.error}"
    return told if unasked(answer.said.error) else f"{what}: {told}"


def unexpected(looked: Looked, expected: Name, families: Iterable[Family]) -> list[str]:
    """Answers that are not those that are declared."""
    if looked.lost:
        return [looked.lost]
    found: list[str] = []
    if expected.addresses:
        for family in families:
            found += _apart(looked.name, TYPES[family], _givers(looked, family), expected.addresses, family)
    records: dict[str, list[str]] = {"CNAME": [f"{expected.alias}."]} if expected.alias else {}
    for type, texts in (*records.items(), *expected.records.items()):
        found += broken(looked, type)
        answers = [answer for answer in looked.of(type) if not answer.broken and not answer.unknown]
        told = ((answer.server, _difference(set(answer.data), set(texts), set())) for answer in answers)
        found += _told(f"{looked.name} {type}", told, len(answers))
    return found


def disagreements(looked: Looked, expected: Name) -> list[str]:
    """Types of which servers say different things: codes, whether there is an address, whether it is a declared one."""
    found = []
    for family, answers in looked.addresses.items():
        known = [answer for answer in answers if not answer.unknown and (answer.reply or not answer.broken)]
        said = by_words((answer.server, _kind(answer, expected, family)) for answer in known)
        if len(said) > 1:
            told = "; ".join(f"{words} ({', '.join(servers)})" for words, servers in said.items())
            found.append(f"{looked.name} {TYPES[family]}: {told}")
    return found


def presences(looked: Looked) -> list[str]:
    """Whoever does not say that there is no such name."""
    if looked.lost:
        return [looked.lost]
    found = [
        (LIBRARY, f"{TYPES[family]} {', '.join(said.addresses)}")
        for family, said in looked.libc.items()
        if said.addresses
    ]
    answers = (answer for answers in looked.addresses.values() for answer in answers)
    found += [
        (answer.server, f"{answer.type} {', '.join(answer.data) or answer.status}")
        for answer in answers
        if not answer.unknown and answer.status != "NXDOMAIN"
    ]
    return [f"{looked.name}: {words} ({', '.join(who)}), not NXDOMAIN" for words, who in by_words(found).items()]


def is_alias(looked: Looked) -> bool:
    """Whether any server says so."""
    return any(
        answer.reply and answer.reply.data("CNAME") for answers in looked.addresses.values() for answer in answers
    )


def dangling(looked: Looked) -> list[str]:
    """Aliases that lead to nothing, in each server's eyes."""
    by_server: dict[str, list[Answer]] = {}
    for answers in looked.addresses.values():
        for answer in answers:
            by_server.setdefault(answer.server, []).append(answer)
    told = ((server, end) for server, answers in by_server.items() if (end := _leads_nowhere(looked.name, answers)))
    return _told(looked.name, told, len(by_server))


def reverses(looked: Looked, expected: Name) -> list[str]:
    """Addresses whose PTR is missing, or leads to a name that is not known to have them."""
    if looked.lost:
        return [looked.lost]
    found = []
    for address in expected.addresses or ():
        pointer = ipaddress.ip_address(address).reverse_pointer
        answers = [answer for answer in looked.of("PTR", pointer) if not answer.unknown]
        told = ((answer.server, words) for answer in answers if (words := _back(looked, address, answer)))
        found += _told(f"{looked.name}: {address}", told, len(answers))
    return found


def require_pointers(looked: Looked, expected: Name) -> None:
    """Raise NotMeasured where a server was not asked for a PTR, or its answer cannot be understood."""
    for address in expected.addresses or ():
        for answer in looked.of("PTR", ipaddress.ip_address(address).reverse_pointer):
            if answer.unknown:
                raise NotMeasured(_unknown(answer, f"{looked.name}: {address} PTR"))


def overriding(looked: Looked, expected: Name) -> list[str]:
    """Addresses that the hosts file gives the name, and DNS does not."""
    pinned = looked.reading.hosts_file.get(looked.name, [])
    known = {address for answers in looked.addresses.values() for answer in answers for address in answer.data}
    return [each for each in pinned if each not in known and not _declared(each, expected.addresses or [])]


def _givers(looked: Looked, family: Family) -> dict[str, set[str]]:
    """Who gives which addresses: servers that can say it, and the C library where it finds some."""
    answers = looked.addresses[family]
    found = {each.server: set(each.data) for each in answers if not each.unknown and not each.broken}
    if (said := looked.libc.get(family)) and said.addresses:
        found[LIBRARY] = set(said.addresses)
    return found


def _apart(
    name: str, type: str, givers: Mapping[str, set[str]], declared: Sequence[str], family: Family
) -> Iterator[str]:
    version = VERSIONS[family]
    single = {each for each in declared if "/" not in each and ipaddress.ip_address(each).version == version}
    told = (
        (who, _difference(given, single, {each for each in given if _declared(each, declared)}))
        for who, given in givers.items()
    )
    return iter(_told(f"{name} {type}", told, len(givers)))


def _difference(given: set[str], wanted: set[str], allowed: set[str]) -> str:
    """`is X and not Y`, `is also X`, `lacks Y`; empty where all that is wanted is there, and nothing else."""
    strange, missing = _listed(given - wanted - allowed), _listed(wanted - given)
    if strange and missing:
        return f"is {strange} and not {missing}"
    if strange:
        return f"is also {strange}" if given & (wanted | allowed) else f"is {strange}, which is not declared"
    return f"lacks {missing}" if missing else ""


def _told(what: str, told: Iterable[tuple[str, str]], whole: int) -> list[str]:
    """A finding for each of the words; who says it only where not all do."""
    found = by_words((who, words) for who, words in told if words)
    suffix = {words: "" if len(who) == whole else f" ({', '.join(who)})" for words, who in found.items()}
    return [f"{what} {words}{suffix[words]}" for words in found]


def _kind(answer: Answer, expected: Name, family: Family) -> str:
    if answer.broken or not answer.data:
        return answer.status if answer.status != "NOERROR" else f"no {answer.type}"
    if not expected.addresses:
        return "addresses"
    given = {answer.server: set(answer.data)}
    if any(_apart("", answer.type, given, expected.addresses, family)):
        return ", ".join(sorted(answer.data))
    return "what is declared"


def _leads_nowhere(name: str, answers: Sequence[Answer]) -> str:
    """Where a server's answers for A and AAAA end, if there is nothing."""
    if any(answer.data or answer.unknown or answer.broken for answer in answers):
        return ""
    end = _end(name, answers[0].reply)
    if circle := _circle(name, answers[0].reply):
        return "leads to itself" if circle == name else f"leads to {circle}, which leads to itself"
    if end == name:
        return ""
    missing = any(answer.status == "NXDOMAIN" for answer in answers)
    return f"leads to {end}, which {'does not exist' if missing else 'has no address'}"


def _end(name: str, reply: Reply | None) -> str:
    """Where the aliases in an answer lead to."""
    return _way(name, reply)[-1]


def _circle(name: str, reply: Reply | None) -> str:
    """The first name to which the aliases in an answer lead twice; empty where there is none."""
    way = _way(name, reply)
    return way[-1] if way[-1] in way[:-1] else ""


def _way(name: str, reply: Reply | None) -> list[str]:
    """From name to name by the aliases in an answer, until one comes again."""
    aliases = {each.name: each.text for each in reply.answer if each.type == "CNAME"} if reply else {}
    way = [name]
    while way[-1] in aliases and way[-1] not in way[:-1] and len(way) <= _HOPS:
        way.append(aliases[way[-1]].rstrip(".") or ".")
    return way


def _back(looked: Looked, address: str, answer: Answer) -> str:
    """What is wrong with a PTR; empty where it leads to the name, or to another that is known to have the address."""
    if answer.broken:
        return f"has no PTR that can be told: {answer.status}"
    if not answer.data:
        return "has no PTR"
    names = [target.rstrip(".") for target in answer.data]
    if any(name in _names(looked) or address in _known(looked, name) for name in names):
        return ""
    return f"leads back to {', '.join(sorted(names))}"


def _names(looked: Looked) -> set[str]:
    """The name, and what it is an alias of."""
    replies = [answer.reply for answers in looked.addresses.values() for answer in answers]
    return {looked.name, *(_end(looked.name, reply) for reply in replies)}


def _known(looked: Looked, name: str) -> set[str]:
    """The addresses of another name that was looked up in the same way."""
    other = Looked(name, looked.reading, looked.questions, looked.servers)
    try:
        return {address for family in FAMILIES for address in addresses_of(other, family)}
    except NotMeasured:
        return set()


def _declared(address: str, declared: Sequence[str]) -> bool:
    try:
        one = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    networks = (ipaddress.ip_network(each) for each in declared)
    return any(one.version == network.version and one in network for network in networks)


def _listed(things: set[str]) -> str:
    return ", ".join(sorted(things))
