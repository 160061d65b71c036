"""What users of PyG bring works as it does there, or is refused in one line; nothing in between."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric import EdgeIndex
from torch_geometric.data import Data, HeteroData
from torch_geometric.sampler import NumNeighbors
from torch_geometric.transforms import ToSparseTensor

from colisten.errors import GraphError
from colisten.sampling.keywords import PYG
from colisten.sampling.multilink import MultiLinkNeighborLoader
from tests.sampling.shop import NEAR, PLAYS, right, shop, whole_pairs

Loader = MultiLinkNeighborLoader
plays = shop()[PLAYS].edge_index


def with_edges(index: Any) -> HeteroData:
    data = shop()
    data[PLAYS].edge_index = index
    return data


# The ways to say (user, plays, item), of which the graph has 80.
ALL = {
    "tuple in a list": [PLAYS],
    "list in a list": [list(PLAYS)],
    "tuple": PLAYS,
    "list": list(PLAYS),
    "node types": [("user", "item")],
    "node types alone": ("user", "item"),
    "relation": "plays",
    "relation in a list": ["plays"],
    "joined": "user__plays__item",
    "set": {PLAYS},
    "mapping": {PLAYS: None},
    "keys": {PLAYS: 1}.keys(),
    "PyG's pair": (PLAYS, None),
    "PyG's pair with a list": [list(PLAYS), None],
    "PyG's pair with edges": (PLAYS, plays),
    "pairs of a list": [(PLAYS, plays)],
    "relation and edges": ("plays", plays),
    "nested lists": (PLAYS, plays.tolist()),
    "array": {PLAYS: plays.numpy()},
    "int32": {PLAYS: plays.int()},
    "int16": {PLAYS: plays.to(torch.int16)},
    "uint8": {PLAYS: plays.to(torch.uint8)},
    "not contiguous": {PLAYS: plays.T.contiguous().T},
    "EdgeIndex": {PLAYS: EdgeIndex(plays, sparse_size=(20, 30))},
    "by relation": {"plays": plays},
}


@pytest.mark.parametrize("name", ALL)
def test_an_edge_type_by_any_of_its_names(name: str) -> None:
    data = shop()
    loader = Loader(data, [3], ALL[name], batch_size=30)
    assert loader.edges.num_pairs == 80
    for batch in loader:
        right(data, batch)


# The ways to hold edges: the same graph each time.
EDGES = {
    "array": plays.numpy(),
    "int32": plays.int(),
    "int16": plays.to(torch.int16),
    "uint8": plays.to(torch.uint8),
    "uint16": plays.to(torch.uint16),
    "not contiguous": plays.T.contiguous().T,
    "strided": plays.repeat_interleave(2, 1)[:, ::2],
    "EdgeIndex": EdgeIndex(plays, sparse_size=(20, 30)),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_of_any_whole_kind(name: str) -> None:
    data = with_edges(EDGES[name])
    same = Loader(shop(), [3, 2], [PLAYS], batch_size=30, num_negatives=1, negatives="hard")
    loader = Loader(data, [3, 2], [PLAYS], batch_size=30, num_negatives=1, negatives="hard")
    for batch, wanted in zip(loader, same, strict=True):
        for part in data.node_types:
            assert torch.equal(batch[part].n_id, wanted[part].n_id)
        assert torch.equal(batch[PLAYS].edge_label_index, wanted[PLAYS].edge_label_index)
        assert torch.equal(batch[PLAYS].edge_index, wanted[PLAYS].edge_index)


# The ways to say how many neighbours: a list of hops that means the same.
FAN_OUTS: dict[str, tuple[Any, list[int]]] = {
    "tuple": ((3, 2), [3, 2]),
    "array": (np.array([3, 2]), [3, 2]),
    "tensor": (torch.tensor([3, 2]), [3, 2]),
    "range": (range(3, 1, -1), [3, 2]),
    "by type": ({PLAYS: [3, 2], NEAR: [3, 2]}, [3, 2]),
    "by relation": ({"plays": [3, 2], ("item", "item"): (3, 2)}, [3, 2]),
    "NumNeighbors": (NumNeighbors([3, 2]), [3, 2]),
    "NumNeighbors by type": (NumNeighbors({PLAYS: [3, 2]}, default=[3, 2]), [3, 2]),
    "all": ([-1, -1], [99, 99]),
}


@pytest.mark.parametrize("name", FAN_OUTS)
def test_fan_outs_in_any_form(name: str) -> None:
    given, wanted = FAN_OUTS[name]
    data = shop()
    for batch, same in zip(
        Loader(data, given, [PLAYS], batch_size=9),
        Loader(data, wanted, [PLAYS], batch_size=9),
        strict=True,
    ):
        right(data, batch)
        for edge_type in data.edge_types:
            assert torch.equal(batch[edge_type].e_id, same[edge_type].e_id)


def test_no_hops_give_the_seeds_alone() -> None:
    data = shop()
    for batch in Loader(data, [], [PLAYS], batch_size=9):
        right(data, batch)
        assert batch[PLAYS].edge_index.shape == (2, 0)
        ends = {pair[0] for pair in whole_pairs(batch, PLAYS)}
        assert set(batch["user"].n_id.tolist()) == ends


def test_attributes_are_cut_as_pyg_cuts_them() -> None:
    data = shop()
    data["user"].y = torch.arange(20)
    data["user"].train_mask = torch.rand(20) < 0.5
    data["user"].name = [f"u{at}" for at in range(20)]
    data["user"].place = np.arange(40.0).reshape(20, 2)
    data["user"].code = np.array([f"c{at}" for at in range(20)])
    data["user"].wide = torch.arange(20).to(torch.uint64)
    data["item"].bag = torch.eye(30).to_sparse_csr()
    data["item"].pile = torch.eye(30).to_sparse()
    data["item"].source = "catalogue"
    data["item"].scale = torch.tensor([1.0, 2.0])
    data["ghost"].num_nodes = 7
    data["user", "likes", "item"].edge_index = torch.empty(2, 0)
    data[PLAYS].edge_attr = torch.randn(80, 2, 3, dtype=torch.float64)
    data[PLAYS].half_index = torch.arange(160).view(2, 80)
    data[PLAYS].note = list(range(80))
    data.version = 3
    seen = 0
    for batch in Loader(data, [5, 5], [PLAYS], batch_size=20):
        users, items = batch["user"].n_id, batch["item"].n_id
        edges = batch[PLAYS].e_id
        seen += len(edges)
        assert batch["user"].y.tolist() == users.tolist()
        assert torch.equal(batch["user"].train_mask, data["user"].train_mask[users])
        assert batch["user"].name == [f"u{at}" for at in users.tolist()]
        assert torch.equal(batch["user"].place, torch.from_numpy(data["user"].place)[users])
        assert batch["user"].code.tolist() == [f"c{at}" for at in users.tolist()]
        assert batch["user"].wide.tolist() == users.tolist()
        for key, layout in (("bag", torch.sparse_csr), ("pile", torch.sparse_coo)):
            assert batch["item"][key].layout == layout
            assert torch.equal(batch["item"][key].to_dense(), torch.eye(30)[items])
        assert batch["item"].source == "catalogue"
        assert batch["item"].scale.tolist() == [1, 2]
        assert batch["ghost"].num_nodes <= 7
        assert batch["user", "likes", "item"].num_edges == 0
        assert torch.equal(batch[PLAYS].edge_attr, data[PLAYS].edge_attr[edges])
        assert torch.equal(batch[PLAYS].half_index, data[PLAYS].half_index[:, edges])
        assert batch[PLAYS].note == edges.tolist()
        assert batch.version == 3
    assert seen


def test_random_sparse_rows_are_those_of_the_dense_form() -> None:
    data = shop()
    dense = torch.randn(30, 11) * (torch.rand(30, 11) < 0.3)
    data["item"].x = dense.to_sparse_csr()
    for batch in Loader(data, [5], [PLAYS], batch_size=7):
        assert torch.equal(batch["item"].x.to_dense(), dense[batch["item"].n_id])


def test_homogeneous_data_gives_data() -> None:
    torch.manual_seed(0)
    data = Data(x=torch.randn(40, 3), edge_index=torch.randint(0, 40, (2, 200)), y=torch.arange(40))
    data.edge_attr, data.city = torch.randn(200, 2), "Oslo"
    some = data.edge_index[:, :30]
    for asked, count in ((None, 200), (some, 30), (some.tolist(), 30), (some.numpy(), 30)):
        loader = Loader(data, [3, 2], asked, batch_size=16)
        assert loader.edges.num_pairs == count
        for batch in loader:
            assert type(batch) is Data
            assert batch.num_nodes == len(batch.n_id)
            assert torch.equal(batch.y, batch.n_id)
            assert torch.equal(batch.edge_attr, data.edge_attr[batch.e_id])
            whole = batch.n_id[batch.edge_index]
            assert torch.equal(whole, data.edge_index[:, batch.e_id])
            pairs = set(map(tuple, batch.n_id[batch.edge_label_index].T.tolist()))
            assert pairs <= set(map(tuple, data.edge_index.T.tolist()))
            banned = pairs | {pair[::-1] for pair in pairs}
            assert not banned & set(map(tuple, whole.T.tolist()))
            assert batch.city == "Oslo"


def test_a_transform_gets_every_batch() -> None:
    data = shop()
    batch = next(iter(Loader(data, [3], [PLAYS], transform=ToSparseTensor())))
    assert "adj_t" in batch[PLAYS]
    assert "edge_index" not in batch[PLAYS]
    loader = Loader(data, [3], [PLAYS], batch_size=8, num_workers=2, transform=lambda _: "seen")
    assert set(loader) == {"seen"}


def test_what_changes_nothing_is_accepted() -> None:
    loader = Loader(
        shop(),
        [3],
        [PLAYS],
        shuffle=True,
        drop_last=False,
        persistent_workers=True,
        filter_per_worker=False,
        pin_memory=True,
        is_sorted=True,
        directed=True,
        replace=False,
        subgraph_type="directional",
        temporal_strategy="uniform",
        neg_sampling=None,
        neg_sampling_ratio=0.0,
        prefetch_factor=None,
    )
    assert next(iter(loader))[PLAYS].edge_label_index.shape[1] == 80


@pytest.mark.parametrize("name", PYG)
def test_every_argument_of_pyg_has_an_answer(name: str) -> None:
    accepted, instead = PYG[name]

    def load(value: Any) -> None:
        Loader(shop(), [3], [PLAYS], **{name: value})

    if not instead:
        load("whatever")
        return
    load(accepted[0])
    with pytest.raises(GraphError, match=name):
        load(object())


def test_an_empty_and_a_lonely_type() -> None:
    data = shop()
    data["genre"].x, data["none"].x = torch.randn(5, 2), torch.randn(0, 2)
    data["user", "likes", "item"].edge_index = torch.empty(2, 0)
    batch = next(iter(Loader(data, [3], [PLAYS, ("user", "likes", "item")], num_negatives=1)))
    assert batch["none"].num_nodes == 0
    assert batch[PLAYS].edge_label_index.shape[1] == 160


def test_arrays_that_torch_does_not_read_are_cut_as_well() -> None:
    data = shop()
    data["user"].far = np.arange(20, dtype=">i8")
    data["user"].fine = np.arange(20, dtype=">f4")
    data["user"].long = np.arange(20, dtype=np.longdouble)
    for batch in Loader(data, [3], [PLAYS], batch_size=20):
        for key in ("far", "fine", "long"):
            assert batch["user"][key].tolist() == batch["user"].n_id.tolist()


def test_a_loader_goes_to_another_process() -> None:
    """As a trainer that spawns its processes hands it on; copies draw the same."""
    loader = Loader(shop(), [3], [PLAYS], batch_size=20, num_negatives=1)
    next(iter(loader))
    sent = pickle.loads(pickle.dumps(loader))  # noqa: S301 - our own bytes
    for other in (sent, copy.deepcopy(loader)):
        for batch, same in zip(Loader.dense(other, 5), loader.dense(5), strict=True):
            assert np.array_equal(batch.neighbourhood.inputs, same.neighbourhood.inputs)
            assert np.array_equal(batch.pairs[PLAYS], same.pairs[PLAYS])


def test_the_class_is_no_graph() -> None:
    with pytest.raises(GraphError, match="the class HeteroData"):
        Loader(HeteroData, [3], [PLAYS])
