"""Over PyG's HeteroData the loader gives what PyG's own loaders give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData
from torch_geometric.nn import HeteroConv, SAGEConv
from torch_geometric.transforms import ToUndirected

from colisten.errors import GraphError
from colisten.sampling.multilink import MultiLinkNeighborLoader

LIKES = ("user", "likes", "item")
LIKED = ("item", "rev_likes", "user")
SIMILAR = ("item", "similar", "item")
KNOWS = ("user", "knows", "user")


def shop(users: int = 30, items: int = 50, likes: int = 200, seed: int = 0) -> HeteroData:
    """A user's own graph: three edge types, one of them with reverses, features, attributes."""
    generator = torch.Generator().manual_seed(seed)

    def edges(left: int, right: int, count: int) -> torch.Tensor:
        drawn = torch.stack(
            [torch.randint(n, (count,), generator=generator) for n in (left, right)]
        )
        return drawn.unique(dim=1)

    data = HeteroData()
    data["user"].x = torch.randn(users, 8, generator=generator)
    data["item"].x = torch.randn(items, 5, generator=generator)
    data["item"].price = torch.arange(items)
    data[LIKES].edge_index = edges(users, items, likes)
    data[LIKES].stars = torch.arange(data[LIKES].num_edges)
    data[SIMILAR].edge_index = edges(items, items, likes)
    data[KNOWS].edge_index = edges(users, users, likes)
    return ToUndirected(merge=False)(data)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), batch_size=st.integers(1, 40), negatives=st.integers(0, 2))
def test_a_batch_is_a_part_of_the_graph(seed: int, batch_size: int, negatives: int) -> None:
    data = shop(seed=seed)
    loader = MultiLinkNeighborLoader(
        data, [4, 3], [LIKES, SIMILAR], batch_size=batch_size, num_negatives=negatives
    )
    liked = set(map(tuple, data[LIKES].edge_index.T.tolist()))
    for batch in loader:
        ids = {name: batch[name].n_id for name in data.node_types}
        for name in data.node_types:
            assert len(ids[name].unique()) == len(ids[name]) == batch[name].num_nodes
            assert torch.equal(batch[name].x, data[name].x[ids[name]])
        assert torch.equal(batch["item"].price, ids["item"])
        for name in data.edge_types:
            source, _, target = name
            index = batch[name].edge_index
            whole = torch.stack([ids[source][index[0]], ids[target][index[1]]])
            assert torch.equal(whole, data[name].edge_index[:, batch[name].e_id])
            assert len(batch[name].e_id.unique()) == len(batch[name].e_id)
        assert torch.equal(batch[LIKES].stars, batch[LIKES].e_id)

        index = batch[LIKES].edge_label_index
        pairs = torch.stack([ids["user"][index[0]], ids["item"][index[1]]]).T.tolist()
        label = batch[LIKES].edge_label if negatives else torch.ones(len(pairs))
        assert int(label.sum()) * (1 + negatives) == len(pairs)
        for pair, right in zip(pairs, label, strict=True):
            assert (tuple(pair) in liked) == bool(right)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99))
def test_supervised_edges_and_their_reverses_pass_no_messages(seed: int) -> None:
    data = shop(seed=seed)
    loader = MultiLinkNeighborLoader(data, [60, 60], [LIKES, SIMILAR], batch_size=10)
    for batch in loader:
        for name, reverse in ((LIKES, LIKED), (SIMILAR, ("item", "rev_similar", "item"))):
            banned = set(map(tuple, batch[name].edge_label_index.T.tolist()))
            there = set(map(tuple, batch[name].edge_index.T.tolist()))
            back = set(map(tuple, batch[reverse].edge_index.flip(0).T.tolist()))
            assert banned
            assert not banned & there
            assert not banned & back


def test_a_reverse_by_another_name_is_told() -> None:
    data = shop()
    other = ("item", "bought_by", "user")
    data[other].edge_index = data[LIKED].edge_index
    del data[LIKED]
    batch = MultiLinkNeighborLoader(
        data, [60], [LIKES], batch_size=50, rev_edge_types={LIKES: other}
    ).hetero(0, 0)
    banned = set(map(tuple, batch[LIKES].edge_label_index.T.tolist()))
    assert not banned & set(map(tuple, batch[other].edge_index.flip(0).T.tolist()))


