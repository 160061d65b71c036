from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.draws import compiled
from colisten.sampling.neighbours import NeighborSampler, Neighbourhood
from colisten.sampling.pairs import Excluded, contains, pair_keys
from tests.sampling.graphs import graphs, neighbours, random_graph

assert compiled is not None, "numba is part of the development environment"
ENGINES = pytest.mark.parametrize("engine", [compiled, None], ids=["numba", "numpy"])


def links(graph: CoListeningGraph, around: Neighbourhood, layer: int) -> list[tuple[int, int]]:
    """(node, neighbour) global indices that one layer's messages use, with repetition."""
    found = []
    hop, bounds = around.hops[layer], around.bounds
    for a, receiver in enumerate(graph.item_types):
        for b, sender in enumerate(graph.item_types):
            first, stop = bounds[layer][b], bounds[layer][b + 1]
            rows = around.levels[layer + 1][bounds[layer + 1][a] : bounds[layer + 1][a + 1]]
            table = hop.tables[sender, "co_listened", receiver]
            assert len(table) == len(rows)
            assert table.size == 0 or (table.min() >= 0 and table.max() <= stop - first)
            for row, places in zip(rows, table, strict=True):
                near = around.levels[layer][first:stop]
                found += [(int(row), int(near[at])) for at in places if at < stop - first]
    return found


