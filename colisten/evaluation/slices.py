"""Finer slices: for whom, and for which items, a model is good.

A slice of users takes some users with all their targets. A slice of items takes the users who have
a target among those items and asks for those targets alone: lists stay what they are, a hit on
another item counts for nothing, and coverage is the share of those items that any list shows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from colisten.data.catalogue import Catalogue
from colisten.evaluation.metrics import (
    BLOCK,
    Coverage,
    catalogue_coverage,
    hit_matrix,
    user_metric_names,
    user_metrics,
)
from colisten.evaluation.ragged import Ragged
from colisten.evaluation.split import EvaluationSet

TIERS = 5
NEW_ITEMS = "new items"
_LANGUAGES = 5
_HISTORY = (("1-2 events", 1, 2), ("3-9 events", 3, 9), ("10+ events", 10, None))


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


def user_slices(data: EvaluationSet) -> list[Slice]:
    """All, warm and cold users: the slices of the paper's tables."""
    return [
        Slice("all", np.arange(len(data))),
        Slice("warm", np.flatnonzero(data.warm)),
        Slice("cold", np.flatnonzero(~data.warm)),
    ]


def finer_slices(
    data: EvaluationSet, catalogue: Catalogue, streams: np.ndarray, events: np.ndarray
) -> list[Slice]:
    """Popularity tiers, new items, languages and lengths of history; empty ones are left out.

    Tier 1 is the most streamed fifth of the items that anyone streamed before the cut, tier 5 the
    least streamed fifth (the paper's long tail is tiers 3 to 5); new items nobody streamed.

    Args:
        data: Users and targets.
        catalogue: Where languages come from; they are left out where there is one at most.
        streams: Users who streamed each target item before the cut [num_target].
        events: Events of each user before the cut, all types [U].
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
    found = [Slice(name, _with_target(data, mask), mask) for name, mask in items.items()]
    for name, least, most in _HISTORY:
        own = (events >= least) & ((events <= most) if most else True)
        found.append(Slice(name, np.flatnonzero(own)))
    return [one for one in found if len(one.users)]


def _mask(members: np.ndarray, size: int) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[members] = True
    return mask


def _with_target(data: EvaluationSet, items: np.ndarray) -> np.ndarray:
    wanted: np.ndarray = np.unique(data.targets.rows[items[data.targets.values]])
    return wanted


def _among(targets: Ragged, items: np.ndarray) -> Ragged:
    kept = items[targets.values]
    return Ragged.of(targets.rows[kept], targets.values[kept], len(targets))
