"""PyTorch Geometric's own loader and model, for benchmarks that run them beside ours.

`LinkNeighborLoader` needs torch-sparse, which is built from source in 10 to 20 minutes and is no
dependency of this project. In an environment of its own:

    FORCE_ONLY_CPU=1 pip wheel --no-build-isolation --no-deps torch-scatter torch-sparse
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch_geometric.nn import GraphConv, HeteroConv, SAGEConv

MARGIN = 0.1


def installed() -> bool:
    """Whether PyG's loader can run here; says how to get what is missing."""
    try:
        import_module("torch_sparse")
    except ImportError:
        print("PyG's LinkNeighborLoader needs torch-sparse, which is not installed here.")
        print((__doc__ or "").partition("In an environment")[2].strip())
        return False
    return True


def loader(data: Any, edge_type: Any, batch_size: int, fan_outs: list[int]) -> Any:
    """Batches of positive pairs with one negative each, over one edge type."""
    from torch_geometric.loader import LinkNeighborLoader

    with warnings.catch_warnings():
        # It says that torch-sparse is deprecated in favour of pyg-lib, which is not to be had.
        warnings.simplefilter("ignore")
        return LinkNeighborLoader(
            data,
            num_neighbors=fan_outs,
            edge_label_index=(edge_type, data[edge_type].edge_index),
            batch_size=batch_size,
            neg_sampling={"mode": "triplet", "amount": 1},
            shuffle=True,
        )


def endless(source: Any) -> Iterator[Any]:
    """Batches without end."""
    while True:
        yield from source


def maximum(dim: int, *, project: bool = False) -> Callable[[], nn.Module]:
    """Makes `SAGEConv(max)`; `project` transforms neighbours before, as the paper's eq. 1 does."""
    return partial(SAGEConv, (dim, dim), dim, aggr="max", project=project)


def by_weight(dim: int) -> Callable[[], nn.Module]:
    """Makes `GraphConv(mean)`, which multiplies what a neighbour says by its edge's weight."""
    return partial(GraphConv, (dim, dim), dim, aggr="mean")


class Model(nn.Module):
    """Two layers of `HeteroConv`.

    Args:
        edge_types: Of the graph.
        convolution: Makes the convolution of one edge type.
    """

    def __init__(self, edge_types: list[Any], convolution: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            HeteroConv({name: convolution() for name in edge_types}, aggr="sum") for _ in range(2)
        )

    def forward(self, batch: Any) -> dict[str, Tensor]:
        """Unit vectors by node type."""
        hidden = batch.x_dict
        named = {}
        if "edge_attr" in batch.edge_stores[0]:
            # Strengths, which `GraphConv` takes one by one.
            named["edge_weight_dict"] = {
                name: strength.flatten() for name, strength in batch.edge_attr_dict.items()
            }
        for layer in self.layers:
            out = layer(hidden, batch.edge_index_dict, **named)
            hidden = {name: rows.relu() for name, rows in out.items()}
        return {name: functional.normalize(rows) for name, rows in hidden.items()}


def loss(model: Model, batch: Any, edge_type: Any) -> Tensor:
    """The paper's hinge over a batch's triplets."""
    vectors = model(batch)
    first, second = vectors[edge_type[0]], vectors[edge_type[2]]
    anchor = first[batch[edge_type[0]].src_index]
    right = (anchor * second[batch[edge_type[2]].dst_pos_index]).sum(1)
    wrong = (anchor * second[batch[edge_type[2]].dst_neg_index]).sum(1)
    return functional.relu(wrong - right + MARGIN).mean()


def adam(model: nn.Module) -> torch.optim.Optimizer:
    """The paper's optimizer."""
    return torch.optim.Adam(model.parameters(), lr=1e-3)
