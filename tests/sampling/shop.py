"""Small graphs as users of PyG bring them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch_geometric.data import HeteroData

PLAYS = ("user", "plays", "item")
PLAYED = ("item", "rev_plays", "user")
NEAR = ("item", "near", "item")


def shop(plays: int = 80, seed: int = 0) -> HeteroData:
    """20 users, 30 items, distinct plays, neighbours among items."""
    generator = torch.Generator().manual_seed(seed)
    data = HeteroData()
    data["user"].x = torch.randn(20, 4, generator=generator)
    data["item"].x = torch.randn(30, 3, generator=generator)
    drawn = torch.randperm(600, generator=generator)[:plays]
    data[PLAYS].edge_index = torch.stack([drawn // 30, drawn % 30])
    data[NEAR].edge_index = torch.randint(0, 30, (2, 50), generator=generator)
    return data


def whole_edges(data: Any, batch: Any, name: Any) -> torch.Tensor:
    """A batch's edges of a type in the indices of the whole."""
    index = batch[name].edge_index
    return torch.stack([batch[name[0]].n_id[index[0]], batch[name[-1]].n_id[index[1]]])


def whole_pairs(batch: Any, name: Any) -> list[tuple[int, int]]:
    """A batch's supervised pairs in the indices of the whole."""
    index = batch[name].edge_label_index
    first, second = batch[name[0]].n_id[index[0]], batch[name[-1]].n_id[index[1]]
    return list(zip(first.tolist(), second.tolist(), strict=True))


def right(data: HeteroData, batch: Any) -> None:
    """A batch is a part of the data, and its pairs are pairs."""
    for name in data.node_types:
        assert torch.equal(batch[name].x, data[name].x[batch[name].n_id])
    for name in data.edge_types:
        index = torch.as_tensor(np.asarray(data[name].edge_index)).long()
        assert torch.equal(whole_edges(data, batch, name), index[:, batch[name].e_id])
    known = set(map(tuple, torch.as_tensor(np.asarray(data[PLAYS].edge_index)).T.tolist()))
    pairs = whole_pairs(batch, PLAYS)
    assert pairs
    assert set(pairs) <= known
