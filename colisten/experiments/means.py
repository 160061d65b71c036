"""Means and ratios of means of two arms, by tea-tasting: the delta method for ratios, CUPED where
there is a covariate, and the effect that so many users could show.

CUPED (Deng, Xu, Kohavi, Walker 2013) takes off what a user's own past explains: of the metric Y
and its covariate X of before the first showing, Y - theta (X - mean of X), with theta = cov / var
over both arms. What the arms did to users is not in X, so the difference stays what it is and
its variance shrinks by rho squared.
"""

from __future__ import annotations

from colisten.extras import needs

needs("tea_tasting")

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tea_tasting.aggr import Aggregates
from tea_tasting.metrics import RatioOfMeans

from colisten.experiments.metrics import Metric
from colisten.statistics.interval import Interval, normal_quantile
from colisten.statistics.log_ratio import LogRatio

POWER = 0.8
"""Chance with which a detectable effect is found."""

_PER_ERROR = normal_quantile(0.95)


@dataclass(frozen=True, eq=False)
class Moments:
    """Users of one arm, with means and covariances of columns.

    Attributes:
        users: How many.
        means: By column.
        covariances: By pair of columns, both ways, of a sample (ddof 1); nan for one user.
    """

    users: int
    means: dict[str, float]
    covariances: dict[tuple[str, str], float]

    @classmethod
    def of(cls, names: Sequence[str], values: np.ndarray) -> Moments:
        """Of columns of values, float64 [users, names]."""
        users = len(values)
        if users < 2:
            spread = np.full((len(names), len(names)), np.nan)
        else:
            spread = np.atleast_2d(np.cov(values, rowvar=False))
        means = values.mean(axis=0) if users else np.full(len(names), np.nan)
        return cls(
            users,
            dict(zip(names, map(float, means), strict=True)),
            {
                (one, other): float(spread[at, to])
                for at, one in enumerate(names)
                for to, other in enumerate(names)
            },
        )

    @property
    def aggregates(self) -> Aggregates:
        """As tea-tasting reads them."""
        variances = {one: self.covariances[one, one] for one in self.means}
        return Aggregates(self.users, self.means, variances, self.covariances)


@dataclass(frozen=True)
class Change:
    """What an arm changed of a mean, or of a ratio of means.

    Attributes:
        ratio: To the control's; None where one of the two is not above 0.
        difference: From the control's.
        error: Standard error of the difference.
    """

    ratio: LogRatio | None
    difference: float
    error: float

    @property
    def p(self) -> float:
        """Two-sided p-value of no difference."""
        if not self.error:
            return 0.0 if self.difference else 1.0
        return math.erfc(abs(self.difference) / self.error / math.sqrt(2))

    def interval(self, confidence: float) -> Interval:
        """Of the difference."""
        reach = normal_quantile(confidence) * self.error
        return Interval(
            self.difference, self.difference - reach, self.difference + reach, confidence
        )


def mean_interval(moments: Moments, metric: Metric, confidence: float) -> Interval | None:
    """Of one arm, as it was, without a covariate; None where it is not defined."""
    figures = moments.aggregates
    if moments.users < 2 or (metric.denominator and not moments.means[metric.denominator]):
        return None
    below = 1.0 if metric.denominator is None else moments.means[metric.denominator]
    value = moments.means[metric.numerator] / below
    variance = figures.ratio_var(metric.numerator, metric.denominator) / moments.users
    reach = normal_quantile(confidence) * math.sqrt(max(0.0, variance))
    return Interval(value, value - reach, value + reach, confidence)


def change_of(
    treated: Moments, control: Moments, metric: Metric, *, covariate: str | None = None
) -> Change | None:
    """What the arm changed against the control; None where too few users tell.

    Args:
        treated: The arm.
        control: The control.
        metric: Whose columns both have.
        covariate: Column of before the first showing that CUPED reads; None: no CUPED.
    """
    if not _defined(treated, metric) or not _defined(control, metric):
        return None
    raw = [moments.means[metric.numerator] for moments in (control, treated)]
    if _constant(treated, metric) and _constant(control, metric):
        ratio = LogRatio(1.0, 0.0) if raw[0] == raw[1] > 0 else None
        return Change(ratio, raw[1] - raw[0], 0.0)
    found = _method(metric, covariate).analyze_aggregates(control.aggregates, treated.aggregates)
    error = (found.effect_size_ci_upper - found.effect_size_ci_lower) / 2 / _PER_ERROR
    low, high = found.rel_effect_size_ci_lower, found.rel_effect_size_ci_upper
    ratio = None
    # A control of zeros has no ratio, also where its covariate lifts it above them.
    if min(*raw, found.control, found.treatment) > 0 and low > -1 and math.isfinite(high):
        spread = math.log((1 + high) / (1 + low)) / 2 / _PER_ERROR
        ratio = LogRatio(found.treatment / found.control, spread)
    return Change(ratio, float(found.effect_size), float(error))


def detectable(
    treated: Moments,
    control: Moments,
    metric: Metric,
    *,
    alpha: float,
    covariate: str | None = None,
) -> float | None:
    """The lift that so many users show with a chance of `POWER`; None where it is not defined.

    Args:
        treated: Only how many they are is read of the arm.
        control: How much the metric varies without the change.
        metric: Whose columns both have.
        alpha: Level of the two-sided test.
        covariate: As `change_of`.
    """
    if not _defined(control, metric) or treated.users < 2:
        return None
    if (
        not control.means[metric.numerator] > 0
        or not control.covariances[metric.numerator, metric.numerator]
    ):
        return None
    method = _method(
        metric,
        covariate,
        alpha=alpha,
        ratio=treated.users / control.users,
        n_obs=treated.users + control.users,
    )
    [found] = method.solve_power_from_aggregates(control.aggregates, "rel_effect_size")
    return float(found.rel_effect_size)


def _method(metric: Metric, covariate: str | None, **power: float) -> RatioOfMeans:
    return RatioOfMeans(
        metric.numerator,
        metric.denominator,
        covariate,
        confidence_level=0.95,
        equal_var=False,
        use_t=False,
        power=POWER,
        **power,
    )


def _defined(moments: Moments, metric: Metric) -> bool:
    if moments.users < 2:
        return False
    return metric.denominator is None or moments.means[metric.denominator] > 0


def _constant(moments: Moments, metric: Metric) -> bool:
    """Whether no user differs from another."""
    return all(not moments.covariances[name, name] for name in metric.columns)
