"""Random co-listening graphs of any size, with a few much-linked items, drawn in one stroke."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED, Relation, RelationName

# Share of links within a community.
WITHIN = 0.7
Pairs = dict[tuple[str, str], int]


def random_graph(
    num_nodes: dict[str, int], pairs: Pairs, seed: int = 0, communities: int = 0
) -> CoListeningGraph:
    """A symmetric graph with about `pairs` distinct pairs per unordered pair of types.

    The density of an item's links falls with the square root of its number. With `communities`,
    item i (counted over all types) is of community i % communities and links within it mostly.
    """
    starts = dict(zip(num_nodes, np.cumsum([0, *num_nodes.values()]), strict=False))
    rng = np.random.default_rng(seed)
    relations: dict[RelationName, Relation] = {}
    for first, second in combinations_with_replacement(num_nodes, 2):
        left = _ends(rng, num_nodes[first], pairs[first, second])
        right = _ends(rng, num_nodes[second], pairs[first, second])
        if communities:
            moved = right + (left + starts[first] - right - starts[second]) % communities
            within = (rng.random(len(right)) < WITHIN) & (moved < num_nodes[second])
            right = np.where(within, moved, right)
        if first == second:
            different = left != right
            left, right = left[different], right[different]
            left, right = np.minimum(left, right), np.maximum(left, right)
        keys = left.astype(np.int64) * num_nodes[second] + right
        keys.sort()
        keys = keys[np.diff(keys, prepend=-1) != 0]
        left, right = (part.astype(np.int32) for part in np.divmod(keys, num_nodes[second]))
        weights = rng.random(len(keys), dtype=np.float32) + np.float32(0.1)
        if first == second:
            there, back = np.concatenate([left, right]), np.concatenate([right, left])
            relations[first, CO_LISTENED, first] = _relation(
                num_nodes[first], there, back, np.concatenate([weights, weights])
            )
        else:
            relations[second, CO_LISTENED, first] = _relation(
                num_nodes[first], left, right, weights
            )
            relations[first, CO_LISTENED, second] = _relation(
                num_nodes[second], right, left, weights
            )
    return CoListeningGraph(num_nodes, relations, f"random-{seed}")


def _ends(rng: np.random.Generator, count: int, size: int) -> np.ndarray:
    place = rng.random(size)
    ends: np.ndarray = np.minimum(count * place * place, count - 1).astype(np.int32)
    return ends


def _relation(nodes: int, source: np.ndarray, target: np.ndarray, weights: np.ndarray) -> Relation:
    from scipy.sparse import csr_matrix

    # A counting sort: a hundred million edges in seconds.
    shape = (nodes, int(target.max(initial=0)) + 1)
    matrix = csr_matrix((weights, (source, target)), shape=shape)
    matrix.sort_indices()
    return Relation(matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32), matrix.data)
