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
    same += [np.array_equal(one.masks[name], other.masks[name]) for name in one.masks]
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
        for name, drawn in batch.negatives.items():
            part = graph.slice_of(name[2])
            pairs = batch.pairs[name]
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
    name = ("podcast", "co_listened", "podcast")
    size = len(loader.edges.pairs[name])
    drawn = len(loader.epoch_pairs(0)[name])
    assert drawn < size / 20
    seen: set[tuple[int, ...]] = set()
    for epoch in range(20):
        seen |= {tuple(pair) for pair in loader.epoch_pairs(epoch)[name].tolist()}
    promised = 1 - (1 - drawn / size) ** 20
    deviation = (promised * (1 - promised) / size) ** 0.5
    assert abs(len(seen) / size - promised) < 4 * deviation


def test_ratios_are_of_the_smallest_relation_and_never_more_than_there_are() -> None:
    graph = random_graph(20, 60, 1500, seed=5)
    edges = SupervisedEdges.of(graph)
    sizes = {name: len(pairs) for name, pairs in edges.pairs.items()}
    smallest = sizes["audiobook", "co_listened", "audiobook"]
    ratios = {
        ("podcast", "co_listened", "podcast"): 2.5,
        ("audiobook", "co_listened", "podcast"): 1000.0,
    }
    loader = MultiLinkNeighborLoader(graph, (3,), balance=ratios, batch_size=50)
    drawn = {name: len(pairs) for name, pairs in loader.epoch_pairs(0).items()}
    assert drawn == {
        ("audiobook", "co_listened", "audiobook"): smallest,
        ("audiobook", "co_listened", "podcast"): sizes["audiobook", "co_listened", "podcast"],
        ("podcast", "co_listened", "podcast"): round(2.5 * smallest),
    }
    batches = list(loader)
    assert len(batches) == -(-sizes["audiobook", "co_listened", "podcast"] // 50)
    for name, size in drawn.items():
        assert sum(len(batch.pairs.get(name, ())) for batch in batches) == size
    with pytest.raises(GraphError, match="no edge type"):
        MultiLinkNeighborLoader(graph, (3,), balance={("a", "b"): 1.0})
    with pytest.raises(GraphError, match="positive"):
        MultiLinkNeighborLoader(graph, (3,), balance={("podcast", "co_listened", "podcast"): 0.0})


@pytest.mark.parametrize("negatives", ["uniform", "hard", "in_batch"])
def test_batches_do_not_depend_on_the_number_of_workers(
    negatives: Literal["uniform", "hard", "in_batch"],
) -> None:
    graph = random_graph(40, 80, 2500, seed=5)

    def epochs(workers: int) -> list[MultiLinkBatch]:
        loader = MultiLinkNeighborLoader(
            graph,
            (4, 3),
            batch_size=16,
            weighted=True,
            negatives=negatives,
            num_negatives=2,
            num_workers=workers,
            seed=3,
        )
        return [*loader, *loader]

    alone = epochs(0)
    for workers in (1, 3):
        assert all(equal(a, b) for a, b in zip(alone, epochs(workers), strict=True))


def test_an_epoch_can_be_left_early_and_entered_late() -> None:
    graph = random_graph(40, 80, 2500, seed=5)
    loader = MultiLinkNeighborLoader(graph, (4, 3), batch_size=8, num_workers=2)
    for number, _ in enumerate(loader):
        if number == 2:
            break
    late = list(loader.dense(0, start=3))
    assert len(late) == len(loader) - 3
    assert equal(late[0], loader.batch(0, 3))


def test_a_worker_that_fails_says_why() -> None:
    graph = random_graph(40, 80, 2500, seed=5)
    loader = MultiLinkNeighborLoader(graph, (4, 3), batch_size=8, num_workers=2)
    loader.edges.pairs.clear()
    with pytest.raises(KeyError):
        list(loader)


@settings(max_examples=20, deadline=None)
@given(graph=graphs, world=st.integers(1, 4), batch_size=st.integers(1, 9))
def test_processes_share_the_batch_of_one(
    graph: CoListeningGraph, world: int, batch_size: int
) -> None:
    """Together the ranks see the pairs, negatives and neighbours of one process."""
    one = MultiLinkNeighborLoader(graph, (3, 3), batch_size=batch_size * world, num_negatives=2)
    ranks = [
        MultiLinkNeighborLoader(
            graph, (3, 3), batch_size=batch_size, num_negatives=2, rank=rank, world_size=world
        )
        for rank in range(world)
    ]
    for number in range(len(one)):
        whole = one.batch(0, number)
        parts = [loader.batch(0, number) for loader in ranks]
        for name, pairs in whole.pairs.items():
            seen = [
                part.neighbourhood.seeds[part.pairs[name]] for part in parts if name in part.pairs
            ]
            assert (np.concatenate(seen) == whole.neighbourhood.seeds[pairs]).all()
        near = drawn_by_seed(graph, whole)
        for part in parts:
            mine = drawn_by_seed(graph, part)
            assert mine.items() <= near.items()


def drawn_by_seed(graph: CoListeningGraph, batch: MultiLinkBatch) -> dict[int, tuple[int, ...]]:
    """What every seed drew in the outermost hop."""
    found: dict[int, list[int]] = {int(seed): [] for seed in batch.neighbourhood.seeds}
    for node, other in links(graph, batch.neighbourhood, len(batch.neighbourhood.hops) - 1):
        found[node].append(other)
    return {node: tuple(sorted(others)) for node, others in found.items()}


def test_an_empty_graph_has_no_batches_and_foreign_edges_are_refused() -> None:
    empty = random_graph(5, 0, 0, seed=0)
    assert len(MultiLinkNeighborLoader(empty, (2, 2))) == 0
    assert list(MultiLinkNeighborLoader(empty, (2, 2))) == []
    with pytest.raises(GraphError, match="6 items, not 5"):
        MultiLinkNeighborLoader(random_graph(6, 0, 0, seed=0), (2,), SupervisedEdges.of(empty))
    with pytest.raises(GraphError, match="batch_size is at least 1"):
        MultiLinkNeighborLoader(empty, (2,), batch_size=0)
    with pytest.raises(GraphError, match="Rank 2"):
        MultiLinkNeighborLoader(empty, (2,), rank=2, world_size=2)
    with pytest.raises(GraphError, match="to_hetero_data"):
        MultiLinkNeighborLoader(random_graph(9, 9, 60, seed=0), (2,)).hetero(0, 0)
