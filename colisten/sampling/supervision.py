"""The edges a model learns from: unordered pairs of co-listened items, per pair of types."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph, RelationName
from colisten.sampling.neighbours import pair_keys


@dataclass(frozen=True)
class SupervisedEdges:
    """Distinct pairs per supervised relation; a relation without pairs is present and empty.

    Attributes:
        pairs: Per relation int64 [num_pairs, 2] of global indices, first column of the first
            type. Within one type the lower index comes first.
        num_items: Items of the graph.
    """

    pairs: dict[RelationName, np.ndarray]
    num_items: int

    @classmethod
    def of(cls, graph: CoListeningGraph) -> SupervisedEdges:
        """All pairs of a graph: (a, p) joins what is left of a-p and p-a after top-k."""
        pairs = {}
        for first, second in combinations_with_replacement(graph.item_types, 2):
            keys = []
            for source, target in {(first, second), (second, first)}:
                relation = graph.relations[source, target]
                left = relation.sources + graph.slice_of(source).start
                right = relation.indices.astype(np.int64) + graph.slice_of(target).start
                keys.append(pair_keys(left, right, graph.num_items))
            # The order of types is the order of indices, so low and high are first and second.
            unique = np.unique(np.concatenate(keys))
            pairs[first, second] = np.stack(np.divmod(unique, max(graph.num_items, 1)), axis=1)
        return cls(pairs, graph.num_items)

    @property
    def relations(self) -> tuple[RelationName, ...]:
        """Relations that have pairs."""
        return tuple(name for name, pairs in self.pairs.items() if len(pairs))

    @property
    def num_pairs(self) -> int:
        """Pairs of all relations."""
        return sum(len(pairs) for pairs in self.pairs.values())

    def keys(self) -> np.ndarray:
        """Sorted keys of every pair (see `pair_keys`), int64 [num_pairs]."""
        return np.unique(
            np.concatenate(
                [pair_keys(p[:, 0], p[:, 1], self.num_items) for p in self.pairs.values()]
            )
        )

    def split(self, share: float, seed: int) -> tuple[SupervisedEdges, SupervisedEdges]:
        """Set a uniformly drawn `share` of every relation aside; returns (rest, aside).

        Raises:
            GraphError: `share` is not in [0, 1).
        """
        if not 0 <= share < 1:
            raise GraphError(f"A share of edges to set aside lies in [0, 1), not {share}.")
        rest, aside = {}, {}
        for number, (name, pairs) in enumerate(self.pairs.items()):
            held = np.zeros(len(pairs), bool)
            rng = np.random.default_rng([seed, number])
            held[rng.choice(len(pairs), int(len(pairs) * share), replace=False)] = True
            rest[name], aside[name] = pairs[~held], pairs[held]
        return SupervisedEdges(rest, self.num_items), SupervisedEdges(aside, self.num_items)

    def frequencies(self) -> dict[RelationName, tuple[np.ndarray, np.ndarray]]:
        """Per relation the share of pairs each item is the first and the second of.

        Two float64 [num_items] arrays that each sum to one; within one type both are the share
        at either end, since such pairs have no direction.
        """
        frequencies = {}
        for (first, second), pairs in self.pairs.items():
            counts = [np.bincount(pairs[:, end], minlength=self.num_items) for end in (0, 1)]
            if first == second:
                counts = [counts[0] + counts[1]] * 2
            left, right = (count / max(int(count.sum()), 1) for count in counts)
            frequencies[first, second] = (left, right)
        return frequencies
