"""Arms side by side: rates per user with intervals, lifts against the control, and a check that
the split came out as planned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats

from colisten.errors import ReportError

RATES = ("stream_rate", "new_start_rate")


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Arm:
    """One arm: exposed users and their rates (share of users with at least one)."""

    name: str
    users: int
    stream_rate: Interval
    new_start_rate: Interval


@dataclass(frozen=True)
class Lift:
    """Relative change of a rate of `arm` against the control, with a two-sided p-value."""

    arm: str
    rate: str
    lift: Interval
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """The whole reading of an experiment.

    Attributes:
        control: Name of the arm that the others are compared with.
        arms: Every arm, the control first.
        lifts: One per other arm and rate.
        split_p_value: Chi-square test of users per arm against the planned shares; below .001
            the assignment or the logging is broken (sample ratio mismatch).
        excluded: Users who saw more than one arm; they are in no arm.
        confidence: Mass of the intervals.
    """

    control: str
    arms: tuple[Arm, ...]
    lifts: tuple[Lift, ...]
    split_p_value: float
    excluded: int
    confidence: float

    @property
    def split_is_sound(self) -> bool:
        """Whether the users per arm can be a draw of the planned shares."""
        return self.split_p_value >= 1e-3

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def compare_arms(
    outcomes: pa.Table,
    *,
    control: str,
    shares: Mapping[str, float],
    confidence: float = 0.95,
) -> Comparison:
    """Read an experiment from `user_outcomes`.

    Rates are shares of users, so each user counts once however often they came; their
    intervals are Wilson's, those of the relative lifts Katz's (log ratio).

    Args:
        outcomes: One row per exposed user.
        control: The arm to compare with.
        shares: Planned share of users per arm.
        confidence: Mass of the intervals.

    Raises:
        ReportError: The control has no users, or an arm is not among `shares`.
    """
    mixed = np.asarray(outcomes.column("variants")) > 1
    variants = np.asarray(outcomes.column("variant").to_pylist(), dtype=object)
    unknown = sorted(set(variants) - set(shares))
    if unknown:
        raise ReportError(f"Arms {unknown} were shown but not planned.", "Name them in shares.")
    happened = {
        "stream_rate": np.asarray(outcomes.column("streams")) > 0,
        "new_start_rate": np.asarray(outcomes.column("new_starts")) > 0,
    }
    names = [control, *sorted(set(shares) - {control})]
    rows = {name: (variants == name) & ~mixed for name in names}
    users = {name: int(chosen.sum()) for name, chosen in rows.items()}
    if not users[control]:
        raise ReportError(f"The control arm '{control}' has no users.")
    hits = {name: {rate: int(happened[rate][rows[name]].sum()) for rate in RATES} for name in names}
    names = [name for name in names if users[name]]
    arms = tuple(
        Arm(
            name,
            users[name],
            *(wilson(hits[name][rate], users[name], confidence) for rate in RATES),
        )
        for name in names
    )
    lifts = tuple(
        _lift(
            name,
            rate,
            hits[name][rate],
            users[name],
            hits[control][rate],
            users[control],
            confidence,
        )
        for name in names[1:]
        for rate in RATES
    )
    return Comparison(
        control=control,
        arms=arms,
        lifts=lifts,
        split_p_value=_split_p_value(users, shares),
        excluded=int(mixed.sum()),
        confidence=confidence,
    )


def wilson(hits: int, users: int, confidence: float) -> Interval:
    """Wilson's interval of a share."""
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = hits / users
    middle = (share + z * z / (2 * users)) / (1 + z * z / users)
    half = (
        z
        / (1 + z * z / users)
        * math.sqrt(share * (1 - share) / users + z * z / (4 * users * users))
    )
    return Interval(share, max(0.0, middle - half), min(1.0, middle + half))


def _lift(
    arm: str, rate: str, hits: int, users: int, base_hits: int, base_users: int, confidence: float
) -> Lift:
    if not hits or not base_hits:
        nothing = Interval(math.nan, math.nan, math.nan)
        return Lift(arm, rate, nothing, math.nan)
    ratio = (hits / users) / (base_hits / base_users)
    error = math.sqrt(1 / hits - 1 / users + 1 / base_hits - 1 / base_users)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    low, high = ratio * math.exp(-z * error), ratio * math.exp(z * error)
    score = abs(math.log(ratio)) / error if error else math.inf
    return Lift(arm, rate, Interval(ratio - 1, low - 1, high - 1), 2 * NormalDist().cdf(-score))


def _split_p_value(users: Mapping[str, int], shares: Mapping[str, float]) -> float:
    total = sum(users.values())
    observed = np.array([users[name] for name in users], dtype=float)
    expected = np.array([shares[name] * total for name in users])
    return float(stats.chisquare(observed, expected).pvalue)
