"""One model on one slice: its lists under every training seed, measured and averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colisten.evaluation.facts import ItemFacts
from colisten.evaluation.metrics import Coverage
from colisten.evaluation.seeds import SeedMeans
from colisten.evaluation.slices import Slice
from colisten.evaluation.split import EvaluationSet


@dataclass(frozen=True, eq=False)
class Sample:
    """One model on one slice.

    Attributes:
        values: float64 [users of the slice, C], each user's mean over seeds; nan where a measure
            is undefined for a user.
        seeds: Means over users under each seed.
        coverage: Mean of the seeds' coverages, and of what each user adds to them.
        coverages: float64 [S, 1], each seed's.
    """

    values: np.ndarray
    seeds: SeedMeans
    coverage: Coverage
    coverages: SeedMeans


@dataclass(frozen=True, eq=False)
class Trials:
    """One model's lists.

    Attributes:
        lists: int32 [U, depth] for every training seed.
        facts: float64 [U, E] for every training seed, what `ItemFacts` says of the lists; a user
            for whom a measure is undefined under one seed has it under none. None without facts.
    """

    lists: Sequence[np.ndarray]
    facts: Sequence[np.ndarray] | None

    @classmethod
    def of(cls, lists: Sequence[np.ndarray], facts: ItemFacts | None, k: int) -> Trials:
        """Lists with what facts say of their first k items."""
        if facts is None:
            return cls(lists, None)
        found = [facts.measure(items, k) for items in lists]
        undefined = np.any([np.isnan(each) for each in found], axis=0)
        for each in found:
            each[undefined] = np.nan
        return cls(lists, found)

    def on(self, part: Slice, data: EvaluationSet, k: int) -> Sample:
        """Measured on one slice."""
        total, squares = np.zeros(0), np.zeros(0)
        means: list[np.ndarray] = []
        coverages: list[Coverage] = []
        for seed, items in enumerate(self.lists):
            values, coverage = part.measure(items, data, k)
            if self.facts is not None:
                values = np.concatenate([values, self.facts[seed][part.users]], axis=1)
            means.append(_mean(values))
            coverages.append(coverage)
            squares = np.nansum(values**2, axis=0) + (squares if seed else 0.0)
            total = total + values if seed else values
        seeds = len(self.lists)
        average = total / seeds
        return Sample(
            average,
            SeedMeans(np.stack(means), _within(average, np.stack(means), squares)),
            Coverage(
                float(np.mean([each.value for each in coverages])),
                np.mean([each.alone for each in coverages], axis=0),
            ),
            # The jackknife is too wide as it is; nothing is taken off the spread of coverages.
            SeedMeans(np.array([[each.value] for each in coverages]), np.zeros(1)),
        )


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over the users for whom a measure is defined; nan where it is for none."""
    known = (~np.isnan(values)).sum(axis=0)
    sums = np.nansum(values, axis=0)
    means: np.ndarray = np.where(known > 0, sums / np.maximum(known, 1), np.nan)
    return means


def _within(average: np.ndarray, means: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """c_hat / U of `seeds`: the mean square of users by seeds in a two-way table, over U.

    Args:
        average: float64 [U, C], mean over seeds.
        means: float64 [S, C], mean over users.
        squares: float64 [C], sum of the squares of all values.
    """
    seeds = len(means)
    users = (~np.isnan(average)).sum(axis=0)
    if seeds < 2:
        return np.zeros(len(users))
    left = squares - seeds * np.nansum(average**2, axis=0)
    left = left - users * np.nan_to_num(means.var(axis=0)) * seeds
    freedom = np.maximum(1, (seeds - 1) * (users - 1) * users)
    return np.asarray(np.maximum(0.0, left) / freedom)
