"""The half-life of popularity that foretells windows of the length asked for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from colisten.features.popularity import DailyPopularity
from colisten.training.towers.half_life import half_life_of_windows, nearest_half_life

HALF_LIVES = (7.0, 30.0, 365.0)
DAY = 86_400_000_000
ITEMS = 200


def drawn(daily: np.ndarray, starts: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """So many starts of each day by its shares of the items [days, ITEMS]."""
    rng = np.random.default_rng(seed)
    items = [rng.choice(ITEMS, starts, p=share) for share in daily]
    return np.concatenate(items), np.repeat(np.arange(len(daily)) * DAY, starts)


def found(daily: np.ndarray, days: int, starts: int = 40) -> int:
    items, times = drawn(daily, starts)
    return half_life_of_windows(
        DailyPopularity(items, times, ITEMS, HALF_LIVES), items, times, days
    )


@given(st.integers(1, 3_650))
def test_nearest_is_by_ratio(days: int) -> None:
    ratios = [max(each / days, days / each) for each in HALF_LIVES]
    assert ratios[nearest_half_life(HALF_LIVES, days)] == min(ratios)
    assert nearest_half_life((), days) == 0


def test_what_changes_every_week_is_foretold_by_the_last_one() -> None:
    """Favourites of a month that follow each other, and a window of a month for all that."""
    rng = np.random.default_rng(1)
    months = rng.dirichlet(np.full(ITEMS, 0.02), size=14)
    blend = np.concatenate([np.repeat(months[:-1], 15, axis=0), np.repeat(months[1:], 15, axis=0)])
    order = np.argsort(np.tile(np.arange(13), 2).repeat(15), kind="stable")
    assert found(blend[order], days=14) == 0


def test_what_passes_does_not_count_for_long_windows() -> None:
    """Lasting favourites, drowned in every last week before a window by others."""
    rng = np.random.default_rng(2)
    lasting = rng.dirichlet(np.full(ITEMS, 0.05))
    daily = np.repeat(lasting[None], 5 * 100, axis=0)
    for end in range(100, 500, 100):
        daily[end - 7 : end] = 0.1 * lasting + 0.9 * rng.dirichlet(np.full(ITEMS, 0.02))
    assert found(daily, days=100) in (1, 2)


def test_equal_ones_leave_the_nearest() -> None:
    daily = np.full((400, ITEMS), 1.0 / ITEMS)
    assert found(daily, days=30) == 1
    assert found(daily, days=7) == 0


def test_too_little_leaves_the_nearest() -> None:
    rng = np.random.default_rng(3)
    daily = rng.dirichlet(np.full(ITEMS, 0.02), size=40)
    assert found(daily, days=60) == 1, "no window with anything before it"
    assert found(daily[:9], days=7, starts=10) == 0, "a window of seventy starts"
    none = np.zeros(0, np.int64)
    assert half_life_of_windows(DailyPopularity(none, none, 3, HALF_LIVES), none, none, 30) == 1
