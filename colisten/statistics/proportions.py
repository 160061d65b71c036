"""Shares of users: the interval of one, the ratio of two, and odds."""

from __future__ import annotations

import math

import numpy as np

from colisten.statistics.interval import Difference, Interval, normal_quantile
from colisten.statistics.sequential import ONE_LOOK, Boundary


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
    hits: int,
    users: int,
    base_hits: int,
    base_users: int,
    confidence: float,
    boundary: Boundary = ONE_LOOK,
) -> Difference | None:
    """Relative change of a share against a base, by Katz's log ratio; None where one has no hit.

    Args:
        hits, users: Of the share.
        base_hits, base_users: Of the base.
        confidence: Mass of the interval.
        boundary: How far a score has to lie from zero at this look.
    """
    if not hits or not base_hits:
        return None
    ratio = (hits / users) / (base_hits / base_users)
    error = math.sqrt(1 / hits - 1 / users + 1 / base_hits - 1 / base_users)
    return relative_difference(ratio, error, confidence, boundary)


def relative_difference(
    ratio: float, error: float, confidence: float, boundary: Boundary = ONE_LOOK
) -> Difference:
    """Relative change from a ratio and the standard error of its logarithm.

    Without an error everybody did it in both, and the ratio is 1.
    """
    if not error:
        return Difference(ratio - 1, ratio - 1, ratio - 1, confidence, 1.0)
    information = error**-2
    reach = boundary.critical(1 - confidence, information) * error
    p = boundary.p_value(math.log(ratio) / error, information)
    return Difference(
        ratio - 1, ratio * math.exp(-reach) - 1, ratio * math.exp(reach) - 1, confidence, p
    )


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
