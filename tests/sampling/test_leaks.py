"""Relations that give supervised pairs away are warned about; those taken out are not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import HeteroData
from torch_geometric.transforms import RandomLinkSplit, ToUndirected

from colisten.sampling.leaks import LeakWarning
from colisten.sampling.multilink import MultiLinkNeighborLoader as Loader
from tests.sampling.graphs import random_graph
from tests.sampling.shop import NEAR, PLAYED, PLAYS, shop

plays = shop()[PLAYS].edge_index


def test_a_copy_of_what_is_supervised_is_warned_about() -> None:
    other = ("item", "bought_by", "user")
    data = shop()
    data[other].edge_index = plays.flip(0)
    with pytest.warns(LeakWarning, match=r"100% .*rev_edge_types") as caught:
        Loader(data, [3], [PLAYS])
    assert len(caught) == 1
    data["user", "bought", "item"].edge_index = plays[:, :60]
    with pytest.warns(LeakWarning, match=r"75% .*bought.*leave"):
        Loader(data, [3], [PLAYS], rev_edge_types={PLAYS: other})
    data[NEAR[0], "close", NEAR[2]].edge_index = data[NEAR].edge_index.flip(0)
    with pytest.warns(LeakWarning, match="close"):
        Loader(data, [3], [NEAR])


def test_what_the_loader_takes_out_itself_is_not_warned_about() -> None:
    data = ToUndirected(merge=False)(shop())
    data["item", "sold_to", "user"].edge_index = torch.stack(
        [torch.randint(0, 30, (60,)), torch.randint(0, 20, (60,))]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeakWarning)
        Loader(data, [3], [PLAYS, NEAR])
        Loader(data, [3], {PLAYS: torch.empty(2, 0)})
        Loader(random_graph(5, 5, 20, 0), [3])


@settings(max_examples=60, deadline=None)
@given(
    users=st.integers(1, 30),
    items=st.integers(1, 30),
    density=st.floats(0.05, 1),
    other=st.floats(0.05, 1),
    asked=st.integers(1, 40),
    seed=st.integers(0, 9),
)
def test_chance_is_no_leak(
    users: int, items: int, density: float, other: float, asked: int, seed: int
) -> None:
    """Two relations that know nothing of each other share pairs where both are dense."""
    rng = np.random.default_rng([seed, 7])
    data = HeteroData()
    data["user"].num_nodes, data["item"].num_nodes = users, items
    for name, share in ((PLAYS, density), (("user", "likes", "item"), other)):
        cells = rng.permutation(users * items)[: max(1, int(users * items * share))]
        data[name].edge_index = torch.from_numpy(np.stack([cells // items, cells % items]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeakWarning)
        Loader(data, [3], {PLAYS: data[PLAYS].edge_index[:, :asked]})


@pytest.mark.parametrize("disjoint", [0.0, 0.3])
def test_a_reverse_that_keeps_what_was_held_out_is_warned_about(disjoint: float) -> None:
    torch.manual_seed(0)
    data = ToUndirected()(shop(200))
    how = {"edge_types": [PLAYS], "disjoint_train_ratio": disjoint}
    train, val, test = RandomLinkSplit(0.1, 0.2, **how)(data)
    for part in (val, test) if not disjoint else (train, val, test):
        with pytest.warns(LeakWarning, match=r"100% .*its reverse.*RandomLinkSplit\(rev_edge"):
            Loader(part, [3], [PLAYS])
    told = RandomLinkSplit(0.1, 0.2, rev_edge_types=[PLAYED], **how)(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", LeakWarning)
        for part in (*told, *(() if disjoint else (train,))):
            Loader(part, [3], [PLAYS])
        # Who empties the relation to draw by its reverse alone knows what is held there.
        pairs = {PLAYS: data[PLAYS].edge_index}
        data[PLAYS].edge_index = torch.empty(2, 0)
        Loader(data, [3], pairs)
