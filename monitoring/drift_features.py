"""Users as a release sees them: vectors and scores, which drift is read from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from colisten.features.users import UserBatch
from colisten.models.onnx_tower import OnnxUserTower
from colisten.monitoring.axes import spread_axes

AXES = 8
TOP = 10
_BLOCK = 2048


def drift_features(users: UserBatch, tower: OnnxUserTower) -> pd.DataFrame:
    """One row per user: where their vector points, how it scores.

    Vectors are shown on the `AXES` directions in which the catalogue's item vectors spread most,
    so the same axes serve every window under one release. Scores are the best and the mean of
    the ten best inner products.
    """
    vectors = tower.user_vectors(users)
    axes = spread_axes(tower.item_vectors, AXES)
    columns = {
        f"vector_axis_{at}": column.astype(float) for at, column in enumerate((vectors @ axes).T)
    }
    best = _best_scores(vectors, tower.item_vectors)
    columns["score_best"] = best.max(axis=1) if best.shape[1] else np.full(len(best), np.nan)
    columns["score_top10"] = best.mean(axis=1) if best.shape[1] else np.full(len(best), np.nan)
    return pd.DataFrame(columns)


def _best_scores(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The `TOP` best inner products of each user, [B, <= TOP]."""
    top = min(TOP, len(items))
    out = np.empty((len(users), top))
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK] @ items.T
        out[start : start + _BLOCK] = -np.partition(-block, top - 1, axis=1)[:, :top]
    return out
