"""Validity to the second, and what no builder makes: odd serial numbers, times, algorithms and curves in DER."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from selftest.chains.pki import AT, case, fatal, leaf, patched, root


@pytest.mark.parametrize(
    ("at", "good"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), True),
        (datetime(2026, 10, 31, 23, 59, 59, 999000, tzinfo=UTC), False),
        (datetime(2027, 1, 1, tzinfo=UTC), True),
        (datetime(2027, 1, 1, 0, 0, 0, 5000, tzinfo=UTC), True),
        (datetime(2027, 1, 1, 0, 0, 1, tzinfo=UTC), False),
    ],
)
def test_both_ends_of_validity_are_inside_to_the_second(at: datetime, good: bool) -> None:
    top = root()
    assert case(leaf(top), top, at=at).accepted() is good


def test_validity_before_2050_is_utctime() -> None:
    made = leaf(top := root(), end=datetime(2050, 1, 1, tzinfo=UTC))
    early = patched(made, top.key, b"20500101000000Z", b"20490101000000Z")
    assert case(made, top).accepted()
    assert fatal(case(early, top).findings()) == {"rejected"}


def test_a_negative_serial_is_a_finding() -> None:
    made = leaf(top := root(), serial=0x7F << 56 | 5)
    negative = patched(made, top.key, b"\x02\x08\x7f", b"\x02\x08\xff")
    assert fatal(case(negative, top).findings()) & {"serial", "unreadable"}


def test_serial_zero_is_fatal_for_a_leaf() -> None:
    made = leaf(top := root(), serial=5)
    zero = patched(made, top.key, b"\x02\x01\x05", b"\x02\x01\x00")
    assert "serial-zero" in fatal(case(zero, top).findings())


def test_a_signature_algorithm_named_in_two_ways_is_rejected() -> None:
    made = leaf(top := root())
    inside = bytes.fromhex("300a06082a8648ce3d040302")
    other = bytes.fromhex("300a06082a8648ce3d040303")
    assert not case(patched(made, top.key, inside, other), top, at=AT).accepted()


def test_a_curve_spelled_out_is_rejected() -> None:
    made = leaf(top := root())
    named_curve = bytes.fromhex("06082a8648ce3d030107")
    assert not case(patched(made, top.key, named_curve, b"\x04" + named_curve[1:]), top).accepted()
