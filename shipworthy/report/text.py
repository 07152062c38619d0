"""Text from anywhere made inert for the place where it is shown, and numbers as people read them.

Host names, messages and evidence come from hosts that are not trusted. `visible` is the common ground: one line, each
character printable. On top of it every place has its own rule.
"""

from __future__ import annotations

import html as _html
import re

_COMMAND = re.compile(r"##(?=\[|vso\[|teamcity\[)")
"""Azure, GitHub (old form) and TeamCity look for these anywhere in a line of a log."""


def visible(text: str, limit: int = 2000) -> str:
    """`text` on one line, printable throughout: `\\x1b`, `\\n`, `\\u202e` for what is not, U+FFFD for half a character.

    Longer text than `limit` is cut, and says how much is left out.
    """
    if len(text) > limit:
        return f"{visible(text[:limit], limit)}… ({len(text) - limit:,} characters more)"
    # isprintable is false for control, format (bidi, zero-width), private, unassigned and half characters.
    return text if text.isprintable() else "".join(map(_visible_character, text))


def _visible_character(character: str) -> str:
    if character.isprintable():
        return character
    if "\ud800" <= character <= "\udfff":
        return "\ufffd"
    return character.encode("unicode_escape").decode("ascii")


def terminal(text: str, limit: int = 2000) -> str:
    """For a terminal or a CI job's log: no control sequence, and no line that a CI system takes for a command.

    GitHub strips blanks before it looks for `::`, so an indent would not do.
    """
    text = _COMMAND.sub(r"#\\x23", visible(text, limit))
    body = text.lstrip()
    return text[: len(text) - len(body)] + r"\x3a" + body[1:] if body.startswith("::") else text


def html(text: str, limit: int = 2000) -> str:
    """For HTML text and quoted attributes."""
    return _html.escape(visible(text, limit))


def xml(text: str, limit: int = 2000) -> str:
    """For XML 1.0: only characters that it allows. Markup is the XML writer's to escape."""
    return terminal(text, limit)  # CI systems print failures from junit.xml into their logs


def chat(text: str, limit: int = 500) -> str:
    """For a chat message: no markup, no link, nobody called."""
    text = terminal(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([@`*_~|\[\]])", "\\1\u200b", text).replace("://", ":\u200b//")


def plural(count: int, noun: str) -> str:
    """`1 host`, `2 hosts`, `1,000 hosts`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """`40 ms`, `2.1 s`, `3 min 20 s`, `1 h 2 min`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def some(names: list[str] | tuple[str, ...], limit: int = 5) -> str:
    """`db1, db2, db3 and 4 more`."""
    shown = ", ".join(visible(name, 80) for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit:,} more"
