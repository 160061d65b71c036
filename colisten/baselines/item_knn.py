"""Item-kNN: items near those that a user has."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from colisten.baselines.baseline import Baseline, Parameters
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.errors import EvaluationError
from colisten.ranking.top_k import Scorer
from colisten.words import known_word


def fit_item_knn(
    train: InteractionMatrix, parameters: Parameters, threads: int, seed: int
) -> Scorer:
    """Sum of similarities between a user's items of all types and each target item.

    Similarity is the number of common users (`counts`) or its cosine, of which each item keeps
    its `neighbours` strongest.
    """
    matrix = train.matrix
    similarity = known_word(
        "Similarity", parameters["similarity"], ("counts", "cosine"), EvaluationError
    )
    if similarity == "cosine":
        norms = np.sqrt(np.maximum(np.asarray(matrix.power(2).sum(axis=0)).ravel(), 1.0))
        matrix = (matrix @ sparse.diags(1.0 / norms)).tocsr()
    near = (matrix.T.tocsr() @ matrix[:, train.target]).tocsc()
    # An item is no neighbour of itself: the user's own items are not recommended anyway.
    own = np.arange(train.num_target)
    itself = sparse.csc_matrix(
        (near[own + train.target.start, own].A1, (own + train.target.start, own)),
        near.shape,
    )
    near = _strongest((near - itself).tocsc(), parameters["neighbours"])
    return lambda rows: np.asarray((train.matrix[rows] @ near).toarray(), np.float32)


def _strongest(near: sparse.csc_matrix, count: int) -> sparse.csr_matrix:
    """The `count` strongest entries of each column; ties by row, lower first."""
    columns = np.repeat(np.arange(near.shape[1]), np.diff(near.indptr))
    order = np.lexsort((near.indices, -near.data, columns))
    place = np.arange(len(order)) - np.repeat(near.indptr[:-1], np.diff(near.indptr))
    best = order[(place < count) & (near.data[order] > 0)]
    return sparse.csr_matrix((near.data[best], (near.indices[best], columns[best])), near.shape)


ITEM_KNN = Baseline(
    "item-kNN", fit_item_knn, {"similarity": ("counts", "cosine"), "neighbours": (20, 100, 500)}
)
