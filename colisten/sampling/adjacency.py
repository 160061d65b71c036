"""Neighbour lists of any heterogeneous graph, as the sampler reads them.

A message relation lists, for every node of one type, its neighbours of one type: CSR over the
nodes that receive messages. Nodes of all types share one global numbering, type after type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from colisten.graph.given import times_of, weights_of
from colisten.graph.graph import CoListeningGraph
from colisten.graph.hetero import edge_attribute, edge_index, node_counts


@dataclass(frozen=True)
class Neighbours:
    """One message relation.

    Attributes:
        node_type: Who receives messages: the rows.
        neighbour_type: Who sends them.
        indptr: int64 [num_nodes + 1].
        indices: int32 or int64 [num_edges], indices within the neighbour type.
        weights: float32 [num_edges], positive; None where all count the same.
        times: int64 or float64 [num_edges]; None where unknown.
        edge_ids: int64 [num_edges], an edge's column in the `edge_index` it came from; None where
            edges are numbered as they lie here.
    """

    node_type: str
    neighbour_type: str
    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray | None = None
    times: np.ndarray | None = None
    edge_ids: np.ndarray | None = None

    @property
    def num_edges(self) -> int:
        """Directed edges."""
        return len(self.indices)


@dataclass(frozen=True)
class Adjacency:
    """All message relations of a graph.

    Attributes:
        num_nodes: Nodes per type, in the order of the global numbering.
        relations: Message relations by edge type, (neighbour type, name, node type).
        starts: int64 [types + 1], global index of each type's first node; the last is the total.
    """

    num_nodes: dict[str, int]
    relations: dict[Any, Neighbours]
    starts: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        counts = np.cumsum([0, *self.num_nodes.values()], dtype=np.int64)
        object.__setattr__(self, "starts", counts)

    @property
    def node_types(self) -> tuple[str, ...]:
        """Node types in global order."""
        return tuple(self.num_nodes)

    @property
    def total(self) -> int:
        """Nodes of all types."""
        return int(self.starts[-1])

    def start_of(self, node_type: str) -> int:
        """Global index of a type's first node."""
        return int(self.starts[self.node_types.index(node_type)])

    @classmethod
    def of_graph(cls, graph: CoListeningGraph) -> Adjacency:
        """The neighbour lists of a co-listening graph."""
        return cls(
            dict(graph.num_nodes),
            {
                name: Neighbours(
                    name[2],
                    name[0],
                    plain(relation.indptr),
                    plain(relation.indices),
                    plain(relation.weights),
                    None if relation.times is None else plain(relation.times),
                )
                for name, relation in graph.relations.items()
            },
        )

    @classmethod
    def of_hetero_data(
        cls, data: Any, *, weight_attr: str | None = None, time_attr: str | None = None
    ) -> Adjacency:
        """The neighbour lists of PyG `HeteroData`, keyed by edge type.

        Messages flow from row 0 of `edge_index` to row 1, so row 1 are the nodes.

        Args:
            weight_attr: Edge attribute with positive weights, [num_edges] or [num_edges, 1].
            time_attr: Edge attribute with times, [num_edges], integers or floats.

        Raises:
            GraphError: A node type has no number of nodes, an index is out of range, an
                attribute is missing or does not fit.
        """
        num_nodes = node_counts(data)
        relations = {}
        for edge_type in data.edge_types:
            source, _, target = edge_type
            index = edge_index(data, edge_type, num_nodes)
            order = np.lexsort((index[0], index[1]))
            indptr = np.zeros(num_nodes[target] + 1, np.int64)
            np.cumsum(np.bincount(index[1], minlength=num_nodes[target]), out=indptr[1:])
            weights = times = None
            count = len(order)
            given = edge_attribute(data, edge_type, weight_attr, count)
            if given is not None:
                what = f"Weights '{weight_attr}' of {edge_type}"
                weights = weights_of(given, count, what)[order]
            given = edge_attribute(data, edge_type, time_attr, count)
            if given is not None:
                times = times_of(given, count, f"Times '{time_attr}' of {edge_type}")[order]
            relations[tuple(edge_type)] = Neighbours(
                target, source, indptr, index[0][order], weights, times, order
            )
        return cls(num_nodes, relations)

    def timed(self, times: Mapping[Any, np.ndarray]) -> Adjacency:
        """The same lists with other times, by relation; a relation not named keeps its own."""
        relations = {
            name: replace(relation, times=times.get(name, relation.times))
            for name, relation in self.relations.items()
        }
        return Adjacency(self.num_nodes, relations)


def plain(array: np.ndarray) -> np.ndarray:
    """A memory-mapped array as a plain view of the same pages, which compiled code accepts."""
    return np.asarray(array).view(np.ndarray)


def carriers_of(
    name: Any, known: Mapping[Any, Any], reverse: Mapping[Any, Any] | None = None
) -> list[Any]:
    """`reverses`, and the relation that `reverse` names for it."""
    carriers = reverses(name, known)
    if reverse is not None and name in reverse:
        carriers = list(dict.fromkeys([*carriers, reverse[name]]))
    return carriers


def reverses(edge_type: Any, known: Mapping[Any, Any]) -> list[Any]:
    """Message relations that carry a supervised edge or its reverse, by PyG's naming.

    Those are the relation itself and, of the other direction, the one of the same name or the
    name with `rev_` in front (what `ToUndirected` makes) or without it.
    """
    source, relation, target = edge_type
    names = [edge_type, (target, relation, source), (target, f"rev_{relation}", source)]
    names.append((target, relation.removeprefix("rev_"), source))
    return [name for name in dict.fromkeys(names) if name in known]
