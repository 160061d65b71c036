"""The contract of a draw, held by the compiled kernels and by the numpy form alike."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.sampling.adjacency import Neighbours
from colisten.sampling.draws import compiled, draw_edges, linked

assert compiled is not None, "numba is part of the development environment"
ENGINES = pytest.mark.parametrize("engine", [compiled, None], ids=["numba", "numpy"])


def one_node(weights: np.ndarray, times: np.ndarray | None = None) -> Neighbours:
    """Many nodes that share one list of neighbours, so that each draws from it on its own."""
    size = len(weights)
    return Neighbours(
        "item",
        "item",
        np.array([0, size]),
        np.arange(size, dtype=np.int32),
        weights.astype(np.float32),
        times,
    )


def many(relation: Neighbours, draws: int) -> Neighbours:
    """The same list for `draws` nodes, since a node's draw follows from its number."""
    size = relation.num_edges
    return Neighbours(
        "item",
        "item",
        np.arange(draws + 1) * size,
        np.tile(relation.indices, draws),
        None if relation.weights is None else np.tile(relation.weights, draws),
        None if relation.times is None else np.tile(relation.times, draws),
    )


def ragged(seed: int, rows: int, widest: int) -> Neighbours:
    """Random degrees from 0 to `widest`, weights over three orders of magnitude, random times."""
    rng = np.random.default_rng(seed)
    degree = rng.integers(0, widest + 1, rows)
    total = int(degree.sum())
    return Neighbours(
        "item",
        "item",
        np.concatenate([[0], np.cumsum(degree)]),
        rng.integers(0, rows, total).astype(np.int32),
        (10 ** rng.uniform(-2, 1, total)).astype(np.float32),
        rng.integers(0, 50, total),
    )


@ENGINES
@pytest.mark.parametrize("weighted", [False, True])
def test_draws_follow_the_weights(engine: ModuleType | None, weighted: bool) -> None:
    """One neighbour of ten is drawn with probability 1/10, or weight / sum: chi-square."""
    weights = np.arange(1.0, 11.0)
    draws = 40_000
    relation = many(one_node(weights), draws)
    edges = draw_edges(relation, np.arange(draws), 1, 3, weighted=weighted, engine=engine)
    counts = np.bincount(relation.indices[edges[:, 0]], minlength=10)
    expected = draws * (weights / weights.sum() if weighted else np.full(10, 0.1))
    # 9 degrees of freedom: 27.9 is passed by one fair draw in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 27.9


@ENGINES
def test_draws_without_replacement_are_uniform_over_sets(engine: ModuleType | None) -> None:
    """All 10 sets of 3 from 5 neighbours come equally often."""
    relation = many(one_node(np.ones(5)), 20_000)
    edges = draw_edges(relation, np.arange(20_000), 3, 4, engine=engine)
    sets = np.sort(relation.indices[edges], axis=1)
    counts = np.unique(sets, axis=0, return_counts=True)[1]
    assert len(counts) == 10
    assert ((counts - 2000) ** 2 / 2000).sum() < 27.9


@ENGINES
def test_weighted_draws_go_on_with_the_weights_that_are_left(engine: ModuleType | None) -> None:
    """Pairs from three neighbours: p(i then j) = w_i / W * w_j / (W - w_i)."""
    weights = np.array([1.0, 2.0, 7.0])
    relation = many(one_node(weights), 30_000)
    edges = draw_edges(relation, np.arange(30_000), 2, 9, weighted=True, engine=engine)
    drawn = relation.indices[edges]
    counts, expected = [], []
    for i in range(3):
        for j in range(3):
            if i != j:
                counts.append(((drawn[:, 0] == i) & (drawn[:, 1] == j)).sum())
                expected.append(30_000 * weights[i] / 10 * weights[j] / (10 - weights[i]))
    off = np.array(counts) - np.array(expected)
    # 5 degrees of freedom: 20.5 is passed by one fair draw in a thousand.
    assert (off**2 / np.array(expected)).sum() < 20.5


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(1, 12),
    widest=st.sampled_from([0, 1, 5, 40, 200]),
    fan_out=st.integers(1, 20),
    key=st.integers(0, 2**64 - 1),
    weighted=st.booleans(),
    temporal=st.booleans(),
)
def test_kernels_and_numpy_draw_the_same(
    seed: int, rows: int, widest: int, fan_out: int, key: int, weighted: bool, temporal: bool
) -> None:
    relation = ragged(seed, rows, widest)
    chosen = np.random.default_rng(seed).integers(0, rows, 30)
    latest = np.random.default_rng(key % 97).integers(0, 50, 30) if temporal else None
    fast, slow = (
        draw_edges(relation, chosen, fan_out, key, weighted=weighted, latest=latest, engine=engine)
        for engine in (compiled, None)
    )
    assert np.array_equal(fast, slow)
    assert relation.times is not None
    for at, (row, edges) in enumerate(zip(chosen, fast, strict=True)):
        taken = edges[edges >= 0]
        listed = np.arange(relation.indptr[row], relation.indptr[row + 1])
        if latest is not None:
            listed = listed[relation.times[listed] <= latest[at]]
        assert len(set(taken)) == len(taken) == min(len(listed), fan_out)
        assert set(taken) <= set(listed)


@ENGINES
def test_a_node_draws_the_same_whoever_asks_beside_it(engine: ModuleType | None) -> None:
    relation = ragged(1, 50, 60)
    every = draw_edges(relation, np.arange(50), 4, 7, weighted=True, engine=engine)
    some = draw_edges(relation, np.array([40, 3]), 4, 7, weighted=True, engine=engine)
    assert np.array_equal(every[[40, 3]], some)
    assert not np.array_equal(every, draw_edges(relation, np.arange(50), 4, 8, engine=engine))


@ENGINES
def test_one_weight_above_all_is_no_trap(engine: ModuleType | None) -> None:
    """Three of four must come, though one holds all but a trillionth of the weight."""
    weights = np.array([1e9, 1e-3, 1e-3, 1e-3])
    relation = many(one_node(weights), 300)
    edges = draw_edges(relation, np.arange(300), 3, 5, weighted=True, engine=engine)
    drawn = np.sort(relation.indices[edges], axis=1)
    assert (drawn[:, 0] == 0).all()
    assert (np.diff(drawn, axis=1) > 0).all()


@pytest.mark.slow
@ENGINES
def test_a_hub_of_a_million_neighbours(engine: ModuleType | None) -> None:
    size = 1_000_000
    relation = one_node(np.ones(size))
    for weighted in (False, True):
        edges = draw_edges(relation, np.zeros(1, int), 25, 2, weighted=weighted, engine=engine)
        assert len(set(edges[0])) == 25
        assert 0 <= edges.min() <= edges.max() < size


@ENGINES
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), rows=st.integers(1, 15), widest=st.integers(0, 12))
def test_linked_finds_neighbours(
    engine: ModuleType | None, seed: int, rows: int, widest: int
) -> None:
    rng = np.random.default_rng(seed)
    lists = [
        np.sort(rng.choice(15, min(int(rng.integers(0, widest + 1)), 15), replace=False))
        for _ in range(rows)
    ]
    relation = Neighbours(
        "item",
        "item",
        np.concatenate([[0], np.cumsum([len(near) for near in lists])]),
        np.concatenate(lists).astype(np.int32),
    )
    row, other = rng.integers(0, rows, 60), rng.integers(0, 15, 60)
    wanted = [b in set(lists[a].tolist()) for a, b in zip(row, other, strict=True)]
    assert linked(relation, row, other, engine).tolist() == wanted
