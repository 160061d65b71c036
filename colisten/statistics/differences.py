"""Paired differences of two models on the same users: from shared draws, and by an exact test."""

from __future__ import annotations

import numpy as np
from scipy import special

from colisten.statistics.bootstrap import percentiles
from colisten.statistics.interval import Difference


def mean_difference(
    value: float, differences: np.ndarray, *, users: int, confidence: float
) -> Difference | None:
    """Percentile interval of a paired difference; None for fewer than two users.

    Args:
        value: The difference.
        differences: Its resampled values [B] of equal draws.
        users: How many have a value.
        confidence: Mass of the interval.
    """
    if users < 2:
        return None
    differences = differences[~np.isnan(differences)]
    # One more draw on each side keeps p above zero: B draws cannot show p < 1 / B.
    below = (1 + int((differences <= 0).sum())) / (1 + len(differences))
    above = (1 + int((differences >= 0).sum())) / (1 + len(differences))
    p = min(1.0, 2 * min(below, above))
    return Difference(value, *percentiles(differences, confidence), confidence, p)


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
