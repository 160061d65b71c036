"""Batches as PyG `HeteroData`, so that any heterogeneous PyG model can read them.

Who reads none need not load PyG: it takes six seconds of CPU, and our own model is without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from colisten.errors import GraphError
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.batch import MultiLinkBatch
from colisten.sampling.neighbours import Neighbourhood
from colisten.sampling.splits import is_label, label_keys

if TYPE_CHECKING:
    from torch_geometric.data import HeteroData

BITS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Features:
    """Cuts a batch's part out of the data it was drawn from.

    Args:
        graph: The neighbour lists read from it.
        data: The whole graph. What has a row per node or per edge is cut, along the dimension that
            PyG joins it by; all else is handed on as it is, but for stored labels.

    Raises:
        GraphError: An attribute has a layout that rows cannot be cut from.
    """

    def __init__(self, graph: Adjacency, data: Any) -> None:
        self.stores: dict[Any, dict[str, Rows]] = {}
        self.whole: dict[Any, dict[str, Any]] = {}
        counts: dict[Any, int] = dict(graph.num_nodes)
        counts |= {name: relation.num_edges for name, relation in graph.relations.items()}
        for name, count in counts.items():
            store = data[name]
            self.stores[name], self.whole[name] = {}, {}
            labels = label_keys(store) if name in graph.relations else ()
            for key, value in store.items():
                if key in ("edge_index", "num_nodes") or is_label(key, labels):
                    continue
                dim = data.__cat_dim__(key, value, store)
                if _has_rows(value, dim, count):
                    self.stores[name][key] = Rows.of(value, dim, f"data[{name!r}].{key}")
                else:
                    self.whole[name][key] = value
        self.common = dict(data._global_store.items())

    def batch(self, graph: Adjacency, dense: MultiLinkBatch) -> HeteroData:
        """One subgraph for all layers of a model, and what is supervised in it.

        A node's edges are those it drew in the hop that first reached it, as in PyG.
        """
        from torch_geometric.data import HeteroData

        around = dense.neighbourhood
        batch = HeteroData()
        for key, value in self.common.items():
            batch[key] = value
        bounds = around.bounds[0]
        for at, name in enumerate(graph.node_types):
            nodes = around.inputs[bounds[at] : bounds[at + 1]] - graph.start_of(name)
            n_id = torch.from_numpy(nodes)
            batch[name].n_id = n_id
            batch[name].num_nodes = len(nodes)
            self._fill(batch[name], name, n_id)
        for name, (index, numbers) in _links(graph, around).items():
            batch[name].edge_index = torch.from_numpy(index)
            e_id = torch.from_numpy(numbers)
            batch[name].e_id = e_id
            self._fill(batch[name], name, e_id)
        seeds = around.seed_positions
        for name, part in dense.pairs.items():
            first, second = (bounds[graph.node_types.index(name[end])] for end in (0, -1))
            right = np.stack([seeds[part[:, 0]] - first, seeds[part[:, 1]] - second])
            drawn = dense.negatives[name]
            row, column = np.nonzero(drawn >= 0)
            wrong = np.stack([seeds[part[row, 0]] - first, seeds[drawn[row, column]] - second])
            given = dense.given.get(name, np.zeros((0, 2), np.int64))
            apart = np.stack([seeds[given[:, 0]] - first, seeds[given[:, 1]] - second])
            batch[name].edge_label_index = torch.from_numpy(
                np.concatenate([right, apart, wrong], 1)
            )
            if drawn.shape[1] or len(given) or name in dense.labels:
                own = dense.labels.get(name, np.ones(len(part), np.float32))
                zeros = np.zeros(len(given) + len(row), own.dtype)
                batch[name].edge_label = torch.from_numpy(np.concatenate([own, zeros]))
            if name in dense.masks:
                batch[name].negative_mask = torch.from_numpy(dense.masks[name])
        return batch

    def _fill(self, store: Any, name: Any, index: Tensor) -> None:
        for key, value in self.whole[name].items():
            store[key] = value
        for key, rows in self.stores[name].items():
            store[key] = rows.cut(index)


@dataclass(frozen=True)
class Rows:
    """An attribute with a row per node or edge.

    Attributes:
        value: Tensor (dense, COO or CSR), array or list.
        dim: Dimension of the rows.
    """

    value: Any
    dim: int

    @classmethod
    def of(cls, value: Any, dim: int, what: str) -> Rows:
        """Raises GraphError where rows cannot be cut."""
        if isinstance(value, Tensor):
            csr = value.layout == torch.sparse_csr and value.dim() == 2 and dim == 0
            if value.layout == torch.sparse_coo:
                value = value.coalesce()
            elif value.layout != torch.strided and not csr:
                raise GraphError(
                    f"{what} is of layout {value.layout}, from which rows cannot be cut.",
                    "Give it dense or as CSR: .to_sparse_csr().",
                )
        return cls(value, dim)

    def cut(self, index: Tensor) -> Any:
        """The rows of `index`, int64 [n], in the form of the whole; a numeric array as a tensor."""
        value = self.value
        if isinstance(value, Tensor):
            index = index.to(value.device)
            if value.layout == torch.sparse_csr:
                return _csr_rows(value, index)
            return _dense_rows(value, self.dim, index)
        if isinstance(value, np.ndarray):
            part = np.take(value, index.numpy(), axis=self.dim)
            if part.dtype.kind not in "biufc":
                return part
            # torch has neither foreign byte orders nor floats wider than float64.
            native = part.astype(part.dtype.newbyteorder("="), copy=False)
            return native if native.dtype.char in "gG" else torch.from_numpy(native)
        return [value[at] for at in index.tolist()]


def _dense_rows(value: Tensor, dim: int, index: Tensor) -> Tensor:
    try:
        return value.index_select(dim, index)
    except NotImplementedError:
        # torch moves no wide unsigned integers; the same bits under another name it does.
        plain = value.view(BITS[value.element_size()])
        return plain.index_select(dim, index).view(value.dtype)


def _csr_rows(value: Tensor, index: Tensor) -> Tensor:
    bounds = value.crow_indices()
    start = bounds[index]
    count = bounds[index + 1] - start
    stop = torch.cumsum(count, 0)
    total = int(stop[-1]) if len(stop) else 0
    at = torch.arange(total, device=value.device)
    at = at + torch.repeat_interleave(start - (stop - count), count)
    return torch.sparse_csr_tensor(
        torch.cat([stop.new_zeros(1), stop]),
        value.col_indices()[at].to(stop.dtype),
        value.values()[at],
        size=(len(index), value.shape[1]),
        check_invariants=False,
    )


def _has_rows(value: Any, dim: Any, count: int) -> bool:
    if isinstance(value, list | tuple):
        return len(value) == count
    if not isinstance(value, Tensor | np.ndarray) or not value.ndim or not isinstance(dim, int):
        return False
    return bool(value.shape[dim] == count)


def _links(graph: Adjacency, around: Neighbourhood) -> dict[Any, tuple[np.ndarray, np.ndarray]]:
    """Per relation `edge_index` [2, E] of input positions by type, and edge numbers [E]."""
    drawn: dict[Any, list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {
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
            fresh = (table < len(near)) & ~drawn_before[rows][:, None]
            row = np.nonzero(fresh)[0]
            numbers = hop.edges[name][fresh]
            if relation.edge_ids is not None:
                numbers = relation.edge_ids[numbers]
            drawn[name].append(
                (
                    near[table[fresh]] - around.bounds[0][other],
                    rows[row] - around.bounds[0][node],
                    numbers,
                )
            )
        drawn_before[outputs] = True
    links = {}
    none = (np.zeros(0, np.int64),) * 3
    for name, parts in drawn.items():
        source, target, numbers = (np.concatenate(part) for part in zip(none, *parts, strict=True))
        links[name] = (np.stack([source, target]), numbers)
    return links
