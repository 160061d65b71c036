"""Mean and deviation of what the towers read: the standardisation that is part of a tower.

A deviation of zero switches a tower's column off. That is how the towers stay blind to the
co-listening factors, which share their inputs because the kNN term hears them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from colisten.models.items import UNLEARNED
from colisten.training.towers.examples import TowerExamples

# Rows behind the statistics.
_ROWS = 20_000


def user_statistics(examples: TowerExamples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation [width] of the user columns over (a spread sample of) the examples."""
    features = examples.user_features(_spread(len(examples)))
    deviation = features.std(axis=0, dtype=np.float64)
    spec, unlearned = examples.user_spec, examples.item_spec.blocks.get(UNLEARNED, 0)
    for kind in spec.types:
        # Factors are the last block of a history's mean, its counts stand behind.
        stop = spec.history(kind).start + spec.vector_dim
        deviation[stop - unlearned : stop] = 0.0
    return features.mean(axis=0, dtype=np.float64), deviation


def item_statistics(examples: TowerExamples) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and deviation [dense width] of the item columns over (a sample of) the catalogue."""
    features = examples.item_features(_spread(examples.num_items), None)
    deviation = features.std(axis=0, dtype=np.float64)
    deviation[examples.item_spec.unlearned] = 0.0
    return features.mean(axis=0, dtype=np.float64), deviation


def _spread(count: int) -> NDArray[np.int64]:
    """At most `_ROWS` positions out of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, _ROWS)).round().astype(np.int64))
