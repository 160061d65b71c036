"""How sure a number is: intervals over users, and of the difference of two models.

**Means** (HR, MRR, recall, NDCG): bootstrap over users with percentile intervals (Efron 1979).
All models are resampled with the same draws, so the difference of two models is paired: what
makes a user easy or hard for both cancels.

**Coverage** is the size of a union, not a mean. A resample holds only 63 % of the distinct users,
so its lists always cover less, and a bootstrap interval need not even contain the measured value.
Here the standard error is the jackknife's instead, leaving out one user at a time. That costs one
pass (the loss without a user is what only that user's list holds), and by Efron and Stein (1981)
it is too wide rather than too narrow on average. The interval is normal around the value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from colisten.evaluation.metrics import Coverage
from colisten.progress import track


@dataclass(frozen=True)
class Interval:
    """A value with its interval; the ends are None where fewer than two users were measured."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference(Interval):
    """First model minus second.

    Attributes:
        p: Two-sided p-value of no difference; None where there is no interval.
    """

    p: float | None


def bootstrap_means(values: np.ndarray, *, resamples: int, seed: int) -> np.ndarray:
    """Column means of resampled users.

    Args:
        values: float64 [U, C], one row a user; all columns share each draw.
        resamples: Number B of draws of U users with replacement.
        seed: Equal seeds give equal draws.

    Returns:
        float64 [B, C].
    """
    users = len(values)
    means = np.empty((resamples, values.shape[1]))
    rng = np.random.default_rng([seed, users])
    for draw in track(range(resamples), "resampling users"):
        counts = np.bincount(rng.integers(users, size=users), minlength=users)
        means[draw] = counts @ values
    return means / max(users, 1)


def mean_interval(value: float, means: np.ndarray, *, users: int, confidence: float) -> Interval:
    """Percentile interval of a mean from its resampled means [B]."""
    if users < 2:
        return Interval(value, None, None)
    low, high = _percentiles(means, confidence)
    return Interval(value, low, high)


def mean_difference(
    value: float, first: np.ndarray, second: np.ndarray, *, users: int, confidence: float
) -> Difference:
    """Percentile interval of a paired difference from resampled means [B] of equal draws."""
    if users < 2:
        return Difference(value, None, None, None)
    differences = first - second
    low, high = _percentiles(differences, confidence)
    # One more draw on each side keeps p above zero: B draws cannot show p < 1 / B.
    below = (1 + int((differences <= 0).sum())) / (1 + len(differences))
    above = (1 + int((differences >= 0).sum())) / (1 + len(differences))
    return Difference(value, low, high, min(1.0, 2 * min(below, above)))


def coverage_interval(coverage: Coverage, *, confidence: float) -> Interval:
    """Normal interval with the jackknife's error, within [0, 1]."""
    error = _jackknife_error(coverage.alone)
    if error is None:
        return Interval(coverage.value, None, None)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return Interval(
        coverage.value, max(0.0, coverage.value - reach), min(1.0, coverage.value + reach)
    )


def coverage_difference(first: Coverage, second: Coverage, *, confidence: float) -> Difference:
    """Paired difference of two models' coverage on the same users, in the same order."""
    value = first.value - second.value
    error = _jackknife_error(first.alone - second.alone)
    if error is None:
        return Difference(value, None, None, None)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    if error == 0.0:
        return Difference(value, value, value, 0.0 if value else 1.0)
    p = math.erfc(abs(value) / error / math.sqrt(2))
    return Difference(value, value - reach, value + reach, p)


def _jackknife_error(losses: np.ndarray) -> float | None:
    """Standard error of a statistic that loses `losses` [U] without each user in turn."""
    users = len(losses)
    if users < 2:
        return None
    spread = float(((losses - losses.mean()) ** 2).sum())
    return math.sqrt(spread * (users - 1) / users)


def _percentiles(samples: np.ndarray, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)
