"""Intervals of means cover what they say, and repeat."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.statistics.bootstrap import bootstrap_means, mean_interval

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
        assert found is not None
        covered += found.low <= 0.2 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


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
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.2, 0.4)), "draws of neither say nothing"
