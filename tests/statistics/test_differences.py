"""Differences are paired, and the exact test agrees with scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from colisten.statistics.bootstrap import bootstrap_means, mean_interval
from colisten.statistics.differences import mcnemar, mean_difference

CONFIDENCE = 0.95


def test_pairing_sees_what_separate_intervals_cannot() -> None:
    rng = np.random.default_rng(5)
    hard = rng.random(500)
    values = np.stack([hard + 0.01 + 0.02 * rng.random(500), hard], axis=1)
    means = bootstrap_means(values, resamples=500, seed=0)
    first, second = (
        mean_interval(float(values[:, at].mean()), means[:, at], users=500, confidence=CONFIDENCE)
        for at in (0, 1)
    )
    assert first is not None
    assert second is not None
    assert first.low < second.high, "the separate intervals overlap"
    found = mean_difference(
        float((values[:, 0] - values[:, 1]).mean()),
        means[:, 0] - means[:, 1],
        users=500,
        confidence=CONFIDENCE,
    )
    assert found is not None
    assert found.low > 0.01
    assert found.p < 0.01


def test_equal_models_differ_by_nothing() -> None:
    means = bootstrap_means(np.random.default_rng(6).random((40, 1)), resamples=100, seed=0)[:, 0]
    found = mean_difference(0.0, means - means, users=40, confidence=CONFIDENCE)
    assert found is not None
    assert (found.low, found.high, found.p) == (0.0, 0.0, 1.0)


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
