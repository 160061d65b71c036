"""The rivals: each learns from `Touches` and scores target items for its users.

Popularity with a half-life, item-kNN, EASE (Steck 2019), ALS (Hu et al. 2008) and BPR (Rendle et
al. 2009) are here; the last two are those of the `implicit` library, which people would use.
LightGCN and the HGNN with users have files of their own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from colisten.errors import EvaluationError
from colisten.features.popularity import DailyPopularity, day_of
from colisten.rivals.lightgcn import fit_lightgcn
from colisten.rivals.rival import Parameters, Rival, Scorer
from colisten.rivals.touches import Touches
from colisten.rivals.user_graph import fit_user_hgnn
from colisten.words import known_word

# EASE inverts a dense matrix of this many items at most: 15,000 take 3 GB and half a minute.
_EASE_ITEMS = 15_000


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
    similarity = known_word(
        "Similarity", parameters["similarity"], ("counts", "cosine"), EvaluationError
    )
    if similarity == "cosine":
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
    gram = (some.T @ some).toarray()
    gram[np.diag_indices_from(gram)] += parameters["regularisation"]
    with threadpool_limits(threads, "blas"):
        inverse = _inverse(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    own = (kept >= touches.target.start) & (kept < touches.target.stop)
    weights = weights[:, own]
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
    """Bayesian personalised ranking, by one thread: several race, so that no fit repeats."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    model = BayesianPersonalizedRanking(
        factors=64,
        learning_rate=parameters["learning_rate"],
        iterations=parameters["iterations"],
        num_threads=1,
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
    Rival("LightGCN", fit_lightgcn, {"layers": (2, 3), "l2": (0.01, 0.1)}),
    Rival("HGNN with users", fit_user_hgnn, {"log_q": (0.5, 1.0), "steps": (40, 100)}, True),
)


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
