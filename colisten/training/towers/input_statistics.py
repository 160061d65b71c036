"""Mean and deviation of what the towers read: the standardisation that is part of a tower.

A deviation of zero switches a tower's column off. That is how the towers stay blind to the
co-listening factors, which share their inputs because the kNN term hears them, and how some members
stay blind to the graph.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import cast

import numpy as np
from numpy.typing import NDArray

from colisten.features.transform import UserFeatureSpec
from colisten.models.items import UNLEARNED
from colisten.models.member import Member
from colisten.models.towers import TwoTowers
from colisten.training.towers.examples import TowerExamples

# Blocks that the graph makes and towers learn from.
OF_GRAPH = ("z",)
# Rows behind the statistics.
_ROWS = 20_000


def standardise(towers: TwoTowers, examples: TowerExamples) -> None:
    """Set what members read; every second one is blind to the graph, where there is one."""
    users, items = user_statistics(examples), item_statistics(examples)
    # Without text the graph is all there is to see.
    hidden = OF_GRAPH if examples.item_spec.blocks["text"] else ()
    blind = examples.item_spec.columns_of(hidden), user_columns(examples, hidden)
    for number, (user, item) in enumerate(
        zip(towers.user.members, towers.item.members, strict=True)
    ):
        for member, (mean, deviation), columns in (
            (user, users, blind[1]),
            (item, items, blind[0]),
        ):
            seen = deviation.copy()
            if number % 2:
                seen[columns] = 0.0
            cast(Member, member).standardise(mean, seen)
    towers.blind = tuple(
        bool(number % 2) and bool(len(blind[0])) for number in range(towers.members)
    )


def warm_column(users: UserFeatureSpec) -> int:
    """The column that says whether a user has a history of the target type."""
    return int(users.history(users.types[0]).stop) - 1


def user_statistics(examples: TowerExamples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation [width] of the user columns over (a spread sample of) the examples."""
    features = examples.user_features(_spread(len(examples)))
    deviation = features.std(axis=0, dtype=np.float64)
    deviation[user_columns(examples, UNLEARNED)] = 0.0
    return features.mean(axis=0, dtype=np.float64), deviation


def item_statistics(examples: TowerExamples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation [dense width] of the item columns over (a sample of) the catalogue."""
    features = examples.item_features(_spread(examples.num_items), None)
    deviation = features.std(axis=0, dtype=np.float64)
    deviation[examples.item_spec.unlearned] = 0.0
    return features.mean(axis=0, dtype=np.float64), deviation


def user_columns(examples: TowerExamples, names: Collection[str]) -> NDArray[np.int64]:
    """User columns [n] int64 that are history means of some blocks."""
    columns: list[int] = []
    for kind in examples.user_spec.types:
        start = examples.user_spec.history(kind).start
        for name, dim in examples.item_spec.blocks.items():
            if name in names:
                columns += range(start, start + dim)
            start += dim
    return np.array(columns, dtype=np.int64)


def _spread(count: int) -> NDArray[np.int64]:
    """At most `_ROWS` positions out of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, _ROWS)).round().astype(np.int64))
