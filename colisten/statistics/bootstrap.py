"""How sure a number is: intervals over users, and of the difference of two models.

**Means** (HR, MRR, recall, NDCG): bootstrap over users with percentile intervals (Efron 1979).
All models are resampled with the same draws, so the difference of two models is paired: what
makes a user easy or hard for both cancels.

**Coverage** is the size of a union, not a mean. A resample holds only 63 % of the distinct users,
so its lists always cover less, and a bootstrap interval need not even contain the measured value.
Here the standard error is the jackknife's instead, leaving out one user at a time. That costs one
pass (the loss without a user is what only that user's list holds), and by Efron and Stein (1981)
it is too wide rather than too narrow on average. The interval is normal around the value.

Where a model was trained under several seeds, `seeds` adds what they say to both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from colisten.evaluation.metrics import Coverage
from colisten.progress import track
from colisten.statistics.seeds import SeedNoise, degrees_of_freedom, quantile_of


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
        values: float64 [U, C], one row a user; all columns share each draw. A user whose value
            is nan is left out of that column's means.
        resamples: Number B of draws of U users with replacement.
        seed: Equal seeds give equal draws.

    Returns:
        float64 [B, C]; nan where a draw holds no user with a value.
    """
    users = len(values)
    means = np.empty((resamples, values.shape[1]))
    missing = np.isnan(values)
    partial = np.flatnonzero(missing.any(axis=0))
    known = (~missing[:, partial]).astype(np.float64)
    sizes = np.empty((resamples, len(partial)))
    if len(partial):
        values = np.where(missing, 0.0, values)
    rng = np.random.default_rng([seed, users])
    for draw in track(range(resamples), "resampling users"):
        counts = np.bincount(rng.integers(users, size=users), minlength=users)
        means[draw] = counts @ values
        if len(partial):
            sizes[draw] = counts @ known
    with np.errstate(invalid="ignore"):
        ratios = means[:, partial] / sizes
    means /= max(users, 1)
    means[:, partial] = ratios
    return means


def mean_interval(value: float, means: np.ndarray, *, users: int, confidence: float) -> Interval:
    """Percentile interval of a mean from its resampled means [B]; `users` have a value."""
    if users < 2:
        return Interval(value, None, None)
    low, high = _percentiles(means, confidence)
    return Interval(value, low, high)


def mean_difference(
    value: float, differences: np.ndarray, *, users: int, confidence: float
) -> Difference:
    """Percentile interval of a paired difference from its resampled values [B] of equal draws."""
    if users < 2:
        return Difference(value, None, None, None)
    differences = differences[~np.isnan(differences)]
    low, high = _percentiles(differences, confidence)
    # One more draw on each side keeps p above zero: B draws cannot show p < 1 / B.
    below = (1 + int((differences <= 0).sum())) / (1 + len(differences))
    above = (1 + int((differences >= 0).sum())) / (1 + len(differences))
    return Difference(value, low, high, min(1.0, 2 * min(below, above)))


def coverage_interval(
    coverage: Coverage, *, confidence: float, noises: Sequence[SeedNoise] = ()
) -> Interval:
    """Interval with the jackknife's error and that of seeds, within [0, 1]."""
    users = _jackknife_error(coverage.alone)
    if users is None:
        return Interval(coverage.value, None, None)
    reach = quantile_of(users**2, noises, confidence) * _joined(users, noises)
    return Interval(
        coverage.value, max(0.0, coverage.value - reach), min(1.0, coverage.value + reach)
    )


def coverage_difference(
    first: Coverage, second: Coverage, *, confidence: float, noises: Sequence[SeedNoise] = ()
) -> Difference:
    """Paired difference of two models' coverage on the same users, in the same order."""
    value = first.value - second.value
    users = _jackknife_error(first.alone - second.alone)
    if users is None:
        return Difference(value, None, None, None)
    error = _joined(users, noises)
    if error == 0.0:
        return Difference(value, value, value, 0.0 if value else 1.0)
    reach = quantile_of(users**2, noises, confidence) * error
    freedom = degrees_of_freedom(users**2, noises)
    p = math.erfc(abs(value) / error / math.sqrt(2))
    if freedom is not None:
        p = max(p, 2 * float(special.stdtr(freedom, -abs(value) / error)))
    return Difference(value, value - reach, value + reach, p)


def mcnemar(first: np.ndarray, second: np.ndarray) -> float:
    """Exact two-sided p-value that two models hit equally many of the same users.

    Only users whom one model hits and the other misses speak; if neither is better each of them
    is a fair coin (McNemar 1947, exact form).

    Args:
        first: 0 or 1 a user [U].
        second: 0 or 1 for the same users.
    """
    won, lost = int((first > second).sum()), int((first < second).sum())
    return min(1.0, 2 * float(special.bdtr(min(won, lost), won + lost, 0.5)))


def _joined(users: float, noises: Sequence[SeedNoise]) -> float:
    """Standard error of users and seeds together."""
    seeds = sum(noise.variance for noise in noises)
    return math.sqrt(users**2 + seeds) if seeds else users


def _jackknife_error(losses: np.ndarray) -> float | None:
    """Standard error of a statistic that loses `losses` [U] without each user in turn."""
    users = len(losses)
    if users < 2:
        return None
    spread = float(((losses - losses.mean()) ** 2).sum())
    return math.sqrt(spread * (users - 1) / users)


def _percentiles(samples: np.ndarray, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples[~np.isnan(samples)], [tail, 1 - tail])
    return float(low), float(high)
