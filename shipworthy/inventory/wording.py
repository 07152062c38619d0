"""Ansible's messages → ours: one line, the place apart, and none of the lines or values that they quote."""

from __future__ import annotations

import re
from pathlib import Path

from shipworthy.errors import Problem

_EMPTY = ("Failed to parse", "Unable to get JSON decoder for inventory script result")
"""Messages that say nothing but that there is a cause."""

_HALF = ("Failed to execute inventory script command",)
"""Messages that are whole only with their cause."""

_KINDS = {"Str": "text", "Dict": "mapping", "Int": "number", "Float": "number"}

_REWORDED = (
    # Ansible quotes the line, password and all.
    (re.compile(r"(Error parsing host definition) .*: (No [a-z ]+)$", re.DOTALL), r"\1: \2"),
    (re.compile(r"(Expected (?:key=value[a-z ]*|group name)), got: .*", re.DOTALL), r"\1"),
    (re.compile(r"(expected dictionary) and got:.*", re.DOTALL), r"\1"),
    # It names its own classes.
    (
        re.compile(r"(?:an? )?(?:'|\"?<class ')[\w.]*_AnsibleTagged(\w+?)(?:'>\"?|')"),
        lambda match: f"a {_KINDS.get(match[1], match[1].lower())}",
    ),
    # It does not say what to do.
    (
        re.compile(r".*Attempting to decrypt but no vault secrets found.*", re.DOTALL),
        "is in the vault, and its password is not known: set ANSIBLE_VAULT_PASSWORD_FILE",
    ),
    (
        re.compile(r".*Decryption failed \(no vault secrets.*", re.DOTALL),
        "is in the vault, and no known password opens it",
    ),
)

_ORIGIN = re.compile(
    r"^Origin: (?:<inventory .*?(?:source|from) '(?P<source>.*?)'.*>|(?P<path>/.*?)(?::(?P<line>\d+)(?::\d+)?)?)$",
    re.MULTILINE,
)


def explain(error: BaseException, rootdir: Path) -> Problem:
    """An exception of Ansible's as a problem: the most exact place in its chain, the first message that says it."""
    messages: list[str] = []
    place = ""
    cause: BaseException | None = error
    while cause is not None and len(messages) < 20:  # a recursive template's chain is as deep as its recursion
        messages.append(getattr(cause, "_original_message", None) or str(cause))
        place = more_exact(place, place_of(getattr(cause, "obj", None), rootdir))
        cause = cause.__cause__ or cause.__context__
    return Problem(place, reason(messages, getattr(error, "_help_text", None) or "", rootdir))


def reason(messages: list[str], help: str, rootdir: Path) -> str:
    """The first message that says something, in one line."""
    said = [text for text in messages if not text.startswith(_EMPTY)] or messages
    text = f"{said[0].rstrip('.')}: {said[1]}" if said[0].startswith(_HALF) and len(said) > 1 else said[0]
    for pattern, words in _REWORDED:
        text = pattern.sub(words, text)
    text = first_line(text).replace(f"{rootdir}/", "")
    if last := _last_line(help.partition("Standard error from inventory script:")[2]):
        text = f"{text}; its last words: {last[:200]}"
    return text


def place_of(value: object, rootdir: Path) -> str:
    """Where a value of Ansible's comes from, as far as it is tagged with that."""
    from ansible._internal._datatag._tags import Origin

    origin = value if isinstance(value, Origin) else Origin.get_tag(value)
    return place_in(f"Origin: {origin}", rootdir) if origin else ""


def place_in(context: str, rootdir: Path) -> str:
    """`inventories/staging.yml:7` from the lines that Ansible shows below a message."""
    if not (match := _ORIGIN.search(context)):
        return ""
    path = shown(match["source"] or match["path"], rootdir)
    return f"{path}:{match['line']}" if match["line"] else path


def more_exact(one: str, other: str) -> str:
    """Of two places the one with a line."""
    return other if other and (not one or re.search(r":\d+$", other)) else one


def shown(path: str, rootdir: Path) -> str:
    """A path as a person here would write it."""
    return path.removeprefix(f"{rootdir}/")


def first_line(text: str) -> str:
    """The first line that has anything on it."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "").rstrip(".:")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")
