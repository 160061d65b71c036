"""Co-listening factors: what the graph alone says of an item, in few numbers.

The leading eigenvectors of the graph's strengths place items near each other that the same people
turn to, whatever their text says. A product of two items' factors approximates how strongly the
graph ties them, in a form that one inner product can serve. Nothing is trained, and the diagonal
is zero, so no item vouches for itself (as in EASE; Steck, "Embarrassingly shallow autoencoders for
sparse data", 2019). A title that nobody has heard has no such edge; where a table links it to
others, it stands in their middle.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.linalg import eigh
from scipy.sparse.linalg import ArpackNoConvergence, eigsh

from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED
from colisten.logs import logger

# Strengths are divided by this power of both ends' total strength: the popular stay popular,
# but do not fill all factors.
_TEMPER = 0.25
# A factor weighs as this power of its eigenvalue.
_POWER = 0.25
# Root mean square of the vectors' lengths: brings useful weights of the kNN term within its steps.
_LENGTH = 2.0
_TINY = 1e-12
# Restarts of the iteration; graphs of a million edges need about ten.
_RESTARTS = 50

log = logger("graph")


def co_listening_factors(graph: CoListeningGraph, dim: int) -> np.ndarray:
    """Leading eigenvectors of the graph, tempered by popularity.

    Args:
        graph: Its co-listening relations count alike; an edge counts in both directions at its
            larger strength. Other relations, such as links, place items without co-listening.
        dim: Factors, at least 0. Fewer than that exist in a small graph; the rest are zero.

    Returns:
        float32 [num_items, dim], in the graph's order of items. Vectors of items with co-listening
        edges are of length two in the root mean square, and longer for the popular. An item without
        has the mean, by strength, of its neighbours' in all other relations; zeros without such
        neighbours. Columns come by falling eigenvalue, signs such that each eigenvector's largest
        entry is positive.
    """
    out = np.zeros((graph.num_items, dim), dtype=np.float32)
    joined = _joined(graph, co_listened=True)
    strengths = joined.maximum(joined.T).tocsr()
    total = np.asarray(strengths.sum(axis=1)).ravel()
    linked = np.flatnonzero(total)
    if not dim or not len(linked):
        return out
    scale = total[linked] ** -_TEMPER
    within = strengths[linked][:, linked]
    values, vectors = _leading(sparse.diags_array(scale) @ within @ sparse.diags_array(scale), dim)
    vectors = vectors * np.sign(vectors[np.abs(vectors).argmax(axis=0), np.arange(len(values))])
    vectors *= values**_POWER
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.sqrt(np.maximum(length, _TINY))
    vectors *= _LENGTH / max(float(np.sqrt(np.square(vectors).sum(axis=1).mean())), _TINY)
    out[linked, : len(values)] = vectors
    return _from_links(graph, out, total > 0)


def _from_links(graph: CoListeningGraph, vectors: np.ndarray, own: np.ndarray) -> np.ndarray:
    """`vectors`, its rows that are not `own` filled with the mean of their linked items' own."""
    # The mean is not lengthened: neighbours that disagree say less.
    links = _joined(graph, co_listened=False)[~own][:, own]
    weight = np.asarray(links.sum(axis=1))
    vectors[~own] = links @ vectors[own] / np.maximum(weight, _TINY)[:, None]
    return vectors


def _joined(graph: CoListeningGraph, *, co_listened: bool) -> sparse.csr_array:
    """Strengths of co-listening, or of all links, of all types: [num_items, num_items]."""
    rows, columns, weights = (
        [np.zeros(0, np.int64)],
        [np.zeros(0, np.int64)],
        [np.zeros(0, np.float32)],
    )
    for (source, name, node), relation in graph.relations.items():
        if (name == CO_LISTENED) != co_listened:
            continue
        rows.append(relation.rows + graph.slice_of(node).start)
        columns.append(relation.indices.astype(np.int64) + graph.slice_of(source).start)
        weights.append(np.asarray(relation.weights, dtype=np.float32))
    shape = (graph.num_items, graph.num_items)
    return sparse.csr_array(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=shape
    )


def _leading(matrix: sparse.csr_array, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest positive eigenvalues [k <= dim], falling, and their vectors [n, k]."""
    size = matrix.shape[0]
    if size <= 2 * dim + 1:
        values, vectors = eigh(matrix.toarray())
    else:
        start = np.random.default_rng(0).standard_normal(size).astype(np.float32)
        try:
            values, vectors = eigsh(matrix, k=dim, which="LA", v0=start, maxiter=_RESTARTS)
        except ArpackNoConvergence as error:
            values, vectors = error.eigenvalues, error.eigenvectors
            log.warning("some factors did not converge and are left out", converged=len(values))
    if not len(values):
        return values, vectors
    order = np.argsort(-values, kind="stable")[:dim]
    order = order[values[order] > values.max() * 1e-6]
    return values[order], vectors[:, order]
