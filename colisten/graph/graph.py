"""The co-listening graph: items are nodes, shared listeners make edges (paper section 3.2).

Users are not nodes. A relation is named as PyG names an edge type: (podcast, co_listened,
audiobook) holds the podcast neighbours of every audiobook, whose messages flow to it. Any number of
relations may join two types, or items of one type, and two types may have none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.errors import GraphError
from colisten.extras import needs
from colisten.files import file_digest, write_aside
from colisten.graph.arrays import read_arrays, write_arrays
from colisten.graph.given import weights_of, whole
from colisten.graph.hetero import edge_index, node_counts
from colisten.graph.relation import Relation, RelationName, moments_of, relation_label
from colisten.json_files import read_mapping, to_json, write_json
from colisten.words import shown

FORMAT = 4
ARRAYS = ("indptr", "indices", "weights", "times")
IDS = "ids.parquet"
ARRAYS_FILE = "arrays.arrow"


@dataclass(frozen=True)
class CoListeningGraph:
    """A heterogeneous item graph.

    Attributes:
        num_nodes: Items per type, in catalogue order: the global index of a type's first item is
            the sum of the counts before it.
        relations: By (source type, name, destination type), in the order of destination, source
            and name.
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
        for name, relation in self.relations.items():
            if len(name) != 3 or not {name[0], name[2]} <= set(self.num_nodes):
                raise GraphError(
                    f"A graph over types {list(self.num_nodes)} has no relation {shown(name)}.",
                    "Name it (source type, name, destination type).",
                )
            rows, nodes = len(relation.indptr) - 1, self.num_nodes[name[2]]
            if rows != nodes:
                raise GraphError(f"Relation {name} has {rows} rows for {nodes} nodes.")
        place = {name: at for at, name in enumerate(self.num_nodes)}
        ordered = sorted(
            self.relations.items(),
            key=lambda each: (place[each[0][2]], place[each[0][0]], each[0][1]),
        )
        object.__setattr__(self, "relations", dict(ordered))

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

    def relation(self, name: RelationName) -> Relation:
        """The relation of this name; without edges where the graph has none."""
        if name in self.relations:
            return self.relations[name]
        return Relation.empty(self.num_nodes[name[2]])

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
        """Write `graph.json`, `ids.parquet` and `arrays.arrow`; replaces `folder` whole.

        An object store takes few large files sooner than many small ones. Column `i.indptr` and its
        like are relation i of `graph.json`, whatever its types' names.
        """
        with write_aside(folder) as aside:
            aside.mkdir()
            if self.item_ids is not None:
                parquet.write(pa.table({"item_id": self.item_ids}), aside / IDS)
            arrays = {
                f"{number}.{name}": array
                for number, relation in enumerate(self.relations.values())
                for name, array in _arrays(relation).items()
            }
            write_arrays(arrays, aside / ARRAYS_FILE)
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
            if verify:
                for name, expected in header["files"].items():
                    if file_digest(folder / name) != expected:
                        raise GraphError(
                            f"{folder / name} differs from its digest.", "Build the graph again."
                        )
            arrays, _ = read_arrays(folder / ARRAYS_FILE)
            relations = {
                (source, relation, destination): Relation(
                    *(arrays[key] for name in ARRAYS if (key := f"{number}.{name}") in arrays)
                )
                for number, (source, relation, destination) in enumerate(header["relations"])
            }
            ids = None
            if IDS in header["files"]:
                ids = parquet.read(folder / IDS).column("item_id").combine_chunks()
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
        for (source, name, node), relation in self.relations.items():
            degrees = relation.degrees
            connected[node] |= degrees > 0
            connected[source][relation.indices] = True
            relations[relation_label(node, name, source)] = {
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

        A relation becomes the edge type of its name; row 0 of `edge_index` is the neighbour, row 1
        the node. `edge_attr` is [num_edges, 1], strength; `time` int64 [num_edges] where known.

        Args:
            text: Optional node features [num_items, d], set as `x` per type.
        """
        needs("torch", "torch_geometric")
        import torch
        from torch_geometric.data import HeteroData

        data = HeteroData()
        for name, count in self.num_nodes.items():
            data[name].num_nodes = count
            if text is not None:
                data[name].x = torch.from_numpy(np.array(text[self.slice_of(name)], np.float32))
        for edge_type, relation in self.relations.items():
            edges = np.stack([relation.indices.astype(np.int64), relation.rows])
            data[edge_type].edge_index = torch.from_numpy(edges)
            data[edge_type].edge_attr = torch.from_numpy(np.array(relation.weights)).unsqueeze(1)
            if relation.times is not None:
                data[edge_type].time = torch.from_numpy(np.array(relation.times))
        return data

    @classmethod
    def from_hetero_data(cls, data: Any, ids_digest: str) -> CoListeningGraph:
        """The graph of PyG `HeteroData` in the form `to_hetero_data` gives.

        Node types come in alphabetical order. Strength is `edge_attr`, one where there is none, and
        `time` is the moment an edge came to be.

        Args:
            ids_digest: Of the catalogue the nodes belong to.

        Raises:
            GraphError: An index is out of range, a weight is not positive, or a time is no whole
                number of microseconds.
        """
        num_nodes = dict(sorted(node_counts(data).items()))
        relations = {}
        for edge_type in data.edge_types:
            store = data[edge_type]
            edges = edge_index(data, edge_type, num_nodes)
            count = edges.shape[1]
            weights, times = np.ones(count, np.float32), None
            if "edge_attr" in store:
                weights = weights_of(store["edge_attr"], count, f"`edge_attr` of {edge_type}")
            if "time" in store:
                times = moments_of(store["time"], count, f"`time` of {edge_type}")
            relations[edge_type] = Relation.from_edges(
                num_nodes[edge_type[2]], edges[1], edges[0], weights, times
            )
        return cls(num_nodes, relations, ids_digest)


def _arrays(relation: Relation) -> dict[str, np.ndarray]:
    named = {name: getattr(relation, name) for name in ARRAYS}
    return {name: array for name, array in named.items() if array is not None}
