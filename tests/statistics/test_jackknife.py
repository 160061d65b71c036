"""Intervals of coverage cover what other users would have given."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.evaluation.metrics import Coverage, catalogue_coverage
from colisten.statistics.bootstrap import mean_interval
from colisten.statistics.differences import mean_difference
from colisten.statistics.interval import Difference, Interval
from colisten.statistics.jackknife import share_difference, share_interval

CONFIDENCE = 0.95


def interval(coverage: Coverage) -> Interval:
    found = share_interval(coverage.value, coverage.alone, confidence=CONFIDENCE)
    assert found is not None
    return found


def difference(first: Coverage, second: Coverage) -> Difference:
    value, alone = first.value - second.value, first.alone - second.alone
    found = share_difference(value, alone, confidence=CONFIDENCE)
    assert found is not None
    return found


def lists(rng: np.random.Generator, users: int, weights: np.ndarray) -> np.ndarray:
    # The first of weighted exponential clocks: a draw without replacement for each user at once.
    clocks = rng.exponential(size=(users, len(weights))) / weights
    return np.argsort(clocks, axis=1)[:, :5]


def test_the_coverage_interval_covers_the_mean_coverage_of_other_users() -> None:
    weights = 1.0 / np.arange(1, 301)
    weights /= weights.sum()
    rng = np.random.default_rng(7)
    truth = np.mean([catalogue_coverage(lists(rng, 80, weights), 300).value for _ in range(100)])
    covered = 0
    for _ in range(80):
        found = interval(catalogue_coverage(lists(rng, 80, weights), 300))
        assert found.low < found.value < found.high
        covered += bool(found.low <= truth <= found.high)
    assert covered / 80 >= 0.9


def test_coverage_that_rests_on_no_single_user_is_sure() -> None:
    everyone = np.tile(np.arange(10), (30, 1))
    found = interval(catalogue_coverage(everyone, 20))
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    other = catalogue_coverage(np.tile(np.arange(5), (30, 1)), 20)
    less = difference(catalogue_coverage(everyone, 20), other)
    assert (less.low, less.value, less.p) == (0.25, 0.25, 0.0)


def test_coverage_of_the_same_lists_differs_by_nothing_and_stays_within_0_and_1() -> None:
    own = np.arange(60).reshape(30, 2)
    found = catalogue_coverage(own, 60)
    assert difference(found, found).p == 1.0
    within = interval(Coverage(1.0, np.random.default_rng(0).random(30)))
    assert within.high == 1.0
    assert within.low >= 0.0


@pytest.mark.parametrize("users", [0, 1])
def test_fewer_than_two_users_have_no_interval(users: int) -> None:
    alone, none = np.zeros(users), np.zeros(0)
    assert share_interval(0.5, alone, confidence=CONFIDENCE) is None
    assert share_difference(0.5, alone, confidence=CONFIDENCE) is None
    assert mean_interval(0.5, none, users=users, confidence=CONFIDENCE) is None
    assert mean_difference(0.5, none, users=users, confidence=CONFIDENCE) is None
