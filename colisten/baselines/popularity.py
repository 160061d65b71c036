"""Popularity with a half-life: the same order for everyone, tuned."""

from __future__ import annotations

import numpy as np

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.features.popularity import DailyPopularity, day_of
from colisten.ranking.top_k import Scorer


def fit_popularity(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Scorer:
    """Decayed counts with a half-life in days, the same for everyone."""
    items, times = train.target_events()
    half_life = (parameters["half_life_days"],)
    popularity = DailyPopularity(items, times, train.num_target, half_life)
    newest = day_of(np.array([times.max(initial=0)])) + 1
    counts = popularity.at(newest)[0, :, 0]
    return lambda rows: np.broadcast_to(counts, (len(rows), len(counts)))


POPULARITY = Baseline(
    "popularity (decayed)", fit_popularity, {"half_life_days": (3.0, 7.0, 14.0, 30.0, 90.0)}
)
