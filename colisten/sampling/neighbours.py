"""Fixed fan-out neighbourhoods of a set of nodes, laid out for dense aggregation.

A neighbourhood of L hops has L + 1 levels of nodes: level 0 enters the network, level L is the
seeds. A node stands once in a level however many others point at it, so a batch never costs
more than the whole graph. Between two levels every relation has a table [rows, k] of positions,
padded, which an aggregation over k reads without any scatter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.graph.given import whole
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.draws import compiled, draw_edges
from colisten.sampling.edge_types import by_edge_type
from colisten.sampling.pairs import Excluded, contains, pair_keys
from colisten.words import shown

FanOuts = Sequence[int] | Mapping[Any, Sequence[int]]
# What a fan-out of -1 means: every neighbour.
EVERY = 2**62


@dataclass(frozen=True)
class Hop:
    """What one message-passing layer reads.

    Attributes:
        own: int64 [num_out], position of every output node in the input level.
        tables: Per relation int64 [output nodes of the node type, k]: positions of the drawn
            neighbours among the input level's nodes of the neighbour type; the number of those
            nodes marks an empty place. k may be 0.
        weights: Per relation float32 [output nodes of the node type, k], an edge's weight, 0 in
            an empty place; None where they were not asked for.
        edges: Per relation int64 [output nodes of the node type, k], edge numbers within the
            relation, meaningless in an empty place; None where they were not asked for.
    """

    own: np.ndarray
    tables: dict[Any, np.ndarray]
    weights: dict[Any, np.ndarray] | None = None
    edges: dict[Any, np.ndarray] | None = None


@dataclass(frozen=True)
class Neighbourhood:
    """Nodes and draws of all hops.

    Attributes:
        levels: Per level the global indices, int64, ascending; the last level is the seeds.
            Distinct, but in temporal draws, where a node stands once per moment it is seen from.
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

    @property
    def seed_positions(self) -> np.ndarray:
        """Where the seeds stand among the inputs, int64 [num_seeds]."""
        at = np.arange(len(self.seeds))
        for hop in reversed(self.hops):
            at = hop.own[at]
        return at


