"""Batches as PyG `HeteroData`, so that any heterogeneous PyG model can read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from colisten.errors import GraphError
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.neighbours import Neighbourhood


class Features:
    """Cuts a batch's part out of the data it was drawn from.

    Args:
        data: The whole graph. Tensors with a row per node or per edge are cut; others are left
            out.
    """

    def __init__(self, data: Any) -> None:
        self.nodes: dict[str, dict[str, Tensor]] = {}
        self.edges: dict[Any, dict[str, Tensor]] = {}
        for name in data.node_types:
            count = data[name].num_nodes
            self.nodes[name] = {
                key: value for key, value in data[name].items() if _has_rows(value, count)
            }
        for name in data.edge_types:
            count = data[name].edge_index.shape[1]
            self.edges[tuple(name)] = {
                key: value
                for key, value in data[name].items()
                if key not in ("edge_index", "edge_label", "edge_label_index")
                and _has_rows(value, count)
            }

    def batch(
        self,
        graph: Adjacency,
        around: Neighbourhood,
        pairs: Mapping[Any, np.ndarray],
        negatives: Mapping[Any, np.ndarray],
        masks: Mapping[Any, np.ndarray],
    ) -> HeteroData:
        """One subgraph for all layers of a model, and what is supervised in it.

        A node's edges are those it drew in the hop that first reached it, as in PyG.
        """
        batch = HeteroData()
        bounds = around.bounds[0]
        for at, name in enumerate(graph.node_types):
            nodes = around.inputs[bounds[at] : bounds[at + 1]] - graph.start_of(name)
            n_id = torch.from_numpy(nodes)
            batch[name].n_id = n_id
            batch[name].num_nodes = len(nodes)
            for key, value in self.nodes[name].items():
                batch[name][key] = value.index_select(0, n_id)
        for name, (index, numbers) in _links(graph, around).items():
            batch[name].edge_index = torch.from_numpy(index)
            e_id = torch.from_numpy(numbers)
            batch[name].e_id = e_id
            for key, value in self.edges[name].items():
                batch[name][key] = value.index_select(0, e_id)
        seeds = around.seed_positions
        for name, part in pairs.items():
            first, second = (bounds[graph.node_types.index(name[end])] for end in (0, -1))
            right = np.stack([seeds[part[:, 0]] - first, seeds[part[:, 1]] - second])
            drawn = negatives[name]
            row, column = np.nonzero(drawn >= 0)
            wrong = np.stack([seeds[part[row, 0]] - first, seeds[drawn[row, column]] - second])
            batch[name].edge_label_index = torch.from_numpy(np.concatenate([right, wrong], 1))
            if drawn.shape[1]:
                batch[name].edge_label = torch.cat([torch.ones(len(part)), torch.zeros(len(row))])
            if name in masks:
                batch[name].negative_mask = torch.from_numpy(masks[name])
        return batch


def label_index(data: Any, given: Any) -> dict[Any, np.ndarray]:
    """What a loader over `HeteroData` supervises, [2, num_pairs] per edge type.

    Raises:
        GraphError: Nothing is named, or an edge type is unknown.
    """
    if not given:
        raise GraphError(
            "Which edge types are supervised?",
            f"Name them in edge_label_index, out of {list(data.edge_types)}.",
        )
    named = dict(given) if isinstance(given, Mapping) else dict.fromkeys(given)
    index = {}
    for name, edges in named.items():
        if edges is None:
            if name not in data.edge_types:
                raise GraphError(f"There is no edge type {name} among {list(data.edge_types)}.")
            edges = data[name].edge_index
        index[tuple(name)] = torch.as_tensor(edges).cpu().numpy()
    return index


def _has_rows(value: Any, count: int) -> bool:
    return isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == count


def _links(graph: Adjacency, around: Neighbourhood) -> dict[Any, tuple[np.ndarray, np.ndarray]]:
    """Per relation `edge_index` [2, E] of input positions by type, and edge numbers [E]."""
    found: dict[Any, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
        name: [] for name in graph.relations
    }
    # Where each level's nodes stand among the inputs.
    place = np.arange(len(around.inputs))
    drawn_before = np.zeros(len(around.inputs), bool)
    steps = []
    for hop, level in zip(around.hops, range(len(around.hops)), strict=True):
        steps.append((hop, place, place[hop.own], level))
        place = place[hop.own]
    for hop, inputs, outputs, level in reversed(steps):
        for name, relation in graph.relations.items():
            node, other = (
                graph.node_types.index(kind)
                for kind in (relation.node_type, relation.neighbour_type)
            )
            rows = outputs[around.bounds[level + 1][node] : around.bounds[level + 1][node + 1]]
            near = inputs[around.bounds[level][other] : around.bounds[level][other + 1]]
            table = hop.tables[name]
            assert hop.edges is not None
            kept = (table < len(near)) & ~drawn_before[rows][:, None]
            row = np.nonzero(kept)[0]
            numbers = hop.edges[name][kept]
            if relation.edge_ids is not None:
                numbers = relation.edge_ids[numbers]
            found[name].append(
                (
                    near[table[kept]] - around.bounds[0][other],
                    rows[row] - around.bounds[0][node],
                    numbers,
                )
            )
        drawn_before[outputs] = True
    links = {}
    for name, parts in found.items():
        source, target, numbers = (np.concatenate(part) for part in zip(*parts, strict=True))
        links[name] = (np.stack([source, target]), numbers)
    return links
