"""Popularity by day is what a loop over the events before that day gives, and nothing later."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.features.popularity import DailyPopularity, day_of

DAY = 86_400_000_000
HALVES = (2.0, 30.0)
EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 60 * DAY)), max_size=40)


def by_hand(events: list[tuple[int, int]], item: int, day: int, half_life: float) -> float:
    ages = [day - time // DAY for own, time in events if own == item and time // DAY < day]
    return float(np.log1p(sum(0.5 ** (age / half_life) for age in ages)))


@given(EVENTS, st.lists(st.integers(-3, 200), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_it_is_the_decayed_count_of_earlier_days(
    events: list[tuple[int, int]], days: list[int]
) -> None:
    items = np.array([item for item, _ in events], dtype=np.int64)
    times = np.array([time for _, time in events], dtype=np.int64)
    popularity = DailyPopularity(items, times, 5, HALVES)
    found = popularity.at(np.array(days))
    assert found.shape == (len(days), 5, 2)
    expected = [[[by_hand(events, i, day, h) for h in HALVES] for i in range(5)] for day in days]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    some = np.array([3, 1])
    np.testing.assert_array_equal(popularity.at(np.array(days), some), found[:, some])


def test_later_events_change_nothing() -> None:
    rng = np.random.default_rng(0)
    items, times = rng.integers(5, size=300), rng.integers(100 * DAY, size=300)
    early = times < 50 * DAY
    days = np.arange(0, 51)
    whole = DailyPopularity(items, times, 5, HALVES).at(days)
    part = DailyPopularity(items[early], times[early], 5, HALVES).at(days)
    np.testing.assert_allclose(whole, part, atol=1e-6)
    assert day_of(np.array([0, DAY - 1, DAY])).tolist() == [0, 0, 1]
