from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from typer.testing import CliRunner

from colisten.cli.app import program
from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from colisten.graph.report import GraphReport, bootstrap, graph_report
from colisten.reports.graph import to_html
from tests.sampling.graphs import graphs, neighbours, random_graph


def built(audiobooks: int, podcasts: int, pairs: list[tuple[int, int]]) -> CoListeningGraph:
    """A symmetric graph of given pairs of global indices, audiobooks first."""
    counts = {"audiobook": audiobooks, "podcast": podcasts}
    starts = {"audiobook": 0, "podcast": audiobooks}
    both = np.array([*pairs, *[(b, a) for a, b in pairs]], int).reshape(-1, 2)
    kinds = np.where(both >= audiobooks, "podcast", "audiobook")
    relations = {}
    for node in counts:
        for near in counts:
            rows = (kinds[:, 0] == node) & (kinds[:, 1] == near)
            relations[near, "co_listened", node] = Relation.from_edges(
                counts[node],
                both[rows, 0] - starts[node],
                both[rows, 1] - starts[near],
                np.ones(rows.sum()),
            )
    return CoListeningGraph(counts, relations, "ids")


# Audiobooks 0-1 linked; 0, 2 and 3 share podcast 5; audiobook 4 and podcast 7 are alone.
SMALL = [(0, 1), (0, 5), (2, 5), (3, 5), (5, 6)]


def test_figures_of_a_graph_known_by_hand() -> None:
    report = graph_report(built(5, 3, SMALL), titles=np.array([f"t{n}" for n in range(8)]))
    assert report.nodes == {"audiobook": 5, "podcast": 3}
    assert report.isolated == {"audiobook": 1, "podcast": 1}
    assert report.edges == 10
    assert report.components == 3
    assert report.largest_component_share == pytest.approx(6 / 8)
    assert report.pairs_per_target_pair == {
        "audiobook-audiobook": 1.0,
        "audiobook-podcast": 3.0,
        "podcast-podcast": 1.0,
    }
    # Of 0-1, 0-2, 0-3 and 2-3 three are joined through the podcast only, seen from both ends.
    assert report.only_through_other.mean == 0.75
    shows = report.relations["podcast-audiobook"]
    assert (shows.max_degree, shows.degrees, shows.nodes_with_edges) == (3, [2, 0, 1], 1)
    assert [(hub.title, hub.degree) for hub in shows.hubs] == [("t5", 3)]


@settings(max_examples=40, deadline=None)
@given(graph=graphs)
def test_pairs_joined_only_through_a_podcast_are_those_of_the_definition(
    graph: CoListeningGraph,
) -> None:
    near = neighbours(graph)
    books = range(graph.num_nodes["audiobook"])
    direct = {(a, b) for a in books for b in near[a] if b in books}
    through = {
        (a, b)
        for a in books
        for show in near[a]
        if show not in books
        for b in near[show]
        if b in books and b != a
    }
    found = graph_report(graph).only_through_other.mean
    if direct | through:
        assert found == pytest.approx(len(through - direct) / len(direct | through), abs=1e-4)
    else:
        assert found is None


def test_linked_items_are_closer_in_text_where_they_are() -> None:
    """Two communities with a direction each: links stay within them."""
    rng = np.random.default_rng(0)
    pairs = {
        (int(a), int(b)) for a, b in rng.integers(0, 60, (900, 2)) if a < b and (a - b) % 2 == 0
    }
    graph = built(60, 2, sorted(pairs))
    text = np.zeros((62, 8), np.float32)
    text[np.arange(62), np.arange(62) % 2] = 1
    likeness = graph_report(graph, text).likeness
    assert likeness is not None
    assert likeness.linked.mean == 1
    assert likeness.random.mean == pytest.approx(0.5, abs=0.05)
    assert likeness.linked_gain.low is not None
    assert likeness.linked_gain.low > 0.4
    assert likeness.through_other.mean is None


def whats(report: GraphReport) -> str:
    return " ".join(finding.what for finding in report.findings)


def test_a_healthy_graph_has_no_findings() -> None:
    graph = random_graph(40, 60, 900, seed=1)
    report = graph_report(graph)
    assert report.findings == []
    assert report.can_learn


