"""One item type, three, of any name, and several relations between two of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from colisten.errors import GraphError, TrainingError
from colisten.graph.build import build_graph
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED, Relation, relation_label
from colisten.graph.report import graph_report
from colisten.reports.graph import to_html
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.settings.tree import Settings, settings_from
from colisten.training.hgnn import embed_catalogue, train_hgnn
from tests.conftest import CUT, START
from tests.graph.histories import Event, Link, write_tables
from tests.graph.sections import of_graph, of_hgnn

HOSTILE = ("it's/a 'type'", "100 % ünïcode-\N{HEADPHONE}", "x" * 64)
SIGNALS = ("purchase", "wish list")
TYPES = [("book",), ("book", "music", "film"), HOSTILE]


def settings_of(types: tuple[str, ...], **more: object) -> Settings:
    tree = {
        "threads": 1,
        "data": {
            "target_type": types[0],
            "context_types": types[1:],
            "signals": dict.fromkeys(SIGNALS, 1.0),
            "start_signals": ["purchase"],
        },
        "hgnn": {"dim": 4, "max_steps": 3, "batch_size": 64},
        "graph": more,
    }
    return settings_from(tree)


def world(folder: Path, types: tuple[str, ...], relation: str = "same 'author'/%") -> Path:
    """Ten items a type; users of two tastes; a link of every item to the next of its taste."""
    items = {name: [f"{at}-{number}" for number in range(10)] for at, name in enumerate(types)}
    rng = np.random.default_rng(0)
    events: list[Event] = [
        (
            f"u{user}",
            f"{rng.integers(len(types))}-{2 * rng.integers(5) + user % 2}",
            SIGNALS[rng.integers(2)],
            START + timedelta(hours=int(rng.integers(1, 4000))),
        )
        for user in range(30)
        for _ in range(8)
    ]
    every = [item for kind in items.values() for item in kind]
    links: list[Link] = [(a, b, relation, None) for a, b in zip(every, every[2:], strict=False)]
    return write_tables(folder, items, events, links)


@pytest.mark.parametrize("types", TYPES, ids=["one", "three", "hostile"])
def test_types_of_any_number_and_name_work(types: tuple[str, ...], tmp_path: Path) -> None:
    settings = settings_of(types)
    built = build_graph(
        world(tmp_path / "tables", types),
        as_of=CUT,
        **of_graph(settings),
    )
    graph = CoListeningGraph.load(built.save(tmp_path / "graph"), verify=True)
    assert graph.digest() == built.digest()
    assert graph.item_types == tuple(sorted(types))
    counted = [name for name in graph.relations if name[1] == CO_LISTENED]
    assert len(counted) == len(types) ** 2
    assert len(graph.relations) > len(counted)
    assert (
        CoListeningGraph.from_hetero_data(graph.to_hetero_data(), graph.ids_digest).digest()
        == graph.digest()
    )
    text = np.random.default_rng(1).normal(size=(graph.num_items, 6)).astype(np.float32)
    text /= np.linalg.norm(text, axis=1, keepdims=True)
    result = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    )
    vectors = embed_catalogue(result.model, graph, text)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    report = graph_report(graph, text, data=settings.data)
    assert len(report.relations) == len(graph.relations)
    assert len(report.pairs_per_target_pair) == len(types) * (len(types) + 1) // 2
    assert (report.only_through_other.mean == 0) is (len(types) == 1)
    assert "<html" in to_html(report)


@pytest.mark.parametrize("kinds", ["target-target", "target-context", "context-context"])
def test_kinds_of_pairs_are_kept_over_three_types(kinds: str, tmp_path: Path) -> None:
    types = TYPES[1]
    settings = settings_of(types, relations=[kinds], links=[])
    graph = build_graph(
        world(tmp_path, types),
        as_of=CUT,
        **of_graph(settings),
    )
    kept = {name[::2] for name, relation in graph.relations.items() if relation.num_edges}
    wanted = {
        (a, b)
        for a in types
        for b in types
        if kinds == "-".join(sorted(["target" if e == "book" else "context" for e in (a, b)])[::-1])
    }
    assert kept == wanted


@pytest.mark.filterwarnings("ignore::colisten.sampling.leaks.LeakWarning")
def test_the_loader_seeds_from_several_relations_between_two_types(tmp_path: Path) -> None:
    """Over the graph and over its `HeteroData` the same pairs, under the same names."""
    types = TYPES[1]
    settings = settings_of(types, top_k=4)
    graph = build_graph(
        world(tmp_path, types),
        as_of=CUT,
        **of_graph(settings),
    )
    ours = MultiLinkNeighborLoader(graph, [3, 2], batch_size=16, num_negatives=1)
    names = set(ours.edges.relations)
    assert {("book", "co_listened", "book"), ("book", "same 'author'/%", "book")} <= names
    data = graph.to_hetero_data()
    theirs = MultiLinkNeighborLoader(data, [3, 2], list(names), batch_size=16)
    for batch, other in zip(ours, theirs, strict=False):
        assert set(batch.pairs) == {t for t in other.edge_types if "edge_label_index" in other[t]}
        # A pair hides its own relation and no other.
        assert set(batch.neighbourhood.hops[0].tables) == set(graph.relations)


def test_a_model_refuses_relations_it_has_no_weights_for(tmp_path: Path) -> None:
    settings = settings_of(("book",), links=[])
    folder = world(tmp_path / "tables", ("book",))
    graph = build_graph(folder, as_of=CUT, **of_graph(settings))
    text = np.random.default_rng(1).normal(size=(graph.num_items, 6)).astype(np.float32)
    model = train_hgnn(
        graph,
        text,
        **of_hgnn(settings),
        out=tmp_path / "hgnn",
    ).model
    linked = build_graph(folder, as_of=CUT, **of_graph(settings_of(("book",))))
    with pytest.raises(TrainingError, match="knows no relation"):
        embed_catalogue(model, linked, text)


def test_a_type_that_settings_do_not_name_is_refused(tmp_path: Path) -> None:
    folder = world(tmp_path, ("book", "film"))
    with pytest.raises(GraphError, match="'film'"):
        build_graph(folder, as_of=CUT, **of_graph(settings_of(("book",))))


def test_labels_tell_relations_apart() -> None:
    names = [("a", CO_LISTENED, "b"), ("a", "b", "b"), ("a-b", CO_LISTENED, "c"), ("a", "b", "c")]
    names += [("a", CO_LISTENED, "b-c"), ("a", "x", "b")]
    assert len({relation_label(*name) for name in names}) == len(names)
    assert relation_label("a", CO_LISTENED, "b") == "a-b"


def test_relations_stand_in_one_order() -> None:
    empty = Relation.empty(1)
    names = [("a", "z", "a"), ("b", "r", "a"), ("a", "q", "b"), ("a", "b", "a")]
    graph = CoListeningGraph({"b": 1, "a": 1}, dict.fromkeys(names, empty), "ids")
    assert list(graph.relations) == [names[2], names[1], names[3], names[0]]
