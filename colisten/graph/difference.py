"""A graph saved as what tells it from another one of the same items.

Without some users most edges of a co-listening graph are still there: they are told by a bit each,
those of another strength or moment by their values, and those that took the place of stronger ones
by themselves. So a graph of each user fold beside the whole one takes a fifth of a copy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from colisten.errors import GraphError
from colisten.files import write_aside
from colisten.graph.arrays import read_arrays, write_arrays
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from colisten.json_files import parse_json, to_json

FORMAT = 1
VALUES = ("weights", "times")


def save_difference(graph: CoListeningGraph, other: CoListeningGraph, file: Path) -> Path:
    """Write what tells `graph` from `other`; `load_difference` gives its bytes back.

    Raises:
        GraphError: They are of other items.
    """
    if (graph.num_nodes, graph.ids_digest) != (other.num_nodes, other.ids_digest):
        raise GraphError("Graphs of other items have nothing to be told by.")
    arrays: dict[str, np.ndarray] = {}
    for number, (name, relation) in enumerate(graph.relations.items()):
        told = _told(relation, other.relation(name), other.num_nodes[name[0]])
        arrays |= {f"{number}.{each}": array for each, array in told.items()}
    header = {
        "format": FORMAT,
        "relations": [
            [*name, other.relation(name).num_edges, relation.num_edges]
            for name, relation in graph.relations.items()
        ],
        "digest": graph.digest(),
    }
    with write_aside(file) as aside:
        write_arrays(arrays, aside, to_json(header))
    return file


def load_difference(
    other: CoListeningGraph, file: Path, *, verify: bool = False
) -> CoListeningGraph:
    """The graph that `save_difference` wrote, given the same other one; its arrays are in memory.

    Args:
        verify: Also compare what comes of it with its digest.

    Raises:
        GraphError: The file is missing, of another format, of another graph, or damaged.
    """
    try:
        arrays, told = read_arrays(file)
        header = parse_json(told)
        if header["format"] != FORMAT:
            raise GraphError(
                f"{file} holds format {header['format']}; this version reads {FORMAT}.",
                "Build the graph again.",
            )
        relations = {}
        for number, (source, name, node, before, edges) in enumerate(header["relations"]):
            relation = other.relation((source, name, node))
            if relation.num_edges != before:
                raise ValueError(f"it is of {before} edges, and there are {relation.num_edges}")
            of_it = {
                key.partition(".")[2]: array
                for key, array in arrays.items()
                if key.partition(".")[0] == str(number)
            }
            relations[source, name, node] = _relation(relation, of_it, edges)
    except (OSError, ValueError, LookupError, TypeError, EOFError, pa.ArrowException) as error:
        raise GraphError(
            f"Cannot read the difference of a graph from {file}: {error}.",
            "Build the graph again.",
        ) from error
    graph = CoListeningGraph(other.num_nodes, relations, other.ids_digest, other.item_ids)
    if verify and graph.digest() != header["digest"]:
        raise GraphError(f"{file} differs from its digest.", "Build the graph again.")
    return graph


def _told(relation: Relation, other: Relation, neighbours: int) -> dict[str, np.ndarray]:
    """What `_relation` makes the relation of."""
    own, others = (each.rows * neighbours + each.indices for each in (relation, other))
    at = np.searchsorted(others, own)
    shared = at < len(others)
    shared[shared] = others[at[shared]] == own[shared]
    # Each is told once, in its order; what comes out of order or twice is told in full.
    latest = np.maximum.accumulate(np.where(shared, at, -1))
    shared &= np.diff(latest, prepend=-1) > 0
    kept = np.zeros(other.num_edges, bool)
    kept[at[shared]] = True
    told = {
        "kept": np.packbits(kept),
        "shared": np.packbits(shared),
        "rows": relation.rows[~shared].astype(np.int32),
        "indices": relation.indices[~shared],
    }
    for name in VALUES:
        values, before = getattr(relation, name), getattr(other, name)
        if values is None:
            continue
        differs = np.ones(len(values), bool)
        if before is not None:
            differs[shared] = values[shared] != before[at[shared]]
        told[name] = values[differs]
        told[f"other_{name}"] = np.packbits(differs)
    return told


def _relation(other: Relation, told: dict[str, np.ndarray], edges: int) -> Relation:
    kept, shared = _bits(told["kept"], other.num_edges), _bits(told["shared"], edges)

    def whole(kind: np.dtype, of_other: np.ndarray | None, own: np.ndarray, at: np.ndarray) -> Any:
        values = np.empty(edges, kind)
        if of_other is not None:
            values[shared] = of_other[kept]
        values[at] = own
        return values

    rows = whole(np.dtype(np.int64), other.rows, told["rows"], ~shared)
    values = {
        name: whole(
            told[name].dtype, getattr(other, name), told[name], _bits(told[f"other_{name}"], edges)
        )
        for name in VALUES
        if name in told
    }
    indptr = np.zeros(len(other.indptr), np.int64)
    np.cumsum(np.bincount(rows, minlength=len(indptr) - 1), out=indptr[1:])
    indices = whole(told["indices"].dtype, other.indices, told["indices"], ~shared)
    return Relation(indptr, indices, values["weights"], values.get("times"))


def _bits(packed: np.ndarray, count: int) -> np.ndarray:
    if len(packed) != -(-count // 8):
        raise ValueError(f"{len(packed)} bytes of bits for {count} edges")
    bits: np.ndarray = np.unpackbits(packed, count=count) != 0
    return bits
