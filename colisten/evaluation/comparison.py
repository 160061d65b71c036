"""Models beside each other on one slice of users, resampled with the same draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from colisten.evaluation.metrics import COVERAGE, metric_names, user_metric_names
from colisten.evaluation.slices import Sample
from colisten.ranking.rankers import CHANCE
from colisten.settings.sections import EvaluationSettings
from colisten.statistics.bootstrap import bootstrap_means, mean_interval
from colisten.statistics.differences import mcnemar, mean_difference
from colisten.statistics.interval import Difference, Estimate, Interval, Part
from colisten.statistics.jackknife import share_difference, share_interval
from colisten.statistics.seeds import SeedMeans, SeedNoise, with_seeds


class Measure(Estimate):
    """A value with its interval; None where there is no user, or too few for an interval.

    Attributes:
        spread: Standard deviation over training seeds; None for one.
        by_seed: The value under each seed, in order; empty for one.
    """

    spread: float | None = None
    by_seed: tuple[float, ...] = ()


class Row(Part):
    """One model on one slice; `metrics` by name, such as HR@10, over `seeds` trainings."""

    model: str
    slice: str
    users: int
    metrics: dict[str, Measure]
    seeds: int = 1


class Contrast(Part):
    """`model` minus `against` on the same users.

    Attributes:
        p: Two-sided, from the interval's own draws.
        p_test: Two-sided, by the exact McNemar test, which shares nothing with those draws; of
            hit rates of models with one training seed each, else None.
    """

    model: str
    against: str
    slice: str
    metric: str
    value: float
    low: float | None
    high: float | None
    p: float | None
    p_test: float | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


class Comparison:
    """All models on one slice, resampled together.

    Args:
        names: Of the models.
        samples: Each model's measures on the slice.
        part: Name of the slice.
        settings: How.
        seed: Of the resampling.
        further: Names of the per-user measures behind those of `user_metric_names`.
    """

    def __init__(
        self,
        names: list[str],
        samples: list[Sample],
        part: str,
        settings: EvaluationSettings,
        *,
        seed: int,
        further: Sequence[str] = (),
    ) -> None:
        self.names = names
        self.samples = samples
        self.part = part
        self.users = len(samples[0].values)
        self.k = settings.k
        self.confidence = settings.confidence
        self.columns = (*user_metric_names(self.k), *further)
        self.metrics = (*metric_names(self.k), *further)
        stacked = np.concatenate([sample.values for sample in samples], axis=1)
        shape = (-1, len(names), len(self.columns))
        self.known = (~np.isnan(stacked)).sum(axis=0).reshape(shape[1:])
        sums = np.nansum(stacked, axis=0).reshape(shape[1:])
        self.values = np.where(self.known > 0, sums / np.maximum(self.known, 1), np.nan)
        draws = settings.bootstrap if self.users > 1 else 0
        self.means = bootstrap_means(stacked, resamples=draws, seed=seed).reshape(shape)
        # Seeds are drawn apart from users, so that users are drawn alike however many there are.
        self.noise = [
            sample.seeds.draws(draws, np.random.default_rng([seed, self.users, 1 + at]))
            if len(sample.seeds) > 1
            else np.zeros((0, len(self.columns)))
            for at, sample in enumerate(samples)
        ]

    def rows(self) -> list[Row]:
        """Every model on this slice."""
        return [
            Row(
                model=name,
                slice=self.part,
                users=self.users,
                metrics={metric: self._measure(at, metric) for metric in self.metrics},
                seeds=len(self.samples[at].seeds),
            )
            for at, name in enumerate(self.names)
        ]

    def against_all(self, subject: str) -> list[Contrast]:
        """The subject minus every other model, on every measure that both have."""
        first = self.names.index(subject)
        contrasts = [
            self._contrast(first, second, metric)
            for second in range(len(self.names))
            if second != first
            for metric in self.metrics
        ]
        return [each for each in contrasts if not np.isnan(each.value)]

    def most_hits(self) -> str:
        """The model with the highest HR@k; of equal ones the first."""
        return self.names[int(np.argmax([each.values[:, 0].sum() for each in self.samples]))]

    def leads(self) -> list[Contrast]:
        """The best model minus the runner-up, per measure of accuracy and coverage.

        Chance is a yardstick and not a contender (it covers any catalogue), unless it is the only
        thing to compare with. What only describes lists (popularity, novelty, diversity) has no
        best model.
        """
        contenders = [at for at, name in enumerate(self.names) if name != CHANCE]
        if len(contenders) < 2:
            contenders = list(range(len(self.names)))
        if len(contenders) < 2:
            return []
        leads = []
        for metric in metric_names(self.k):
            values = [-self._value(at, metric) for at in contenders]
            order = np.argsort(values, kind="stable")
            first, second = contenders[order[0]], contenders[order[1]]
            leads.append(self._contrast(first, second, metric))
        return leads

    def _measure(self, at: int, metric: str) -> Measure:
        if not self.users or np.isnan(self._value(at, metric)):
            return Measure(value=None)
        means, column = self._seeds(at, metric)
        several = len(means) > 1
        return Measure.of(
            self._value(at, metric),
            self._interval(at, metric),
            spread=float(means.spread[column]) if several else None,
            by_seed=tuple(means.means[:, column].tolist()) if several else (),
        )

    def _value(self, at: int, metric: str) -> float:
        if metric == COVERAGE:
            return self.samples[at].coverage.value
        return float(self.values[at, self.columns.index(metric)])

    def _interval(self, at: int, metric: str) -> Interval | None:
        value, noises = self._value(at, metric), [self._noise(at, metric)]
        if metric == COVERAGE:
            alone = self.samples[at].coverage.alone
            return share_interval(value, alone, confidence=self.confidence, noises=noises)
        column = self.columns.index(metric)
        return mean_interval(
            value,
            with_seeds(value, self.means[:, at, column], noises, self.confidence),
            users=int(self.known[at, column]),
            confidence=self.confidence,
        )

    def _contrast(self, first: int, second: int, metric: str) -> Contrast:
        value = self._value(first, metric) - self._value(second, metric)
        difference = self._difference(first, second, metric, value)
        return Contrast(
            model=self.names[first],
            against=self.names[second],
            slice=self.part,
            metric=metric,
            value=value,
            low=difference.low if difference else None,
            high=difference.high if difference else None,
            p=difference.p if difference else None,
            p_test=self._test(first, second, metric),
        )

    def _difference(self, first: int, second: int, metric: str, value: float) -> Difference | None:
        noises = [self._noise(first, metric), self._noise(second, metric, sign=-1.0)]
        if metric == COVERAGE:
            alone = self.samples[first].coverage.alone - self.samples[second].coverage.alone
            return share_difference(value, alone, confidence=self.confidence, noises=noises)
        column = self.columns.index(metric)
        draws = self.means[:, first, column] - self.means[:, second, column]
        return mean_difference(
            value,
            with_seeds(value, draws, noises, self.confidence),
            users=int(min(self.known[first, column], self.known[second, column])),
            confidence=self.confidence,
        )

    def _test(self, first: int, second: int, metric: str) -> float | None:
        pair = self.samples[first], self.samples[second]
        if metric != self.columns[0] or any(len(one.seeds) > 1 for one in pair):
            return None
        return mcnemar(pair[0].values[:, 0], pair[1].values[:, 0])

    def _seeds(self, at: int, metric: str) -> tuple[SeedMeans, int]:
        """Where a model's measure under each seed lies."""
        if metric == COVERAGE:
            return self.samples[at].coverages, 0
        return self.samples[at].seeds, self.columns.index(metric)

    def _noise(self, at: int, metric: str, *, sign: float = 1.0) -> SeedNoise:
        means, column = self._seeds(at, metric)
        draws = np.zeros(0) if metric == COVERAGE else sign * self.noise[at][:, column]
        return SeedNoise(len(means), float(means.variance[column]), draws)
