"""EASE (Steck 2019): a linear item model in closed form."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.errors import EvaluationError
from colisten.ranking.top_k import Scorer

# A dense matrix of this many items at most is inverted: 15,000 take 3 GB and half a minute.
_EASE_ITEMS = 15_000


def fit_ease(train: InteractionMatrix, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Closed-form linear item model over items with enough events (Steck 2019, eq. 8)."""
    events = np.asarray(train.matrix.sum(axis=0)).ravel()
    frequent = np.flatnonzero(events >= parameters["min_events"])
    if len(frequent) > _EASE_ITEMS:
        frequent = np.sort(frequent[np.argsort(-events[frequent], kind="stable")[:_EASE_ITEMS]])
    some = train.matrix[:, frequent]
    gram = (some.T @ some).toarray()
    gram[np.diag_indices_from(gram)] += parameters["regularisation"]
    with threadpool_limits(threads, "blas"):
        inverse = _inverse(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    own = (frequent >= train.target.start) & (frequent < train.target.stop)
    weights = weights[:, own]
    columns = frequent[own] - train.target.start

    def scorer(rows: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(rows), train.num_target), dtype=np.float32)
        scores[:, columns] = some[rows] @ weights
        return scores

    return scorer


def _inverse(gram: np.ndarray) -> np.ndarray:
    """Of a symmetric positive definite float32 matrix, by Cholesky: a third of LU's work."""
    if not len(gram):
        return gram
    factor, failed = lapack.spotrf(gram.T, lower=1, overwrite_a=1)
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise EvaluationError("EASE's matrix has no inverse.", "Raise its regularisation.")
    whole: np.ndarray = np.tril(inverse) + np.tril(inverse, -1).T
    return whole


EASE = Baseline(
    "EASE", fit_ease, {"regularisation": (20.0, 50.0, 200.0, 1000.0), "min_events": (3,)}
)
