"""Models beside each other on one slice of users, resampled with the same draws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from colisten.config import Settings
from colisten.evaluation.intervals import (
    Difference,
    Interval,
    bootstrap_means,
    coverage_difference,
    coverage_interval,
    mean_difference,
    mean_interval,
)
from colisten.evaluation.metrics import COVERAGE, Coverage, metric_names, user_metric_names
from colisten.evaluation.rankers import CHANCE


class Part(BaseModel):
    """A frozen part of the table that refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Measure(Part):
    """A value with its interval; None where there is no user, or too few for an interval."""

    value: float | None
    low: float | None
    high: float | None


class Row(Part):
    """One model on one slice; `metrics` by name, such as HR@10."""

    model: str
    slice: str
    users: int
    metrics: dict[str, Measure]


class Contrast(Part):
    """`model` minus `against` on the same users."""

    model: str
    against: str
    slice: str
    metric: str
    value: float
    low: float | None
    high: float | None
    p: float | None

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, eq=False)
class Measured:
    """One model.

    Attributes:
        values: By slice, float64 [users of the slice, 4], columns as in `user_metric_names`.
        coverage: By slice.
    """

    values: dict[str, np.ndarray]
    coverage: dict[str, Coverage]


class Comparison:
    """All models on one slice, resampled together."""

    def __init__(
        self,
        names: list[str],
        measured: list[Measured],
        part: str,
        settings: Settings,
        *,
        seed: int,
    ) -> None:
        self.names = names
        self.part = part
        self.users = len(measured[0].values[part])
        self.k = settings.evaluation.k
        self.confidence = settings.evaluation.confidence
        self.coverage = [model.coverage[part] for model in measured]
        stacked = np.concatenate([model.values[part] for model in measured], axis=1)
        shape = (-1, len(names), len(user_metric_names(self.k)))
        self.values = (stacked.sum(axis=0) / max(self.users, 1)).reshape(shape[1:])
        draws = settings.evaluation.bootstrap if self.users > 1 else 0
        self.means = bootstrap_means(stacked, resamples=draws, seed=seed).reshape(shape)

    def rows(self) -> list[Row]:
        """Every model on this slice."""
        return [
            Row(
                model=name,
                slice=self.part,
                users=self.users,
                metrics={metric: self._measure(at, metric) for metric in metric_names(self.k)},
            )
            for at, name in enumerate(self.names)
        ]

    def against_all(self, subject: str) -> list[Contrast]:
        """The subject minus every other model."""
        first = self.names.index(subject)
        return [
            self._contrast(first, second, metric)
            for second in range(len(self.names))
            if second != first
            for metric in metric_names(self.k)
        ]

    def leads(self) -> list[Contrast]:
        """The best model minus the runner-up, per metric.

        Chance is a yardstick and not a contender (it covers any catalogue), unless it is the only
        thing to compare with.
        """
        contenders = [at for at, name in enumerate(self.names) if name != CHANCE]
        if len(contenders) < 2:
            contenders = list(range(len(self.names)))
        if len(contenders) < 2:
            return []
        found = []
        for metric in metric_names(self.k):
            values = [-self._interval(at, metric).value for at in contenders]
            order = np.argsort(values, kind="stable")
            first, second = contenders[order[0]], contenders[order[1]]
            found.append(self._contrast(first, second, metric))
        return found

    def _measure(self, at: int, metric: str) -> Measure:
        if not self.users:
            return Measure(value=None, low=None, high=None)
        found = self._interval(at, metric)
        return Measure(value=found.value, low=found.low, high=found.high)

    def _interval(self, at: int, metric: str) -> Interval:
        if metric == COVERAGE:
            return coverage_interval(self.coverage[at], confidence=self.confidence)
        column = user_metric_names(self.k).index(metric)
        return mean_interval(
            float(self.values[at, column]),
            self.means[:, at, column],
            users=self.users,
            confidence=self.confidence,
        )

    def _contrast(self, first: int, second: int, metric: str) -> Contrast:
        found = self._difference(first, second, metric)
        return Contrast(
            model=self.names[first],
            against=self.names[second],
            slice=self.part,
            metric=metric,
            value=found.value,
            low=found.low,
            high=found.high,
            p=found.p,
        )

    def _difference(self, first: int, second: int, metric: str) -> Difference:
        if metric == COVERAGE:
            return coverage_difference(
                self.coverage[first], self.coverage[second], confidence=self.confidence
            )
        column = user_metric_names(self.k).index(metric)
        return mean_difference(
            float(self.values[first, column] - self.values[second, column]),
            self.means[:, first, column],
            self.means[:, second, column],
            users=self.users,
            confidence=self.confidence,
        )
