from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import Relation
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from tests.sampling.graphs import graphs, neighbours, random_graph


@settings(max_examples=40, deadline=None)
@given(graph=graphs)
def test_pairs_are_the_edges_once_each(graph: CoListeningGraph) -> None:
    edges = SupervisedEdges.of(graph)
    expected = {(a, b) for a, near in neighbours(graph).items() for b in near if a < b}
    found = [tuple(pair) for pairs in edges.pairs.values() for pair in pairs.tolist()]
    assert len(found) == len(expected)
    assert set(found) == expected
    assert edges.num_pairs == len(found)
    for (first, _, second), pairs in edges.pairs.items():
        for column, kind in ((0, first), (1, second)):
            part = graph.slice_of(kind)
            assert ((pairs[:, column] >= part.start) & (pairs[:, column] < part.stop)).all()


def test_an_edge_kept_in_one_direction_only_is_still_a_pair() -> None:
    """Top-k may keep a podcast for an audiobook but not the audiobook for the podcast."""
    relations = {
        ("audiobook", "co_listened", "audiobook"): Relation.empty(2),
        ("podcast", "co_listened", "audiobook"): Relation.empty(2),
        ("audiobook", "co_listened", "podcast"): Relation.from_edges(
            1, np.array([0]), np.array([1]), np.array([4.0])
        ),
        ("podcast", "co_listened", "podcast"): Relation.empty(1),
    }
    graph = CoListeningGraph({"audiobook": 2, "podcast": 1}, relations, "ids")
    edges = SupervisedEdges.of(graph)
    assert edges.pairs["audiobook", "co_listened", "podcast"].tolist() == [[1, 2]]
    assert edges.relations == (("audiobook", "co_listened", "podcast"),)


def test_split_is_a_partition_and_repeats() -> None:
    edges = SupervisedEdges.of(random_graph(40, 40, 1500, seed=0))
    rest, aside = edges.split(0.1, seed=1)
    for name, pairs in edges.pairs.items():
        assert len(aside.pairs[name]) == int(len(pairs) * 0.1) > 0
        joined = np.concatenate([rest.pairs[name], aside.pairs[name]])
        assert (np.unique(joined, axis=0) == pairs).all()
        assert len(joined) == len(pairs)
        assert (edges.split(0.1, seed=1)[1].pairs[name] == aside.pairs[name]).all()
    other = edges.split(0.1, seed=2)[1]
    assert any((other.pairs[name] != aside.pairs[name]).any() for name in aside.pairs)
    with pytest.raises(GraphError, match=r"\[0, 1\)"):
        edges.split(1.0, seed=0)


def test_frequencies_are_shares_of_pair_ends() -> None:
    edges = SupervisedEdges.of(random_graph(10, 15, 120, seed=3))
    for (first, _, second), (left, right) in edges.frequencies(weighted=False).items():
        pairs = edges.pairs[first, "co_listened", second]
        assert left.sum() == pytest.approx(1)
        assert right.sum() == pytest.approx(1)
        item = int(pairs[0, 1])
        share = (pairs == item).mean() if first == second else (pairs[:, 1] == item).mean()
        assert right[item] == pytest.approx(share)


def test_weighted_frequencies_are_those_of_weighted_draws() -> None:
    graph = random_graph(10, 15, 120, seed=3)
    loader = MultiLinkNeighborLoader(graph, (1,), weighted_edges=True, batch_size=10_000)
    name = ("audiobook", "co_listened", "podcast")
    expected = loader.edges.frequencies(weighted=True)[name][1]
    drawn = np.concatenate([loader.epoch_pairs(epoch)[name][:, 1] for epoch in range(2000)])
    counts = np.bincount(drawn, minlength=graph.num_items)
    present = expected > 0
    assert (counts[~present] == 0).all()
    wanted = expected[present] * len(drawn)
    # 15 podcasts, 14 degrees of freedom: 36.1 is passed by one fair draw in a thousand.
    assert present.sum() == 15
    assert ((counts[present] - wanted) ** 2 / wanted).sum() < 36.1
