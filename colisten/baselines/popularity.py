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
    counts = decayed_counts(train, parameters["half_life_days"])
    return lambda rows: np.broadcast_to(counts, (len(rows), len(counts)))


def decayed_counts(train: InteractionMatrix, half_life_days: float) -> np.ndarray:
    """log(1 + events, each of which weighs 0.5^(age / half-life)), float32 [num_target]."""
    items, times = train.target_events()
    popularity = DailyPopularity(items, times, train.num_target, (half_life_days,))
    newest = day_of(np.array([times.max(initial=0)])) + 1
    counts: np.ndarray = popularity.at(newest)[0, :, 0]
    return counts


def decayed_shares(train: InteractionMatrix, half_life_days: float) -> np.ndarray:
    """What share of all decayed events each item has, float32 [num_target]; zeros without any."""
    counts = np.expm1(decayed_counts(train, half_life_days).astype(np.float64))
    shares: np.ndarray = counts / max(counts.sum(), np.finfo(np.float64).tiny)
    return shares.astype(np.float32)


POPULARITY = Baseline(
    "popularity (decayed)", fit_popularity, {"half_life_days": (3.0, 7.0, 14.0, 30.0, 90.0)}
)
