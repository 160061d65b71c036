"""Shares of users: the interval of one, the ratio of two, and odds."""

from __future__ import annotations

import math

import numpy as np

from colisten.statistics.interval import Difference, Interval, normal_quantile


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


def relative_lift(
    hits: int, users: int, base_hits: int, base_users: int, confidence: float
) -> Difference | None:
    """Relative change of a share against a base, by Katz's log ratio; None where one has no hit."""
    if not hits or not base_hits:
        return None
    ratio = (hits / users) / (base_hits / base_users)
    error = math.sqrt(1 / hits - 1 / users + 1 / base_hits - 1 / base_users)
    z = normal_quantile(confidence)
    low, high = ratio * math.exp(-z * error), ratio * math.exp(z * error)
    # Without an error everybody did it in both, and the ratio is 1.
    score = abs(math.log(ratio)) / error if error else 0.0
    # Not by the normal distribution's cdf, which loses what lies below 1e-16.
    return Difference(ratio - 1, low - 1, high - 1, confidence, math.erfc(score / math.sqrt(2)))


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
