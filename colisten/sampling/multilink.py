"""`MultiLinkNeighborLoader`: batches that supervise several relations at once, balanced.

PyG's `LinkNeighborLoader` seeds from one edge type. Here podcast-podcast and audiobook-podcast
edges outnumber audiobook-audiobook ones by orders of magnitude, so the paper draws, every epoch
afresh, as many edges from each relation as the smallest has (section 3.3, "balanced multi-link
neighbourhood sampler").
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph, RelationName
from colisten.sampling.neighbours import (
    Excluded,
    NeighborSampler,
    Neighbourhood,
    contains,
    pair_keys,
)
from colisten.sampling.supervision import SupervisedEdges

REJECTION_ROUNDS = 20


@dataclass(frozen=True)
class MultiLinkBatch:
    """Supervised pairs of several relations and the neighbourhood of all their ends.

    Attributes:
        neighbourhood: Draws for message passing; holds no supervised pair of this batch, in
            either direction.
        pairs: Per relation int64 [B, 2], positions in `neighbourhood.seeds`.
        negatives: Per relation int64 [B, num_negatives], positions in `neighbourhood.seeds` of
            items of the second type that are no neighbours of the pair's first; -1 where the
            first item neighbours all of them.
    """

    neighbourhood: Neighbourhood
    pairs: dict[RelationName, np.ndarray]
    negatives: dict[RelationName, np.ndarray]

    @property
    def num_pairs(self) -> int:
        """Supervised pairs of all relations."""
        return sum(len(pairs) for pairs in self.pairs.values())


class MultiLinkNeighborLoader:
    """Iterates over one epoch of `MultiLinkBatch`; batch i of epoch e is the same in every run.

    Args:
        graph: Where neighbours come from.
        num_neighbors: Fan-out per hop and relation, from the seeds outwards.
        edges: Supervised pairs; all of the graph's by default.
        batch_size: Pairs per relation and batch ("min"); the batch's mean over relations ("none").
        balance: "min": every epoch draws from each relation as many pairs as the smallest
            non-empty one has. "none": an epoch is every pair once, in natural proportion.
        weighted: Draw neighbours by strength, else uniformly.
        weighted_edges: Draw an epoch's pairs by strength with replacement, else uniformly without.
        num_negatives: Uniform negatives per pair; 0 leaves negatives to the batch itself.
        known: Sorted keys of pairs that are no negatives; those of `edges` by default.
        seed: Every draw follows from (seed, epoch, batch).

    Raises:
        GraphError: `edges` is of another graph.
    """

    def __init__(
        self,
        graph: CoListeningGraph,
        num_neighbors: tuple[int, ...],
        *,
        edges: SupervisedEdges | None = None,
        batch_size: int = 256,
        balance: Literal["min", "none"] = "min",
        weighted: bool = False,
        weighted_edges: bool = False,
        num_negatives: int = 0,
        known: np.ndarray | None = None,
        seed: int = 0,
    ) -> None:
        self.graph = graph
        self.edges = SupervisedEdges.of(graph) if edges is None else edges
        if self.edges.num_items != graph.num_items:
            raise GraphError(
                f"The supervised edges are of a graph with {self.edges.num_items} items, "
                f"not {graph.num_items}."
            )
        self.batch_size = batch_size
        self.balance = balance
        self.weighted_edges = weighted_edges
        self.num_negatives = num_negatives
        self.seed = seed
        self.epoch = 0
        self._sampler = NeighborSampler(graph, num_neighbors, weighted=weighted)
        self._known = self.edges.keys() if known is None and num_negatives else known
        self._drawn: tuple[int, dict[RelationName, np.ndarray]] | None = None

    def __len__(self) -> int:
        """Batches per epoch; 0 without any pair."""
        sizes = self._epoch_sizes()
        if self.balance == "min":
            return -(-max(sizes.values(), default=0) // self.batch_size)
        return -(-sum(sizes.values()) // (self.batch_size * max(len(sizes), 1)))

    def __iter__(self) -> Iterator[MultiLinkBatch]:
        """One epoch; the next call gives the next epoch."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        for number in range(len(self)):
            yield self.batch(epoch, number)

    def batch(self, epoch: int, number: int) -> MultiLinkBatch:
        """Batch `number` of an epoch, without iterating to it."""
        chosen = self.epoch_pairs(epoch)
        pairs = {
            name: part
            for name, pairs in chosen.items()
            if len(part := np.array_split(pairs, len(self))[number])
        }
        return self.collate(pairs, np.random.default_rng([self.seed, epoch, 1, number]))

    def epoch_pairs(self, epoch: int) -> dict[RelationName, np.ndarray]:
        """The pairs of an epoch in the order of its batches, global indices [num_pairs, 2]."""
        if self._drawn is None or self._drawn[0] != epoch:
            rng = np.random.default_rng([self.seed, epoch, 0])
            drawn = {}
            for name, size in self._epoch_sizes().items():
                pairs = self.edges.pairs[name]
                if self.weighted_edges:
                    reach = np.cumsum(self.edges.strength[name], dtype=np.float64)
                    at = np.searchsorted(reach, rng.random(size) * reach[-1], side="right")
                    drawn[name] = pairs[np.minimum(at, len(pairs) - 1)]
                else:
                    drawn[name] = pairs[rng.choice(len(pairs), size, replace=False)]
            self._drawn = (epoch, drawn)
        return self._drawn[1]

    def collate(
        self, pairs: dict[RelationName, np.ndarray], rng: np.random.Generator
    ) -> MultiLinkBatch:
        """Make a batch of given pairs (global indices [B, 2] per relation)."""
        negatives = {}
        if self.num_negatives:
            negatives = {name: self._negatives(name, part, rng) for name, part in pairs.items()}
        every = np.concatenate([np.zeros((0, 2), np.int64), *pairs.values()])
        ends = [every.ravel(), *(part[part >= 0] for part in negatives.values())]
        marked = np.zeros(self.graph.num_items, bool)
        marked[np.concatenate(ends)] = True
        seeds = np.flatnonzero(marked)
        neighbourhood = self._sampler.sample(
            seeds, rng, Excluded.of(every, self.graph.num_items) if len(every) else None
        )
        return MultiLinkBatch(
            neighbourhood,
            {name: np.searchsorted(seeds, part) for name, part in pairs.items()},
            {
                name: np.where(part >= 0, np.searchsorted(seeds, part), -1)
                for name, part in negatives.items()
            },
        )

    def _epoch_sizes(self) -> dict[RelationName, int]:
        sizes = {name: len(self.edges.pairs[name]) for name in self.edges.relations}
        if self.balance == "min" and sizes:
            smallest = min(sizes.values())
            return dict.fromkeys(sizes, smallest)
        return sizes

    def _negatives(
        self, name: RelationName, pairs: np.ndarray, rng: np.random.Generator
    ) -> np.ndarray:
        """Uniform non-neighbours of each pair's first item, of the second type; -1 if none."""
        of = self.graph.slice_of(name[1])
        assert self._known is not None
        first = np.repeat(pairs[:, :1], self.num_negatives, axis=1)
        drawn = np.full(first.shape, -1, np.int64)
        for _ in range(REJECTION_ROUNDS):
            row, column = np.nonzero(drawn < 0)
            if not row.size:
                break
            guess = rng.integers(of.start, of.stop, row.size)
            anchor = first[row, column]
            keys = pair_keys(anchor, guess, self.graph.num_items)
            good = (guess != anchor) & ~contains(self._known, keys)
            drawn[row[good], column[good]] = guess[good]
        # What chance did not find in so many rounds is looked for among all items.
        every = np.arange(of.start, of.stop)
        for row in np.unique(np.nonzero(drawn < 0)[0]):
            keys = pair_keys(pairs[row, 0], every, self.graph.num_items)
            free = every[(every != pairs[row, 0]) & ~contains(self._known, keys)]
            if free.size:
                missing = drawn[row] < 0
                drawn[row, missing] = rng.choice(free, int(missing.sum()))
        return drawn
