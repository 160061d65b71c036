"""Relations that give supervised pairs away are warned about; those taken out are not."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch_geometric.transforms import ToUndirected

from colisten.sampling.leaks import LeakWarning
from colisten.sampling.multilink import MultiLinkNeighborLoader as Loader
from tests.sampling.graphs import random_graph
from tests.sampling.shop import NEAR, PLAYS, shop

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
