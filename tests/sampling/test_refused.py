"""What does not fit is refused in one line, whatever it is and wherever it comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData, TemporalData
from torch_geometric.sampler import NegativeSampling
from torch_geometric.transforms import ToSparseTensor

from colisten.errors import GraphError
from colisten.sampling.keywords import PYG
from colisten.sampling.multilink import MultiLinkNeighborLoader
from tests.sampling.graphs import random_graph
from tests.sampling.shop import NEAR, PLAYS, right, shop

# What it is given here is wrong on purpose.
Loader: Any = MultiLinkNeighborLoader
plays = shop()[PLAYS].edge_index


def with_edges(index: Any) -> HeteroData:
    return _set(PLAYS, edge_index=index)


def _data(change: Callable[[HeteroData], object]) -> HeteroData:
    data = shop()
    change(data)
    return data


def _set(name: Any, **values: Any) -> HeteroData:
    data = shop()
    for key, value in values.items():
        data[name][key] = value
    return data


# Each is refused by the loader, in one line that holds this.
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "ToSparseTensor": (lambda: Loader(ToSparseTensor()(shop()), [3], [PLAYS]), "transform="),
    "no data": (lambda: Loader(None, [3], [PLAYS]), "HeteroData"),
    "TemporalData": (lambda: Loader(TemporalData(), [3], [PLAYS]), "HeteroData"),
    "remote stores": (lambda: Loader((None, None), [3], [PLAYS]), "HeteroData"),
    "a path": (lambda: Loader("graph.pt", [3], [PLAYS]), "HeteroData"),
    "no edges": (lambda: Loader(_set(PLAYS, edge_index=None), [3], [PLAYS]), "edge_index"),
    "float edges": (lambda: Loader(with_edges(plays.double()), [3], [PLAYS]), "integers"),
    "sparse edges": (lambda: Loader(with_edges(torch.eye(2).to_sparse()), [3], [PLAYS]), "dense"),
    "meta edges": (lambda: Loader(with_edges(plays.to("meta")), [3], [PLAYS]), "cannot be read"),
    "flat edges": (lambda: Loader(with_edges(plays[0]), [3], [PLAYS]), "[2, num_edges]"),
    "unknown nodes": (
        lambda: Loader(_set(("user", "owns", "shelf"), edge_index=plays), [3], [PLAYS]),
        "'shelf'",
    ),
    "no number of nodes": (
        lambda: Loader(_data(lambda data: data["user"].pop("x")), [3], [PLAYS]),
        "num_nodes",
    ),
    "nodes in part": (lambda: Loader(_set("user", num_nodes=20.5), [3], [PLAYS]), "whole number"),
    "features of others": (lambda: Loader(_set("user", num_nodes=25), [3], [PLAYS]), "20 rows"),
    "CSC features": (
        lambda: Loader(_set("user", x=torch.eye(20).to_sparse_csc()), [3], [PLAYS]),
        "CSR",
    ),
    "num_neighbors=5": (lambda: Loader(shop(), 5, [PLAYS]), "number per hop"),
    "num_neighbors=None": (lambda: Loader(shop(), None, [PLAYS]), "number per hop"),
    "num_neighbors='5'": (lambda: Loader(shop(), "55", [PLAYS]), "number per hop"),
    "num_neighbors in part": (lambda: Loader(shop(), [2.5], [PLAYS]), "whole number"),
    "num_neighbors=[True]": (lambda: Loader(shop(), [True], [PLAYS]), "whole number"),
    "num_neighbors=[-2]": (lambda: Loader(shop(), [-2], [PLAYS]), "0 or more"),
    "num_neighbors by hop": (lambda: Loader(shop(), [[3], [2]], [PLAYS]), "whole number"),
    "num_neighbors of one type": (lambda: Loader(shop(), {PLAYS: [3]}, [PLAYS]), "no fan-out"),
    "num_neighbors of a slip": (
        lambda: Loader(shop(), {"play": [3], NEAR: [3]}, [PLAYS]),
        "nearest known one is",
    ),
    "hops that differ": (lambda: Loader(shop(), {PLAYS: [3], NEAR: [3, 2]}, [PLAYS]), "every hop"),
    "nothing supervised": (lambda: Loader(shop(), [3]), "Which edge types"),
    "an empty list": (lambda: Loader(shop(), [3], []), "Which edge types"),
    "bare pairs": (lambda: Loader(shop(), [3], plays), "no edge type"),
    "a slip": (
        lambda: Loader(shop(), [3], [("user", "play", "item")]),
        "('user', 'plays', 'item')",
    ),
    "a slip with pairs": (
        lambda: Loader(shop(), [3], {("user", "play", "item"): plays}),
        "('user', 'plays', 'item')",
    ),
    "a reverse that is not there": (lambda: Loader(shop(), [3], ["rev_plays"]), "'plays'"),
    "two of a name": (
        lambda: Loader(_set(("item", "plays", "user"), edge_index=plays.flip(0)), [3], ["plays"]),
        "may be any of",
    ),
    "a number": (lambda: Loader(shop(), [3], 7), "no edge type"),
    "numbers": (lambda: Loader(shop(), [3], [7, 8]), "no edge type"),
    "twice": (lambda: Loader(shop(), [3], [PLAYS, "plays"]), "twice"),
    "pairs as rows": (lambda: Loader(shop(), [3], {PLAYS: plays.T}), "[2, num_edges]"),
    "a mask": (lambda: Loader(shop(), [3], {PLAYS: plays[0] > 3}), "[2, num_edges]"),
    "float pairs": (lambda: Loader(shop(), [3], {PLAYS: plays + 0.5}), "integers"),
    "pairs beyond": (lambda: Loader(shop(), [3], {PLAYS: plays + 100}), "outside"),
    "pairs of text": (lambda: Loader(shop(), [3], {PLAYS: [["a"], ["b"]]}), "numbers"),
    "a type of Data": (
        lambda: Loader(Data(x=torch.ones(2, 1), edge_index=torch.tensor([[0], [1]])), [3], [PLAYS]),
        "Homogeneous",
    ),
    "num_workers=-1": (lambda: Loader(shop(), [3], [PLAYS], num_workers=-1), "num_workers"),
    "num_workers=0.5": (lambda: Loader(shop(), [3], [PLAYS], num_workers=0.5), "num_workers"),
    "batch_size=0": (lambda: Loader(shop(), [3], [PLAYS], batch_size=0), "batch_size"),
    "batch_size=None": (lambda: Loader(shop(), [3], [PLAYS], batch_size=None), "batch_size"),
    "prefetch_factor=0": (lambda: Loader(shop(), [3], [PLAYS], prefetch_factor=0), "prefetch"),
    "num_negatives=-1": (lambda: Loader(shop(), [3], [PLAYS], num_negatives=-1), "num_negatives"),
    "seed=-1": (lambda: Loader(shop(), [3], [PLAYS], seed=-1), "seed"),
    "rank=-1": (lambda: Loader(shop(), [3], [PLAYS], rank=-1), "rank"),
    "weighted='no'": (lambda: Loader(shop(), [3], [PLAYS], weighted="no"), "True or False"),
    "transform=3": (lambda: Loader(shop(), [3], [PLAYS], transform=3), "transform"),
    "balance=2": (lambda: Loader(shop(), [3], [PLAYS], balance=2), "balance"),
    "ratio of NaN": (
        lambda: Loader(shop(), [3], [PLAYS], balance={PLAYS: float("nan")}),
        "positive",
    ),
    "endless ratio": (
        lambda: Loader(shop(), [3], [PLAYS], balance={PLAYS: float("inf")}),
        "positive",
    ),
    "ratio of text": (lambda: Loader(shop(), [3], [PLAYS], balance={PLAYS: "2"}), "positive"),
    "weights by a slip": (
        lambda: Loader(_set(PLAYS, stars=torch.ones(80)), [3], [PLAYS], weight_attr="star"),
        "'stars'",
    ),
    "weights of another kind": (
        lambda: Loader(_set(PLAYS, stars=["a"] * 80), [3], [PLAYS], weight_attr="stars"),
        "numbers",
    ),
    "weights for a few": (
        lambda: Loader(_set(PLAYS, stars=torch.ones(79)), [3], [PLAYS], weight_attr="stars"),
        "80 edges",
    ),
    "weighted without weights": (
        lambda: Loader(shop(), [3], [PLAYS], weighted=True),
        "no weights",
    ),
    "times by no name": (lambda: Loader(shop(), [3], [PLAYS], time_attr=3), "no attribute"),
    "reverse by a slip": (
        lambda: Loader(shop(), [3], [PLAYS], rev_edge_types={PLAYS: "nearr"}),
        "'near'",
    ),
    "reverse the same way": (
        lambda: Loader(shop(), [3], [PLAYS], rev_edge_types={PLAYS: NEAR}),
        "does not run",
    ),
    "reverse of a stranger": (
        lambda: Loader(shop(), [3], [PLAYS], rev_edge_types={NEAR: NEAR}),
        "not supervised",
    ),
    "aggr": (lambda: Loader(shop(), [3], [PLAYS], aggr="mean"), "no argument aggr"),
    "batchsize": (lambda: Loader(shop(), [3], [PLAYS], batchsize=3), "'batch_size'"),
    "neg_sampling": (
        lambda: Loader(shop(), [3], [PLAYS], neg_sampling=NegativeSampling("binary")),
        "num_negatives",
    ),
    "neg_sampling_ratio": (lambda: Loader(shop(), [3], [PLAYS], neg_sampling_ratio=1.0), "num_neg"),
    "shuffle=False": (lambda: Loader(shop(), [3], [PLAYS], shuffle=False), "afresh"),
    "drop_last": (lambda: Loader(shop(), [3], [PLAYS], drop_last=True), "equal size"),
    "subgraph_type by a slip": (
        lambda: Loader(shop(), [3], [PLAYS], subgraph_type="induce"),
        "'induced'",
    ),
    "subgraph_type": (lambda: Loader(shop(), [3], [PLAYS], subgraph_type="induced"), "not done"),
    "temporal_strategy": (
        lambda: Loader(shop(), [3], [PLAYS], temporal_strategy="last"),
        "not done",
    ),
    "a graph's weights by name": (
        lambda: Loader(random_graph(3, 3, 9, 0), [3], weight_attr="w"),
        "co-listening graph",
    ),
    "edges of elsewhere": (lambda: Loader(random_graph(3, 3, 9, 0), [3], [PLAYS]), "of this graph"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REFUSED)
def test_all_else_is_refused_in_one_line(name: str) -> None:
    call, says = REFUSED[name]
    with pytest.raises(GraphError) as caught:
        call()
    said = str(caught.value)
    assert says in said
    assert len(said.splitlines()) == 1
    assert len(said) < 600


JUNK: list[Any] = [
    *(None, True, 0, -1, 2.5, float("nan"), "", "plays", "x", b"x", [], [None], [[]], {}, {1: 2}),
    *((), (1, 2, 3), object(), plays, plays.double(), torch.tensor(1), np.array(["a"]), Data()),
]
OWN = [
    "num_neighbors",
    "edge_label_index",
    "edge_label",
    "edge_label_time",
    "batch_size",
    "balance",
    "weighted",
    "weighted_edges",
    "negatives",
    "num_negatives",
    "temporal",
    "weight_attr",
    "time_attr",
    "rev_edge_types",
    "edge_weights",
    "seed",
    "rank",
    "world_size",
    "num_workers",
    "prefetch_factor",
    "transform",
    "pin_memory",
]


@settings(max_examples=300, deadline=None)
@given(
    given_=st.dictionaries(
        st.sampled_from([*OWN, *PYG]), st.sampled_from(range(len(JUNK))), min_size=1, max_size=3
    )
)
def test_junk_in_any_argument_is_a_batch_or_one_line(given_: dict[str, int]) -> None:
    arguments: dict[str, Any] = {"num_neighbors": [2], "edge_label_index": [PLAYS]}
    arguments |= {name: JUNK[at] for name, at in given_.items()}
    data = shop()
    refused = ""
    try:
        for batch in Loader(data, **arguments):
            if arguments.get("transform") is None:
                right(data, batch)
            break
    except GraphError as error:
        refused = str(error)
    assert len(refused.splitlines()) <= 1


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(
    where=st.sampled_from(["user", "item", PLAYS, NEAR]),
    key=st.sampled_from(
        ["x", "y", "num_nodes", "edge_index", "edge_attr", "edge_label", "edge_label_index", "time"]
    ),
    at=st.sampled_from(range(len(JUNK))),
)
def test_junk_in_the_data_is_a_batch_or_one_line(where: Any, key: str, at: int) -> None:
    data = _set(where, **{key: JUNK[at]})
    refused = ""
    try:
        batch = next(iter(Loader(data, [2], [PLAYS])), None)
        assert batch is None or batch[PLAYS].edge_label_index.shape[1]
    except GraphError as error:
        refused = str(error)
    assert len(refused.splitlines()) <= 1
