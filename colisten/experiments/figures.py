"""What the users of one arm did, as far as metrics need it: counts, means and covariances."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from colisten.experiments.means import Change, Moments, change_of, detectable, mean_interval
from colisten.experiments.metrics import Metric
from colisten.statistics.interval import Interval
from colisten.statistics.log_ratio import ratio_of_shares
from colisten.statistics.proportions import wilson


@dataclass(frozen=True, eq=False)
class Figures:
    """Users of one arm.

    Attributes:
        moments: Of the columns that metrics read; a share's column is 0 or 1.
        hits: By share how many of the users did it.
    """

    moments: Moments
    hits: dict[str, int]

    @property
    def users(self) -> int:
        """How many there are."""
        return self.moments.users

    def value(self, metric: Metric, confidence: float) -> Interval | None:
        """The metric as it was; None where it is not defined."""
        if not self.users:
            return None
        if metric.share:
            return wilson(self.hits[metric.name], self.users, confidence)
        return mean_interval(self.moments, metric, confidence)

    def change(self, control: Figures, metric: Metric) -> Change | None:
        """Against the control; None where it is not defined.

        Shares are compared by Katz's log ratio, all else by `means`, with CUPED where the metric
        has a covariate that was read.
        """
        if not self.users or not control.users:
            return None
        if not metric.share:
            return change_of(
                self.moments, control.moments, metric, covariate=self.covariate(metric)
            )
        hits, base = self.hits[metric.name], control.hits[metric.name]
        own, theirs = hits / self.users, base / control.users
        variance = own * (1 - own) / self.users + theirs * (1 - theirs) / control.users
        ratio = ratio_of_shares(hits, self.users, base, control.users)
        return Change(ratio, own - theirs, float(np.sqrt(variance)))

    def detectable(self, control: Figures, metric: Metric, alpha: float) -> float | None:
        """The lift that a test at level `alpha` finds in four of five such experiments."""
        return detectable(
            self.moments,
            control.moments,
            of_column(metric),
            alpha=alpha,
            covariate=self.covariate(metric),
        )

    def covariate(self, metric: Metric) -> str | None:
        """Column that CUPED reads for a metric; None for shares and where it was not read."""
        if metric.share or metric.covariate not in self.moments.means:
            return None
        return metric.covariate


def figures_of(outcomes: pa.Table, members: np.ndarray, metrics: Sequence[Metric]) -> Figures:
    """Of the users that `members` marks, bool [users]."""
    columns = {of_column(metric).numerator: metric_values(outcomes, metric) for metric in metrics}
    further = [
        name
        for metric in metrics
        for name in (metric.denominator, None if metric.share else metric.covariate)
        if name is not None and name in outcomes.column_names
    ]
    columns |= {name: np.asarray(outcomes.column(name), dtype=np.float64) for name in further}
    values = [column[members] for column in columns.values()]
    matrix = np.column_stack(values) if values else np.empty((int(members.sum()), 0))
    moments = Moments.of(list(columns), matrix)
    hits = {
        metric.name: round(moments.means[metric.name] * moments.users) if moments.users else 0
        for metric in metrics
        if metric.share
    }
    return Figures(moments, hits)


def metric_values(outcomes: pa.Table, metric: Metric) -> np.ndarray:
    """By user the numerator, or 0 and 1 for a share, float64 [users]."""
    column = np.asarray(outcomes.column(metric.numerator), dtype=np.float64)
    return (column > 0).astype(np.float64) if metric.share else column


def of_column(metric: Metric) -> Metric:
    """The metric as it reads `Figures`, which have a share's zeros and ones under its name."""
    return replace(metric, numerator=metric.name) if metric.share else metric
