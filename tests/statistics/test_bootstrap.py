"""Intervals hold what they promise: they cover, they are paired, they repeat."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from colisten.evaluation.metrics import Coverage, catalogue_coverage
from colisten.statistics.bootstrap import (
    bootstrap_means,
    coverage_difference,
    coverage_interval,
    mcnemar,
    mean_difference,
    mean_interval,
)

CONFIDENCE = 0.95


def test_equal_seeds_give_equal_draws_and_columns_share_them() -> None:
    values = np.random.default_rng(0).random((50, 2))
    values[:, 1] = values[:, 0]
    first = bootstrap_means(values, resamples=200, seed=3)
    np.testing.assert_array_equal(first, bootstrap_means(values, resamples=200, seed=3))
    np.testing.assert_array_equal(first[:, 0], first[:, 1])
    assert not np.array_equal(first, bootstrap_means(values, resamples=200, seed=4))


def test_draws_have_the_spread_of_a_mean() -> None:
    values = np.random.default_rng(1).exponential(size=(400, 1))
    means = bootstrap_means(values, resamples=4000, seed=0)
    assert means.mean() == pytest.approx(values.mean(), rel=0.01)
    assert means.std() == pytest.approx(values.std() / np.sqrt(400), rel=0.05)


def test_an_interval_of_95_percent_covers_the_truth_in_about_95_of_100_samples() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        values = (rng.random((300, 1)) < 0.2).astype(float)
        means = bootstrap_means(values, resamples=200, seed=trial)
        found = mean_interval(float(values.mean()), means[:, 0], users=300, confidence=CONFIDENCE)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.2 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_pairing_sees_what_separate_intervals_cannot() -> None:
    rng = np.random.default_rng(5)
    hard = rng.random(500)
    values = np.stack([hard + 0.01 + 0.02 * rng.random(500), hard], axis=1)
    means = bootstrap_means(values, resamples=500, seed=0)
    first, second = (
        mean_interval(float(values[:, at].mean()), means[:, at], users=500, confidence=CONFIDENCE)
        for at in (0, 1)
    )
    assert first.low is not None
    assert second.high is not None
    assert first.low < second.high, "the separate intervals overlap"
    found = mean_difference(
        float((values[:, 0] - values[:, 1]).mean()),
        means[:, 0] - means[:, 1],
        users=500,
        confidence=CONFIDENCE,
    )
    assert found.low is not None
    assert found.low > 0.01
    assert found.p is not None
    assert found.p < 0.01


def test_equal_models_differ_by_nothing() -> None:
    means = bootstrap_means(np.random.default_rng(6).random((40, 1)), resamples=100, seed=0)[:, 0]
    found = mean_difference(0.0, means - means, users=40, confidence=CONFIDENCE)
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


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
        found = coverage_interval(
            catalogue_coverage(lists(rng, 80, weights), 300), confidence=CONFIDENCE
        )
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
        covered += found.low <= truth <= found.high
    assert covered / 80 >= 0.9


def test_coverage_that_rests_on_no_single_user_is_sure() -> None:
    everyone = np.tile(np.arange(10), (30, 1))
    found = coverage_interval(catalogue_coverage(everyone, 20), confidence=CONFIDENCE)
    assert (found.low, found.value, found.high) == (0.5, 0.5, 0.5)
    other = catalogue_coverage(np.tile(np.arange(5), (30, 1)), 20)
    difference = coverage_difference(catalogue_coverage(everyone, 20), other, confidence=CONFIDENCE)
    assert (difference.low, difference.value, difference.p) == (0.25, 0.25, 0.0)


def test_coverage_of_the_same_lists_differs_by_nothing_and_stays_within_0_and_1() -> None:
    own = np.arange(60).reshape(30, 2)
    found = catalogue_coverage(own, 60)
    assert coverage_difference(found, found, confidence=CONFIDENCE).p == 1.0
    interval = coverage_interval(
        Coverage(1.0, np.random.default_rng(0).random(30)), confidence=CONFIDENCE
    )
    assert interval.high == 1.0
    assert interval.low is not None
    assert interval.low >= 0.0


@pytest.mark.parametrize("users", [0, 1])
def test_fewer_than_two_users_have_no_interval(users: int) -> None:
    alone = Coverage(0.5, np.zeros(users))
    assert coverage_interval(alone, confidence=CONFIDENCE).low is None
    assert coverage_difference(alone, alone, confidence=CONFIDENCE).p is None
    none = np.zeros(0)
    assert mean_interval(0.5, none, users=users, confidence=CONFIDENCE).high is None
    assert mean_difference(0.5, none, users=users, confidence=CONFIDENCE).low is None


def test_users_without_a_value_are_left_out_of_its_means_alone() -> None:
    rng = np.random.default_rng(8)
    values = rng.random((60, 2))
    values[::3, 1] = np.nan
    means = bootstrap_means(values, resamples=3000, seed=1)
    np.testing.assert_allclose(
        means[:, 0], bootstrap_means(values[:, :1], resamples=3000, seed=1)[:, 0]
    )
    kept = values[~np.isnan(values[:, 1]), 1]
    assert means[:, 1].mean() == pytest.approx(kept.mean(), abs=0.01)
    assert means[:, 1].std() == pytest.approx(kept.std() / np.sqrt(len(kept)), rel=0.1)
    rare = np.full((30, 1), np.nan)
    rare[:2] = [[0.2], [0.4]]
    found = mean_interval(
        0.3, bootstrap_means(rare, resamples=300, seed=0)[:, 0], users=2, confidence=CONFIDENCE
    )
    assert (found.low, found.high) == pytest.approx((0.2, 0.4)), "draws of neither say nothing"


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_agrees_with_the_binomial_test_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = (rng.random(200) < 0.3).astype(float)
    second = np.where(rng.random(200) < 0.2, rng.random(200) < 0.4, first)
    won, lost = int((first > second).sum()), int((first < second).sum())
    expected = binomtest(won, won + lost).pvalue
    assert mcnemar(first, second) == pytest.approx(expected)
    assert mcnemar(second, first) == pytest.approx(expected)
    assert mcnemar(first, first) == 1.0