class NeighborSampler:
    """Draws neighbourhoods from a graph.

    Args:
        graph: Where neighbours come from.
        num_neighbors: Fan-out per hop, from the seeds outwards, for every relation or by
            relation. -1 takes every neighbour, and so does the largest degree.
        weighted: Draw in proportion to edge weights; else uniformly. Either way without
            replacement.
        edge_weights: Also give the drawn edges' weights.
        edge_numbers: Also give the drawn edges' numbers.
        engine: Compiled kernels, where numba is installed; None draws in numpy.

    Raises:
        GraphError: Fan-outs name an unknown relation, are no whole numbers or differ in their
            number of hops, or weights are asked of a relation that has none.
    """

    def __init__(
        self,
        graph: CoListeningGraph | Adjacency,
        num_neighbors: FanOuts,
        *,
        weighted: bool = False,
        edge_weights: bool = False,
        edge_numbers: bool = False,
        engine: ModuleType | None = compiled,
    ) -> None:
        self.graph = graph if isinstance(graph, Adjacency) else Adjacency.of_graph(graph)
        self.fan_outs = _fan_outs(self.graph, num_neighbors)
        self.num_hops = len(next(iter(self.fan_outs.values()), ()))
        self.weighted = weighted
        self.edge_weights = edge_weights
        self.edge_numbers = edge_numbers
        self.engine = engine
        for name, relation in self.graph.relations.items():
            if (weighted or edge_weights) and relation.weights is None:
                raise GraphError(f"Relation {name} has no weights to draw by or to hand on.")

    def __getstate__(self) -> dict[str, Any]:
        """Copies and other processes import the kernels themselves."""
        return self.__dict__ | {"engine": self.engine is not None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.engine = compiled if state["engine"] else None

    def sample(
        self,
        seeds: np.ndarray,
        key: int,
        excluded: Excluded | None = None,
        moments: np.ndarray | None = None,
    ) -> Neighbourhood:
        """Draw the neighbourhood of ascending global indices `seeds` [num_seeds].

        Args:
            seeds: Distinct, or with `moments` distinct as (seed, moment).
            key: Unsigned 64-bit. What a node draws in a hop follows from it and from nothing else
                in the batch.
            excluded: Pairs that pass no messages.
            moments: int64 or float64 [num_seeds], as the edges' times: no edge newer than a
                seed's moment is in its neighbourhood.

        Raises:
            GraphError: Edges have no times, or of another kind than the moments.
        """
        if moments is not None:
            self.check_times(moments.dtype)
        levels, bounds = [seeds], [self._bounds(seeds)]
        hops: list[Hop] = []
        for number in range(self.num_hops):
            nodes, limits = levels[0], bounds[0]
            drawn, weights, numbers = {}, {}, {}
            for place, (name, relation) in enumerate(self.graph.relations.items()):
                part = self._part(limits, relation.node_type)
                edges, table = self._draw(
                    name,
                    nodes[part],
                    self.fan_outs[name][number],
                    _hop_key(key, number, place),
                    excluded,
                    None if moments is None else moments[part],
                )
                drawn[name], numbers[name] = table, edges
                if self.edge_weights:
                    assert relation.weights is not None
                    weights[name] = np.where(table >= 0, relation.weights[edges], np.float32(0))
            if moments is None:
                inputs, own = self._join(nodes, drawn)
            else:
                inputs, own, moments = self._join_by_moment(nodes, limits, moments, drawn)
            hops.insert(
                0,
                Hop(
                    own,
                    drawn,
                    weights if self.edge_weights else None,
                    numbers if self.edge_numbers else None,
                ),
            )
            levels.insert(0, inputs)
            bounds.insert(0, self._bounds(inputs))
        return Neighbourhood(tuple(levels), tuple(bounds), tuple(hops))

    def check_times(self, kind: np.dtype[Any]) -> None:
        """Raise GraphError unless every edge has a time that compares exactly with `kind`."""
        for name, relation in self.graph.relations.items():
            if not relation.num_edges:
                continue
            if relation.times is None:
                raise GraphError(
                    f"Relation {name} has no times, which temporal draws need.",
                    "Give its edges times, or leave the relation out.",
                )
            if relation.times.dtype != kind:
                raise GraphError(
                    f"Times of {name} are {relation.times.dtype}, moments {kind}.",
                    "Give both as int64 or both as float64.",
                )

    def _part(self, limits: np.ndarray, node_type: str) -> slice:
        at = self.graph.node_types.index(node_type)
        return slice(int(limits[at]), int(limits[at + 1]))

    def _bounds(self, nodes: np.ndarray) -> np.ndarray:
        return np.searchsorted(nodes, self.graph.starts)

    def _draw(
        self,
        name: Any,
        rows: np.ndarray,
        fan_out: int,
        key: int,
        excluded: Excluded | None,
        moments: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Edge numbers and local neighbours [rows, k] of global indices `rows`; -1 for none."""
        relation = self.graph.relations[name]
        here = self.graph.start_of(relation.node_type)
        there = self.graph.start_of(relation.neighbour_type)
        edges = draw_edges(
            relation,
            rows - here,
            fan_out,
            key,
            weighted=self.weighted,
            latest=moments,
            engine=self.engine,
        )
        none = np.zeros(0, np.int64)
        keys = none if excluded is None else excluded.keys.get(name, none)
        if self.engine is not None:
            endpoints = np.zeros(0, bool) if excluded is None else excluded.endpoints
            table = self.engine.neighbours(
                edges,
                relation.indices,
                rows - here,
                here,
                there,
                endpoints,
                keys,
                self.graph.total,
            )
            return edges, table
        if not relation.num_edges:
            return edges, edges.copy()
        table = np.where(edges >= 0, relation.indices[edges], -1).astype(np.int64)
        if keys.size and excluded is not None:
            row, column = np.nonzero(excluded.endpoints[rows][:, None] & (table >= 0))
            other = table[row, column] + there
            hit = contains(keys, pair_keys(rows[row], other, self.graph.total))
            table[row[hit], column[hit]] = -1
        return edges, table

    def _join(
        self, nodes: np.ndarray, drawn: dict[Any, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next level and the nodes' own places in it; tables become positions, in place."""
        reached = np.zeros(self.graph.total, bool)
        reached[nodes] = True
        for name, table in drawn.items():
            offset = self.graph.start_of(self.graph.relations[name].neighbour_type)
            if self.engine is not None:
                self.engine.mark(table, offset, reached)
            else:
                reached[table[table >= 0] + offset] = True
        inputs = np.flatnonzero(reached)
        limits = self._bounds(inputs)
        position = np.empty(self.graph.total, np.int64)
        position[inputs] = np.arange(len(inputs))
        for name, table in drawn.items():
            other = self.graph.relations[name].neighbour_type
            part = self._part(limits, other)
            offset = self.graph.start_of(other)
            # A type's positions count from its own first row.
            local = position[offset : offset + self.graph.num_nodes[other]]
            _relabel(table, local, part, self.engine)
        return inputs, position[nodes]

    def _join_by_moment(
        self,
        nodes: np.ndarray,
        limits: np.ndarray,
        moments: np.ndarray,
        drawn: dict[Any, np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """As `_join`, with a node once per moment it is seen from; also the new level's moments."""
        times, group = np.unique(moments, return_inverse=True)
        parts, shapes = [nodes * len(times) + group], []
        for name, table in drawn.items():
            relation = self.graph.relations[name]
            rows = group[self._part(limits, relation.node_type)]
            present = table >= 0
            shapes.append((name, present))
            seen = np.broadcast_to(rows[:, None], table.shape)[present]
            parts.append(
                (table[present] + self.graph.start_of(relation.neighbour_type)) * len(times) + seen
            )
        keys, place = np.unique(np.concatenate(parts), return_inverse=True)
        inputs, seen = np.divmod(keys, max(len(times), 1))
        bounds = self._bounds(inputs)
        at = len(nodes)
        for name, present in shapes:
            part = self._part(bounds, self.graph.relations[name].neighbour_type)
            count = int(present.sum())
            drawn[name][present] = place[at : at + count] - part.start
            drawn[name][~present] = part.stop - part.start
            at += count
        return inputs, place[: len(nodes)], times[seen]


def _relabel(
    table: np.ndarray, position: np.ndarray, part: slice, engine: ModuleType | None
) -> None:
    """Local indices become positions within the level's rows `part`, in place."""
    empty = part.stop - part.start
    if engine is not None:
        engine.relabel(table, position, part.start, empty)
        return
    present = table >= 0
    table[present] = position[table[present]] - part.start
    table[~present] = empty


def _hop_key(key: int, hop: int, relation: int) -> int:
    state = np.random.SeedSequence([key, hop, relation]).generate_state(1, np.uint64)
    return int(state[0])


def _fan_outs(graph: Adjacency, given: Any) -> dict[Any, tuple[int, ...]]:
    default = None
    if hasattr(given, "values") and hasattr(given, "default"):  # PyG's NumNeighbors
        given, default = given.values, given.default
    if isinstance(given, Mapping):
        named = by_edge_type(given, graph.relations)
        missing = [name for name in graph.relations if name not in named]
        if missing and default is None:
            raise GraphError(
                f"num_neighbors names no fan-out for {missing}.",
                "Name every edge type; 0 draws none of it.",
            )
        fan_outs = {name: _hops(named.get(name, default)) for name in graph.relations}
    else:
        fan_outs = dict.fromkeys(graph.relations, _hops(given))
    if len({len(fan_out) for fan_out in fan_outs.values()}) > 1:
        raise GraphError("Every relation needs a fan-out for every hop; 0 draws none.")
    return fan_outs


def _hops(given: Any) -> tuple[int, ...]:
    if (
        isinstance(given, str | set)
        or not hasattr(given, "__iter__")
        or getattr(given, "ndim", 1) != 1
    ):
        raise GraphError(
            f"num_neighbors is a list with a number per hop, not {shown(given)}.",
            "Write [10, 5] for 10 neighbours of each seed and 5 of each of those.",
        )
    numbers = given.tolist() if hasattr(given, "tolist") else list(given)
    hops = tuple(whole("A fan-out in num_neighbors", number) for number in numbers)
    if any(number < -1 for number in hops):
        raise GraphError("A fan-out is a number of neighbours, 0 or more, or -1 for all.")
    return tuple(EVERY if number < 0 else number for number in hops)
