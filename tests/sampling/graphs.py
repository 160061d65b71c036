"""Random small graphs for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation


def random_graph(
    audiobooks: int, podcasts: int, pairs: int, seed: int, *, max_weight: int = 9
) -> CoListeningGraph:
    """A symmetric graph of about `pairs` unordered pairs drawn uniformly."""
    rng = np.random.default_rng(seed)
    counts = {"audiobook": audiobooks, "podcast": podcasts}
    total = audiobooks + podcasts
    drawn = rng.integers(0, max(total, 1), (pairs if total > 1 else 0, 2))
    drawn = np.unique(np.sort(drawn[drawn[:, 0] != drawn[:, 1]], axis=1), axis=0)
    weights = rng.integers(1, max_weight + 1, len(drawn))
    both = np.concatenate([drawn, drawn[:, ::-1]])
    heavy = np.concatenate([weights, weights])
    starts = {"audiobook": 0, "podcast": audiobooks}
    kinds = (both >= audiobooks).astype(int)
    names = list(counts)
    relations = {}
    for a, receiver in enumerate(names):
        for b, sender in enumerate(names):
            rows = (kinds[:, 0] == a) & (kinds[:, 1] == b)
            relations[sender, "co_listened", receiver] = Relation.from_edges(
                counts[receiver],
                both[rows, 0] - starts[receiver],
                both[rows, 1] - starts[sender],
                heavy[rows],
            )
    return CoListeningGraph(counts, relations, f"random-{seed}")


def neighbours(graph: CoListeningGraph) -> dict[int, set[int]]:
    """Global neighbours of every global index."""
    found: dict[int, set[int]] = {item: set() for item in range(graph.num_items)}
    for (sender, _, receiver), relation in graph.relations.items():
        left, right = graph.slice_of(receiver).start, graph.slice_of(sender).start
        for row, column in zip(relation.rows, relation.indices, strict=True):
            found[int(left + row)].add(int(right + column))
    return found


graphs = st.builds(
    random_graph,
    audiobooks=st.integers(0, 12),
    podcasts=st.integers(0, 12),
    pairs=st.integers(0, 80),
    seed=st.integers(0, 1000),
)
