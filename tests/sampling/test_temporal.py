"""Temporal mode: nothing newer than the seed edge is in its neighbourhood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.multilink import MultiLinkNeighborLoader
from colisten.sampling.supervision import SupervisedEdges
from tests.sampling.graphs import random_graph


def dated(graph: CoListeningGraph, moments: int, seed: int) -> CoListeningGraph:
    """A symmetric graph whose edges came to be at random moments, the same either way."""
    relations = {}
    for (sender, _, receiver), relation in graph.relations.items():
        left = relation.rows + graph.slice_of(receiver).start
        right = relation.indices + graph.slice_of(sender).start
        low, high = np.minimum(left, right), np.maximum(left, right)
        times = (low * 7919 + high * 104729 + seed) % moments
        relations[sender, "co_listened", receiver] = replace(relation, times=times.astype(np.int64))
    return CoListeningGraph(graph.num_nodes, relations, graph.ids_digest)


def moment_of(graph: CoListeningGraph) -> dict[tuple[int, int], int]:
    found = {}
    for (sender, _, receiver), relation in graph.relations.items():
        left = relation.rows + graph.slice_of(receiver).start
        right = relation.indices + graph.slice_of(sender).start
        assert relation.times is not None
        for a, b, when in zip(left, right, relation.times, strict=True):
            found[int(a), int(b)] = int(when)
    return found


@settings(max_examples=40, deadline=None)
@given(
    audiobooks=st.integers(2, 10),
    podcasts=st.integers(2, 10),
    pairs=st.integers(5, 80),
    seed=st.integers(0, 99),
    weighted=st.booleans(),
)
def test_no_neighbour_is_newer_than_the_seed_edge(
    audiobooks: int, podcasts: int, pairs: int, seed: int, weighted: bool
) -> None:
    graph = dated(random_graph(audiobooks, podcasts, pairs, seed), 10, seed)
    when = moment_of(graph)
    loader = MultiLinkNeighborLoader(
        graph,
        (3, 3),
        batch_size=7,
        balance="none",
        temporal=True,
        weighted=weighted,
        num_negatives=1,
    )
    seen = 0
    for batch in loader:
        around = batch.neighbourhood
        for name, chosen in batch.pairs.items():
            for (first, second), wrong in zip(chosen, batch.negatives[name], strict=True):
                ends = int(around.seeds[first]), int(around.seeds[second])
                moment = when[ends]
                seen += 1
                for at in (first, second, *wrong[wrong >= 0]):
                    for node, other in used_below(graph, batch, int(at)):
                        assert when[node, other] <= moment
                        assert {node, other} != set(ends)
    assert seen == loader.edges.num_pairs


def used_below(graph: CoListeningGraph, batch: object, at: int) -> list[tuple[int, int]]:
    """(node, neighbour) of every edge in the tree below one seed."""
    around = batch.neighbourhood  # type: ignore[attr-defined]
    found, places = [], {at}
    for level in reversed(range(len(around.hops))):
        hop, below = around.hops[level], set()
        for place in places:
            node = int(around.levels[level + 1][place])
            below.add(int(hop.own[place]))
            for (sender, _, receiver), table in hop.tables.items():
                a, b = graph.item_types.index(receiver), graph.item_types.index(sender)
                first, stop = around.bounds[level + 1][a], around.bounds[level + 1][a + 1]
                if not first <= place < stop:
                    continue
                inputs = around.bounds[level]
                for position in table[place - first]:
                    if position < inputs[b + 1] - inputs[b]:
                        below.add(int(position + inputs[b]))
                        other = int(around.levels[level][position + inputs[b]])
                        found.append((node, other))
        places = below
    return found


def test_with_a_wide_fan_out_all_older_edges_are_used() -> None:
    graph = dated(random_graph(8, 8, 100, 1), 10, 1)
    when = moment_of(graph)
    loader = MultiLinkNeighborLoader(graph, (50,), balance="none", batch_size=3, temporal=True)
    moments = set()
    for batch in loader:
        seeds = batch.neighbourhood.seeds
        banned = {frozenset(pair) for part in batch.pairs.values() for pair in seeds[part].tolist()}
        for part in batch.pairs.values():
            for first, second in part:
                node, other = int(seeds[first]), int(seeds[second])
                moment = when[node, other]
                moments.add(moment)
                wanted = {
                    link
                    for link, time in when.items()
                    if link[0] == node and time <= moment and frozenset(link) not in banned
                }
                assert set(used_below(graph, batch, int(first))) == wanted
    assert len(moments) == 10


def test_edges_without_times_are_refused() -> None:
    graph = random_graph(8, 8, 100, 1)
    with pytest.raises(GraphError, match="times"):
        MultiLinkNeighborLoader(graph, (2,), temporal=True)
    edges = SupervisedEdges.of(dated(graph, 10, 1))
    with pytest.raises(GraphError, match="has no times"):
        MultiLinkNeighborLoader(graph, (2,), edges, temporal=True).batch(0, 0)


def test_split_in_time_leaves_the_share_of_the_scarcest_relation() -> None:
    edges = SupervisedEdges.of(dated(random_graph(20, 60, 1500, 1), 1000, 1))
    earlier, later, moment = edges.split_in_time(0.2)
    assert earlier.times is not None
    assert later.times is not None
    scarcest = min(edges.relations, key=lambda name: len(edges.pairs[name]))
    assert len(later.pairs[scarcest]) == pytest.approx(0.2 * len(edges.pairs[scarcest]), abs=3)
    for name in edges.pairs:
        assert (earlier.times[name] < moment).all()
        assert (later.times[name] >= moment).all()
        assert len(earlier.pairs[name]) + len(later.pairs[name]) == len(edges.pairs[name])
    with pytest.raises(GraphError, match="times"):
        SupervisedEdges.of(random_graph(9, 9, 50, 1)).split_in_time(0.1)


def test_temporal_hetero_data() -> None:
    graph = dated(random_graph(8, 8, 100, 1), 10, 1)
    data = graph.to_hetero_data(np.eye(16, dtype=np.float32))
    for name, relation in graph.relations.items():
        assert relation.times is not None
        data[name].time = torch.from_numpy(relation.times)
    name = ("audiobook", "co_listened", "podcast")
    loader = MultiLinkNeighborLoader(
        data,
        [3, 3],
        [name],
        edge_label_time={name: data[name].time},
        time_attr="time",
        temporal=True,
        batch_size=1,
    )
    links = 0
    for batch in loader:
        assert (batch["audiobook"].x.argmax(1) == batch["audiobook"].n_id).all()
        assert (batch["podcast"].x.argmax(1) == batch["podcast"].n_id + 8).all()
        first, second = batch[name].edge_label_index[:, 0].tolist()
        ends = batch["audiobook"].n_id[first], batch["podcast"].n_id[second]
        index = data[name].edge_index
        moment = data[name].time[(index[0] == ends[0]) & (index[1] == ends[1])]
        for edge_type in data.edge_types:
            assert (batch[edge_type].time <= moment).all()
            links += batch[edge_type].num_edges
    assert links