@pytest.mark.parametrize("aggr", ["max", "mean"])
def test_a_pyg_model_sees_the_whole_graph_with_full_fan_out(aggr: str) -> None:
    """Two layers of HeteroConv: the same vectors of the seeds as over the whole graph."""
    torch.manual_seed(0)
    data = shop()
    layers = [
        HeteroConv({name: SAGEConv((-1, -1), 6, aggr=aggr) for name in data.edge_types})
        for _ in range(2)
    ]

    def embed(graph: HeteroData) -> dict[str, torch.Tensor]:
        hidden = {name: graph[name].x for name in graph.node_types}
        index = {name: graph[name].edge_index for name in graph.edge_types}
        for layer in layers:
            hidden = layer(hidden, index)
        return hidden

    embed(data)
    # A pair that is no edge supervises without taking anything out of the messages.
    everyone = torch.stack([torch.arange(30), torch.arange(30)])
    data[LIKES].edge_index = data[LIKES].edge_index[
        :, data[LIKES].edge_index[0] != data[LIKES].edge_index[1]
    ]
    data[LIKED].edge_index = data[LIKES].edge_index.flip(0)
    del data[LIKES].stars
    del data[LIKED].stars
    loader = MultiLinkNeighborLoader(data, [99, 99], {LIKES: everyone}, batch_size=7)
    whole = embed(data)
    for batch in loader:
        part = embed(batch)
        users, items = batch[LIKES].edge_label_index
        for name, at in (("user", users), ("item", items)):
            wanted = whole[name][batch[name].n_id[at]]
            assert torch.allclose(part[name][at], wanted, atol=1e-5)


def test_draws_follow_an_edge_attribute() -> None:
    data = HeteroData()
    data["item"].num_nodes = 3
    data["item", "near", "item"].edge_index = torch.tensor([[1, 2], [0, 0]])
    data["item", "near", "item"].strength = torch.tensor([1.0, 99.0])
    pair = {("item", "near", "item"): torch.tensor([[0], [0]])}
    loader = MultiLinkNeighborLoader(
        data, [1], pair, weighted=True, weight_attr="strength", batch_size=1
    )
    heavy = [int(loader.hetero(epoch, 0)["item", "near", "item"].e_id) for epoch in range(100)]
    assert 90 <= sum(heavy) <= 100
    data["item", "near", "item"].strength = torch.tensor([1.0, -1.0])
    with pytest.raises(GraphError, match="positive"):
        MultiLinkNeighborLoader(data, [1], pair, weight_attr="strength")


def test_what_does_not_fit_is_refused() -> None:
    data = shop()
    with pytest.raises(GraphError, match="Which edge types"):
        MultiLinkNeighborLoader(data, [2])
    with pytest.raises(GraphError, match="no edge type"):
        MultiLinkNeighborLoader(data, [2], [("user", "hates", "item")])
    with pytest.raises(GraphError, match="outside its 50 nodes"):
        MultiLinkNeighborLoader(data, [2], {LIKES: torch.tensor([[0], [50]])})
    with pytest.raises(GraphError, match=r"\[2, num_edges\]"):
        MultiLinkNeighborLoader(data, [2], {LIKES: torch.tensor([0, 1])})
    with pytest.raises(GraphError, match="no attribute 'when'"):
        MultiLinkNeighborLoader(data, [2], [LIKES], time_attr="when")
    data[KNOWS].edge_index = torch.tensor([[0], [99]])
    with pytest.raises(GraphError, match="outside its 30 nodes"):
        MultiLinkNeighborLoader(data, [2], [LIKES])
    nobody = HeteroData()
    nobody["item"].num_nodes = None
    with pytest.raises(GraphError, match="num_nodes"):
        MultiLinkNeighborLoader(nobody, [2], [("item", "near", "item")])


def test_in_batch_negatives_come_as_a_mask() -> None:
    data = shop()
    batch = MultiLinkNeighborLoader(data, [2], [LIKES], batch_size=40, negatives="in_batch").hetero(
        0, 0
    )
    index = batch[LIKES].edge_label_index
    mask = batch[LIKES].negative_mask
    assert 30 < index.shape[1] <= 40
    assert "edge_label" not in batch[LIKES]
    liked = set(map(tuple, data[LIKES].edge_index.T.tolist()))
    users, items = batch["user"].n_id[index[0]], batch["item"].n_id[index[1]]
    wanted = [[(u, i) not in liked for i in items.tolist()] for u in users.tolist()]
    assert np.array_equal(mask.numpy(), wanted)
