"""The edges a model learns from, per supervised relation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.graph.given import index_of, times_of, whole
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation, RelationName
from colisten.sampling.adjacency import Adjacency, plain
from colisten.sampling.draws import linked
from colisten.sampling.edge_types import edge_type_of


@dataclass(frozen=True)
class SupervisedEdges:
    """Distinct pairs per supervised relation; a relation without pairs is present and empty.

    Attributes:
        pairs: By edge type int32 or int64 [num_pairs, 2] of global indices, first column of the
            source type. Of a co-listening graph they are unordered: the source type comes first in
            the catalogue, and within one type the lower index.
        strength: Per relation float32 [num_pairs], the pair's weight; ones where there is none.
        num_items: Nodes of the graph, all types.
        times: Per relation int64 or float64 [num_pairs], when the pair came to be; None where
            unknown.
    """

    pairs: dict[Any, np.ndarray]
    strength: dict[Any, np.ndarray]
    num_items: int
    times: dict[Any, np.ndarray] | None = None

    @classmethod
    def of(cls, graph: CoListeningGraph, names: Collection[str] | None = None) -> SupervisedEdges:
        """All pairs of a graph: (a, r, p) joins what is left of r either way after top-k.

        Args:
            names: Of the relations to take; None for all.
        """
        pairs, strength, times = {}, {}, {}
        # int32 halves the memory of a hundred million edges.
        kind = np.int32 if graph.num_items < 2**31 else np.int64
        for key in _unordered(graph, names):
            first, name, second = key
            there, back = graph.relation((second, name, first)), graph.relation(key)
            rows, others, number = _forward(there, same=first == second)
            more, their, extra = _only_back(there, back, same=first == second)
            # The order of types is the order of indices, so low and high are first and second.
            drawn = np.empty((len(rows) + len(more), 2), kind)
            drawn[:, 0] = np.concatenate([rows, more]) + graph.slice_of(first).start
            drawn[:, 1] = np.concatenate([others, their]) + graph.slice_of(second).start
            parts = [there.weights[number], back.weights[extra]]
            order = np.lexsort((drawn[:, 1], drawn[:, 0])) if len(more) else slice(None)
            pairs[key] = drawn[order]
            strength[key] = np.concatenate(parts)[order]
            if there.times is not None and back.times is not None:
                moments = np.concatenate([there.times[number], back.times[extra]])
                times[key] = moments[order]
        known = times if len(times) == len(pairs) else None
        return cls(pairs, strength, graph.num_items, known)

    @classmethod
    def of_index(
        cls,
        graph: Adjacency,
        edge_label_index: Mapping[Any, np.ndarray],
        times: Mapping[Any, np.ndarray] | None = None,
    ) -> SupervisedEdges:
        """Pairs given as PyG's [2, num_pairs] of indices within the types, by edge type.

        Raises:
            GraphError: An edge type is unknown, an index out of range, or times do not fit.
        """
        pairs, strength, moments = {}, {}, {}
        for given, values in edge_label_index.items():
            name = edge_type_of(given, graph.relations)
            starts = [graph.start_of(name[end]) for end in (0, -1)]
            limits = graph.num_nodes[name[0]], graph.num_nodes[name[-1]]
            index = index_of(values, limits, name)
            pairs[name] = np.ascontiguousarray(index.T.astype(np.int64) + starts)
            strength[name] = np.ones(len(pairs[name]), np.float32)
            if times is not None:
                if given not in times:
                    raise GraphError(f"Supervised edges {name} need one time each.")
                moments[name] = times_of(times[given], len(pairs[name]), f"Times of {name}")
        return cls(pairs, strength, graph.total, None if times is None else moments)

    @property
    def relations(self) -> tuple[Any, ...]:
        """Relations that have pairs."""
        return tuple(name for name, pairs in self.pairs.items() if len(pairs))

    @property
    def num_pairs(self) -> int:
        """Pairs of all relations."""
        return sum(len(pairs) for pairs in self.pairs.values())

    def split(self, share: float, seed: int) -> tuple[SupervisedEdges, SupervisedEdges]:
        """Set a uniformly drawn `share` of every relation aside; returns (rest, aside).

        Raises:
            GraphError: `share` is not in [0, 1).
        """
        _check_share(share)
        held = {}
        for number, (name, pairs) in enumerate(self.pairs.items()):
            rng = np.random.default_rng([seed, number])
            held[name] = np.zeros(len(pairs), bool)
            held[name][rng.choice(len(pairs), int(len(pairs) * share), replace=False)] = True
        return self._where(held, False), self._where(held, True)

    def split_in_time(
        self, share: float, latest: int | None = None, among: Collection[Any] | None = None
    ) -> tuple[SupervisedEdges, SupervisedEdges, int]:
        """Cut at one moment for all relations; returns (earlier, later, moment).

        The moment leaves about `share` of the scarcest relation (`among` these; None: of all) to
        the later part, so that even that one has something to be measured on, and is not behind
        `latest` (microseconds since 1970 UTC). A pair at the very moment is later.

        Raises:
            GraphError: `share` is not in (0, 1), there are no pairs, or they have no times.
        """
        _check_share(share)
        if self.times is None or not self.relations or not share:
            raise GraphError("A split in time needs pairs with times and a share above 0.")
        scarcest = min(among or self.relations, key=lambda name: len(self.pairs[name]))
        times = np.sort(self.times[scarcest])
        moment = times[min(int(len(times) * (1 - share)), len(times) - 1)].item()
        if latest is not None:
            moment = min(moment, whole("The latest moment of a split", latest))
        held = {name: times >= moment for name, times in self.times.items()}
        return self._where(held, False), self._where(held, True), moment

    def frequencies(self, *, weighted: bool) -> dict[Any, tuple[np.ndarray, np.ndarray]]:
        """Per relation how often a drawn pair has each item first and second.

        Two float64 [num_items] arrays that each sum to one; within one type both are the share
        at either end, since such pairs have no direction. `weighted` says whether pairs are
        drawn by strength.
        """
        frequencies = {}
        for name, pairs in self.pairs.items():
            weights = self.strength[name] if weighted else None
            counts = [
                np.bincount(pairs[:, end], weights, minlength=self.num_items) for end in (0, 1)
            ]
            if name[0] == name[-1]:
                counts = [counts[0] + counts[1]] * 2
            left, right = (count / (count.sum() or 1) for count in counts)
            frequencies[name] = (left, right)
        return frequencies

    def _where(self, held: Mapping[Any, np.ndarray], wanted: bool) -> SupervisedEdges:
        masks = {name: mask == wanted for name, mask in held.items()}

        def pick(arrays: Mapping[Any, np.ndarray]) -> dict[Any, np.ndarray]:
            return {name: array[masks[name]] for name, array in arrays.items()}

        times = None if self.times is None else pick(self.times)
        return SupervisedEdges(pick(self.pairs), pick(self.strength), self.num_items, times)


def _unordered(graph: CoListeningGraph, names: Collection[str] | None) -> list[RelationName]:
    """Relations either way as one, source type first in the catalogue, by types and name."""
    taken = {name for name in graph.relations if names is None or name[1] in names}
    between = list(combinations_with_replacement(graph.item_types, 2))
    every = sorted({name[1] for name in taken})
    keys = [(first, name, second) for first, second in between for name in every]
    return [key for key in keys if key in taken or key[::-1] in taken]


def _check_share(share: float) -> None:
    if not 0 <= share < 1:
        raise GraphError(f"A share of edges to set aside lies in [0, 1), not {share}.")


def _forward(relation: Relation, *, same: bool) -> tuple[np.ndarray, np.ndarray, Any]:
    """Rows, neighbours and edge numbers of a relation; within one type of the ascending edges."""
    rows = np.repeat(np.arange(len(relation.indptr) - 1, dtype=np.int32), relation.degrees)
    others = plain(relation.indices)
    if not same:
        return rows, others, slice(None)
    up = np.flatnonzero(rows < others)
    return rows[up], others[up], up


def _only_back(
    there: Relation, back: Relation, *, same: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_forward`, turned round, of the edges that `back` kept and `there` did not."""
    rows = np.repeat(np.arange(len(back.indptr) - 1, dtype=np.int32), back.degrees)
    others = plain(back.indices)
    maybe = np.flatnonzero(rows > others) if same else np.arange(len(rows))
    rows, others = rows[maybe], others[maybe]
    lost = ~linked(there, others, rows)
    return others[lost], rows[lost], maybe[lost]
