"""The rivals: each learns from `Touches` and scores target items for its users.

Popularity with a half-life, item-kNN, EASE (Steck 2019), ALS (Hu et al. 2008) and BPR (Rendle et
al. 2009). The last two are those of the `implicit` library, which people would use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from colisten.features.popularity import DailyPopularity, day_of
from colisten.rivals.touches import Touches

Scorer = Callable[[np.ndarray], np.ndarray]
"""Rows of `Touches` (int64 [b]) to scores of the target items, float32 [b, num_target]."""
Parameters = Mapping[str, Any]

# EASE inverts a dense matrix of this many items at most: 15,000 take 2 GB and a minute.
_EASE_ITEMS = 15_000


@dataclass(frozen=True)
class Rival:
    """A model with the settings it is tuned over.

    Attributes:
        name: What the table calls it.
        fit: Touches, parameters, threads and seed to a scorer.
        grid: Values tried of each parameter.
    """

    name: str
    fit: Callable[[Touches, Parameters, int, int], Scorer]
    grid: Mapping[str, tuple[Any, ...]]

    def choices(self) -> list[dict[str, Any]]:
        """Every combination of the grid."""
        return [
            dict(zip(self.grid, values, strict=True)) for values in product(*self.grid.values())
        ]


def fit_popularity(touches: Touches, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Decayed counts with a half-life in days, the same for everyone."""
    items, times = touches.target_events()
    half_life = (parameters["half_life_days"],)
    popularity = DailyPopularity(items, times, touches.num_target, half_life)
    newest = day_of(np.array([times.max(initial=0)])) + 1
    counts = popularity.at(newest)[0, :, 0]
    return lambda rows: np.broadcast_to(counts, (len(rows), len(counts)))


def fit_item_knn(touches: Touches, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Sum of similarities between a user's items of all types and each target item.

    Similarity is the number of common users (`counts`) or its cosine, of which each item keeps
    its `neighbours` strongest.
    """
    matrix = touches.matrix
    if parameters["similarity"] == "cosine":
        norms = np.sqrt(np.maximum(np.asarray(matrix.power(2).sum(axis=0)).ravel(), 1.0))
        matrix = (matrix @ sparse.diags(1.0 / norms)).tocsr()
    near = (matrix.T.tocsr() @ matrix[:, touches.target]).tocsc()
    # An item is no neighbour of itself: the user's own items are not recommended anyway.
    own = np.arange(touches.num_target)
    itself = sparse.csc_matrix(
        (near[own + touches.target.start, own].A1, (own + touches.target.start, own)), near.shape
    )
    near = _strongest((near - itself).tocsc(), parameters["neighbours"])
    return lambda rows: np.asarray((touches.matrix[rows] @ near).toarray(), np.float32)


def fit_ease(touches: Touches, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Closed-form linear item model over items with enough events (Steck 2019, eq. 8)."""
    events = np.asarray(touches.matrix.sum(axis=0)).ravel()
    kept = np.flatnonzero(events >= parameters["min_events"])
    if len(kept) > _EASE_ITEMS:
        kept = np.sort(kept[np.argsort(-events[kept], kind="stable")[:_EASE_ITEMS]])
    some = touches.matrix[:, kept]
    gram = (some.T @ some).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += parameters["regularisation"]
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    own = (kept >= touches.target.start) & (kept < touches.target.stop)
    weights = weights[:, own].astype(np.float32)
    columns = kept[own] - touches.target.start

    def scorer(rows: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(rows), touches.num_target), dtype=np.float32)
        scores[:, columns] = some[rows] @ weights
        return scores

    return scorer


def fit_als(touches: Touches, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Implicit-feedback matrix factorisation by alternating least squares."""
    from implicit.cpu.als import AlternatingLeastSquares

    # The library runs its own threads over users; BLAS threads below them only get in the way.
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=parameters["factors"],
            alpha=parameters["alpha"],
            regularization=0.01,
            num_threads=threads,
            random_state=seed,
        )
        return _factorised(model, touches)


def fit_bpr(touches: Touches, parameters: Parameters, threads: int, seed: int) -> Scorer:
    """Bayesian personalised ranking."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=64,
        learning_rate=parameters["learning_rate"],
        iterations=parameters["iterations"],
        num_threads=threads,
        random_state=seed,
    )
    return _factorised(model, touches)


RIVALS = (
    Rival("popularity (decayed)", fit_popularity, {"half_life_days": (3.0, 7.0, 14.0, 30.0, 90.0)}),
    Rival(
        "item-kNN", fit_item_knn, {"similarity": ("counts", "cosine"), "neighbours": (20, 100, 500)}
    ),
    Rival("EASE", fit_ease, {"regularisation": (20.0, 50.0, 200.0, 1000.0), "min_events": (3,)}),
    Rival("ALS", fit_als, {"factors": (64, 128), "alpha": (1.0, 10.0, 40.0)}),
    Rival("BPR", fit_bpr, {"learning_rate": (0.01, 0.05), "iterations": (50, 200)}),
)


def _factorised(model: Any, touches: Touches) -> Scorer:
    model.fit(touches.matrix, show_progress=False)
    users = np.asarray(model.user_factors, np.float32)
    items = np.asarray(model.item_factors, np.float32)[touches.target]
    return lambda rows: users[rows] @ items.T


def _strongest(near: sparse.csc_matrix, count: int) -> sparse.csr_matrix:
    """The `count` strongest entries of each column; ties by row, lower first."""
    columns = np.repeat(np.arange(near.shape[1]), np.diff(near.indptr))
    order = np.lexsort((near.indices, -near.data, columns))
    place = np.arange(len(order)) - np.repeat(near.indptr[:-1], np.diff(near.indptr))
    kept = order[(place < count) & (near.data[order] > 0)]
    return sparse.csr_matrix((near.data[kept], (near.indices[kept], columns[kept])), near.shape)
