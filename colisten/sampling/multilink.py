"""`MultiLinkNeighborLoader`: batches that supervise several relations at once, balanced.

PyG's `LinkNeighborLoader` seeds from one edge type. Here podcast-podcast and audiobook-podcast
edges outnumber audiobook-audiobook ones by orders of magnitude, so the paper draws, every epoch
afresh, as many edges from each relation as the smallest has (section 3.3, "balanced multi-link
neighbourhood sampler").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from colisten.errors import GraphError
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.ahead import ahead
from colisten.sampling.epochs import Balance, EpochPlan
from colisten.sampling.hetero import Features, label_index
from colisten.sampling.negatives import NegativeSampler
from colisten.sampling.neighbours import FanOuts, NeighborSampler, Neighbourhood
from colisten.sampling.pairs import Excluded
from colisten.sampling.supervision import SupervisedEdges
from colisten.words import known_word

Negatives = Literal["uniform", "hard", "in_batch"]


@dataclass(frozen=True)
class MultiLinkBatch:
    """Supervised pairs of several relations and the neighbourhood of all their ends.

    Attributes:
        neighbourhood: Draws for message passing; holds no supervised pair of this batch, in
            either direction.
        pairs: Per relation int64 [B, 2], positions in `neighbourhood.seeds`.
        negatives: Per relation int64 [B, num_negatives], positions in `neighbourhood.seeds` of
            nodes of the second type that are no neighbours of the pair's first; -1 where the
            first node neighbours all of them.
        masks: Per relation bool [B, B] where negatives come from the batch: (i, j) says whether
            the second node of pair j is a negative of the first of pair i.
    """

    neighbourhood: Neighbourhood
    pairs: dict[Any, np.ndarray]
    negatives: dict[Any, np.ndarray]
    masks: dict[Any, np.ndarray]

    @property
    def num_pairs(self) -> int:
        """Supervised pairs of all relations."""
        return sum(len(pairs) for pairs in self.pairs.values())


class MultiLinkNeighborLoader:
    """One epoch of batches per loop; batch i of epoch e is the same in every run.

    Over PyG `HeteroData` a batch is `HeteroData` as from PyG's own loaders: `n_id` and filtered
    features per node type, `edge_index` and `e_id` per edge type, and for each supervised edge
    type `edge_label_index` (with negatives also `edge_label`). Over a `CoListeningGraph` it is
    a `MultiLinkBatch`, the dense layout of `colisten.models.hgnn`. `dense()` gives that of both.

    Args:
        data: Where neighbours come from.
        num_neighbors: Fan-out per hop, from the seeds outwards, for every relation or by relation.
        edge_label_index: What is supervised. Of `HeteroData`: edge types, or a mapping of them to
            [2, num_pairs] or None for all edges of the type. Of a graph: `SupervisedEdges`, by
            default all pairs.
        edge_label_time: int64 [num_pairs] per edge type, for `temporal` over `HeteroData`.
        batch_size: Pairs of the largest relation per batch ("min" and ratios); the batch's mean
            over relations ("none").
        balance: "min": every epoch draws from each relation as many pairs as the smallest
            non-empty one has (the paper). "none": an epoch is every pair once, in natural
            proportion. A mapping of relations to ratios: that multiple of the smallest, 1 where
            a relation is not named, and never more than there are.
        weighted: Draw neighbours by edge weight, else uniformly.
        weighted_edges: Draw an epoch's pairs by strength with replacement, else uniformly without.
        negatives: "uniform"; "hard": neighbours of neighbours; "in_batch": `masks` over the
            batch's own pairs. Never a true neighbour.
        num_negatives: Negatives per pair, uniform or hard.
        temporal: Nothing newer than a pair is in the neighbourhood of its ends. Needs times of
            edges and of pairs; a node then stands once per moment it is seen from.
        weight_attr: Edge attribute of `HeteroData` with weights.
        time_attr: Edge attribute of `HeteroData` with integer times.
        rev_edge_types: Of a supervised edge type the one that holds its reverses, where the name
            (`rev_` in front, or the same) does not tell.
        edge_weights: Hand on the drawn edges' weights (dense layout).
        seed: Every draw follows from (seed, epoch, batch).
        rank: This process among `world_size`, each of which gets its share of every batch: the
            pairs of all are drawn, and excluded from messages, together.
        world_size: Processes that share a batch of `batch_size * world_size`.
        num_workers: Threads that prepare batches ahead; batches do not depend on it.
        prefetch_factor: Batches ready or in the making per worker.

    Raises:
        GraphError: Edges are of another graph, a relation is unknown, or an attribute is missing.
    """

    def __init__(
        self,
        data: Any,
        num_neighbors: FanOuts,
        edge_label_index: Any = None,
        *,
        edge_label_time: Mapping[Any, Any] | None = None,
        batch_size: int = 256,
        balance: Balance = "min",
        weighted: bool = False,
        weighted_edges: bool = False,
        negatives: Negatives = "uniform",
        num_negatives: int = 0,
        temporal: bool = False,
        weight_attr: str | None = None,
        time_attr: str | None = None,
        rev_edge_types: Mapping[Any, Any] | None = None,
        edge_weights: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        prefetch_factor: int = 2,
    ) -> None:
        if not 0 <= rank < world_size:
            raise GraphError(f"Rank {rank} is none of {world_size} processes.")
        known_word("negatives", negatives, get_args(Negatives), GraphError)
        self.features: Features | None = None
        if isinstance(data, CoListeningGraph):
            self.graph = Adjacency.of_graph(data)
            edges = SupervisedEdges.of(data) if edge_label_index is None else edge_label_index
        else:
            self.graph = Adjacency.of_hetero_data(
                data, weight_attr=weight_attr, time_attr=time_attr
            )
            self.features = Features(data)
            index = label_index(data, edge_label_index)
            edges = SupervisedEdges.of_index(self.graph, index, edge_label_time)
        if not isinstance(edges, SupervisedEdges) or edges.num_items != self.graph.total:
            raise GraphError(
                f"The supervised edges must be of this graph, with {self.graph.total} items"
                + (f", not {edges.num_items}." if isinstance(edges, SupervisedEdges) else ".")
            )
        if temporal and edges.times is None:
            raise GraphError("Temporal draws need times of the supervised pairs.")
        self.edges = edges
        self.plan = EpochPlan(
            edges, batch_size * world_size, balance, weighted=weighted_edges, seed=seed
        )
        self.negatives = negatives
        self.num_negatives = num_negatives if negatives != "in_batch" else 0
        self.temporal = temporal
        self.seed = seed
        self.rank, self.world_size = rank, world_size
        self.num_workers, self.prefetch_factor = num_workers, prefetch_factor
        self.epoch = 0
        self._reverse = rev_edge_types
        self._sampler = NeighborSampler(
            self.graph,
            num_neighbors,
            weighted=weighted,
            edge_weights=edge_weights,
            edge_numbers=self.features is not None,
        )
        self._known: NegativeSampler | None = None
        if self.num_negatives or negatives == "in_batch":
            self._known = NegativeSampler(self.graph, edges, rev_edge_types)

    def __len__(self) -> int:
        """Batches per epoch; 0 without any pair."""
        return len(self.plan)

    def __iter__(self) -> Iterator[Any]:
        """One epoch; the next call gives the next epoch."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        if self.features is None:
            return self.dense(epoch)
        return self._ahead(lambda number: self.hetero(epoch, number), 0)

    def dense(self, epoch: int, start: int = 0) -> Iterator[MultiLinkBatch]:
        """The batches of an epoch from number `start` on, in the dense layout."""
        return self._ahead(lambda number: self.batch(epoch, number), start)

    def batch(self, epoch: int, number: int) -> MultiLinkBatch:
        """Batch `number` of an epoch, without iterating to it."""
        chosen = self.plan.batch(epoch, number)
        return self._collate(
            {name: self.edges.pairs[name][at] for name, at in chosen.items()},
            np.random.default_rng([self.seed, epoch, 1, number]),
            {name: self.edges.times[name][at] for name, at in chosen.items()}
            if self.temporal and self.edges.times is not None
            else None,
            (self.rank, self.world_size),
        )

    def hetero(self, epoch: int, number: int) -> Any:
        """Batch `number` of an epoch as `HeteroData`."""
        if self.features is None:
            raise GraphError(
                "A graph has no features to hand on.",
                "Give the loader graph.to_hetero_data(text) for HeteroData batches.",
            )
        batch = self.batch(epoch, number)
        return self.features.batch(
            self.graph, batch.neighbourhood, batch.pairs, batch.negatives, batch.masks
        )

    def epoch_pairs(self, epoch: int) -> dict[Any, np.ndarray]:
        """The pairs of an epoch in the order of its batches, global indices [num_pairs, 2]."""
        return {name: self.edges.pairs[name][at] for name, at in self.plan.epoch(epoch).items()}

    def collate(
        self,
        pairs: Mapping[Any, np.ndarray],
        rng: np.random.Generator,
        times: Mapping[Any, np.ndarray] | None = None,
    ) -> MultiLinkBatch:
        """A batch of given pairs, global indices [B, 2] per relation.

        Args:
            times: int64 [B] per relation, in temporal mode.
        """
        return self._collate(pairs, rng, times, (0, 1))

    def _collate(
        self,
        pairs: Mapping[Any, np.ndarray],
        rng: np.random.Generator,
        times: Mapping[Any, np.ndarray] | None,
        share: tuple[int, int],
    ) -> MultiLinkBatch:
        key = int(rng.integers(0, 2**63))
        excluded = Excluded.of(pairs, self.graph, self._reverse)
        rank, world_size = share

        def mine(array: np.ndarray) -> np.ndarray:
            return np.array_split(array, world_size)[rank]

        negatives, masks, own = {}, {}, {}
        for name, part in pairs.items():
            drawn = np.zeros((len(part), 0), np.int64)
            if self._known is not None and self.num_negatives:
                draw = self._known.hard if self.negatives == "hard" else self._known.uniform
                drawn = draw(name, part, self.num_negatives, rng)
            if not len(mine(part)):
                continue
            own[name], negatives[name] = mine(part).astype(np.int64), mine(drawn)
            if self._known is not None and self.negatives == "in_batch":
                masks[name] = self._known.in_batch(name, own[name])
        moments = None
        if times is not None:
            moments = {name: mine(part) for name, part in times.items() if len(mine(part))}
        seeds, seen, place = _seeds(own, negatives, moments)
        around = self._sampler.sample(seeds, key, excluded, seen)
        return MultiLinkBatch(
            around,
            {name: place(part, name) for name, part in own.items()},
            {
                name: np.where(part >= 0, place(np.maximum(part, 0), name), -1)
                if part.size
                else part
                for name, part in negatives.items()
            },
            masks,
        )

    def _ahead(self, make: Callable[[int], Any], start: int) -> Iterator[Any]:
        numbers = range(start, len(self))
        return ahead(make, numbers, self.num_workers, self.num_workers * self.prefetch_factor)


