from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from tests.conftest import CUT


@pytest.fixture(scope="module")
def graph(tiny_history: Path) -> CoListeningGraph:
    return build_graph(tiny_history, as_of=CUT)


def without_podcasts() -> CoListeningGraph:
    """Three audiobooks, one edge between the first two, no podcast."""
    one = np.array([0, 1]), np.array([1, 0]), np.array([2.0, 2.0])
    relations = {
        ("audiobook", "co_listened", "audiobook"): Relation.from_edges(3, *one),
        ("podcast", "co_listened", "audiobook"): Relation.empty(3),
        ("audiobook", "co_listened", "podcast"): Relation.empty(0),
        ("podcast", "co_listened", "podcast"): Relation.empty(0),
    }
    return CoListeningGraph({"audiobook": 3, "podcast": 0}, relations, "ids")


def test_saved_and_loaded_is_the_same(graph: CoListeningGraph, tmp_path: Path) -> None:
    saved = graph.save(tmp_path / "graph")
    before = pa.total_allocated_bytes()
    loaded = CoListeningGraph.load(saved, verify=True)
    # Ids are read; arrays stay on the disk until somebody looks at them.
    assert pa.total_allocated_bytes() - before < 10_000 < (saved / "arrays.arrow").stat().st_size
    assert loaded.digest() == graph.digest()
    assert loaded.summary() == graph.summary()
    assert loaded.item_ids is not None
    assert loaded.item_ids.equals(graph.item_ids)
    assert loaded.item_ids[0].as_py() == "a000"
    indices = loaded.relations["podcast", "co_listened", "podcast"].indices
    assert not indices.flags.owndata
    assert not indices.flags.writeable
    assert indices.dtype == np.int32


def test_saving_twice_gives_equal_bytes(graph: CoListeningGraph, tmp_path: Path) -> None:
    graph.save(tmp_path / "one")
    graph.save(tmp_path / "two")
    names = {file.name for file in (tmp_path / "one").iterdir()}
    assert names == {file.name for file in (tmp_path / "two").iterdir()}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_edges_before_a_moment(graph: CoListeningGraph) -> None:
    every = np.concatenate([np.asarray(r.times) for r in graph.relations.values()])
    moment = int(np.median(every))
    earlier = graph.before(moment)
    assert earlier.num_edges == (every < moment).sum()
    for name, relation in earlier.relations.items():
        whole = graph.relations[name]
        assert relation.times is not None
        assert whole.times is not None
        left = set(zip(relation.rows, relation.indices, relation.times, strict=True))
        there = zip(whole.rows, whole.indices, whole.times, strict=True)
        assert left == {edge for edge in there if edge[2] < moment}
    assert graph.before(2**62).digest() == graph.digest()
    with pytest.raises(GraphError, match="no times"):
        without_podcasts().before(moment)


def test_hetero_data_and_back(graph: CoListeningGraph) -> None:
    back = CoListeningGraph.from_hetero_data(graph.to_hetero_data(), graph.ids_digest)
    assert back.digest() == graph.digest()
    bare = CoListeningGraph.from_hetero_data(without_podcasts().to_hetero_data(), "ids")
    assert bare.digest() == without_podcasts().digest()


def test_hetero_data_that_does_not_fit_is_refused(graph: CoListeningGraph) -> None:
    name = ("podcast", "co_listened", "audiobook")
    data = graph.to_hetero_data()
    data[name].edge_index[0, 0] = 10_000
    with pytest.raises(GraphError, match="outside its 60 nodes"):
        CoListeningGraph.from_hetero_data(data, "ids")
    data = graph.to_hetero_data()
    data[name].time = data[name].time[1:]
    with pytest.raises(GraphError, match=r"values for \d+ edges"):
        CoListeningGraph.from_hetero_data(data, "ids")


def test_no_podcasts_and_isolated_nodes_work(tmp_path: Path) -> None:
    graph = CoListeningGraph.load(without_podcasts().save(tmp_path / "graph"), verify=True)
    summary = graph.summary()
    assert summary["isolated"] == {"audiobook": 1, "podcast": 0}
    assert summary["relations"]["audiobook-podcast"]["edges"] == 0
    assert graph.slice_of("podcast") == slice(3, 3)
    json.dumps(summary)


