"""Whatever kind times are of, no drawn neighbour is newer than the pair."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch_geometric.data import Data, HeteroData

from colisten.errors import GraphError
from colisten.sampling.draws import compiled
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.neighbours import NeighborSampler
from colisten.sampling.supervision import SupervisedEdges
from tests.sampling.graphs import random_graph
from tests.sampling.shop import PLAYED, PLAYS, shop

# Moments in the unit of each kind, so close together that rounding would show.
SCALES: dict[str, Any] = {
    "int8": (torch.int8, 1),
    "uint8": (torch.uint8, 1),
    "int16": (torch.int16, 300),
    "int32": (torch.int32, 10**7),
    "int64": (torch.int64, 2**55 + 1),
    "uint64": (torch.uint64, 2**55 + 1),
    "float16": (torch.float16, Fraction(1, 128)),
    "bfloat16": (torch.bfloat16, Fraction(1, 128)),
    "float32": (torch.float32, Fraction(1, 128)),
    "float64": (torch.float64, Fraction(1, 2**40)),
}


def timed(kind: str, seed: int, reverse_kind: str | None = None) -> HeteroData:
    data = shop(300, seed)
    generator = torch.Generator().manual_seed(seed)
    moments = torch.randint(0, 100, (300,), generator=generator).tolist()
    data[PLAYED].edge_index = data[PLAYS].edge_index.flip(0)
    for name, of in ((PLAYS, kind), (PLAYED, reverse_kind or kind)):
        dtype, unit = SCALES[of]
        values = [moment * unit for moment in moments]
        exact = [int(v) if Fraction(v).denominator == 1 else float(v) for v in values]
        data[name].time = torch.tensor(exact, dtype=dtype)
    return data


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(SCALES)),
    seed=st.integers(0, 99),
    fan_out=st.sampled_from([1, 3, -1]),
    negatives=st.integers(0, 1),
)
def test_no_drawn_neighbour_is_newer(kind: str, seed: int, fan_out: int, negatives: int) -> None:
    data = timed(kind, seed)
    del data["item", "near", "item"]
    loader = MultiLinkNeighborLoader(
        data,
        [fan_out, fan_out],
        {PLAYS: data[PLAYS].edge_index[:, 100:104]},
        edge_label_time={PLAYS: data[PLAYS].time[100:104]},
        time_attr="time",
        batch_size=1,
        num_negatives=negatives,
    )
    drawn = 0
    of_pair = dict(
        zip(map(tuple, data[PLAYS].edge_index.T.tolist()), data[PLAYS].time.tolist(), strict=True)
    )
    for batch in loader:
        first, second = batch[PLAYS].edge_label_index[:, 0].tolist()
        pair = int(batch["user"].n_id[first]), int(batch["item"].n_id[second])
        for name in (PLAYS, PLAYED):
            assert batch[name].time.dtype == data[name].time.dtype
            assert all(moment <= of_pair[pair] for moment in batch[name].time.tolist())
            drawn += batch[name].num_edges
    assert drawn


@settings(max_examples=40, deadline=None)
@given(
    plain=st.sampled_from(["uint8", "int16", "int32"]),
    fine=st.sampled_from(["float16", "float32", "float64"]),
    of_pairs=st.booleans(),
    seed=st.integers(0, 99),
)
def test_kinds_that_meet_compare_exactly(plain: str, fine: str, of_pairs: bool, seed: int) -> None:
    """Edges of one kind, pairs of another: 7 is before 7.25 and after 6.75."""
    data = timed(plain, seed)
    del data["item", "near", "item"]
    unit = 1 if SCALES[plain][1] == 1 else SCALES[plain][1]
    data[PLAYED].time = data[PLAYED].time.double()
    shift = torch.tensor([-0.25, 0.25, 0.0, -0.25], dtype=torch.float64)
    moments = data[PLAYS].time[100:104].double() + shift
    if of_pairs:
        moments = moments.floor().long()
    loader = MultiLinkNeighborLoader(
        data,
        [-1],
        {PLAYS: data[PLAYS].edge_index[:, 100:104]},
        edge_label_time={PLAYS: moments},
        time_attr="time",
        batch_size=1,
    )
    asked = dict(
        zip(
            map(tuple, data[PLAYS].edge_index[:, 100:104].T.tolist()),
            moments.tolist(),
            strict=True,
        )
    )
    assert unit
    for batch in loader:
        first, second = batch[PLAYS].edge_label_index[:, 0].tolist()
        pair = int(batch["user"].n_id[first]), int(batch["item"].n_id[second])
        seen = 0
        for name, end in ((PLAYS, 1), (PLAYED, 0)):
            index, times = data[name].edge_index, data[name].time.double()
            wanted = (index[1] == pair[end]) & (times <= asked[pair])
            own = (index[1 - end] == pair[0]) & (index[end] == pair[1])
            seen += int((wanted & ~own).sum())
        assert batch[PLAYS].num_edges + batch[PLAYED].num_edges == seen


def test_floats_that_hide_integers_are_refused() -> None:
    data = timed("int64", 0)
    del data["item", "near", "item"]
    pairs = {PLAYS: data[PLAYS].edge_index[:, :2]}
    with pytest.raises(GraphError, match=r"2\*\*53"):
        MultiLinkNeighborLoader(
            data, [2], pairs, time_attr="time", edge_label_time={PLAYS: torch.tensor([0.5, 1.5])}
        )


BAD = {
    "NaN": torch.full((300,), float("nan")),
    "bool": torch.ones(300, dtype=torch.bool),
    "too few": torch.arange(299),
    "column": torch.arange(300)[:, None],
    "moments": np.full(300, "NaT", "datetime64[s]"),
    "missing": None,
}


@pytest.mark.parametrize("where", ["edges", "pairs"])
@pytest.mark.parametrize("name", BAD)
def test_bad_times_are_refused_before_the_first_batch(name: str, where: str) -> None:
    data = timed("int64", 0)
    del data["item", "near", "item"]
    times = {PLAYS: data[PLAYS].time}
    if where == "pairs":
        times = {PLAYS: BAD[name]}
    elif BAD[name] is None:
        del data[PLAYED].time
    else:
        data[PLAYED].time = BAD[name]
    with pytest.raises(GraphError, match=r"time|Times") as caught:
        MultiLinkNeighborLoader(data, [2], [PLAYS], time_attr="time", edge_label_time=times)
    assert "plays" in str(caught.value)


def test_a_relation_without_edges_needs_no_times() -> None:
    data = timed("float64", 0)
    data["item", "near", "item"].edge_index = torch.empty(2, 0)
    loader = MultiLinkNeighborLoader(
        data, [2], [PLAYS], time_attr="time", edge_label_time=data[PLAYS].time, batch_size=50
    )
    assert loader.temporal
    batch = next(iter(loader))
    assert batch[PLAYS].num_edges


def test_half_of_what_pyg_needs_is_not_taken_for_none_of_it() -> None:
    data = timed("int64", 0)
    del data["item", "near", "item"]
    with pytest.raises(GraphError, match="edge_label_time"):
        MultiLinkNeighborLoader(data, [2], [PLAYS], time_attr="time")
    with pytest.raises(GraphError, match="no times"):
        MultiLinkNeighborLoader(data, [2], [PLAYS], edge_label_time={PLAYS: data[PLAYS].time})
    assert not MultiLinkNeighborLoader(
        data, [2], [PLAYS], time_attr="time", temporal=False
    ).temporal


def test_compiled_and_plain_draws_see_the_same_past() -> None:
    data = timed("float64", 3)
    del data["item", "near", "item"]
    loader = MultiLinkNeighborLoader(
        data, [3], [PLAYS], time_attr="time", edge_label_time=data[PLAYS].time
    )
    seeds = np.arange(loader.graph.total)
    moments = np.linspace(0, 100 / 2**40, len(seeds))
    one, other = (
        NeighborSampler(loader.graph, [3, 2], edge_numbers=True, engine=engine).sample(
            seeds, 7, moments=moments
        )
        for engine in (compiled, None)
    )
    for mine, theirs in zip(one.hops, other.hops, strict=True):
        for name in mine.tables:
            assert np.array_equal(mine.tables[name], theirs.tables[name])
    with pytest.raises(GraphError, match="both as int64"):
        NeighborSampler(loader.graph, [3]).sample(seeds, 7, moments=np.arange(len(seeds)))


def test_a_split_in_time_keeps_the_kind() -> None:
    graph = random_graph(8, 8, 60, 1)
    pairs = SupervisedEdges.of(graph).pairs
    times = {name: np.linspace(0, 1, len(part)) for name, part in pairs.items()}
    ones = {name: np.ones(len(part), np.float32) for name, part in pairs.items()}
    edges = SupervisedEdges(pairs, ones, graph.num_items, times)
    earlier, later, moment = edges.split_in_time(0.5)
    assert 0.3 < moment < 0.7
    assert earlier.num_pairs
    assert later.num_pairs
    with pytest.raises(GraphError, match="latest moment"):
        edges.split_in_time(0.5, latest=0.5)  # type: ignore[arg-type]


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.sets(st.integers(0, 79), min_size=1, max_size=5),
    how=st.sampled_from(["NaT", "NaN", "numpy NaN"]),
    of_pairs=st.booleans(),
)
def test_missing_times_stay_missing_as_integers(gaps: set[int], how: str, of_pairs: bool) -> None:
    """NaT and NaN become -2**63, a moment before everything, which any pair would see."""
    moments = np.arange(80, dtype=np.float64)
    moments[sorted(gaps)] = np.nan
    holed: Any = moments.astype("datetime64[s]").astype(np.int64)
    if how == "NaN":
        holed = torch.from_numpy(moments).long()
    elif how == "numpy NaN":
        with np.errstate(invalid="ignore"):
            holed = np.where(np.isnan(moments), moments, moments).astype(np.int64)
    assert int(holed.min()) == -(2**63)
    data = shop()
    del data["item", "near", "item"]
    data[PLAYS].time = torch.arange(80) if of_pairs else holed
    asked = holed if of_pairs else torch.arange(80)
    with pytest.raises(GraphError, match=f"no time for {len(gaps)} of 80"):
        MultiLinkNeighborLoader(data, [2], [PLAYS], time_attr="time", edge_label_time=asked)


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ([2**53 + 1] * 79 + [0.5], "mixes floats with 9007199254740993"),
        ([2**63 + 1, *[-1] * 79], "mixes floats with 9223372036854775809"),
        ([True, *range(79)], "mixes True with numbers"),
        (np.array([0, "NaT", *range(78)], "timedelta64[s]"), r"1 of 80 are NaT.*timedelta64\[us\]"),
        (np.array(["NaT"] * 80, "datetime64[s]"), r"80 of 80 are NaT.*Leave those"),
    ],
)
def test_lists_and_arrays_that_hide_what_they_hold_are_refused(times: Any, says: str) -> None:
    data = shop()
    del data["item", "near", "item"]
    data[PLAYS].time = times
    with pytest.raises(GraphError, match=says):
        MultiLinkNeighborLoader(
            data, [2], [PLAYS], time_attr="time", edge_label_time=torch.arange(80)
        )


@pytest.mark.parametrize("homogeneous", [False, True])
def test_times_of_nodes_are_named_as_such(homogeneous: bool) -> None:
    data = shop()
    data["user"].time, data["item"].time = torch.arange(20), torch.arange(30)
    whole: Any = data
    if homogeneous:
        whole = Data(x=torch.randn(9, 2), edge_index=torch.randint(0, 9, (2, 30)))
        whole.time = torch.arange(9)
    with pytest.raises(GraphError, match=r"attribute of nodes.*time\[edge_index\[0\]\]"):
        MultiLinkNeighborLoader(whole, [2], None if homogeneous else [PLAYS], time_attr="time")
