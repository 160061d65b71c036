"""What PyG's `HeteroData` says of nodes and edges, checked as it is read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.graph.given import index_of, whole
from colisten.words import advice, shown

# Of a store, what holds edges and not one value per edge.
HELD_APART = ("edge_index", "adj_t", "edge_label", "edge_label_index")


def node_counts(data: Any) -> dict[str, int]:
    """Nodes of every type, in the data's order.

    Raises:
        GraphError: It is no `HeteroData`, a number is missing or contradicts the features, or
            edges join a type that is not there.
    """
    read = hasattr(data, "node_types") and hasattr(data, "edge_types")
    if not read or isinstance(data, type):
        kind = f"the class {data.__name__}" if isinstance(data, type) else type(data).__name__
        raise GraphError(
            f"A graph is read from PyG's HeteroData, not from {kind}.",
            "Put its nodes and edges into a torch_geometric.data.HeteroData.",
        )
    counts = {name: _count(data[name], name) for name in data.node_types}
    for edge_type in data.edge_types:
        for end in (edge_type[0], edge_type[-1]):
            if end not in counts:
                raise GraphError(
                    f"Edge type {edge_type} joins nodes '{end}', of which the data knows nothing.",
                    f"Set data['{end}'].x or data['{end}'].num_nodes.",
                )
    return counts


def edge_index(data: Any, edge_type: Any, counts: dict[str, int]) -> np.ndarray:
    """The checked `edge_index` of an edge type, as `given.index_of` returns it.

    Raises:
        GraphError: There is none, or it does not fit.
    """
    store = data[edge_type]
    if "adj_t" in store:
        raise GraphError(
            f"Edge type {edge_type} holds its edges as adj_t, as ToSparseTensor leaves them.",
            "Give the data as it was before; a loader's transform=ToSparseTensor() then makes an "
            "adj_t of every batch.",
        )
    if store.get("edge_index") is None:
        raise GraphError(
            f"Edge type {edge_type} has no edge_index.",
            "Set it, to torch.empty(2, 0) where there are no edges.",
        )
    limits = counts[edge_type[0]], counts[edge_type[-1]]
    return index_of(store["edge_index"], limits, edge_type)


def edge_attribute(data: Any, edge_type: Any, name: str | None, count: int) -> Any:
    """An attribute of an edge type with `count` edges, as it is; None for no name.

    Raises:
        GraphError: The edges have no such attribute; the message names the nearest.
    """
    if name is None:
        return None
    store = data[edge_type]
    if isinstance(name, str) and store.get(name) is not None:
        return store[name]
    if not count:
        # Nothing is missing where there is nothing.
        return np.zeros(0, np.int64)
    of_nodes = [end for end in edge_type[::2] if name in data[end]] if isinstance(name, str) else []
    if of_nodes:
        end = edge_type[::2].index(of_nodes[0])
        raise GraphError(
            f"{shown(name)} is an attribute of nodes '{of_nodes[0]}', while {edge_type} has none"
            " per edge, which is what is read.",
            f"Store one per edge, such as {name}[edge_index[{end}]] of these nodes.",
        )
    known = [key for key in list(store.keys()) if key not in HELD_APART]
    raise GraphError(f"Edge type {edge_type} has no attribute {shown(name)}.", advice(name, known))


def _count(store: Any, name: str) -> int:
    with warnings.catch_warnings():
        # PyG warns where it cannot tell; here that is an error.
        warnings.simplefilter("ignore", UserWarning)
        try:
            count = store.num_nodes
        except (IndexError, TypeError, AttributeError, RuntimeError):
            # PyG reads it off the features, which are no table.
            count = None
    if count is None:
        raise GraphError(
            f"Node type '{name}' has neither features nor `num_nodes`.",
            f"Set data['{name}'].num_nodes.",
        )
    count = whole(f"data['{name}'].num_nodes", count, 0)
    features = store.get("x")
    shape: Sequence[int] = getattr(features, "shape", ())
    if len(shape) and shape[0] != count:
        raise GraphError(
            f"data['{name}'].x has {shape[0]} rows for num_nodes={count}.",
            "Set num_nodes to the rows, or give every node its row.",
        )
    return count
