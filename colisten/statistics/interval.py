"""A value with its interval, as computed and as reports keep it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

FEW_USERS = 10
"""With fewer users than this no verdict is given: one user would turn it."""


@dataclass(frozen=True)
class Interval:
    """A value with the ends of its interval.

    Attributes:
        value: What was measured.
        low, high: Ends.
        confidence: Mass of the interval, such as 0.95.
    """

    value: float
    low: float
    high: float
    confidence: float


@dataclass(frozen=True)
class Difference(Interval):
    """First minus second, on the same users.

    Attributes:
        p: Two-sided p-value of no difference.
    """

    p: float


class Part(BaseModel):
    """A frozen part of a report that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(Part):
    """A value in a report; no ends where there is too little for an interval."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, value: float, interval: Interval | None, **further: Any) -> Self:
        """A value with the ends of its interval, where there is one."""
        low, high = (None, None) if interval is None else (interval.low, interval.high)
        return cls(value=value, low=low, high=high, **further)


def normal_quantile(confidence: float) -> float:
    """Standard errors from the value to an end of a normal interval."""
    return NormalDist().inv_cdf(0.5 + confidence / 2)
