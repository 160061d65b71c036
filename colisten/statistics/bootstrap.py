"""Intervals of means: the bootstrap over users with percentile intervals (Efron 1979).

All models are resampled with the same draws, so the difference of two models is paired: what
makes a user easy or hard for both cancels (`differences`). Where a model was trained under several
seeds, `seeds` adds what they say.
"""

from __future__ import annotations

import numpy as np

from colisten.progress import track
from colisten.statistics.interval import Interval


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


def mean_interval(
    value: float, means: np.ndarray, *, users: int, confidence: float
) -> Interval | None:
    """Percentile interval of a mean from its resampled means [B]; None for fewer than two users.

    Args:
        value: The mean.
        means: float64 [B]; nan where a draw holds no user with a value.
        users: How many have a value.
        confidence: Mass of the interval.
    """
    if users < 2:
        return None
    return Interval(value, *percentiles(means, confidence), confidence)


def percentiles(samples: np.ndarray, confidence: float) -> tuple[float, float]:
    """Between which the middle `confidence` of the samples [B] lies, nan left out."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples[~np.isnan(samples)], [tail, 1 - tail])
    return float(low), float(high)
