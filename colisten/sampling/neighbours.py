"""Fixed fan-out neighbourhoods of a set of items, laid out for dense aggregation.

A neighbourhood of L hops has L + 1 levels of nodes: level 0 enters the network, level L is the
seeds. A node stands once in a level however many others point at it, so a batch never costs
more than the whole graph. Between two levels every relation has a table [rows, k] of positions,
padded, which a max over k reads without any scatter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from colisten.graph.graph import CoListeningGraph, Relation, RelationName


@dataclass(frozen=True)
class Hop:
    """What one message-passing layer reads.

    Attributes:
        own: int64 [num_out], position of every output node in the input level.
        tables: Per relation int64 [output nodes of the node type, k]: positions of the drawn
            neighbours among the input level's nodes of the neighbour type; the number of those
            nodes marks an empty place. k may be 0.
    """

    own: np.ndarray
    tables: dict[RelationName, np.ndarray]


@dataclass(frozen=True)
class Neighbourhood:
    """Nodes and draws of all hops.

    Attributes:
        levels: Per level the sorted global indices, int64; the last level is the seeds.
        bounds: Per level int64 [types + 1]: nodes of type t are rows bounds[t]:bounds[t + 1].
        hops: One `Hop` per layer; hops[l] leads from levels[l] to levels[l + 1].
    """

    levels: tuple[np.ndarray, ...]
    bounds: tuple[np.ndarray, ...]
    hops: tuple[Hop, ...]

    @property
    def inputs(self) -> np.ndarray:
        """Global indices whose features enter, int64 [num_in]."""
        return self.levels[0]

    @property
    def seeds(self) -> np.ndarray:
        """Global indices that get a vector, int64 [num_seeds]."""
        return self.levels[-1]


@dataclass(frozen=True)
class Excluded:
    """Edges that message passing must not use: a batch's supervised pairs, either direction.

    Attributes:
        keys: Sorted int64, `low * num_items + high` per pair.
        endpoints: bool [num_items], whether an item is in any pair.
    """

    keys: np.ndarray
    endpoints: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, num_items: int) -> Excluded:
        """Exclude int64 [num_pairs, 2] pairs of global indices."""
        endpoints = np.zeros(num_items, bool)
        endpoints[pairs] = True
        return cls(np.unique(pair_keys(pairs[:, 0], pairs[:, 1], num_items)), endpoints)


class NeighborSampler:
    """Draws neighbourhoods from a graph.

    Args:
        graph: Where neighbours come from.
        num_neighbors: Fan-out per hop, from the seeds outwards, for every relation. A fan-out
            of at least the largest degree takes every neighbour.
        weighted: Draw in proportion to co-listeners; else uniformly. Either way without
            replacement.
    """

    def __init__(
        self, graph: CoListeningGraph, num_neighbors: tuple[int, ...], *, weighted: bool
    ) -> None:
        self.graph = graph
        self.num_neighbors = num_neighbors
        self.weighted = weighted
        slices = [graph.slice_of(name) for name in graph.item_types]
        self._starts = np.array([part.start for part in slices] + [graph.num_items], np.int64)
        self._position = np.zeros(graph.num_items, np.int64)

    def sample(
        self, seeds: np.ndarray, rng: np.random.Generator, excluded: Excluded | None = None
    ) -> Neighbourhood:
        """Draw the neighbourhood of sorted, distinct global indices `seeds` [num_seeds]."""
        levels, bounds = [seeds], [self._bounds(seeds)]
        hops: list[Hop] = []
        for fan_out in self.num_neighbors:
            drawn = self._draw(levels[0], bounds[0], fan_out, rng, excluded)
            reached = np.zeros(self.graph.num_items, bool)
            reached[levels[0]] = True
            for table in drawn.values():
                reached[table[table >= 0]] = True
            inputs = np.flatnonzero(reached)
            limits = self._bounds(inputs)
            self._position[inputs] = np.arange(len(inputs))
            tables = {}
            for (source, target), table in drawn.items():
                at = self.graph.item_types.index(target)
                first, stop = limits[at], limits[at + 1]
                tables[source, target] = np.where(
                    table >= 0, self._position[table] - first, stop - first
                )
            hops.insert(0, Hop(self._position[levels[0]], tables))
            levels.insert(0, inputs)
            bounds.insert(0, limits)
        return Neighbourhood(tuple(levels), tuple(bounds), tuple(hops))

    def _bounds(self, nodes: np.ndarray) -> np.ndarray:
        return np.searchsorted(nodes, self._starts)

    def _draw(
        self,
        nodes: np.ndarray,
        bounds: np.ndarray,
        fan_out: int,
        rng: np.random.Generator,
        excluded: Excluded | None,
    ) -> dict[RelationName, np.ndarray]:
        """Global neighbour indices per relation [nodes of type, k]; -1 where there is none."""
        drawn = {}
        for a, source in enumerate(self.graph.item_types):
            rows = nodes[bounds[a] : bounds[a + 1]]
            for b, target in enumerate(self.graph.item_types):
                relation = self.graph.relations[source, target]
                edges = draw_edges(relation, rows - self._starts[a], fan_out, rng, self.weighted)
                if not edges.size:
                    drawn[source, target] = np.full((len(rows), 0), -1, np.int64)
                    continue
                table = np.where(edges >= 0, relation.indices[edges] + self._starts[b], -1)
                if excluded is not None:
                    _exclude(table, rows, excluded, self.graph.num_items)
                drawn[source, target] = table
        return drawn


def draw_edges(
    relation: Relation, rows: np.ndarray, fan_out: int, rng: np.random.Generator, weighted: bool
) -> np.ndarray:
    """Edge numbers int64 [len(rows), k] of up to `fan_out` distinct neighbours per row; -1 pads.

    Of n neighbours the k with the smallest exponential arrival times are taken: with equal rates
    that is a uniform draw without replacement, with rates = weights a successive weighted one
    (Efraimidis and Spirakis, 2006). k is `fan_out` or the largest degree, whichever is less.
    """
    start = relation.indptr[rows]
    degree = relation.indptr[rows + 1] - start
    width = min(fan_out, int(degree.max(initial=0)))
    place = np.arange(width)
    edges = np.where(place < degree[:, None], start[:, None] + place, -1)
    # Rows of like degree are drawn together, so little of a block is padding.
    low = width
    while (degree > low).any():
        chosen = np.flatnonzero((degree > low) & (degree <= 2 * low))
        low *= 2
        if not chosen.size:
            continue
        places = np.arange(int(degree[chosen].max()))
        inside = places < degree[chosen, None]
        arrival = rng.standard_exponential(inside.shape, dtype=np.float32)
        if weighted:
            at = np.where(inside, start[chosen, None] + places, 0)
            arrival /= relation.weights[at]
        arrival[~inside] = np.inf
        first = np.argpartition(arrival, width - 1, axis=1)[:, :width]
        edges[chosen] = start[chosen, None] + first
    return edges


def pair_keys(left: np.ndarray, right: np.ndarray, num_items: int) -> np.ndarray:
    """One int64 per unordered pair of global indices."""
    keys: np.ndarray = np.minimum(left, right) * np.int64(num_items) + np.maximum(left, right)
    return keys


def contains(sorted_keys: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Which of `keys` are in `sorted_keys`; bool, shaped like `keys`."""
    if not sorted_keys.size:
        return np.zeros(keys.shape, bool)
    at = np.searchsorted(sorted_keys, keys)
    at[at == len(sorted_keys)] = 0
    found: np.ndarray = sorted_keys[at] == keys
    return found


def _exclude(table: np.ndarray, rows: np.ndarray, excluded: Excluded, num_items: int) -> None:
    """Set -1 in `table` where (row, neighbour) is an excluded pair."""
    row, column = np.nonzero(excluded.endpoints[rows][:, None] & (table >= 0))
    neighbour = table[row, column]
    maybe = excluded.endpoints[neighbour]
    row, column, neighbour = row[maybe], column[maybe], neighbour[maybe]
    hit = contains(excluded.keys, pair_keys(rows[row], neighbour, num_items))
    table[row[hit], column[hit]] = -1