def test_a_changed_edge_changes_the_digest(graph: CoListeningGraph) -> None:
    name = ("audiobook", "co_listened", "audiobook")
    relation = graph.relations[name]
    weights = relation.weights.copy()
    weights[0] += 1
    changed = Relation(relation.indptr, relation.indices, weights)
    other = CoListeningGraph(graph.num_nodes, {**graph.relations, name: changed}, graph.ids_digest)
    assert other.digest() != graph.digest()


@pytest.mark.parametrize(
    "harm", ["missing file", "flipped byte", "other format", "no header", "no ids"]
)
def test_a_damaged_folder_is_refused(graph: CoListeningGraph, tmp_path: Path, harm: str) -> None:
    folder = graph.save(tmp_path / "graph")
    array, header = folder / "arrays.arrow", folder / "graph.json"
    if harm == "missing file":
        array.unlink()
    elif harm == "no ids":
        (folder / "ids.parquet").unlink()
    elif harm == "flipped byte":
        content = bytearray(array.read_bytes())
        content[len(content) // 2] ^= 1
        array.write_bytes(content)
    elif harm == "other format":
        header.write_text(json.dumps({**json.loads(header.read_text()), "format": 99}))
    else:
        header.unlink()
    with pytest.raises(GraphError, match=r"Build the graph again\."):
        CoListeningGraph.load(folder, verify=True)


def test_a_graph_is_three_files_however_many_relations(
    graph: CoListeningGraph, tmp_path: Path
) -> None:
    assert len(graph.relations) > 3
    files = {file.name for file in graph.save(tmp_path / "graph").iterdir()}
    assert files == {"graph.json", "ids.parquet", "arrays.arrow"}
    alone = CoListeningGraph({"song": 2}, {}, "ids")
    assert CoListeningGraph.load(alone.save(tmp_path / "alone")) == alone


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), keep=st.floats(0, 1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_became_of_the_arrays_is_an_error_or_a_graph(
    graph: CoListeningGraph, tmp_path: Path, at: float, bit: int, keep: float
) -> None:
    folder = graph.save(tmp_path / "graph")
    file = folder / "arrays.arrow"
    content = bytearray(file.read_bytes())
    content[int(at * len(content))] ^= 1 << bit
    file.write_bytes(content[: int(keep * len(content)) or len(content)])
    with suppress(GraphError):
        CoListeningGraph.load(folder)
    with pytest.raises(GraphError, match="differs from its digest"):
        CoListeningGraph.load(folder, verify=True)


def test_relations_must_be_whole(graph: CoListeningGraph) -> None:
    with pytest.raises(GraphError, match="has no relation"):
        CoListeningGraph({"audiobook": 1}, {("song", "by", "audiobook"): Relation.empty(1)}, "ids")
    with pytest.raises(GraphError, match="2 rows for 1 nodes"):
        CoListeningGraph({"song": 1}, {("song", "by", "song"): Relation.empty(2)}, "ids")
    with pytest.raises(GraphError, match="2 ids for 100 items"):
        replace(graph, item_ids=pa.array(["a", "b"]))
    with pytest.raises(GraphError, match="no items of type 'song'"):
        graph.slice_of("song")


def test_pyg_reads_it(graph: CoListeningGraph) -> None:
    """Messages flow from neighbour to node: PyG's max over them is the CSR's max."""
    from torch_geometric.nn import SimpleConv

    text = np.random.default_rng(0).normal(size=(graph.num_items, 4)).astype(np.float32)
    data: Any = graph.to_hetero_data(text)
    data.validate()
    assert sum(len(data[name].edge_attr) for name in data.edge_types) == graph.num_edges
    relation = graph.relations["podcast", "co_listened", "audiobook"]
    edges = data["podcast", "co_listened", "audiobook"].edge_index
    out = SimpleConv(aggr="max")((data["podcast"].x, data["audiobook"].x), edges).numpy()
    podcasts = text[graph.slice_of("podcast")]
    for node in range(graph.num_nodes["audiobook"]):
        near = relation.indices[relation.indptr[node] : relation.indptr[node + 1]]
        expected = podcasts[near].max(axis=0) if len(near) else np.zeros(4)
        np.testing.assert_array_equal(out[node], expected)
