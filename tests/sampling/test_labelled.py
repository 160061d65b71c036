"""Labels that PyG's `RandomLinkSplit` leaves say what is a pair and what is a negative."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data
from torch_geometric.transforms import RandomLinkSplit

from colisten.errors import GraphError
from colisten.sampling.multilink import MultiLinkNeighborLoader
from tests.sampling.shop import NEAR, PLAYS, shop, whole_pairs


def split(seed: int, **how: Any) -> Any:
    torch.manual_seed(seed)
    part = RandomLinkSplit(num_val=0.2, num_test=0.1, edge_types=[PLAYS], **how)
    return part(shop(80, seed))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99),
    ratio=st.sampled_from([0.5, 1.0, 2.0]),
    disjoint=st.sampled_from([0.0, 0.4]),
    batch_size=st.integers(1, 90),
    drawn=st.integers(0, 2),
    how=st.sampled_from(["named", "index", "shuffled", "told", "pair", "apart"]),
    world=st.integers(1, 3),
)
def test_an_epoch_has_each_pair_and_each_negative_once(
    seed: int, ratio: float, disjoint: float, batch_size: int, drawn: int, how: str, world: int
) -> None:
    train, _, _ = split(
        seed,
        neg_sampling_ratio=ratio,
        disjoint_train_ratio=disjoint,
        split_labels=how == "apart",
    )
    if how == "apart":
        right, wrong = train[PLAYS].pos_edge_label_index, train[PLAYS].neg_edge_label_index
    else:
        index, label = train[PLAYS].edge_label_index, train[PLAYS].edge_label
        right, wrong = index[:, label == 1], index[:, label == 0]
    more: dict[str, Any] = {}
    asked: Any = [PLAYS]
    if how == "index":
        asked = {PLAYS: index}
    elif how == "shuffled":
        asked = {PLAYS: index[:, torch.randperm(index.shape[1])]}
    elif how == "pair":
        asked = (PLAYS, index)
    elif how == "told":
        train = train.clone()
        del train[PLAYS].edge_label
        del train[PLAYS].edge_label_index
        asked, more = {PLAYS: index}, {"edge_label": {PLAYS: label}}
    seen: dict[float, list[tuple[int, int]]] = {1.0: [], 0.0: []}
    for rank in range(world):
        loader = MultiLinkNeighborLoader(
            train,
            [3],
            asked,
            batch_size=batch_size,
            num_negatives=drawn,
            rank=rank,
            world_size=world,
            **more,
        )
        assert loader.edges.num_pairs == right.shape[1]
        for batch in loader:
            if PLAYS not in batch.edge_types or "edge_label" not in batch[PLAYS]:
                continue
            for pair, mark in zip(
                whole_pairs(batch, PLAYS), batch[PLAYS].edge_label.tolist(), strict=True
            ):
                seen[mark].append(pair)
    assert sorted(seen[1.0]) == sorted(map(tuple, right.T.tolist()))
    given_negatives = sorted(map(tuple, wrong.T.tolist()))
    assert len(seen[0.0]) == len(given_negatives) + drawn * len(seen[1.0])
    if not drawn:
        assert sorted(seen[0.0]) == given_negatives
    else:
        assert set(given_negatives) <= set(seen[0.0])
        assert not set(seen[0.0]) & set(seen[1.0])


def test_a_balanced_epoch_takes_its_share_of_the_negatives() -> None:
    train, _, _ = split(0, neg_sampling_ratio=2.0)
    train[NEAR].edge_index = train[NEAR].edge_index[:, :14]
    loader = MultiLinkNeighborLoader(train, [3], [PLAYS, NEAR], batch_size=7)
    epochs: list[list[Any]] = [[], []]
    for epoch in epochs:
        for batch in loader:
            assert "edge_label" not in batch[NEAR]
            label = batch[PLAYS].edge_label
            assert (label.sum(), len(label)) == (7, 21)
            epoch += whole_pairs(batch, PLAYS)
    assert len(epochs[0]) == 3 * 14
    assert epochs[0] != epochs[1]


def test_classes_are_handed_on() -> None:
    data = shop(80)
    data[PLAYS].edge_label = torch.arange(80) % 3
    torch.manual_seed(0)
    train, _, _ = RandomLinkSplit(num_val=0.1, num_test=0.1, edge_types=[PLAYS])(data)
    assert set(train[PLAYS].edge_label.tolist()) == {0, 1, 2, 3}
    of_pair = dict(
        zip(
            map(tuple, train[PLAYS].edge_label_index.T.tolist()),
            train[PLAYS].edge_label.tolist(),
            strict=True,
        )
    )
    loader = MultiLinkNeighborLoader(train, [2], [PLAYS], batch_size=16)
    assert loader.edges.num_pairs == 64
    seen = 0
    for batch in loader:
        label = batch[PLAYS].edge_label
        assert label.dtype == torch.int64
        for pair, mark in zip(whole_pairs(batch, PLAYS), label.tolist(), strict=True):
            assert of_pair[pair] == mark
            seen += 1
    assert seen == len(of_pair)
    ratings = {PLAYS: torch.full((80,), 4.5)}
    rated = MultiLinkNeighborLoader(shop(80), [2], [PLAYS], edge_label=ratings)
    assert next(iter(rated))[PLAYS].edge_label.unique().tolist() == [4.5]


def test_a_homogeneous_split_too() -> None:
    torch.manual_seed(0)
    data = Data(x=torch.randn(30, 2), edge_index=torch.randint(0, 30, (2, 60)))
    train, _, _ = RandomLinkSplit(num_val=0.1, num_test=0.1)(data)
    for asked in (None, train.edge_label_index):
        batch = next(iter(MultiLinkNeighborLoader(train, [4], asked, batch_size=999)))
        assert isinstance(batch, Data)
        label = batch.edge_label
        assert label.sum() == (train.edge_label == 1).sum()
        assert len(label) == len(train.edge_label)
        assert torch.equal(batch.x, data.x[batch.n_id])


def test_moments_go_with_the_negatives_as_well() -> None:
    train, _, _ = split(1)
    del train[NEAR]
    count = train[PLAYS].edge_index.shape[1]
    train[PLAYS].time = torch.arange(count)
    moments = torch.randint(0, count, (train[PLAYS].edge_label.shape[0],))
    loader = MultiLinkNeighborLoader(
        train, [-1], [PLAYS], time_attr="time", edge_label_time=moments, batch_size=1
    )
    asked = {
        pair: float(moment)
        for pair, moment in zip(
            map(tuple, train[PLAYS].edge_label_index.T.tolist()), moments, strict=True
        )
    }
    drawn = 0
    for batch in loader:
        newest = max(asked[pair] for pair in whole_pairs(batch, PLAYS))
        assert (batch[PLAYS].time <= newest).all()
        drawn += batch[PLAYS].num_edges
    assert drawn


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (torch.zeros(80), "0 throughout"),
        (torch.full((80,), -1), "0 is a negative"),
        (torch.full((80,), float("nan")), "0 is a negative"),
        (torch.ones(79), r"\[79\] for 80 pairs"),
        (torch.ones(80, 2), "one number per pair"),
        (torch.ones(80, dtype=torch.complex64), "labels are numbers"),
        (["like"] * 80, "in place of numbers"),
        ({NEAR: torch.ones(50)}, "not supervised"),
        ({("user", "play", "item"): torch.ones(80)}, "nearest known one"),
    ],
)
def test_labels_that_say_nothing_are_refused(label: Any, says: str) -> None:
    with pytest.raises(GraphError, match=says):
        MultiLinkNeighborLoader(shop(80), [2], [PLAYS], edge_label=label)


def test_pairs_of_another_split_come_with_their_labels() -> None:
    train, val, _ = split(2)
    with pytest.raises(GraphError, match="Give edge_label too"):
        MultiLinkNeighborLoader(train, [2], {PLAYS: val[PLAYS].edge_label_index})
    loader = MultiLinkNeighborLoader(
        train,
        [2],
        {PLAYS: val[PLAYS].edge_label_index},
        edge_label={PLAYS: val[PLAYS].edge_label},
    )
    assert loader.edges.num_pairs == int(val[PLAYS].edge_label.sum())
    # Edges themselves are pairs, whatever is labelled.
    edges = MultiLinkNeighborLoader(train, [2], {PLAYS: train[PLAYS].edge_index[:, :5]})
    assert edges.edges.num_pairs == 5
