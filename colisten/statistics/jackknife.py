"""Intervals of what is no mean, such as the coverage of a catalogue, which is the size of a union.

A resample holds only 63 % of the distinct users, so its lists always cover less, and a bootstrap
interval need not even contain the measured value. Here the standard error is the jackknife's
instead, leaving out one user at a time. That costs one pass (the loss without a user is what only
that user's list holds), and by Efron and Stein (1981) it is too wide rather than too narrow on
average. The interval is normal around the value; `seeds` adds what several trainings say.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from colisten.statistics.interval import Difference, Interval
from colisten.statistics.seeds import SeedNoise, degrees_of_freedom, quantile_of


def share_interval(
    value: float, losses: np.ndarray, *, confidence: float, noises: Sequence[SeedNoise] = ()
) -> Interval | None:
    """Interval of a share, within [0, 1]; None for fewer than two users.

    Args:
        value: The share.
        losses: What it loses without each user in turn, float64 [U].
        confidence: Mass of the interval.
        noises: What training seeds add.
    """
    users = _jackknife_error(losses)
    if users is None:
        return None
    reach = quantile_of(users**2, noises, confidence) * _joined(users, noises)
    return Interval(value, max(0.0, value - reach), min(1.0, value + reach), confidence)


def share_difference(
    value: float, losses: np.ndarray, *, confidence: float, noises: Sequence[SeedNoise] = ()
) -> Difference | None:
    """Paired difference of two shares over the same users; arguments as in `share_interval`."""
    users = _jackknife_error(losses)
    if users is None:
        return None
    error = _joined(users, noises)
    if error == 0.0:
        return Difference(value, value, value, confidence, 0.0 if value else 1.0)
    reach = quantile_of(users**2, noises, confidence) * error
    freedom = degrees_of_freedom(users**2, noises)
    p = math.erfc(abs(value) / error / math.sqrt(2))
    if freedom is not None:
        p = max(p, 2 * float(special.stdtr(freedom, -abs(value) / error)))
    return Difference(value, value - reach, value + reach, confidence, p)


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
