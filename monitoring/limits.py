"""What is usual of a figure, and from where on it has moved: learned from earlier windows.

A figure has moved where a window as usual would show it less than once in ten thousand times, and
where the difference is worth a look besides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

ENOUGH = 8
"""Earlier windows from which on limits are learned."""

ALARM = 1e-4
"""Chance, both sides together, that a usual window lies beyond a learned limit. A report looks at
dozens of figures, and is read every week of the year."""

Source = Literal["windows", "fixed"]
"""Whether earlier windows tell, or fixed limits stand in for too few of them."""

_TREND = 12
"""The latest windows, which a trend is drawn through; growth of half a year ago tells little."""


@dataclass(frozen=True)
class Limit:
    """From where on a figure has moved.

    Attributes:
        usual: What it was expected to be.
        low, high: It has moved beyond either; None where that side is not looked at.
        source: Where it is from.
    """

    usual: float | None
    low: float | None
    high: float | None
    source: Source

    def passed_by(self, value: float) -> bool:
        """Whether a value lies beyond it."""
        return (self.low is not None and value < self.low) or (
            self.high is not None and value > self.high
        )


def level(
    earlier: Sequence[float], *, least: float, chance: float, fixed: float, rises_only: bool = True
) -> Limit:
    """A figure that stays about the same from window to window.

    Args:
        earlier: Its value in earlier windows.
        least: Difference from which on it is worth a look.
        chance: Standard deviation that sampling alone gives it.
        fixed: Difference that is taken while there are too few windows.
        rises_only: Whether a low value is no reason to look.
    """
    windows = len(earlier)
    usual = float(np.mean(earlier)) if windows else None
    middle = 0.0 if usual is None else usual
    source: Source = "windows" if windows >= ENOUGH else "fixed"
    if source == "windows":
        spread = max(float(np.std(earlier, ddof=1)), chance)
        width = max(least, _times(windows - 1) * spread * math.sqrt(1 + 1 / windows))
    else:
        width = max(fixed, _times(None) * chance)
    return Limit(usual, None if rises_only else middle - width, middle + width, source)


def trend(
    earlier: Sequence[float | None],
    *,
    least: float,
    fixed: float,
) -> Limit:
    """A count that may grow or shrink steadily; differences are those of its logarithm.

    Args:
        earlier: Counts of earlier windows, one after the other, the latest last; None where one
            is no measure of what is usual.
        least: Difference from which on it is worth a look, .1 for a tenth.
        fixed: The same while there are too few windows.
    """
    at, logs = _logarithms(earlier)
    if not len(logs):
        return Limit(None, None, None, "fixed")
    if len(logs) < ENOUGH:
        expected = float(logs[-1])
        width = max(-math.log1p(-fixed), _times(None) * math.exp(-expected / 2))
        return _ratio(expected, width, "fixed")
    at, logs = at[-_TREND:], logs[-_TREND:]
    n, middle = len(logs), float(at.mean())
    squares = float(((at - middle) ** 2).sum())
    slope = float(((at - middle) * logs).sum()) / squares
    ahead = len(earlier) - middle
    expected = float(logs.mean()) + slope * ahead
    left = logs - logs.mean() - slope * (at - middle)
    # The root of a count is its sampling error; users who do much at once are in what is left.
    spread = max(math.sqrt(float((left**2).sum()) / (n - 2)), math.exp(-expected / 2))
    error = spread * math.sqrt(1 + 1 / n + ahead**2 / squares)
    width = max(-math.log1p(-least), _times(n - 2) * error)
    return _ratio(expected, width, "windows")


def _logarithms(counts: Sequence[float | None]) -> tuple[np.ndarray, np.ndarray]:
    """Places and logarithms of the counts that are there."""
    known = [(at, count) for at, count in enumerate(counts) if count is not None]
    logs = [math.log(max(count, 0.5)) for _, count in known]
    return np.array([at for at, _ in known], dtype=np.float64), np.array(logs)


def _ratio(expected: float, width: float, source: Source) -> Limit:
    low, high = math.exp(expected - width), math.exp(expected + width)
    return Limit(math.exp(expected), low, high, source)


def _times(freedom: int | None) -> float:
    """Standard deviations that a usual window lies within, by Student's t; None: by the normal."""
    from scipy.special import ndtri, stdtrit

    side = 1 - ALARM / 2
    return float(ndtri(side) if freedom is None else stdtrit(freedom, side))
