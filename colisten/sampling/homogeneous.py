"""PyG's homogeneous `Data` as `HeteroData` of one node type and one edge type, and back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from colisten.sampling.edge_types import HOMOGENEOUS
from colisten.sampling.splits import is_label, label_keys

if TYPE_CHECKING:
    from torch_geometric.data import Data, HeteroData

NODE = HOMOGENEOUS[0]


def is_homogeneous(data: Any) -> bool:
    """Whether it is PyG's `Data`, of which there is none where PyG is not loaded."""
    loaded = sys.modules.get("torch_geometric.data")
    return loaded is not None and isinstance(data, loaded.Data)


def to_hetero(data: Data) -> HeteroData:
    """The same graph with `node` and (node, to, node); what is of neither is the graph's."""
    from torch_geometric.data import HeteroData

    out = HeteroData()
    nodes, edges = out[NODE], out[HOMOGENEOUS]
    values = data.to_dict()
    labels = label_keys(values)
    for key, value in values.items():
        if key in ("edge_index", "adj_t") or is_label(key, labels) or data.is_edge_attr(key):
            edges[key] = value
        elif key != "num_nodes" and data.is_node_attr(key):
            nodes[key] = value
        elif key != "num_nodes":
            out[key] = value
    nodes.num_nodes = data.num_nodes
    return out


def to_data(batch: HeteroData) -> Data:
    """A batch over `to_hetero` as `Data`."""
    from torch_geometric.data import Data

    out = Data()
    for store in (batch._global_store, batch[NODE], batch[HOMOGENEOUS]):
        for key, value in store.items():
            out[key] = value
    return out
