"""Values as people write them, there and back."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipworthy.policy.language.units import (
    BYTES,
    BYTES_PER_SECOND,
    COUNT,
    PER_SECOND,
    PERCENT,
    SECONDS,
    UNITS,
    Unit,
    UnitError,
)


@pytest.mark.parametrize(
    ("unit", "text", "value"),
    [
        (BYTES, "0 B", 0),
        (BYTES, 0, 0),
        (BYTES, "64 MiB", 64 * 2**20),
        (BYTES, "64MiB", 64 * 2**20),
        (BYTES, "1.5 GiB", 1.5 * 2**30),
        (BYTES, "1 MB", 1e6),
        (BYTES, "3 kB", 3e3),
        (PERCENT, "80 %", 80),
        (PERCENT, "0.5%", 0.5),
        (PERCENT, "100 %", 100),
        (SECONDS, "250 ms", 0.25),
        (SECONDS, "21 d", 21 * 86400),
        (SECONDS, "5 min", 300),
        (SECONDS, "2 w", 14 * 86400),
        (COUNT, "3", 3),
        (COUNT, 3, 3),
        (COUNT, 3.0, 3),
        (PER_SECOND, "10 /s", 10),
        (PER_SECOND, "10/s", 10),
        (PER_SECOND, "30 /min", 0.5),
        (BYTES_PER_SECOND, "1 MiB/s", 2**20),
    ],
)
def test_a_text_has_its_value(unit: Unit, text: object, value: float) -> None:
    assert unit.parse(text) == value


@pytest.mark.parametrize(
    ("unit", "text", "reason"),
    [
        (BYTES, "64", "has no unit"),
        (BYTES, 64, "has no unit"),
        (BYTES, "-1 B", "is negative"),
        (BYTES, "1 mb", "did you mean MB?"),
        (BYTES, "64 Mi", "did you mean MiB?"),
        (BYTES, "1e3 B", "has a unit that is not known"),
        (BYTES, "1_000 B", "has a unit that is not known"),
        (BYTES, "٣ B", "is not a size"),
        (BYTES, "1 B B", "has a unit that is not known"),
        (BYTES, "", "is not a size"),
        (BYTES, None, "is not a size"),
        (BYTES, True, "is not a size"),
        (BYTES, float("nan"), "is not a size"),
        (BYTES, "9" * 400 + " B", "is not a size"),
        (PERCENT, "140 %", "is more than 100 %"),
        (SECONDS, "5 m", "did you mean ms or min?"),
        (COUNT, "1.5", "is not a whole number"),
        (COUNT, "3 /s", "none is wanted"),
    ],
)
def test_what_is_no_value_is_refused_in_words_that_do_not_repeat_it(unit: Unit, text: object, reason: str) -> None:
    with pytest.raises(UnitError) as caught:
        unit.parse(text)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        (BYTES, 0, "0 B"),
        (BYTES, 512 * 2**20, "512 MiB"),
        (BYTES, 2**30 - 1, "1 GiB"),
        (BYTES, 1023, "1023 B"),
        (BYTES, 1.5 * 2**30, "1.5 GiB"),
        (BYTES, -(2**20), "-1 MiB"),
        (PERCENT, 96.44, "96.4 %"),
        (PERCENT, 100.0, "100 %"),
        (PERCENT, 0.04321, "0.0432 %"),
        (SECONDS, 0.25, "250 ms"),
        (SECONDS, 21 * 86400, "21 d"),
        (SECONDS, 0.0000004, "0.4 µs"),
        (COUNT, 3, "3"),
        (COUNT, 1234567, "1234567"),
        (PER_SECOND, 10, "10 /s"),
    ],
)
def test_a_value_is_shown_as_people_read_it(unit: Unit, value: float, text: str) -> None:
    assert unit.format(value) == text


VALUES = st.floats(min_value=0, max_value=1e14, allow_nan=False)


@given(st.sampled_from([*UNITS.values()]), VALUES)
def test_what_is_shown_can_be_written_and_is_within_half_a_percent(unit: Unit, value: float) -> None:
    value = round(value) if unit.whole else value
    value = min(value, unit.most or value)
    if 0 < value < 1e-9:
        return
    assert unit.parse(unit.format(value)) == pytest.approx(value, rel=0.006, abs=1e-9)


@given(st.sampled_from([*UNITS.values()]), VALUES)
def test_showing_again_what_was_shown_changes_nothing(unit: Unit, value: float) -> None:
    value = round(value) if unit.whole else value
    shown = unit.format(min(value, unit.most or value))
    assert unit.format(unit.parse(shown)) == shown


@given(st.sampled_from([*UNITS.values()]), st.data())
def test_what_an_editor_accepts_is_understood(unit: Unit, data: st.DataObject) -> None:
    symbol = data.draw(st.sampled_from(list(unit.scales)))
    number = data.draw(st.integers(0, 100))
    text = f"{number} {symbol}".strip()
    assert re.search(unit.pattern, text)
    assert unit.parse(text) == pytest.approx(number * unit.scales[symbol])


@given(st.sampled_from([*UNITS.values()]), st.text())
def test_any_text_is_a_value_or_refused(unit: Unit, text: str) -> None:
    with suppress(UnitError):
        assert unit.parse(text) >= 0
