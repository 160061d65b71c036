"""How far apart two windows' counts over the same bins are, and how far chance alone puts them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_HALF = 0.5
"""Added to each bin, so that an empty one is no infinite distance."""


def psi(reference: Sequence[int], current: Sequence[int]) -> float:
    """Population stability index of two counts over the same bins; 0 where they are alike."""
    before, now = _shares(reference), _shares(current)
    return float(((now - before) * np.log(now / before)).sum())


def jensen_shannon(reference: Sequence[int], current: Sequence[int]) -> float:
    """Jensen-Shannon distance (root of the divergence, natural logarithm), from 0 to .8326."""
    before, now = _shares(reference), _shares(current)
    middle = (before + now) / 2
    divergence = (before * np.log(before / middle) + now * np.log(now / middle)).sum() / 2
    return math.sqrt(max(0.0, float(divergence)))


def chance_psi(bins: int, reference: int, current: int) -> float:
    """Index that counts of one distribution have on average, by the chi-square approximation.

    Args:
        bins: How many.
        reference, current: Rows of the two windows.
    """
    return max(bins - 1, 0) * (1 / max(reference, 1) + 1 / max(current, 1))


def chance_jensen_shannon(bins: int, reference: int, current: int) -> float:
    """The same of the distance, whose square is an eighth of the index where both are small."""
    return math.sqrt(chance_psi(bins, reference, current) / 8)


def _shares(counts: Sequence[int]) -> np.ndarray:
    raised = np.asarray(counts, dtype=np.float64) + _HALF
    shares: np.ndarray = raised / raised.sum()
    return shares
