"""One relation of a graph: its name and its edges.

A relation is named as PyG names an edge type: (source type, name, destination type). Messages flow
from source to destination, so the rows of the edges are the nodes of the destination type and each
row lists its neighbours of the source type.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.graph.given import index_of, times_of

RelationName = tuple[str, str, str]
# Items that the same users touched.
CO_LISTENED = "co_listened"
# Of a neighbour within its type: indices are int32.
MAX_INDEX = 2**31


def relation_label(first: str, name: str, second: str) -> str:
    """How figures call a relation: by its two types, and by its name where it is not the usual."""
    parts = (first, second) if name == CO_LISTENED else (first, name, second)
    return "-".join(repr(part) if "-" in part else part for part in parts)


@dataclass(frozen=True)
class Relation:
    """Neighbours of the source type for every node of the destination type, as CSR.

    Attributes:
        indptr: int64 [num_nodes + 1]; node i's neighbours are indices[indptr[i]:indptr[i + 1]].
        indices: int32 [num_edges], index within the neighbour's type, ascending per node.
        weights: float32 [num_edges], positive: an edge's strength.
        times: int64 [num_edges], microseconds since 1970 UTC, when the edge came to be; None
            where unknown.
    """

    indptr: np.ndarray
    indices: np.ndarray
    weights: np.ndarray
    times: np.ndarray | None = None

    @classmethod
    def empty(cls, num_nodes: int) -> Relation:
        """A relation without edges."""
        no_edges = np.zeros(0, np.int64)
        return cls(
            np.zeros(num_nodes + 1, np.int64),
            np.zeros(0, np.int32),
            np.zeros(0, np.float32),
            no_edges,
        )

    @classmethod
    def from_edges(
        cls,
        num_nodes: int,
        nodes: np.ndarray,
        neighbours: np.ndarray,
        weights: np.ndarray,
        times: np.ndarray | None = None,
    ) -> Relation:
        """CSR of edges given in any order as [num_edges] arrays of indices within the types.

        Raises:
            GraphError: An index is no integer, negative or beyond what the arrays hold, or a time
                is no integer.
        """
        rows, near = index_of((nodes, neighbours), (num_nodes, MAX_INDEX), "a relation")
        order = np.lexsort((near, rows))
        indptr = np.zeros(num_nodes + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=num_nodes), out=indptr[1:])
        return cls(
            indptr,
            near[order].astype(np.int32),
            np.asarray(weights[order], dtype=np.float32),
            None if times is None else moments_of(times, len(order), "Times of a relation")[order],
        )

    def where(self, mask: np.ndarray) -> Relation:
        """The edges where `mask`, bool [num_edges], is true."""
        before = np.concatenate([[0], np.cumsum(mask)])
        return Relation(
            before[self.indptr].astype(np.int64),
            self.indices[mask],
            self.weights[mask],
            None if self.times is None else self.times[mask],
        )

    @property
    def num_edges(self) -> int:
        """Directed edges."""
        return len(self.indices)

    @property
    def degrees(self) -> np.ndarray:
        """Neighbours per node, int64 [num_nodes]."""
        degrees: np.ndarray = np.diff(self.indptr)
        return degrees

    @property
    def rows(self) -> np.ndarray:
        """Row of every edge, int64 [num_edges]."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.degrees)


def moments_of(values: Any, count: int, what: str) -> np.ndarray:
    """Microseconds, int64 [count]; raises GraphError where they are not whole."""
    times = times_of(values, count, what)
    if times.dtype.kind != "i":
        raise GraphError(
            f"{what} is of floats, where a moment is whole microseconds since 1970 UTC.",
            "Convert seconds with (seconds * 1e6).round() to int64.",
        )
    return times
