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
        strength: Per relation float32 [num_pairs], the pair's weight in the graph.
        num_items: Items of the graph.
    """

    pairs: dict[RelationName, np.ndarray]
    strength: dict[RelationName, np.ndarray]
    num_items: int

    @classmethod
    def of(cls, graph: CoListeningGraph) -> SupervisedEdges:
        """All pairs of a graph: (a, p) joins what is left of a-p and p-a after top-k."""
        pairs, strength = {}, {}
        for first, second in combinations_with_replacement(graph.item_types, 2):
            keys, weights = [], []
            for source, target in dict.fromkeys([(first, second), (second, first)]):
                relation = graph.relations[source, target]
                left = relation.sources + graph.slice_of(source).start
                right = relation.indices.astype(np.int64) + graph.slice_of(target).start
                keys.append(pair_keys(left, right, graph.num_items))
                weights.append(np.asarray(relation.weights))
            # The order of types is the order of indices, so low and high are first and second.
            unique, where = np.unique(np.concatenate(keys), return_index=True)
            pairs[first, second] = np.stack(np.divmod(unique, max(graph.num_items, 1)), axis=1)
            strength[first, second] = np.concatenate(weights)[where]
        return cls(pairs, strength, graph.num_items)

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
        parts: list[SupervisedEdges] = [SupervisedEdges({}, {}, self.num_items) for _ in range(2)]
        for number, (name, pairs) in enumerate(self.pairs.items()):
            held = np.zeros(len(pairs), bool)
            rng = np.random.default_rng([seed, number])
            held[rng.choice(len(pairs), int(len(pairs) * share), replace=False)] = True
            for part, chosen in zip(parts, (~held, held), strict=True):
                part.pairs[name] = pairs[chosen]
                part.strength[name] = self.strength[name][chosen]
        return parts[0], parts[1]

    def frequencies(self, *, weighted: bool) -> dict[RelationName, tuple[np.ndarray, np.ndarray]]:
        """Per relation how often a drawn pair has each item first and second.

        Two float64 [num_items] arrays that each sum to one; within one type both are the share
        at either end, since such pairs have no direction. `weighted` says whether pairs are
        drawn by strength.
        """
        frequencies = {}
        for (first, second), pairs in self.pairs.items():
            weights = self.strength[first, second] if weighted else None
            counts = [
                np.bincount(pairs[:, end], weights, minlength=self.num_items) for end in (0, 1)
            ]
            if first == second:
                counts = [counts[0] + counts[1]] * 2
            left, right = (count / (count.sum() or 1) for count in counts)
            frequencies[first, second] = (left, right)
        return frequencies
