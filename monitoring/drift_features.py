"""Users of one window as a frame: what drift is read from."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from colisten.data.interactions import read_interactions
from colisten.features.users import UserBatch
from colisten.models.onnx_tower import OnnxUserTower

AXES = 8
TOP = 10
_BLOCK = 2048


def active_users(history: Path, *, since: datetime, until: datetime) -> np.ndarray:
    """Users with any event in `[since, until)`, object array, sorted."""
    events = read_interactions(history, as_of=until, since=since, columns=("user_id",))
    return np.asarray(sorted(events.column("user_id").unique().to_pylist()), dtype=object)


def drift_features(users: UserBatch, tower: OnnxUserTower) -> pd.DataFrame:
    """One row per user: who they are, what they did, where their vector points, how it scores.

    Vectors are shown on the `AXES` directions in which the catalogue's item vectors spread most,
    so the same axes serve every window under one release. Scores are the best and the mean of
    the ten best inner products.
    """
    frame = pd.DataFrame({"country": users.countries, "age": users.ages.astype(float)})
    for item_type, history in users.histories.items():
        frame[f"{item_type}_events"] = history.counts.astype(float)
    vectors = tower.user_vectors(users)
    axes = _axes(tower.item_vectors)
    for at, column in enumerate((vectors @ axes).T):
        frame[f"vector_axis_{at}"] = column.astype(float)
    best = _best_scores(vectors, tower.item_vectors)
    frame["score_best"] = best.max(axis=1) if best.shape[1] else np.nan
    frame["score_top10"] = best.mean(axis=1) if best.shape[1] else np.nan
    return frame


def _axes(item_vectors: np.ndarray) -> np.ndarray:
    """Directions of greatest spread, [dim, <= AXES], each with its largest entry positive."""
    centred = np.asarray(item_vectors, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, ::-1][:, :AXES]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    signed: np.ndarray = axes * np.sign(largest)
    return signed


def _best_scores(users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """The `TOP` best inner products of each user, [B, <= TOP]."""
    top = min(TOP, len(items))
    out = np.empty((len(users), top))
    for start in range(0, len(users), _BLOCK):
        block = users[start : start + _BLOCK] @ items.T
        out[start : start + _BLOCK] = -np.partition(-block, top - 1, axis=1)[:, :top]
    return out