def _seeds(
    pairs: Mapping[Any, np.ndarray],
    negatives: Mapping[Any, np.ndarray],
    moments: Mapping[Any, np.ndarray] | None,
) -> tuple[np.ndarray, np.ndarray | None, Callable[[np.ndarray, Any], np.ndarray]]:
    """Distinct seeds, the moments they are seen from, and where a relation's nodes stand."""
    ends = [part.ravel() for part in pairs.values()]
    others = [part[part >= 0] for part in negatives.values()]
    if moments is None:
        seeds = np.unique(np.concatenate([np.zeros(0, np.int64), *ends, *others]))
        return seeds, None, lambda nodes, name: np.searchsorted(seeds, nodes)
    times = np.unique(np.concatenate([np.zeros(0, np.int64), *moments.values()]))
    group = {name: np.searchsorted(times, part) for name, part in moments.items()}

    def keys(nodes: np.ndarray, name: Any) -> np.ndarray:
        found: np.ndarray = nodes * np.int64(len(times)) + group[name][:, None]
        return found

    parts = [keys(part, name).ravel() for name, part in pairs.items()]
    for name, part in negatives.items():
        parts.append(keys(part, name)[part >= 0])
    every = np.unique(np.concatenate([np.zeros(0, np.int64), *parts]))
    seeds, seen = np.divmod(every, max(len(times), 1))
    return seeds, times[seen], lambda nodes, name: np.searchsorted(every, keys(nodes, name))
