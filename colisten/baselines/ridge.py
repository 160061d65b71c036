"""Ridge regression from what a user did with other types to what they choose of this one.

With B the users by items of all types but the recommended one, rows of unit length, and V its
leading right singular vectors (truncated SVD by random projections; Halko, Martinsson and Tropp,
SIAM Review 53, 2011), a user's factors are F = B V. With X the users by target items and m its
column means (popularity without time)

    W     = (F'F + r I)^-1 F' (X - 1 m')            ridge, Hoerl and Kennard 1970
    score = p + w F W / sum(m)

p is the decayed popularity's share of each item, and the sum turns the expected surplus of events
into one of shares. There is no intercept, so whoever has no such history gets popularity. No
target event of the user enters F: two people with the same history of the other types get the
same scores.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.popularity import POPULARITY, decayed_shares
from colisten.ranking.top_k import Scorer

FACTORS = 64


def fit_factors(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Scorer:
    """Factors of users by row, float32 [b, k], from the types that are not recommended.

    k is `FACTORS`, or as many as a smaller matrix has.
    """
    from sklearn.utils.extmath import randomized_svd

    columns = np.ones(train.matrix.shape[1], dtype=bool)
    columns[train.target] = False
    others = sparse.csr_matrix(train.matrix[:, columns])
    rank = min(FACTORS, *others.shape)
    if not others.nnz:
        factors = np.zeros((others.shape[0], 1), np.float32)
        return lambda rows: factors[rows]
    lengths = np.sqrt(np.maximum(np.asarray(others.sum(axis=1)).ravel(), 1.0))
    unit = sparse.csr_matrix(sparse.diags(1.0 / lengths) @ others, dtype=np.float32)
    with threadpool_limits(threads, "blas"):
        _, _, right = randomized_svd(unit, rank, random_state=seed)
        factors = np.asarray(unit @ right.T, np.float32)
    return lambda rows: factors[rows]


def fit_ridge(
    train: InteractionMatrix,
    parameters: Parameters,
    threads: int,
    seed: int,
    component: Scorer,
) -> Scorer:
    """Popularity of one half-life, and the surplus that a user's factors say.

    Args:
        train: Interactions.
        parameters: `regularisation`, `half_life_days` and `weight`.
        threads: Of the linear algebra.
        seed: Unused; the factors have chance, what is made of them has none.
        component: Factors of users by row; it is not asked for row -1.
    """
    popular = decayed_shares(train, parameters["half_life_days"])
    if not train.matrix.shape[0]:
        return lambda rows: np.broadcast_to(popular, (len(rows), len(popular)))
    factors = np.asarray(component(np.arange(train.matrix.shape[0])), np.float64)
    events = train.matrix[:, train.target]
    means = np.asarray(events.mean(axis=0), np.float64).ravel()
    with threadpool_limits(threads, "blas"):
        surplus = (events.T @ factors).T - np.outer(factors.sum(axis=0), means)
        gram = factors.T @ factors
        gram[np.diag_indices_from(gram)] += parameters["regularisation"]
        weights = np.linalg.solve(gram, surplus) * parameters["weight"]
    weights = (weights / max(means.sum(), np.finfo(np.float64).tiny)).astype(np.float32)

    def scorer(rows: np.ndarray) -> np.ndarray:
        known = (rows >= 0).astype(np.float32)[:, None]
        return np.asarray(popular + known * component(np.maximum(rows, 0)) @ weights, np.float32)

    return scorer


_FACTORS = Baseline("factors of users", fit_factors, {})
POPULARITY_AND_RIDGE = Baseline(
    "popularity + ridge",
    fit_ridge,
    {
        "regularisation": (10.0, 100.0),
        **POPULARITY.grid,
        "weight": (0.1, 0.3, 1.0, 3.0, 10.0),
    },
    builds_on=_FACTORS,
    answers_everyone=True,
)
