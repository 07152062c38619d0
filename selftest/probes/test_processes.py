"""The parsers behind the processes probe: what the kernel and systemd say, and whatever else a text may hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selftest.probes.test_parsers import damaged, refusal
from selftest.running import stat, status
from selftest.test_units_claims import UNIT
from shipworthy.probes.parts.cores import parse_core_limit, parse_free
from shipworthy.probes.parts.hung import reports_in
from shipworthy.probes.parts.kernel_log import Line
from shipworthy.probes.parts.stale import parse_libraries
from shipworthy.probes.parts.stats import parse_stat
from shipworthy.probes.parts.stuck import parse_switches
from shipworthy.probes.parts.units import parse_span, parse_units
from shipworthy.probes.parts.users import parse_names
from shipworthy.probes.runtime.errors import ParseError

SHOWN = "".join(f"{name}={value}\n" for name, value in UNIT.items())
LIMITS = (
    "Max processes   1  1  processes \nMax core file size        0                    unlimited            bytes     \n"
)


def _bytes(parse: Callable[[bytes, str], Any]) -> Callable[[str, str], Any]:
    return lambda text, path: parse(text.encode("utf-8", "surrogateescape"), path)


def _units(text: str, path: str) -> Any:
    return parse_units(text, ["job.service"], 1000.0)


PARSERS: dict[str, tuple[Callable[[str, str], Any], str]] = {
    "stat": (_bytes(parse_stat), stat(77, "app")),
    "switches": (_bytes(parse_switches), status("app")),
    "core limit": (lambda text, path: parse_core_limit(text, path) or {}, LIMITS),
    "unit": (_units, SHOWN),
    "room": (lambda text, _: parse_free(text), "Filesystem 1024-blocks Used Available\n/dev/vda1 9 5 4 50% /\n"),
}
SAID = ("/the/path: ", "systemctl show: ", "df -Pk: ", "understood")


@pytest.mark.parametrize("name", PARSERS)
@given(data=st.data())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damage_is_understood_or_refused_in_words(name: str, data: st.DataObject) -> None:
    parse, text = PARSERS[name]
    assert refusal(parse, data.draw(damaged(text))).startswith(SAID)


@given(st.text())
def test_what_is_never_refused(text: str) -> None:
    parse_names(text, "passwd")
    parse_libraries(text.encode("utf-8", "surrogatepass").split(b"\n"))
    assert reports_in([Line(1.0, text)], 2.0) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("100ms", 0.1),
        ("10s", 10.0),
        ("1min 30s", 90.0),
        ("1h 500us", 3600.0005),
        ("1w 2d", 777600.0),
        ("1month 1y", 34187400.0),
        ("infinity", None),
    ],
)
def test_time_spans_as_systemd_writes_them(text: str, seconds: float | None) -> None:
    assert parse_span(text) == (pytest.approx(seconds) if seconds is not None else None)


@pytest.mark.parametrize("text", ["", "soon", "10", "10 s", "-1s", "[not set]"])
def test_what_is_no_time_span(text: str) -> None:
    with pytest.raises(ParseError, match=r"^systemctl show: .* is no time span$"):
        parse_span(text)


def test_units_are_told_in_the_order_in_which_they_were_asked() -> None:
    other = SHOWN.replace("Id=job.service", "Id=mariadb.service")
    units = parse_units(SHOWN + "\n" + other, ["job.service", "mysql.service"], 1000.0)
    assert [units[name].id for name in ("job.service", "mysql.service")] == ["job.service", "mariadb.service"]
    with pytest.raises(ParseError, match="systemctl show: 1 units, 2 were asked for"):
        parse_units(SHOWN, ["job.service", "mysql.service"], 1000.0)


def test_a_unit_of_an_old_systemd_lacks_what_it_does_not_know() -> None:
    old = "Id=job.service\nLoadState=loaded\nActiveState=active\nRestart=no\nStartLimitBurst=5\n"
    unit = parse_units(old, ["job.service"], 1000.0)["job.service"]
    assert (unit.restarts, unit.gives_up_within, unit.start_seconds, unit.restart) == (None, None, None, "no")


def test_libraries_are_what_code_was_mapped_of() -> None:
    maps = [
        b"7f10-7f20 r-xp 00028000 fe:00 393223                     /usr/lib/libssl.so.3 (deleted)",
        b"7f20-7f30 r--p 00000000 fe:00 393223                     /usr/lib/libcrypto.so.3 (deleted)",
        b"7f30-7f40 r-xp 00028000 fe:00 393224                     /opt/a b/libx.so (deleted)",
        b"7f40-7f50 r-xp 00028000 00:01 2051                       /memfd:jit.so (deleted)",
        b"7f50-7f60 r-xp 00000000 fe:00 393225                     /usr/lib/libz.so.1",
    ]
    assert parse_libraries(maps) == {"/usr/lib/libssl.so.3": "7f10-7f20", "/opt/a b/libx.so": "7f30-7f40"}


def test_passwd_has_names_for_numbers() -> None:
    text = "root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n+::::::\n# a line\nada:x:1000:1000:::\n"
    assert parse_names(text, "passwd") == {"0": "root", "1000": "ada"}
