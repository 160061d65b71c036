"""Negatives: nodes that are no true neighbour of a pair's first node.

A true neighbour is what the graph links, in the supervised relation or its reverse, and what is
supervised itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from colisten.sampling.adjacency import Adjacency, carriers_of
from colisten.sampling.draws import linked
from colisten.sampling.pairs import contains, pair_keys
from colisten.sampling.supervision import SupervisedEdges

REJECTION_ROUNDS = 20
# A hard negative that two hops do not find in so many tries is drawn uniformly.
HARD_ROUNDS = 4


class NegativeSampler:
    """Knows the true neighbours and draws others.

    Args:
        graph: Message relations.
        edges: Supervised pairs; those the graph does not hold are true neighbours too.
        reverse: Message relation of the other direction per supervised relation, where its name
            does not tell.
    """

    def __init__(
        self, graph: Adjacency, edges: SupervisedEdges, reverse: Mapping[Any, Any] | None = None
    ) -> None:
        self.graph = graph
        self._carriers = {name: carriers_of(name, graph.relations, reverse) for name in edges.pairs}
        self._beyond = {}
        for name, pairs in edges.pairs.items():
            held = self._in_graph(name, pairs[:, 0], pairs[:, 1])
            lost = pairs[~held]
            self._beyond[name] = np.unique(pair_keys(lost[:, 0], lost[:, 1], graph.total))

    def known(self, name: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Whether (first, second), global indices [n] each, are true neighbours; bool [n]."""
        linked_pairs = self._in_graph(name, first, second)
        if self._beyond[name].size:
            linked_pairs |= contains(self._beyond[name], pair_keys(first, second, self.graph.total))
        return linked_pairs

    def uniform(
        self, name: Any, pairs: np.ndarray, amount: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Nodes of the second type for each pair's first, int64 [B, amount]; -1 if there is none.

        Args:
            pairs: [B, 2] of global indices.
        """
        start = self.graph.start_of(name[-1])
        stop = start + self.graph.num_nodes[name[-1]]
        first = np.repeat(pairs[:, :1], amount, axis=1).astype(np.int64)
        drawn = np.full(first.shape, -1, np.int64)
        for _ in range(REJECTION_ROUNDS):
            row, column = np.nonzero(drawn < 0)
            if not row.size:
                return drawn
            self._accept(name, drawn, first, row, column, rng.integers(start, stop, row.size))
        # What chance did not find in so many rounds is looked for among all nodes.
        every = np.arange(start, stop)
        for row in np.unique(np.nonzero(drawn < 0)[0]):
            anchor = np.full(len(every), pairs[row, 0])
            free = every[(every != anchor) & ~self.known(name, anchor, every)]
            if free.size:
                missing = drawn[row] < 0
                drawn[row, missing] = rng.choice(free, int(missing.sum()))
        return drawn

    def hard(
        self, name: Any, pairs: np.ndarray, amount: int, rng: np.random.Generator
    ) -> np.ndarray:
        """As `uniform`, drawn among neighbours of neighbours where a few tries find any."""
        first = np.repeat(pairs[:, :1], amount, axis=1).astype(np.int64)
        drawn = np.full(first.shape, -1, np.int64)
        for _ in range(HARD_ROUNDS):
            row, column = np.nonzero(drawn < 0)
            if not row.size:
                return drawn
            guess = self._two_hops(name, first[row, column], rng)
            reached = guess >= 0
            self._accept(name, drawn, first, row[reached], column[reached], guess[reached])
        missing = np.flatnonzero((drawn < 0).any(1))
        spare = self.uniform(name, pairs[missing], amount, rng)
        drawn[missing] = np.where(drawn[missing] < 0, spare, drawn[missing])
        return drawn

    def in_batch(self, name: Any, pairs: np.ndarray) -> np.ndarray:
        """Which second nodes of a batch are negatives of which first ones; bool [B, B].

        True at (i, j) where pairs[j, 1] is neither pairs[i, 0] itself nor its true neighbour.
        """
        first, second = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
        size = len(pairs)
        mask: np.ndarray = first[:, None] != second[None, :]
        for carrier in self._carriers[name]:
            relation = self.graph.relations[carrier]
            here = self.graph.start_of(relation.node_type)
            there = self.graph.start_of(relation.neighbour_type)
            ends = [(first, second, False), (second, first, True)]
            types = [(name[0], name[-1]), (name[-1], name[0])]
            for (nodes, others, turned), kinds in zip(ends, types, strict=True):
                if kinds != (relation.node_type, relation.neighbour_type):
                    continue
                at, to = _linked_in_batch(relation, nodes - here, others - there)
                mask[(to, at) if turned else (at, to)] = False
        if self._beyond[name].size:
            keys = pair_keys(
                np.repeat(first, size), np.tile(second, size), self.graph.total
            ).reshape(size, size)
            mask &= ~contains(self._beyond[name], keys)
        mask[np.arange(size), np.arange(size)] = False
        return mask

    def _accept(
        self,
        name: Any,
        drawn: np.ndarray,
        first: np.ndarray,
        row: np.ndarray,
        column: np.ndarray,
        guess: np.ndarray,
    ) -> None:
        anchor = first[row, column]
        good = (guess != anchor) & ~self.known(name, anchor, guess)
        drawn[row[good], column[good]] = guess[good]

    def _in_graph(self, name: Any, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        linked_pairs = np.zeros(len(first), bool)
        for carrier in self._carriers[name]:
            relation = self.graph.relations[carrier]
            here = self.graph.start_of(relation.node_type)
            there = self.graph.start_of(relation.neighbour_type)
            types = relation.node_type, relation.neighbour_type
            if types == (name[0], name[-1]):
                linked_pairs |= linked(relation, first - here, second - there)
            if types == (name[-1], name[0]):
                linked_pairs |= linked(relation, second - here, first - there)
        return linked_pairs

    def _two_hops(self, name: Any, anchors: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A neighbour's neighbour of the second type per anchor, by a random way; -1 for none."""
        ways = [
            (one, two)
            for one in self.graph.relations.values()
            for two in self.graph.relations.values()
            if one.node_type == name[0]
            and two.node_type == one.neighbour_type
            and two.neighbour_type == name[-1]
        ]
        reached = np.full(len(anchors), -1, np.int64)
        way_of = rng.integers(0, max(len(ways), 1), len(anchors))
        for number, way in enumerate(ways):
            at = np.flatnonzero(way_of == number)
            nodes = anchors[at]
            for relation in way:
                start = relation.indptr[nodes - self.graph.start_of(relation.node_type)]
                stop = relation.indptr[nodes - self.graph.start_of(relation.node_type) + 1]
                some = stop > start
                at, start, stop = at[some], start[some], stop[some]
                edge = start + (rng.random(len(at)) * (stop - start)).astype(np.int64)
                nodes = relation.indices[edge].astype(np.int64) + self.graph.start_of(
                    relation.neighbour_type
                )
            reached[at] = nodes
        return reached


def _linked_in_batch(
    relation: Any, nodes: np.ndarray, others: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Positions (i, j) where others[j] is a neighbour of nodes[i]."""
    start = relation.indptr[nodes]
    degree = relation.indptr[nodes + 1] - start
    total = int(degree.sum())
    owner = np.repeat(np.arange(len(nodes)), degree)
    edge = np.arange(total) - np.repeat(np.cumsum(degree) - degree, degree) + start[owner]
    order = np.argsort(others, kind="stable")
    ends = relation.indices[edge]
    left = np.searchsorted(others[order], ends, side="left")
    count = np.searchsorted(others[order], ends, side="right") - left
    hit = np.flatnonzero(count)
    repeats = count[hit]
    step = np.arange(int(repeats.sum())) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return np.repeat(owner[hit], repeats), order[np.repeat(left[hit], repeats) + step]