@ENGINES
@settings(max_examples=60, deadline=None)
@given(
    graph=graphs,
    fan_outs=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    weighted=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_drawn_neighbour_is_a_neighbour(
    engine: ModuleType | None,
    graph: CoListeningGraph,
    fan_outs: list[int],
    weighted: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    seeds = np.flatnonzero(rng.random(graph.num_items) < 0.5)
    sampler = NeighborSampler(
        graph, fan_outs, weighted=weighted, edge_weights=True, edge_numbers=True, engine=engine
    )
    around = sampler.sample(seeds, seed)
    near = neighbours(graph)
    assert (around.seeds == seeds).all()
    for layer, hop in enumerate(around.hops):
        used = links(graph, around, layer)
        assert len(used) == len(set(used)), "a neighbour was drawn twice"
        assert all(other in near[node] for node, other in used)
        assert (around.levels[layer][hop.own] == around.levels[layer + 1]).all()
        fan_out = fan_outs[len(fan_outs) - 1 - layer]
        for (sender, _, receiver), table in hop.tables.items():
            relation = graph.relations[sender, "co_listened", receiver]
            kind = graph.slice_of(receiver)
            rows = [n for n in around.levels[layer + 1] if kind.start <= n < kind.stop]
            at = graph.item_types.index(sender)
            empty = around.bounds[layer][at + 1] - around.bounds[layer][at]
            degrees = relation.degrees[np.array(rows, int) - kind.start]
            assert ((table < empty).sum(1) == np.minimum(degrees, fan_out)).all()
            assert hop.weights is not None
            assert hop.edges is not None
            numbers = hop.edges[sender, "co_listened", receiver][table < empty]
            strength = hop.weights[sender, "co_listened", receiver]
            assert (strength[table < empty] == relation.weights[numbers]).all()
            assert (strength[table == empty] == 0).all()
    assert (around.inputs[around.seed_positions] == around.seeds).all()


@ENGINES
@settings(max_examples=40, deadline=None)
@given(graph=graphs, seed=st.integers(0, 99))
def test_excluded_pairs_are_never_used(
    engine: ModuleType | None, graph: CoListeningGraph, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    every = [(a, b) for a, near in neighbours(graph).items() for b in near if a < b]
    banned = [pair for pair in every if rng.random() < 0.5]
    pairs = np.array(banned, np.int64).reshape(-1, 2)
    adjacency = Adjacency.of_graph(graph)
    kinds = np.searchsorted(adjacency.starts, pairs, side="right") - 1
    names = graph.item_types
    supervised = {
        (names[a], "co_listened", names[b]): pairs[(kinds == (a, b)).all(1)]
        for a in (0, 1)
        for b in (a, 1)
    }
    around = NeighborSampler(adjacency, (50, 50), engine=engine).sample(
        np.arange(graph.num_items), 0, Excluded.of(supervised, adjacency)
    )
    for layer in range(2):
        used = {(min(link), max(link)) for link in links(graph, around, layer)}
        assert used == set(every) - set(banned)


def test_fan_out_beyond_the_degree_takes_all() -> None:
    graph = random_graph(9, 9, 60, seed=1)
    around = NeighborSampler(graph, (1000,), weighted=True).sample(np.arange(18), 0)
    used = {(a, b) for a, b in links(graph, around, 0)}
    assert used == {(a, b) for a, near in neighbours(graph).items() for b in near}
    widest = max(relation.degrees.max() for relation in graph.relations.values())
    assert max(table.shape[1] for table in around.hops[0].tables.values()) == widest


def test_a_node_stands_once_in_a_level() -> None:
    """However dense the draw, a batch holds no more nodes than the graph."""
    graph = random_graph(30, 30, 900, seed=2)
    around = NeighborSampler(graph, (20, 20, 20)).sample(np.arange(60), 0)
    for level in around.levels:
        assert (np.diff(level) > 0).all()
        assert len(level) <= 60


def test_contains_of_nothing() -> None:
    assert not contains(np.zeros(0, np.int64), np.array([1, 2])).any()
    assert contains(np.array([2, 5]), np.array([5, 6, 1])).tolist() == [True, False, False]
    assert pair_keys(np.array([3]), np.array([1]), 10) == pair_keys(
        np.array([1]), np.array([3]), 10
    )


def test_engines_draw_the_same_neighbourhood() -> None:
    graph = random_graph(30, 60, 900, seed=3)
    one, other = (
        NeighborSampler(graph, (5, 3), weighted=True, engine=engine).sample(np.arange(20), 5)
        for engine in (compiled, None)
    )
    for mine, theirs in zip(one.hops, other.hops, strict=True):
        assert all(np.array_equal(mine.tables[name], theirs.tables[name]) for name in mine.tables)
    assert all(np.array_equal(a, b) for a, b in zip(one.levels, other.levels, strict=True))


def test_fan_outs_by_relation() -> None:
    graph = random_graph(20, 20, 300, seed=4)
    fan_outs = dict.fromkeys(graph.relations, (4, 2))
    fan_outs["audiobook", "co_listened", "podcast"] = (1, 0)
    hops = NeighborSampler(graph, fan_outs).sample(np.arange(40), 0).hops
    assert hops[1].tables["audiobook", "co_listened", "podcast"].shape[1] == 1
    assert hops[0].tables["audiobook", "co_listened", "podcast"].shape[1] == 0
    assert hops[1].tables["audiobook", "co_listened", "audiobook"].shape[1] == 4
    del fan_outs["audiobook", "co_listened", "podcast"]
    with pytest.raises(GraphError, match="no fan-out for"):
        NeighborSampler(graph, fan_outs)
    with pytest.raises(GraphError, match="every hop"):
        NeighborSampler(graph, {**fan_outs, ("audiobook", "co_listened", "podcast"): (1,)})
    with pytest.raises(GraphError, match="0 or more"):
        NeighborSampler(graph, (-2, 2))


def test_minus_one_takes_every_neighbour() -> None:
    graph = random_graph(20, 20, 300, seed=4)
    for engine in (compiled, None):
        some, every = (
            NeighborSampler(graph, fan_out, engine=engine).sample(np.arange(0, 40, 3), 5)
            for fan_out in ((999, 999), (-1, -1))
        )
        for one, other in zip(some.hops, every.hops, strict=True):
            for name in one.tables:
                assert np.array_equal(one.tables[name], other.tables[name])