def test_every_warning_fires() -> None:
    assert "no edges" in whats(graph_report(built(5, 3, [])))
    assert not graph_report(built(5, 3, [])).can_learn
    bare = graph_report(built(5, 3, [(0, 5), (1, 5), (5, 6)]))
    assert "joins items of type audiobook and audiobook" in whats(bare)
    assert not bare.can_learn
    star = graph_report(built(40, 2, [(0, other) for other in range(1, 35)]))
    assert "One item of type audiobook is linked to 34 of the 40 of type audiobook" in whats(star)
    assert star.can_learn
    lonely = graph_report(built(10, 2, [(0, 1), (0, 10), (10, 11)]))
    assert "8 of 10 items of type audiobook have no edge" in whats(lonely)
    graph = random_graph(40, 60, 900, seed=1)
    equal = graph_report(graph, np.full((100, 4), 0.5, np.float32))
    assert "text vectors of all items of type audiobook are equal" in whats(equal)
    assert not equal.can_learn
    silent = np.random.default_rng(0).normal(size=(100, 4)).astype(np.float32)
    silent[40:] = 0
    assert "No item of type podcast has a text vector" in whats(graph_report(graph, silent))
    noise = np.random.default_rng(0).normal(size=(100, 50)).astype(np.float32)
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    assert "not surely closer in text" in whats(graph_report(graph, noise))


def test_an_interval_covers_the_mean_it_estimates() -> None:
    """Of 200 samples of 100 about 95 % of the intervals hold the truth."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        estimate = bootstrap(rng.exponential(size=100), rng)
        assert estimate.low is not None
        assert estimate.high is not None
        held += estimate.low <= 1 <= estimate.high
    assert 0.88 < held / 200 < 0.99


def test_the_page_is_whole_and_the_same_for_the_same_seed() -> None:
    graph = random_graph(40, 60, 900, seed=1)
    titles = np.array(["<b>Dune</b>"] * 100)
    pages = [to_html(graph_report(graph, titles=titles, seed=3)) for _ in range(2)]
    assert pages[0] == pages[1]
    assert "A model can learn from this graph" in pages[0]
    assert "<b>Dune" not in pages[0]
    assert "://" not in pages[0]
    assert len(pages[0]) < 100_000
    assert "cannot work" in to_html(graph_report(built(5, 3, [])))
    assert "0 of type audiobook" in to_html(graph_report(built(0, 0, [])))


def test_the_command_writes_both_files_and_says_what_is_wrong(tmp_path: Path) -> None:
    graph = random_graph(40, 60, 900, seed=1)
    good = graph.save(tmp_path / "good")
    text = np.random.default_rng(0).normal(size=(100, 50)).astype(np.float32)
    np.save(tmp_path / "text.npy", text)
    done = CliRunner().invoke(
        program(),
        [
            *("graph", "report", str(good), "--text", str(tmp_path / "text.npy")),
            *("--out", str(tmp_path / "out")),
        ],
    )
    assert done.exit_code == 0, done.output
    stored = (tmp_path / "out" / "graph.json").read_text()
    assert GraphReport.model_validate_json(stored).edges == graph.num_edges
    assert (tmp_path / "out" / "graph.html").read_text().startswith("<!doctype html>")

    bad = built(5, 3, []).save(tmp_path / "bad")
    done = CliRunner().invoke(
        program(), ["graph", "report", str(bad), "--out", str(tmp_path / "bad-out")]
    )
    assert done.exit_code == 1
    assert "cannot work" in done.output

    np.save(tmp_path / "short.npy", text[1:])
    done = CliRunner().invoke(
        program(),
        [
            *("graph", "report", str(good), "--text", str(tmp_path / "short.npy")),
            *("--out", str(tmp_path / "none")),
        ],
    )
    assert isinstance(done.exception, GraphError)
    assert not (tmp_path / "none").exists()


def test_a_graph_of_other_types_says_which_there_are(tmp_path: Path) -> None:
    films = CoListeningGraph({"film": 3}, {}, "ids")
    assert graph_report(films).target_type == "film"
    both = CoListeningGraph({"film": 3, "series": 2}, {}, "ids").save(tmp_path / "graph")
    command = ["graph", "report", str(both), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(program(), command).exception
    assert isinstance(refused, GraphError)
    assert "Target type 'audiobook' is unknown" in str(refused)
    CliRunner().invoke(program(), [*command, "--target", "series"])
    assert json.loads((tmp_path / "out" / "graph.json").read_text())["target_type"] == "series"


@pytest.mark.slow
def test_a_million_edges_are_read_in_seconds_from_mapped_files(tmp_path: Path) -> None:
    graph = random_graph(20_000, 80_000, 600_000, seed=1)
    timeless = CoListeningGraph(
        graph.num_nodes,
        {name: replace(relation) for name, relation in graph.relations.items()},
        graph.ids_digest,
    )
    loaded = CoListeningGraph.load(timeless.save(tmp_path / "graph"))
    report = graph_report(loaded)
    assert report.only_through_other.sample == 2000
    assert report.only_through_other.high is not None
    assert report.only_through_other.low is not None
    assert report.only_through_other.high - report.only_through_other.low < 0.02
