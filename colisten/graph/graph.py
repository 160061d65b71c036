"""The co-listening graph: items are nodes, shared listeners make edges (paper section 3.2).

Users are not nodes. For every ordered pair of item types there is one relation, kept as CSR
arrays whose row is the node that listens to its neighbours: relation (audiobook, podcast) holds
the podcast neighbours of every audiobook.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import GraphError
from colisten.files import file_digest, write_aside
from colisten.graph.given import index_of, times_of, weights_of, whole
from colisten.graph.hetero import edge_index, node_counts
from colisten.json_files import read_mapping, to_json, write_json

RelationName = tuple[str, str]
FORMAT = 2
# Of a neighbour within its type: indices are int32.
MAX_INDEX = 2**31
ARRAYS = ("indptr", "indices", "weights", "times")
IDS = "ids.parquet"


@dataclass(frozen=True)
class Relation:
    """Neighbours of one type for every node of one type, as CSR.

    Attributes:
        indptr: int64 [num_nodes + 1]; node i's neighbours are indices[indptr[i]:indptr[i + 1]].
        indices: int32 [num_edges], index within the neighbour's type, ascending per node.
        weights: float32 [num_edges], strength: users who listened to both, or their shares
            (`graph.weights`).
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
        return cls(
            np.zeros(num_nodes + 1, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
        )

    @classmethod
    def from_edges(
        cls,
        num_nodes: int,
        source: np.ndarray,
        target: np.ndarray,
        weights: np.ndarray,
        times: np.ndarray | None = None,
    ) -> Relation:
        """CSR of edges given in any order as [num_edges] arrays of local indices.

        Raises:
            GraphError: An index is no integer, negative or beyond what the arrays hold, or a time
                is no integer.
        """
        source, target = index_of((source, target), (num_nodes, MAX_INDEX), "a relation")
        order = np.lexsort((target, source))
        indptr = np.zeros(num_nodes + 1, np.int64)
        np.cumsum(np.bincount(source, minlength=num_nodes), out=indptr[1:])
        return cls(
            indptr,
            target[order].astype(np.int32),
            np.asarray(weights[order], dtype=np.float32),
            None if times is None else _moments(times, len(order), "Times of a relation")[order],
        )

    def where(self, kept: np.ndarray) -> Relation:
        """The edges where `kept`, bool [num_edges], is true."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return Relation(
            before[self.indptr].astype(np.int64),
            self.indices[kept],
            self.weights[kept],
            None if self.times is None else self.times[kept],
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
    def sources(self) -> np.ndarray:
        """Row of every edge, int64 [num_edges]."""
        return np.repeat(np.arange(len(self.indptr) - 1), self.degrees)


@dataclass(frozen=True)
class CoListeningGraph:
    """A heterogeneous item graph.

    Attributes:
        num_nodes: Items per type, in catalogue order: the global index of a type's first item is
            the sum of the counts before it.
        relations: One `Relation` per ordered pair of types, (node type, neighbour type).
        ids_digest: Digest of the catalogue's ids in order, so that vectors of one catalogue are
            never read with another.
        item_ids: string [num_items], which item each global index is; None where unknown.
    """

    num_nodes: dict[str, int]
    relations: dict[RelationName, Relation]
    ids_digest: str
    item_ids: pa.Array | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.item_ids is not None and len(self.item_ids) != self.num_items:
            raise GraphError(f"{len(self.item_ids)} ids for {self.num_items} items.")
        if set(self.relations) != set(product(self.num_nodes, repeat=2)):
            raise GraphError(
                f"A graph over types {list(self.num_nodes)} needs a relation for every ordered "
                f"pair of them, not {sorted(self.relations)}."
            )
        for (source, target), relation in self.relations.items():
            rows = len(relation.indptr) - 1
            if rows != self.num_nodes[source]:
                raise GraphError(
                    f"Relation ({source}, {target}) has {rows} rows for "
                    f"{self.num_nodes[source]} nodes."
                )

    @property
    def item_types(self) -> tuple[str, ...]:
        """Item types in catalogue order."""
        return tuple(self.num_nodes)

    @property
    def num_items(self) -> int:
        """Nodes of all types."""
        return sum(self.num_nodes.values())

    @property
    def num_edges(self) -> int:
        """Directed edges of all relations."""
        return sum(relation.num_edges for relation in self.relations.values())

    def slice_of(self, item_type: str) -> slice:
        """Global indices of one type."""
        start = 0
        for name, count in self.num_nodes.items():
            if name == item_type:
                return slice(start, start + count)
            start += count
        raise GraphError(f"The graph has no items of type '{item_type}', only {self.item_types}.")

    def digest(self) -> str:
        """SHA-256 over ids, shapes and every array's bytes."""
        digest = hashlib.sha256(
            to_json([FORMAT, list(self.num_nodes.items()), self.ids_digest]).encode()
        )
        for name in sorted(self.relations):
            digest.update("\0".join(name).encode())
            for array in _arrays(self.relations[name]).values():
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def save(self, folder: Path) -> Path:
        """Write `graph.json`, `ids.parquet` and one `.npy` per array; replaces `folder` whole."""
        with write_aside(folder) as aside:
            aside.mkdir()
            if self.item_ids is not None:
                parquet.write(pa.table({"item_id": self.item_ids}), aside / IDS)
            for (source, target), relation in self.relations.items():
                for name, array in _arrays(relation).items():
                    np.save(aside / f"{source}-{target}.{name}.npy", array)
            header = {
                "format": FORMAT,
                "num_nodes": [[name, count] for name, count in self.num_nodes.items()],
                "relations": [list(name) for name in self.relations],
                "ids_digest": self.ids_digest,
                "digest": self.digest(),
                "files": {file.name: file_digest(file) for file in sorted(aside.iterdir())},
            }
            write_json(aside / "graph.json", header)
        return folder

    @classmethod
    def load(cls, folder: Path, *, verify: bool = False) -> CoListeningGraph:
        """Read what `save` wrote; arrays are memory-mapped.

        Args:
            verify: Also compare every file with its digest, which reads all of them.

        Raises:
            GraphError: A file is missing, of another format, or differs from its digest.
        """
        try:
            header = read_mapping(folder / "graph.json")
            if header["format"] != FORMAT:
                raise GraphError(
                    f"{folder} holds graph format {header['format']}; this version reads {FORMAT}.",
                    "Build the graph again.",
                )
            relations = {
                (source, target): Relation(
                    *(
                        _map(folder / file)
                        for array in ARRAYS
                        if (file := f"{source}-{target}.{array}.npy") in header["files"]
                    )
                )
                for source, target in header["relations"]
            }
            ids = None
            if IDS in header["files"]:
                ids = parquet.read(folder / IDS).column("item_id").combine_chunks()
            if verify:
                for name, expected in header["files"].items():
                    if file_digest(folder / name) != expected:
                        raise GraphError(
                            f"{folder / name} differs from its digest.", "Build the graph again."
                        )
        except (OSError, ValueError, KeyError, TypeError, EOFError, pa.ArrowException) as error:
            raise GraphError(
                f"Cannot read a graph from {folder}: {error}.", "Build the graph again."
            ) from error
        return cls(dict(header["num_nodes"]), relations, header["ids_digest"], ids)

    def before(self, moment: int) -> CoListeningGraph:
        """The edges that came to be before `moment`, microseconds since 1970 UTC.

        Raises:
            GraphError: A relation with edges has no times, or the moment is no whole number.
        """
        moment = whole("A moment in microseconds since 1970", moment)
        relations = {}
        for name, relation in self.relations.items():
            if relation.times is None:
                if relation.num_edges:
                    raise GraphError(
                        f"Relation {name} has no times, so its edges cannot be cut at a moment.",
                        "Build the graph from events.",
                    )
                relations[name] = relation
            else:
                relations[name] = relation.where(np.asarray(relation.times) < moment)
        return CoListeningGraph(self.num_nodes, relations, self.ids_digest, self.item_ids)

    def summary(self) -> dict[str, Any]:
        """Counts and degrees for logs and reports, plain JSON values."""
        summary: dict[str, Any] = {"nodes": dict(self.num_nodes), "edges": self.num_edges}
        connected = {name: np.zeros(count, bool) for name, count in self.num_nodes.items()}
        relations = {}
        for (source, target), relation in self.relations.items():
            degrees = relation.degrees
            connected[source] |= degrees > 0
            connected[target][relation.indices] = True
            relations[f"{source}-{target}"] = {
                "edges": relation.num_edges,
                "nodes_with_edges": int((degrees > 0).sum()),
                "mean_degree": round(float(degrees.mean()), 3) if degrees.size else 0.0,
                "max_degree": int(degrees.max(initial=0)),
                "mean_strength": round(float(relation.weights.mean(dtype=np.float64)), 3)
                if relation.num_edges
                else 0.0,
            }
        summary["relations"] = relations
        summary["isolated"] = {name: int((~seen).sum()) for name, seen in connected.items()}
        return summary

    def to_hetero_data(self, text: np.ndarray | None = None) -> Any:
        """The graph as PyG `HeteroData`.

        Messages in PyG flow from row 0 of `edge_index` to row 1, so relation (audiobook, podcast)
        becomes edge type ("podcast", "colistened", "audiobook"): row 0 the neighbour, row 1 the
        node. `edge_attr` is [num_edges, 1], strength; `time` int64 [num_edges] where known.

        Args:
            text: Optional node features [num_items, d], set as `x` per type.
        """
        import torch
        from torch_geometric.data import HeteroData

        data = HeteroData()
        for name, count in self.num_nodes.items():
            data[name].num_nodes = count
            if text is not None:
                data[name].x = torch.from_numpy(np.array(text[self.slice_of(name)], np.float32))
        for (source, target), relation in self.relations.items():
            edges = np.stack([relation.indices.astype(np.int64), relation.sources])
            data[target, "colistened", source].edge_index = torch.from_numpy(edges)
            weights = torch.from_numpy(np.array(relation.weights))
            data[target, "colistened", source].edge_attr = weights.unsqueeze(1)
            if relation.times is not None:
                times = torch.from_numpy(np.array(relation.times))
                data[target, "colistened", source].time = times
        return data

    @classmethod
    def from_hetero_data(cls, data: Any, ids_digest: str) -> CoListeningGraph:
        """The graph of PyG `HeteroData` in the form `to_hetero_data` gives.

        Node types come in alphabetical order. Edge type (a, any name, b) says that b listens to
        a; a pair of types without one has no edges. Strength is `edge_attr`, one where there is
        none, and `time` is the moment an edge came to be.

        Args:
            ids_digest: Of the catalogue the nodes belong to.

        Raises:
            GraphError: An index is out of range, two edge types join the same types, a weight is
                not positive, or a time is no whole number of microseconds.
        """
        num_nodes = dict(sorted(node_counts(data).items()))
        relations = {
            (node, other): Relation.empty(num_nodes[node])
            for node, other in product(num_nodes, repeat=2)
        }
        for edge_type in data.edge_types:
            other, _, node = edge_type
            store = data[edge_type]
            edges = edge_index(data, edge_type, num_nodes)
            count = edges.shape[1]
            if relations[node, other].num_edges:
                raise GraphError(f"A second edge type joins {other} and {node}: {edge_type}.")
            weights, times = np.ones(count, np.float32), None
            if "edge_attr" in store:
                weights = weights_of(store["edge_attr"], count, f"`edge_attr` of {edge_type}")
            if "time" in store:
                times = _moments(store["time"], count, f"`time` of {edge_type}")
            relations[node, other] = Relation.from_edges(
                num_nodes[node], edges[1], edges[0], weights, times
            )
        return cls(num_nodes, relations, ids_digest)


def _moments(values: Any, count: int, what: str) -> np.ndarray:
    """Microseconds, int64 [count]; raises GraphError where they are not whole."""
    times = times_of(values, count, what)
    if times.dtype.kind != "i":
        raise GraphError(
            f"{what} is of floats, where a moment is whole microseconds since 1970 UTC.",
            "Convert seconds with (seconds * 1e6).round() to int64.",
        )
    return times


def _arrays(relation: Relation) -> dict[str, np.ndarray]:
    named = {name: getattr(relation, name) for name in ARRAYS}
    return {name: array for name, array in named.items() if array is not None}


def _map(file: Path) -> np.ndarray:
    array: np.ndarray = np.load(file, mmap_mode="r", allow_pickle=False)
    return array
