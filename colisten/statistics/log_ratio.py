"""The ratio of two estimates, read by its logarithm, which is nearer to normal than it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from colisten.statistics.interval import Difference
from colisten.statistics.sequential import ONE_LOOK, Boundary

_MOST = 700.0
"""Logarithm of what a float just holds."""


@dataclass(frozen=True)
class LogRatio:
    """A ratio of two positive estimates.

    Attributes:
        ratio: First over second, above 0.
        error: Standard error of its logarithm; 0 where nothing varies and the ratio is 1.
    """

    ratio: float
    error: float

    def lift(self, confidence: float, boundary: Boundary = ONE_LOOK) -> Difference:
        """The relative change, ratio - 1, with its interval and p-value.

        Args:
            confidence: Mass of the interval.
            boundary: How far a score has to lie from zero at this look.
        """
        if not self.error:
            return Difference(self.ratio - 1, self.ratio - 1, self.ratio - 1, confidence, 1.0)
        information = self.error**-2
        reach = math.exp(min(_MOST, boundary.critical(1 - confidence, information) * self.error))
        p = boundary.p_value(math.log(self.ratio) / self.error, information)
        return Difference(
            self.ratio - 1, self.ratio / reach - 1, self.ratio * reach - 1, confidence, p
        )


def ratio_of_shares(hits: int, users: int, base_hits: int, base_users: int) -> LogRatio | None:
    """Of two shares of users, by Katz (1978); None where one has no hit."""
    if not hits or not base_hits:
        return None
    ratio = (hits / users) / (base_hits / base_users)
    # Where everybody did it in both, rounding may leave a trace below zero.
    variance = 1 / hits - 1 / users + 1 / base_hits - 1 / base_users
    return LogRatio(ratio, math.sqrt(max(0.0, variance)))
