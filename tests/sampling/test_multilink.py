from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.multilink import MultiLinkBatch, MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from tests.sampling.graphs import graphs, neighbours, random_graph
from tests.sampling.test_neighbours import links

Balance = Literal["min", "none"]


def supervised(batch: MultiLinkBatch) -> set[tuple[int, int]]:
    seeds = batch.neighbourhood.seeds
    return {tuple(pair) for pairs in batch.pairs.values() for pair in seeds[pairs].tolist()}


def equal(one: MultiLinkBatch, other: MultiLinkBatch) -> bool:
    same = [np.array_equal(one.pairs[name], other.pairs[name]) for name in one.pairs]
    same += [np.array_equal(one.negatives[name], other.negatives[name]) for name in one.negatives]
    for mine, theirs in zip(one.neighbourhood.hops, other.neighbourhood.hops, strict=True):
        same += [np.array_equal(mine.tables[name], theirs.tables[name]) for name in mine.tables]
    return one.pairs.keys() == other.pairs.keys() and all(same)


@settings(max_examples=40, deadline=None)
@given(graph=graphs, batch_size=st.integers(1, 40), seed=st.integers(0, 99))
def test_balanced_epochs_draw_the_minority_size_from_each(
    graph: CoListeningGraph, batch_size: int, seed: int
) -> None:
    edges = SupervisedEdges.of(graph)
    loader = MultiLinkNeighborLoader(graph, (3, 2), batch_size=batch_size, seed=seed)
    smallest = min((len(edges.pairs[name]) for name in edges.relations), default=0)
    seen: dict[tuple[str, str], list[tuple[int, int]]] = {name: [] for name in edges.relations}
    batches = list(loader)
    assert len(batches) == len(loader) == -(-smallest // batch_size)
    for batch in batches:
        assert len({len(pairs) for pairs in batch.pairs.values()}) == 1
        assert set(batch.pairs) == set(edges.relations)
        for name, pairs in batch.pairs.items():
            assert len(pairs) <= batch_size
            seen[name] += [tuple(p) for p in batch.neighbourhood.seeds[pairs].tolist()]
    for name, pairs in seen.items():
        assert len(pairs) == len(set(pairs)) == smallest
        assert set(pairs) <= {tuple(pair) for pair in edges.pairs[name].tolist()}


@settings(max_examples=30, deadline=None)
@given(graph=graphs, batch_size=st.integers(1, 40))
def test_an_unbalanced_epoch_is_every_pair_once(graph: CoListeningGraph, batch_size: int) -> None:
    edges = SupervisedEdges.of(graph)
    loader = MultiLinkNeighborLoader(graph, (3,), batch_size=batch_size, balance="none")
    seen = [pair for batch in loader for pair in supervised(batch)]
    assert len(seen) == edges.num_pairs
    assert set(seen) == {tuple(p) for pairs in edges.pairs.values() for p in pairs.tolist()}


@settings(max_examples=40, deadline=None)
@given(
    graph=graphs,
    balance=st.sampled_from(["min", "none"]),
    weighted=st.booleans(),
    negatives=st.integers(0, 2),
)
def test_no_supervised_edge_passes_messages_in_its_batch(
    graph: CoListeningGraph, balance: Balance, weighted: bool, negatives: int
) -> None:
    loader = MultiLinkNeighborLoader(
        graph,
        (4, 30),
        batch_size=8,
        balance=balance,
        weighted=weighted,
        num_negatives=negatives,
    )
    near = neighbours(graph)
    for batch in loader:
        banned = supervised(batch)
        for layer in range(2):
            used = {(min(link), max(link)) for link in links(graph, batch.neighbourhood, layer)}
            assert not used & banned
        seeds = batch.neighbourhood.seeds
        for (_, second), drawn in batch.negatives.items():
            part = graph.slice_of(second)
            pairs = batch.pairs[_, second]
            assert drawn.shape == (len(pairs), negatives)
            for (anchor, _positive), row in zip(seeds[pairs], drawn, strict=True):
                free = set(range(part.start, part.stop)) - near[anchor] - {anchor}
                if free:
                    assert {int(seeds[at]) for at in row} <= free
                    assert (row >= 0).all()
                else:
                    assert (row == -1).all()


def test_epochs_differ_and_repeat_by_seed() -> None:
    graph = random_graph(20, 60, 1500, seed=5)
    one = MultiLinkNeighborLoader(graph, (3, 3), batch_size=16, num_negatives=1, seed=7)
    two = MultiLinkNeighborLoader(graph, (3, 3), batch_size=16, num_negatives=1, seed=7)
    first, second = list(one), list(one)
    assert all(equal(a, b) for a, b in zip(first, list(two), strict=True))
    assert equal(two.batch(1, 2), second[2]), "a batch does not depend on those before it"
    assert not equal(first[0], second[0])
    other = MultiLinkNeighborLoader(graph, (3, 3), batch_size=16, num_negatives=1, seed=8)
    assert not equal(first[0], other.batch(0, 0))


def test_draws_cover_a_majority_relation_as_uniform_sampling_promises() -> None:
    """After e epochs of n from N pairs a share 1 - (1 - n / N)^e has been seen."""
    graph = random_graph(15, 150, 4000, seed=6)
    loader = MultiLinkNeighborLoader(graph, (1,), batch_size=1000)
    name = ("podcast", "podcast")
    size = len(loader.edges.pairs[name])
    drawn = len(loader.epoch_pairs(0)[name])
    assert drawn < size / 20
    seen: set[tuple[int, ...]] = set()
    for epoch in range(20):
        seen |= {tuple(pair) for pair in loader.epoch_pairs(epoch)[name].tolist()}
    promised = 1 - (1 - drawn / size) ** 20
    deviation = (promised * (1 - promised) / size) ** 0.5
    assert abs(len(seen) / size - promised) < 4 * deviation


def test_an_empty_graph_has_no_batches_and_foreign_edges_are_refused() -> None:
    empty = random_graph(5, 0, 0, seed=0)
    assert len(MultiLinkNeighborLoader(empty, (2, 2))) == 0
    assert list(MultiLinkNeighborLoader(empty, (2, 2))) == []
    with pytest.raises(GraphError, match="5 items"):
        MultiLinkNeighborLoader(
            random_graph(6, 0, 0, seed=0), (2,), edges=SupervisedEdges.of(empty)
        )
