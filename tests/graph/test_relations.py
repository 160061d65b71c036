"""`graph.relations`: edges between some pairs of types are left out, and all else still works."""

from __future__ import annotations

from pathlib import Path

import ibis
import numpy as np
import pytest

from colisten.errors import ConfigError
from colisten.graph.build import build_graph, build_graph_on
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED
from colisten.graph.report import graph_report
from colisten.reports.graph import to_html
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.tree import Settings, load_settings
from colisten.training.hgnn import embed_catalogue, train_hgnn
from tests.conftest import CUT
from tests.graph.sections import of_graph, of_hgnn

BOOK, SHOW = "audiobook", "podcast"
PAIRS = {
    "target-target": [(BOOK, CO_LISTENED, BOOK)],
    "target-context": [(BOOK, CO_LISTENED, SHOW), (SHOW, CO_LISTENED, BOOK)],
    "context-context": [(SHOW, CO_LISTENED, SHOW)],
}
MIRROR = {
    "target-target": "context-context",
    "target-context": "target-context",
    "context-context": "target-target",
}
KINDS = [("target-target",), ("target-context",), ("target-target", "context-context")]


def keeping(*kinds: str, target: str = "audiobook", more: tuple[str, ...] = ()) -> Settings:
    other = {"audiobook": "podcast", "podcast": "audiobook"}[target]
    names = f"[{', '.join(kinds)}]"
    where = (f"data.target_type={target}", f"data.auxiliary_type={other}")
    return load_settings(None, (f"graph.relations={names}", "threads=1", *where, *more))


@pytest.fixture(scope="module")
def whole(tiny_history: Path) -> CoListeningGraph:
    return build_graph(tiny_history, as_of=CUT, engine=Engine(threads=1))


@pytest.mark.parametrize("kinds", KINDS)
@pytest.mark.parametrize("target", ["audiobook", "podcast"])
def test_kept_relations_are_those_of_the_whole_graph_and_the_rest_is_empty(
    tiny_history: Path, whole: CoListeningGraph, kinds: tuple[str, ...], target: str
) -> None:
    graph = build_graph(tiny_history, as_of=CUT, **of_graph(keeping(*kinds, target=target)))
    of_type = kinds if target == "audiobook" else [MIRROR[kind] for kind in kinds]
    kept = [pair for kind in of_type for pair in PAIRS[kind]]
    assert set(graph.relations) == set(whole.relations)
    for name, relation in graph.relations.items():
        if name not in kept:
            assert relation.num_edges == 0
            # With unknown times here, no relation would have known ones.
            assert relation.times is not None
            continue
        assert relation.num_edges > 10
        for array in ("indptr", "indices", "weights", "times"):
            np.testing.assert_array_equal(
                getattr(relation, array), getattr(whole.relations[name], array)
            )


def test_both_ways_of_counting_leave_the_same_out(tiny_history: Path) -> None:
    settings = keeping("target-context")
    graphs = [
        build_graph_on(
            ibis.duckdb.connect(),
            tiny_history,
            as_of=CUT,
            **of_graph(settings),
            in_memory=in_memory,
        )
        for in_memory in (True, False)
    ]
    assert graphs[0].digest() == graphs[1].digest()


@pytest.mark.parametrize("kinds", [*KINDS, ("context-context",)])
@pytest.mark.parametrize("more", [(), ("preset=paper",)], ids=["default", "paper"])
def test_what_follows_lives_with_an_empty_relation(
    tiny_history: Path, tmp_path: Path, kinds: tuple[str, ...], more: tuple[str, ...]
) -> None:
    settings = keeping(*kinds, more=("hgnn.max_steps=2", "hgnn.dim=8", "hgnn.batch_size=16", *more))
    built = build_graph(tiny_history, as_of=CUT, **of_graph(settings))
    graph = CoListeningGraph.load(built.save(tmp_path / "graph"))
    drawn = np.random.default_rng(0).normal(size=(graph.num_items, 8)).astype(np.float32)
    text = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    result = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    )
    vectors = embed_catalogue(result.model, graph, text)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert "<html" in to_html(graph_report(graph, text, data=DataSettings()))


@pytest.mark.parametrize("value", ["[]", "[podcast-podcast]", "[context-target]"])
def test_other_relations_are_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=r"graph\.relations"):
        load_settings(None, (f"graph.relations={value}",))
