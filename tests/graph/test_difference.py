from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph.build import build_graph
from colisten.graph.difference import load_difference, save_difference
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from colisten.settings.sections import GraphSettings
from tests.conftest import CUT

NODES = {"audiobook": 4, "podcast": 3}
NAMES = [(source, "co_listened", node) for source in NODES for node in NODES]


def built(history: Path, top_k: int, fold: int | None = None) -> CoListeningGraph:
    graph = GraphSettings(top_k=top_k, min_colisteners=1)
    return build_graph(history, as_of=CUT, graph=graph, leave_out_fold=fold)


@pytest.mark.parametrize("top_k", [2, 100])
def test_a_fold_takes_less_and_is_the_same(tiny_history: Path, tmp_path: Path, top_k: int) -> None:
    """With few neighbours kept, weaker ones come in where stronger ones lost their listeners."""
    whole = built(tiny_history, top_k)
    folder = whole.save(tmp_path / "whole")
    for fold in range(2):
        without = built(tiny_history, top_k, fold)
        file = save_difference(without, whole, tmp_path / f"{fold}.arrow")
        # As it is read in a later step: from files.
        read = load_difference(CoListeningGraph.load(folder), file, verify=True)
        assert read.digest() == without.digest() != whole.digest()
        assert read.item_ids is not None
        for name, relation in without.relations.items():
            for each in ("indptr", "indices", "weights", "times"):
                assert getattr(read.relations[name], each).dtype == getattr(relation, each).dtype
        if top_k == 100:
            assert file.stat().st_size < (folder / "arrays.arrow").stat().st_size / 2
        else:
            added = {
                name: set(zip(own.rows, own.indices, strict=True))
                - set(zip(all_.rows, all_.indices, strict=True))
                for (name, own), all_ in zip(
                    without.relations.items(), whole.relations.values(), strict=True
                )
            }
            assert any(added.values()), "or the case is not what it says"


@st.composite
def relations(draw: Any, node_count: int, neighbours: int) -> Relation:
    """Any edges, also one twice or in any order, with moments or without."""
    edges = draw(
        st.lists(
            st.tuples(st.integers(0, node_count - 1), st.integers(0, neighbours - 1)), max_size=12
        )
    )
    values = draw(
        st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=len(edges), max_size=len(edges))
    )
    rows = np.array([row for row, _ in edges], np.int64)
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=node_count))])
    times = None
    if draw(st.booleans()):
        times = np.array([len(edges) * at % 3 for at in range(len(edges))], np.int64)
    return Relation(
        indptr.astype(np.int64),
        np.array([index for _, index in edges], np.int32)[order],
        np.array(values, np.float32)[order],
        times,
    )


@st.composite
def graphs(draw: Any) -> CoListeningGraph:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    made = {name: draw(relations(NODES[name[2]], NODES[name[0]])) for name in names}
    return CoListeningGraph(NODES, made, "ids")


@given(graphs(), graphs())
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_graph_is_told_from_any_other(
    tmp_path: Path, one: CoListeningGraph, other: CoListeningGraph
) -> None:
    read = load_difference(other, save_difference(one, other, tmp_path / "file"), verify=True)
    assert read.digest() == one.digest()
    assert list(read.relations) == list(one.relations)
    assert {name: each.times is None for name, each in read.relations.items()} == {
        name: each.times is None for name, each in one.relations.items()
    }


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def something_else(file: Path) -> None:
    file.write_text("no arrays")


@pytest.mark.parametrize("harm", [cut_short, something_else, Path.unlink])
def test_what_is_damaged_is_refused(
    tiny_history: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    whole = built(tiny_history, 100)
    file = save_difference(built(tiny_history, 100, 0), whole, tmp_path / "file")
    harm(file)
    with pytest.raises(GraphError, match=r"Build the graph again\."):
        load_difference(whole, file)


def test_another_graph_is_refused(tiny_history: Path, tmp_path: Path) -> None:
    whole, few = built(tiny_history, 100), built(tiny_history, 2)
    file = save_difference(built(tiny_history, 100, 0), whole, tmp_path / "file")
    with pytest.raises(GraphError, match="edges, and there are"):
        load_difference(few, file)
    others = CoListeningGraph({"audiobook": 1}, {}, "other ids", pa.array(["a"]))
    with pytest.raises(GraphError, match="other items"):
        save_difference(others, whole, tmp_path / "file")
