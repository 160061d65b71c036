"""The ratio of two estimates, read by its logarithm, which is nearer to normal than it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

from colisten.statistics.interval import Difference, normal_quantile


@dataclass(frozen=True)
class LogRatio:
    """A ratio of two positive estimates.

    Attributes:
        ratio: First over second, above 0.
        error: Standard error of its logarithm.
    """

    ratio: float
    error: float

    @property
    def p(self) -> float:
        """Two-sided p-value of a ratio of 1."""
        distance = abs(math.log(self.ratio))
        if not self.error:
            return 0.0 if distance else 1.0
        # Not by the normal distribution's cdf, which loses what lies below 1e-16.
        return math.erfc(distance / self.error / math.sqrt(2))

    def lift(self, confidence: float) -> Difference:
        """The relative change, ratio - 1, with its interval and p-value."""
        return self.lift_within(normal_quantile(confidence), confidence)

    def lift_within(self, errors: float, confidence: float) -> Difference:
        """As `lift`, with ends so many standard errors of the logarithm away."""
        # Beyond this the upper end is more than a float holds.
        reach = math.exp(min(700.0, errors * self.error))
        low, high = self.ratio / reach, self.ratio * reach
        return Difference(self.ratio - 1, low - 1, high - 1, confidence, self.p)


def ratio_of_shares(hits: int, users: int, base_hits: int, base_users: int) -> LogRatio | None:
    """Of two shares of users, by Katz (1978); None where one has no hit."""
    if not hits or not base_hits:
        return None
    ratio = (hits / users) / (base_hits / base_users)
    # Where everybody did it in both, rounding may leave a trace below zero.
    variance = 1 / hits - 1 / users + 1 / base_hits - 1 / base_users
    return LogRatio(ratio, math.sqrt(max(0.0, variance)))
