"""Finer slices: for whom, and for which items, a model is good.

A slice of users takes some users with all their targets. A slice of items takes the users who have
a target among those items and asks for those targets alone: lists stay what they are, a hit on
another item counts for nothing, and coverage is the share of those items that any list shows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from colisten.data.catalogue import Catalogue
from colisten.evaluation.beyond_accuracy import BeyondAccuracy
from colisten.evaluation.metrics import (
    BLOCK,
    Coverage,
    catalogue_coverage,
    hit_matrix,
    user_metric_names,
    user_metrics,
)
from colisten.evaluation.split import EvaluationSet
from colisten.features.users import UserBatch
from colisten.ranking.ragged import Ragged
from colisten.statistics.seeds import SeedMeans

TIERS = 5
NEW_ITEMS = "new items"
_LANGUAGES = 5
_HISTORY = (("1-2 events", 1, 2), ("3-9 events", 3, 9), ("10+ events", 10, None))
_TEXT = ("text", "no text")
USER_SLICES = ("all", "warm", "cold", *(name for name, _, _ in _HISTORY), *_TEXT)
"""Slices of users, who are taken with all their targets; every other one is of items."""


@dataclass(frozen=True, eq=False)
class Slice:
    """Some users, and some items if it is a slice of items.

    Attributes:
        name: What the table calls it.
        users: Rows of the evaluation set, int64, ascending.
        items: bool [num_target]; None for all.
    """

    name: str
    users: np.ndarray
    items: np.ndarray | None = None

    def measure(
        self, lists: np.ndarray, data: EvaluationSet, k: int
    ) -> tuple[np.ndarray, Coverage]:
        """Per-user measures [len(users), 4] and coverage of lists [U, depth] on this slice.

        Lists may lie on disk: a block of users at a time is read.
        """
        values = np.empty((len(self.users), len(user_metric_names(k))))
        for start in range(0, len(self.users), BLOCK):
            rows = self.users[start : start + BLOCK]
            targets, counts = data.targets.take(rows), data.num_targets[rows]
            if self.items is not None:
                targets = _among(targets, self.items)
                counts = targets.counts
            hits = hit_matrix(np.asarray(lists[rows]), targets)
            values[start : start + BLOCK] = user_metrics(hits, counts, k)
        counted = data.available if self.items is None else self.items & data.available
        candidates = int(counted.sum())
        return values, catalogue_coverage(lists, candidates, rows=self.users, among=self.items)


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
class SeedRuns:
    """One model's lists.

    Attributes:
        lists: int32 [U, depth] for every training seed.
        beyond: float64 [U, E] for every training seed, what `BeyondAccuracy` says of the
            lists; a user for whom a measure is undefined under one seed has it under none. None
            where it is not asked for.
    """

    lists: Sequence[np.ndarray]
    beyond: Sequence[np.ndarray] | None

    @classmethod
    def of(cls, lists: Sequence[np.ndarray], beyond: BeyondAccuracy | None, k: int) -> SeedRuns:
        """Lists with what their first k items are made of."""
        if beyond is None:
            return cls(lists, None)
        measures = [beyond.measure(items, k) for items in lists]
        undefined = np.any([np.isnan(each) for each in measures], axis=0)
        for each in measures:
            each[undefined] = np.nan
        return cls(lists, measures)

    def on(self, part: Slice, data: EvaluationSet, k: int) -> Sample:
        """Measured on one slice."""
        total, squares = np.zeros(0), np.zeros(0)
        means: list[np.ndarray] = []
        coverages: list[Coverage] = []
        for seed, items in enumerate(self.lists):
            values, coverage = part.measure(items, data, k)
            if self.beyond is not None:
                values = np.concatenate([values, self.beyond[seed][part.users]], axis=1)
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


def user_slices(data: EvaluationSet) -> list[Slice]:
    """All, warm and cold users: the slices of the paper's tables."""
    return [
        Slice("all", np.arange(len(data))),
        Slice("warm", np.flatnonzero(data.warm)),
        Slice("cold", np.flatnonzero(~data.warm)),
    ]


def finer_slices(
    data: EvaluationSet,
    catalogue: Catalogue,
    streams: np.ndarray,
    events: np.ndarray,
    *,
    text: np.ndarray | None = None,
) -> list[Slice]:
    """Popularity tiers, new items, languages, lengths of history, text; empty ones are left out.

    Tier 1 is the most streamed fifth of the items that anyone streamed before the cut, tier 5 the
    least streamed fifth (the paper's long tail is tiers 3 to 5); new items nobody streamed.

    Args:
        data: Users and targets.
        catalogue: Where languages come from; they are left out where there is one at most.
        streams: Users who streamed each target item before the cut [num_target].
        events: Events of each user before the cut, all types [U].
        text: Whether each user's history holds an item with a text vector, bool [U], as `reads`
            says it. Users with and without are left out where it is None or the same for all, for
            then one slice is everybody.
    """
    items: dict[str, np.ndarray] = {}
    streamed = np.flatnonzero(streams > 0)
    ranked = streamed[np.argsort(-streams[streamed], kind="stable")]
    for tier, members in enumerate(np.array_split(ranked, TIERS), start=1):
        items[f"tier {tier}"] = _mask(members, len(streams))
    items[NEW_ITEMS] = streams == 0
    languages = catalogue.languages[catalogue.slice_of(data.target_type)]
    counted = Counter(one for one in languages if one)
    if len(counted) > 1:
        frequent = sorted(counted, key=lambda one: (-counted[one], one))[:_LANGUAGES]
        items |= {f"language {one}": np.asarray(languages == one, dtype=bool) for one in frequent}
    slices = [Slice(name, _with_target(data, mask), mask) for name, mask in items.items()]
    for name, least, most in _HISTORY:
        own = (events >= least) & ((events <= most) if most else True)
        slices.append(Slice(name, np.flatnonzero(own)))
    if text is not None and text.any() and not text.all():
        slices += [
            Slice(name, np.flatnonzero(own)) for name, own in zip(_TEXT, (text, ~text), strict=True)
        ]
    return [one for one in slices if len(one.users)]


def reads(users: UserBatch, vectors: np.ndarray) -> np.ndarray:
    """Whether a user's history holds any item with a text vector, bool [U].

    Args:
        users: Who.
        vectors: Text vectors [num_items, d]; a zero row is an item without text.
    """
    written = np.asarray(np.any(vectors, axis=1))
    found = np.zeros(len(users), dtype=bool)
    for history in users.histories.values():
        owners = np.repeat(np.arange(len(history)), history.counts)
        found[owners[written[history.items]]] = True
    return found


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


def _mask(members: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[members] = True
    return mask


def _with_target(data: EvaluationSet, items: np.ndarray) -> np.ndarray:
    wanted: np.ndarray = np.unique(data.targets.rows[items[data.targets.values]])
    return wanted


def _among(targets: Ragged, items: np.ndarray) -> Ragged:
    among = items[targets.values]
    return Ragged.of(targets.rows[among], targets.values[among], len(targets))
