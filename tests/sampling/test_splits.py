"""Every form in which `RandomLinkSplit` leaves its pairs is read for what it is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data
from torch_geometric.transforms import RandomLinkSplit, ToUndirected

from colisten.errors import GraphError
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.splits import label_keys
from tests.sampling.shop import PLAYED, PLAYS, shop


def stored(store: Any, key: str, apart: bool) -> tuple[int, int]:
    """Pairs and negatives that the split left."""
    if apart:
        wrong = store.get(f"neg_{key}_index")
        return store[f"pos_{key}_index"].shape[1], 0 if wrong is None else wrong.shape[1]
    label = store[key]
    return int((label > 0).sum()), int((label == 0).sum())


def dealt(loader: Any) -> tuple[int, int]:
    """Pairs and negatives that an epoch hands out."""
    right = wrong = 0
    for batch in loader:
        store = batch if isinstance(batch, Data) else batch[PLAYS]
        label = store.edge_label
        assert len(label) == store.edge_label_index.shape[1]
        right, wrong = right + int((label > 0).sum()), wrong + int((label == 0).sum())
    return right, wrong


HOW = {
    "key": st.sampled_from(["edge_label", "y", "link", "edge_link"]),
    "split_labels": st.booleans(),
    "neg_sampling_ratio": st.sampled_from([0.0, 0.5, 2.0]),
    "add_negative_train_samples": st.booleans(),
    "disjoint_train_ratio": st.sampled_from([0.0, 0.3]),
}


@settings(max_examples=50, deadline=None)
@given(how=st.fixed_dictionaries(HOW), seed=st.integers(0, 9), part=st.integers(0, 2))
def test_counts_of_any_split(how: dict[str, Any], seed: int, part: int) -> None:
    torch.manual_seed(seed)
    data = ToUndirected()(shop(120, seed))
    split = RandomLinkSplit(0.1, 0.2, edge_types=[PLAYS], rev_edge_types=[PLAYED], **how)
    held = split(data)[part]
    loader = MultiLinkNeighborLoader(held, [3], [PLAYS], batch_size=16)
    assert dealt(loader) == stored(held[PLAYS], how["key"], how["split_labels"])


@settings(max_examples=30, deadline=None)
@given(
    how=st.fixed_dictionaries(HOW),
    undirected=st.booleans(),
    seed=st.integers(0, 9),
    part=st.integers(0, 2),
)
def test_counts_of_any_homogeneous_split(
    how: dict[str, Any], undirected: bool, seed: int, part: int
) -> None:
    torch.manual_seed(seed)
    data = Data(x=torch.randn(40, 3), edge_index=torch.randint(0, 40, (2, 100)))
    held = RandomLinkSplit(0.1, 0.2, is_undirected=undirected, **how)(ToUndirected()(data))[part]
    loader = MultiLinkNeighborLoader(held, [3], batch_size=16)
    assert dealt(loader) == stored(held, how["key"], how["split_labels"])


def test_pairs_given_beside_a_split_under_another_key_need_labels() -> None:
    torch.manual_seed(0)
    train, val, _ = RandomLinkSplit(0.1, 0.2, edge_types=[PLAYS], key="y")(shop())
    with pytest.raises(GraphError, match="nobody knows which of them are negatives"):
        MultiLinkNeighborLoader(train, [2], {PLAYS: val[PLAYS].y_index})
    named = MultiLinkNeighborLoader(train, [2], {PLAYS: train[PLAYS].y_index}, batch_size=16)
    assert dealt(named) == stored(train[PLAYS], "y", False)


def test_two_keys_are_not_chosen_between() -> None:
    data = shop()
    for key in ("a", "b"):
        data[PLAYS][f"{key}_index"] = data[PLAYS].edge_index[:, :4]
        data[PLAYS][key] = torch.ones(4)
    assert label_keys(data[PLAYS]) == ("a", "b")
    with pytest.raises(GraphError, match="as a and as b"):
        MultiLinkNeighborLoader(data, [2], [PLAYS])
    data[PLAYS].edge_label_index = data[PLAYS].edge_index[:, :9]
    assert MultiLinkNeighborLoader(data, [2], [PLAYS]).edges.num_pairs == 9


def test_labels_beside_the_edges_are_honoured_and_dislikes_pass_no_messages() -> None:
    data = shop()
    data[PLAYS].edge_label = torch.arange(80) % 3
    del data["item", "near", "item"]
    loader = MultiLinkNeighborLoader(data, [-1], [PLAYS], batch_size=10)
    assert dealt(loader) == (53, 27)
    seen = 0
    for batch in loader:
        users, items = batch["user"].n_id, batch["item"].n_id
        asked, passed = (
            {(int(users[one]), int(items[two])) for one, two in index.T.tolist()}
            for index in (batch[PLAYS].edge_label_index, batch[PLAYS].edge_index)
        )
        assert not asked & passed
        seen += len(passed)
    assert seen
