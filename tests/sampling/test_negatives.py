from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.graph.graph import CoListeningGraph
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.negatives import NegativeSampler
from colisten.sampling.supervision import SupervisedEdges
from tests.sampling.graphs import graphs, neighbours, random_graph


@settings(max_examples=50, deadline=None)
@given(
    graph=graphs,
    kind=st.sampled_from(["uniform", "hard"]),
    amount=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_negatives_are_never_true_neighbours(
    graph: CoListeningGraph, kind: Literal["uniform", "hard"], amount: int, seed: int
) -> None:
    edges = SupervisedEdges.of(graph)
    sampler = NegativeSampler(Adjacency.of_graph(graph), edges)
    near = neighbours(graph)
    for name in edges.relations:
        pairs = edges.pairs[name]
        drawn = getattr(sampler, kind)(name, pairs, amount, np.random.default_rng(seed))
        assert drawn.shape == (len(pairs), amount)
        kinds = graph.slice_of(name[2])
        for (anchor, _), row in zip(pairs.tolist(), drawn.tolist(), strict=True):
            free = set(range(kinds.start, kinds.stop)) - near[anchor] - {anchor}
            assert set(row) <= (free or {-1})


@settings(max_examples=50, deadline=None)
@given(graph=graphs)
def test_the_mask_of_a_batch_names_every_true_neighbour(graph: CoListeningGraph) -> None:
    edges = SupervisedEdges.of(graph)
    sampler = NegativeSampler(Adjacency.of_graph(graph), edges)
    near = neighbours(graph)
    for name in edges.relations:
        pairs = edges.pairs[name]
        mask = sampler.in_batch(name, pairs)
        wanted = [
            [second not in near[first] | {first} for second in pairs[:, 1].tolist()]
            for first in pairs[:, 0].tolist()
        ]
        assert mask.tolist() == wanted


def test_hard_negatives_are_two_hops_away() -> None:
    """On a sparse graph chance finds a neighbour's neighbour seldom; the hard draw mostly does."""
    graph = random_graph(100, 300, 1200, seed=1)
    edges = SupervisedEdges.of(graph)
    sampler = NegativeSampler(Adjacency.of_graph(graph), edges)
    near = neighbours(graph)
    name = ("audiobook", "co_listened", "podcast")
    pairs = edges.pairs[name]

    def share(drawn: np.ndarray) -> float:
        hits = [
            bool(near[int(anchor)] & near[int(other)])
            for (anchor, _), row in zip(pairs, drawn, strict=True)
            for other in row
        ]
        return sum(hits) / len(hits)

    hard = sampler.hard(name, pairs, 3, np.random.default_rng(0))
    uniform = sampler.uniform(name, pairs, 3, np.random.default_rng(0))
    assert share(hard) > 0.95
    assert share(uniform) < 0.3


def test_uniform_negatives_are_uniform() -> None:
    graph = random_graph(4, 24, 60, seed=2)
    edges = SupervisedEdges.of(graph)
    sampler = NegativeSampler(Adjacency.of_graph(graph), edges)
    pair = edges.pairs["audiobook", "co_listened", "podcast"][:1]
    drawn = sampler.uniform(
        ("audiobook", "co_listened", "podcast"),
        np.repeat(pair, 20_000, 0),
        1,
        np.random.default_rng(1),
    )
    free = sorted(set(range(4, 28)) - neighbours(graph)[int(pair[0, 0])])
    counts = np.array([(drawn == item).sum() for item in free])
    assert counts.sum() == 20_000
    expected = 20_000 / len(free)
    # At most 23 degrees of freedom: 49.7 is passed by one fair draw in a thousand.
    assert ((counts - expected) ** 2 / expected).sum() < 49.7


def test_supervised_pairs_that_the_graph_does_not_hold_are_no_negatives() -> None:
    """A message graph without the supervised edges, as PyG's RandomLinkSplit leaves it."""
    whole = random_graph(6, 6, 30, seed=3)
    edges = SupervisedEdges.of(whole)
    bare = CoListeningGraph(
        whole.num_nodes,
        {name: type(relation).empty(6) for name, relation in whole.relations.items()},
        whole.ids_digest,
    )
    loader = MultiLinkNeighborLoader(bare, (2,), edges, balance="none", num_negatives=3)
    near = neighbours(whole)
    for batch in loader:
        seeds = batch.neighbourhood.seeds
        for name, pairs in batch.pairs.items():
            for (first, _), row in zip(pairs, batch.negatives[name], strict=True):
                assert not {int(seeds[at]) for at in row if at >= 0} & near[int(seeds[first])]


@pytest.mark.parametrize("negatives", ["uniform", "hard"])
def test_a_node_linked_to_all_has_no_negative(negatives: Literal["uniform", "hard"]) -> None:
    full = random_graph(5, 0, 400, seed=0)
    batch = MultiLinkNeighborLoader(full, (2,), negatives=negatives, num_negatives=2).batch(0, 0)
    assert (batch.negatives["audiobook", "co_listened", "audiobook"] == -1).all()
