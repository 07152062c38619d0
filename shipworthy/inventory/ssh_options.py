"""`ansible_ssh_common_args`, an ssh command line → ssh_config keywords. What is not understood is refused."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

HONOURED = frozenset({
    "addressfamily",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "port",
    "proxycommand",
    "proxyjump",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
})  # fmt: skip
"""Keywords that every SSH link honours."""

COLLECTED = frozenset({"identityfile", "certificatefile"})
"""Keywords of which ssh takes each; of the others it takes the first."""

OPENSSH_ONLY = frozenset({
    "bindaddress",
    "bindinterface",
    "casignaturealgorithms",
    "certificatefile",
    "checkhostip",
    "ciphers",
    "gssapiauthentication",
    "gssapiclientidentity",
    "gssapikeyexchange",
    "gssapiserveridentity",
    "gssapitrustdns",
    "hostbasedauthentication",
    "hostkeyalgorithms",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "knownhostscommand",
    "macs",
    "passwordauthentication",
    "pkcs11provider",
    "preferredauthentications",
    "pubkeyacceptedalgorithms",
    "pubkeyauthentication",
    "rekeylimit",
    "requiredrsasize",
    "securitykeyprovider",
    "verifyhostkeydns",
})  # fmt: skip
"""Keywords that only OpenSSH itself understands."""

MEANINGLESS = frozenset({
    "batchmode",
    "compression",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "exitonforwardfailure",
    "loglevel",
    "numberofpasswordprompts",
    "serveralivecountmax",
    "serveraliveinterval",
    "tcpkeepalive",
})  # fmt: skip
"""Keywords that change nothing where one connection is kept and watched by its own deadlines: taken, and left out."""

ONLY_OFF = frozenset(
    {"forwardagent", "forwardx11", "forwardx11trusted", "gssapidelegatecredentials", "permitlocalcommand"}
)
"""What is never done; asking for `no` is fine."""

_FLAGS = {
    "-A": "agents are never forwarded",
    "-F": "use `~/.ssh/config`, or Host blocks of it",
    "-i": "use `ansible_ssh_private_key_file`",
    "-l": "use `ansible_user`",
    "-p": "use `ansible_port`",
}


class Refused(ValueError):
    """An argument that cannot be honoured, in words; never quotes a value."""


def parse(text: str, *, openssh: bool) -> tuple[tuple[str, str], ...]:
    """Keywords (lower case) and values, in order; ssh takes the first of a keyword. Raises `Refused`."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Refused(f"is no command line: {error}") from None
    options = _options(iter(words))
    return tuple((keyword.lower(), value) for keyword, value in options if _wanted(keyword, value, openssh=openssh))


def _options(words: Iterator[str]) -> Iterator[tuple[str, str]]:
    for word in words:
        flag, value = word[:2], word[2:]
        if flag == "-C" and not value:
            continue  # compression, as in Ansible's own default
        if flag not in ("-o", "-J"):
            raise Refused(_refusal(word))
        value = value or next(words, "")
        if not value:
            raise Refused(f"{flag} has no value")
        yield ("ProxyJump", value) if flag == "-J" else _assignment(value)


def _assignment(text: str) -> tuple[str, str]:
    """`Keyword=value` or `Keyword value`, as ssh reads it."""
    keyword, separator, value = text.partition("=") if "=" in text.split(" ", 1)[0] else text.partition(" ")
    value = value.strip().removeprefix("=").strip()
    if not separator or not value:
        raise Refused(f"-o {_name(keyword)} has no value")
    return keyword.strip(), value


def _wanted(keyword: str, value: str, *, openssh: bool) -> bool:
    meant = keyword.lower()
    if meant in HONOURED or (openssh and meant in OPENSSH_ONLY):
        return True
    if meant in MEANINGLESS or (meant in ONLY_OFF and value.lower() == "no"):
        return False
    if meant in OPENSSH_ONLY:
        raise Refused(f"-o {_name(keyword)} is honoured with `ansible_connection: openssh` only")
    if meant in ONLY_OFF:
        raise Refused(f"-o {_name(keyword)} is never done here: only `no` is accepted")
    raise Refused(f"-o {_name(keyword)} is not honoured; these are: {', '.join(sorted(HONOURED))}")


def _refusal(word: str) -> str:
    if not word.startswith("-"):
        return "has a word that belongs to no option; only -o and -J are honoured"
    flag = word[:2]
    return f"{flag} is not honoured, only -o and -J are{'; ' + _FLAGS[flag] if flag in _FLAGS else ''}"


def _name(keyword: str) -> str:
    """What stands where a keyword should be may be anything, a password too: only a keyword's letters are shown."""
    keyword = keyword.strip()
    return keyword if keyword.isalnum() and keyword.isascii() and len(keyword) <= 40 else "without a keyword"
