"""Shares of users: the interval of one, the ratio of two, and odds."""

from __future__ import annotations

import math

import numpy as np

from colisten.statistics.interval import Interval, normal_quantile


def wilson(hits: float, users: int, confidence: float) -> Interval:
    """Wilson's interval of the share of `users`, at least one, who did something."""
    z = normal_quantile(confidence)
    share = hits / users
    middle = (share + z * z / (2 * users)) / (1 + z * z / users)
    half = (
        z
        / (1 + z * z / users)
        * math.sqrt(share * (1 - share) / users + z * z / (4 * users * users))
    )
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half), confidence)


def odds_ratios(cells: np.ndarray) -> np.ndarray:
    """Odds ratios of a logistic regression with intercept, by Newton's method.

    Args:
        cells: Rows of (three 0/1 predictors, trials, successes), [cells, 5].
    """
    if len(cells) < 4 or not 0 < cells[:, 4].sum() < cells[:, 3].sum():
        return np.full(3, np.nan)
    inputs = np.column_stack([np.ones(len(cells)), cells[:, :3]])
    trials, successes = cells[:, 3], cells[:, 4]
    weights = np.zeros(4)
    # A trace of ridge keeps a small table, where a cell may be pure, from running away.
    ridge = 1e-6 * np.eye(4)
    for _ in range(30):
        chance = 1 / (1 + np.exp(-(inputs @ weights)))
        gradient = inputs.T @ (successes - trials * chance)
        curvature = (inputs * (trials * chance * (1 - chance))[:, None]).T @ inputs + ridge
        weights = weights + np.clip(np.linalg.solve(curvature, gradient), -2, 2)
    return np.asarray(np.exp(weights[1:]))
