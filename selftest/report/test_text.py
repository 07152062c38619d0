"""Text from hosts is inert wherever it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.report.text import chat, duration, html, plural, some, terminal, visible, xml

ANYTHING = st.text(st.characters(codec=None), max_size=60)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode and 日本語 stay", "plain, ünïcode and 日本語 stay"),
        ("\x1b[2Jcleared", r"\x1b[2Jcleared"),
        ("one\ntwo\r\n", r"one\ntwo\r\n"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("zero\u200bwidth", r"zero\u200bwidth"),
        ("nul\x00 and c1 \x9b31m", r"nul\x00 and c1 \x9b31m"),
        ("half \ud800 a character", "half \ufffd a character"),
        ("line\u2028separator", r"line\u2028separator"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::error file=x::owned", r"\x3a:error file=x::owned"),
        ("  ::set-output name=a::b", r"  \x3a:set-output name=a::b"),
        ("java ##vso[task.complete]", r"java #\x23vso[task.complete]"),
        ("##[error]no", r"#\x23[error]no"),
        ("##teamcity[buildStop]", r"#\x23teamcity[buildStop]"),
        ("ratio 3::4 and ## heading", "ratio 3::4 and ## heading"),
    ],
)
def test_a_ci_system_sees_no_command(text: str, shown: str) -> None:
    assert terminal(text) == shown


@given(ANYTHING)
def test_a_terminal_gets_one_printable_line_without_commands(text: str) -> None:
    shown = terminal(text)
    assert shown.isprintable()
    assert not shown.lstrip().startswith("::")
    assert "##[" not in shown and "##vso[" not in shown
    xml(text).encode("utf-8")


@given(ANYTHING)
def test_html_has_no_markup_and_no_quote_left(text: str) -> None:
    assert not set(html(text)) & set("<>\"'")


def test_a_chat_message_calls_nobody_and_links_nowhere() -> None:
    shown = chat("<!channel> @here *loud* https://evil.example [x](y)")
    assert "@here" not in shown and "<" not in shown and "://" not in shown and "*loud*" not in shown


def test_long_text_is_cut_and_says_so() -> None:
    assert visible("x" * 30, limit=10) == "xxxxxxxxxx… (20 characters more)"


def test_numbers_are_as_people_read_them() -> None:
    assert [duration(seconds) for seconds in (0.04, 2.118, 59.99, 200, 3725)] == [
        "40 ms", "2.1 s", "1 min 0 s", "3 min 20 s", "1 h 2 min",
    ]  # fmt: skip
    assert (plural(1, "host"), plural(1000, "host")) == ("1 host", "1,000 hosts")
    assert some(["a", "b", "c"], 2) == "a, b and 1 more"
