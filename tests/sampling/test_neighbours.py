from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.graph.graph import CoListeningGraph, Relation
from colisten.sampling.neighbours import (
    Excluded,
    NeighborSampler,
    Neighbourhood,
    contains,
    draw_edges,
    pair_keys,
)
from tests.sampling.graphs import graphs, neighbours, random_graph


def links(graph: CoListeningGraph, around: Neighbourhood, layer: int) -> list[tuple[int, int]]:
    """(node, neighbour) global indices that one layer's messages use, with repetition."""
    found = []
    hop, bounds = around.hops[layer], around.bounds
    for a, source in enumerate(graph.item_types):
        for b, target in enumerate(graph.item_types):
            first, stop = bounds[layer][b], bounds[layer][b + 1]
            rows = around.levels[layer + 1][bounds[layer + 1][a] : bounds[layer + 1][a + 1]]
            table = hop.tables[source, target]
            assert len(table) == len(rows)
            assert table.size == 0 or (table.min() >= 0 and table.max() <= stop - first)
            for row, places in zip(rows, table, strict=True):
                near = around.levels[layer][first:stop]
                found += [(int(row), int(near[at])) for at in places if at < stop - first]
    return found


@settings(max_examples=60, deadline=None)
@given(
    graph=graphs,
    fan_outs=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_drawn_neighbour_is_a_neighbour(
    graph: CoListeningGraph, fan_outs: list[int], weighted: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    seeds = np.flatnonzero(rng.random(graph.num_items) < 0.5)
    around = NeighborSampler(graph, tuple(fan_outs), weighted=weighted).sample(seeds, rng)
    near = neighbours(graph)
    assert (around.seeds == seeds).all()
    for layer, hop in enumerate(around.hops):
        used = links(graph, around, layer)
        assert len(used) == len(set(used)), "a neighbour was drawn twice"
        assert all(other in near[node] for node, other in used)
        assert (around.levels[layer][hop.own] == around.levels[layer + 1]).all()
        fan_out = fan_outs[len(fan_outs) - 1 - layer]
        for (source, target), table in hop.tables.items():
            relation = graph.relations[source, target]
            kind = graph.slice_of(source)
            rows = [n for n in around.levels[layer + 1] if kind.start <= n < kind.stop]
            at = graph.item_types.index(target)
            empty = around.bounds[layer][at + 1] - around.bounds[layer][at]
            degrees = relation.degrees[np.array(rows, int) - kind.start]
            assert ((table < empty).sum(1) == np.minimum(degrees, fan_out)).all()


@settings(max_examples=40, deadline=None)
@given(graph=graphs, seed=st.integers(0, 99))
def test_excluded_pairs_are_never_used(graph: CoListeningGraph, seed: int) -> None:
    rng = np.random.default_rng(seed)
    every = [(a, b) for a, near in neighbours(graph).items() for b in near if a < b]
    banned = [pair for pair in every if rng.random() < 0.5]
    pairs = np.array(banned, np.int64).reshape(-1, 2)
    around = NeighborSampler(graph, (50, 50), weighted=False).sample(
        np.arange(graph.num_items), rng, Excluded.of(pairs, graph.num_items)
    )
    for layer in range(2):
        used = {(min(link), max(link)) for link in links(graph, around, layer)}
        assert used == set(every) - set(banned)


@pytest.mark.parametrize("weighted", [False, True])
def test_draws_follow_the_weights(weighted: bool) -> None:
    """One neighbour of ten is drawn with probability 1/10, or weight / sum: chi-square."""
    weights = np.arange(1.0, 11.0)
    relation = Relation.from_edges(1, np.zeros(10, int), np.arange(10), weights)
    draws = 40_000
    rng = np.random.default_rng(3)
    edges = draw_edges(relation, np.zeros(draws, np.int64), 1, rng, weighted)
    counts = np.bincount(edges[:, 0], minlength=10)
    expected = draws * (weights / weights.sum() if weighted else np.full(10, 0.1))
    # 9 degrees of freedom: 27.9 is passed by one fair draw in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 27.9


def test_draws_without_replacement_are_uniform_over_sets() -> None:
    """All 10 sets of 3 from 5 neighbours come equally often."""
    relation = Relation.from_edges(1, np.zeros(5, int), np.arange(5), np.ones(5))
    rng = np.random.default_rng(4)
    edges = np.sort(draw_edges(relation, np.zeros(20_000, np.int64), 3, rng, False), axis=1)
    counts = np.unique(edges, axis=0, return_counts=True)[1]
    assert len(counts) == 10
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


def test_fan_out_beyond_the_degree_takes_all() -> None:
    graph = random_graph(9, 9, 60, seed=1)
    rng = np.random.default_rng(0)
    around = NeighborSampler(graph, (1000,), weighted=True).sample(np.arange(18), rng)
    used = {(a, b) for a, b in links(graph, around, 0)}
    assert used == {(a, b) for a, near in neighbours(graph).items() for b in near}
    widest = max(relation.degrees.max() for relation in graph.relations.values())
    assert max(table.shape[1] for table in around.hops[0].tables.values()) == widest


def test_a_node_stands_once_in_a_level() -> None:
    """However dense the draw, a batch holds no more nodes than the graph."""
    graph = random_graph(30, 30, 900, seed=2)
    around = NeighborSampler(graph, (20, 20, 20), weighted=False).sample(
        np.arange(60), np.random.default_rng(0)
    )
    for level in around.levels:
        assert (np.diff(level) > 0).all()
        assert len(level) <= 60


def test_contains_of_nothing() -> None:
    assert not contains(np.zeros(0, np.int64), np.array([1, 2])).any()
    assert contains(np.array([2, 5]), np.array([5, 6, 1])).tolist() == [True, False, False]
    assert pair_keys(np.array([3]), np.array([1]), 10) == pair_keys(
        np.array([1]), np.array([3]), 10
    )
