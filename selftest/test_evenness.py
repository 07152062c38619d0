"""The statistics of evenness: against known values, and against what chance really does, with a seed."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from shipworthy.errors import NotMeasured
from shipworthy.judging.evenness import UNLIKELY, chi_squared_tail, evenness, multinomial
from shipworthy.policy._dns_items import samples_needed

CRITICAL = {1: (3.841, 10.828), 2: (5.991, 13.816), 3: (7.815, 16.266), 7: (14.067, 24.322), 30: (43.773, 59.703)}
"""By degrees of freedom: what χ² passes with a probability of 5 %, and of 0.1 % (any table of it)."""
TABLE = {
    2: {"dead": 25, "half": 98, "more": 390},
    4: {"dead": 90, "half": 359, "more": 1434},
    8: {"dead": 254, "half": 1016, "more": 4064},
}
"""Samples that find it with 95 % at α = 0.001: by how many there are, and by what is wrong with one of them."""
FACTOR = {"dead": 0.0, "half": 0.5, "more": 1.25}
ROUNDS = 300


def drawn(chance: Random, weights: list[float], count: int) -> dict[str, int]:
    return dict(Counter(chance.choices([str(index) for index in range(len(weights))], weights, k=count)))


def found(things: int, first: float, count: int) -> float:
    """The share of rounds in which one that has `first` times its even share is found."""
    chance = Random(f"{things} {first} {count}")
    weights = [first / things, *[(1 - first / things) / (things - 1)] * (things - 1)]
    shares = {str(index): 1.0 for index in range(things)}
    unlikely = sum(not evenness(drawn(chance, weights, count), shares).by_chance for _ in range(ROUNDS))
    return unlikely / ROUNDS


@pytest.mark.parametrize("freedom", CRITICAL)
def test_the_tail_is_that_of_the_tables(freedom: int) -> None:
    told = [chi_squared_tail(distance, freedom) for distance in CRITICAL[freedom]]
    assert told == pytest.approx([0.05, 0.001], rel=0.003)


def test_nothing_is_beyond_it() -> None:
    assert [chi_squared_tail(0.0, freedom) for freedom in (1, 2, 7)] == [1.0, 1.0, 1.0]
    assert chi_squared_tail(4000.0, 3) == 0.0
    assert chi_squared_tail(2000.0, 2000) == pytest.approx(0.4958, abs=0.001)


@pytest.mark.parametrize("things", TABLE)
@pytest.mark.parametrize("what", FACTOR)
def test_as_many_samples_as_the_table_has_find_what_it_says(things: int, what: str) -> None:
    assert found(things, FACTOR[what], TABLE[things][what]) > 0.92


@pytest.mark.parametrize("things", TABLE)
def test_a_policy_wants_as_many_as_find_a_dead_one(things: int) -> None:
    assert samples_needed([1] * things) == TABLE[things]["dead"]


@pytest.mark.parametrize("things", TABLE)
def test_what_is_even_is_hardly_ever_called_uneven(things: int) -> None:
    assert found(things, 1.0, 200) <= 0.01


def test_round_robin_is_more_even_than_chance_and_no_finding() -> None:
    assert evenness({"a": 45, "b": 45}, {"a": 1, "b": 1}).probability == 1.0


def test_shares_need_not_be_equal() -> None:
    kept = evenness({"a": 75, "b": 25}, {"a": 3, "b": 1})
    assert (kept.by_chance, kept.ratios) == (True, {"a": 1.0, "b": 1.0})
    turned = evenness({"a": 25, "b": 75}, {"a": 3, "b": 1})
    assert (turned.by_chance, turned.most, turned.least) == (False, "b", "a")
    assert turned.ratios == {"a": pytest.approx(1 / 3), "b": 3.0}


EXACT = {
    "four coins, all heads": ([4, 0], [0.5, 0.5], 2 / 16),
    "ten coins, all heads": ([10, 0], [0.5, 0.5], 2 / 1024),
    "ten coins, as even as can be": ([5, 5], [0.5, 0.5], 1.0),
    "a die's side that nobody expects": ([0, 0, 2], [0.8, 0.19, 0.01], 0.0001),
}


@pytest.mark.parametrize("name", EXACT)
def test_of_few_the_probability_is_exact(name: str) -> None:
    observed, shares, probability = EXACT[name]
    assert multinomial(observed, shares) == pytest.approx(probability)


def test_eleven_in_a_row_are_no_chance() -> None:
    """Of two: the first number that is less likely than one in a thousand."""
    told = {count: evenness({"a": count}, {"a": 1, "b": 1}).probability for count in (8, 9, 11)}
    assert told[9] > UNLIKELY
    assert told[11] < UNLIKELY


def test_too_many_outcomes_are_not_counted_out() -> None:
    with pytest.raises(NotMeasured, match="30 are too few to tell for 8 shares"):
        evenness({"0": 30}, {str(index): 1 for index in range(8)})
    with pytest.raises(NotMeasured, match="nothing was counted"):
        evenness({"elsewhere": 7}, {"a": 1, "b": 1})
