"""`MultiLinkNeighborLoader`: batches that supervise several relations at once, balanced.

PyG's `LinkNeighborLoader` seeds from one edge type. Here podcast-podcast and audiobook-podcast
edges outnumber audiobook-audiobook ones by orders of magnitude, so the paper draws, every epoch
afresh, as many edges from each relation as the smallest has (section 3.3, "balanced multi-link
neighbourhood sampler").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from inspect import signature
from typing import Any, Literal, get_args

import numpy as np
import torch

from colisten.errors import GraphError
from colisten.graph.given import one_kind, times_of, whole
from colisten.graph.graph import CoListeningGraph
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.batch import MultiLinkBatch, distinct_seeds
from colisten.sampling.edge_types import by_edge_type, reverse_types
from colisten.sampling.epochs import Balance, EpochPlan
from colisten.sampling.hetero import Features
from colisten.sampling.homogeneous import is_homogeneous, to_data, to_hetero
from colisten.sampling.keywords import check_keywords
from colisten.sampling.labelled import Deal, Labelled, labelled_pairs, on_one_clock
from colisten.sampling.leaks import warn_of_leaks
from colisten.sampling.negatives import NegativeSampler
from colisten.sampling.neighbours import FanOuts, NeighborSampler
from colisten.sampling.pairs import Excluded
from colisten.sampling.prefetch import prefetch
from colisten.sampling.supervision import SupervisedEdges
from colisten.words import known_word, shown

__all__ = ["MultiLinkBatch", "MultiLinkNeighborLoader", "Negatives"]

Negatives = Literal["uniform", "hard", "in_batch"]


class MultiLinkNeighborLoader:
    """One epoch of batches per loop; batch i of epoch e is the same in every run.

    Over PyG `HeteroData` a batch is `HeteroData` as from PyG's own loaders: `n_id` and filtered
    features per node type, `edge_index` and `e_id` per edge type, and for each supervised edge
    type `edge_label_index` (with negatives or labels also `edge_label`); over `Data` it is
    `Data`. Over a `CoListeningGraph` it is a `MultiLinkBatch`, the dense layout of
    `colisten.models.hgnn`. `dense()` gives that of all.

    Args:
        data: Where neighbours come from.
        num_neighbors: Fan-out per hop, from the seeds outwards, for every relation or by relation;
            -1 for all neighbours.
        edge_label_index: What is supervised. Of `HeteroData`: edge types, or a mapping of them to
            [2, num_pairs] or None for what the type stores, `edge_label_index` or else all edges;
            also PyG's (edge type, pairs). Of a graph: `SupervisedEdges`, by default all pairs.
        edge_label: [num_pairs] per edge type: 0 makes a given pair a negative, more is the pair's
            label. By default what the data stores for these pairs.
        edge_label_time: [num_pairs] per edge type, for temporal draws over `HeteroData`.
        batch_size: Pairs of the largest relation per batch ("min" and ratios); the batch's mean
            over relations ("none").
        balance: "min": every epoch draws from each relation as many pairs as the smallest
            non-empty one has (the paper). "none": an epoch is every pair once, in natural
            proportion. A mapping of relations to ratios: that multiple of the smallest, 1 where
            a relation is not named, and never more than there are.
        weighted: Draw neighbours by edge weight, else uniformly. None: as in PyG, by weight where
            `weight_attr` names one.
        weighted_edges: Draw an epoch's pairs by strength with replacement, else uniformly without.
        negatives: "uniform"; "hard": neighbours of neighbours; "in_batch": `masks` over the
            batch's own pairs. Never a true neighbour.
        num_negatives: Negatives per pair, uniform or hard.
        temporal: Nothing newer than a pair is in the neighbourhood of its ends. Needs times of
            edges and of pairs; a node then stands once per moment it is seen from. None: as in
            PyG, where `time_attr` or `edge_label_time` is given.
        weight_attr: Edge attribute of `HeteroData` with weights.
        time_attr: Edge attribute of `HeteroData` with times, integers or floats, which are
            compared exactly.
        rev_edge_types: Of a supervised edge type the one that holds its reverses, where the name
            (`rev_` in front, or the same) does not tell.
        edge_weights: Hand on the drawn edges' weights (dense layout).
        seed: Every draw follows from (seed, epoch, batch).
        rank: This process among `world_size`, each of which gets its share of every batch: the
            pairs of all are drawn, and excluded from messages, together.
        world_size: Processes that share a batch of `batch_size * world_size`.
        num_workers: Threads that prepare batches ahead; batches do not depend on it.
        prefetch_factor: Batches ready or in the making per worker; None for 2.
        transform: Gets every batch over PyG data and gives what is handed out.
        pin_memory: Put batches over PyG data into pinned memory where there is a CUDA device.
        more: Arguments of PyG's loader and torch's that ask for nothing else than what is done
            here (`shuffle=True`); others are refused with what to write instead.

    Raises:
        GraphError: Edges are of another graph, a relation or word is unknown, an attribute is
            missing, or an argument does not fit.
    """

    def __init__(
        self,
        data: Any,
        num_neighbors: FanOuts,
        edge_label_index: Any = None,
        *,
        edge_label: Any = None,
        edge_label_time: Any = None,
        batch_size: int = 256,
        balance: Balance = "min",
        weighted: bool | None = None,
        weighted_edges: bool = False,
        negatives: Negatives = "uniform",
        num_negatives: int = 0,
        temporal: bool | None = None,
        weight_attr: str | None = None,
        time_attr: str | None = None,
        rev_edge_types: Any = None,
        edge_weights: bool = False,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        num_workers: int = 0,
        prefetch_factor: int | None = 2,
        transform: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        **more: Any,
    ) -> None:
        check_keywords(more, [*signature(type(self)).parameters][:-1])
        known_word("negatives", negatives, get_args(Negatives), GraphError)
        for name, flag in {
            "weighted": weighted,
            "weighted_edges": weighted_edges,
            "temporal": temporal,
            "edge_weights": edge_weights,
            "pin_memory": pin_memory,
        }.items():
            if flag is not None and not isinstance(flag, bool | np.bool_):
                raise GraphError(f"{name} is True or False, not {shown(flag)}.")
        if transform is not None and not callable(transform):
            raise GraphError(f"transform is a function of a batch, not {shown(transform)}.")
        self.rank, self.world_size = whole("rank", rank, 0), whole("world_size", world_size, 1)
        if rank >= world_size:
            raise GraphError(f"Rank {rank} is none of {world_size} processes.")
        self.num_workers = whole("num_workers", num_workers, 0)
        self.prefetch_factor = whole(
            "prefetch_factor", 2 if prefetch_factor is None else prefetch_factor, 1
        )
        self.seed = whole("seed", seed, 0)
        self.transform, self.pin_memory = transform, bool(pin_memory)
        self.features: Features | None = None
        self._homogeneous = is_homogeneous(data)
        self._labelled = Labelled.nothing()
        self._reverse: dict[Any, Any] = {}
        if isinstance(data, CoListeningGraph):
            of_pyg = {
                "edge_label": edge_label,
                "edge_label_time": edge_label_time,
                "weight_attr": weight_attr,
                "time_attr": time_attr,
                "rev_edge_types": rev_edge_types,
                "transform": transform,
            }
            for name, value in of_pyg.items():
                if value is not None:
                    raise GraphError(
                        f"{name} is of PyG data; a co-listening graph has its own.",
                        "Leave it out, or give the loader graph.to_hetero_data(text).",
                    )
            self.graph = Adjacency.of_graph(data)
            edges = SupervisedEdges.of(data) if edge_label_index is None else edge_label_index
        else:
            data = to_hetero(data) if self._homogeneous else data
            self.graph = Adjacency.of_hetero_data(
                data, weight_attr=weight_attr, time_attr=time_attr
            )
            self.features = Features(self.graph, data)
            edges, self._labelled = labelled_pairs(
                data, self.graph, edge_label_index, edge_label, edge_label_time
            )
            self._reverse = reverse_types(rev_edge_types, edges.pairs, self.graph.relations)
            warn_of_leaks(self.graph, edges, self._reverse)
            weighted = (
                weight_attr is not None and not edge_weights if weighted is None else weighted
            )
            if temporal is None:
                temporal = time_attr is not None or edge_label_time is not None
        if not isinstance(edges, SupervisedEdges) or edges.num_items != self.graph.total:
            raise GraphError(
                f"The supervised edges must be of this graph, with {self.graph.total} items"
                + (f", not {edges.num_items}." if isinstance(edges, SupervisedEdges) else ".")
            )
        self.temporal = bool(temporal)
        if self.temporal:
            if edges.times is None:
                raise GraphError(
                    "Temporal draws need times of the supervised pairs.",
                    "Give edge_label_time, and time_attr for the edges.",
                )
            self.graph, edges, self._labelled = on_one_clock(self.graph, edges, self._labelled)
        self.edges = edges
        if isinstance(balance, Mapping):
            balance = by_edge_type(balance, edges.pairs)
        self.plan = EpochPlan(
            edges,
            whole("batch_size", batch_size, 1) * world_size,
            balance,
            weighted=bool(weighted_edges),
            seed=seed,
        )
        self._deal = Deal(
            self.plan, {name: len(part) for name, part in self._labelled.negatives.items()}
        )
        self.negatives = negatives
        self.num_negatives = whole("num_negatives", num_negatives, 0)
        if negatives == "in_batch":
            self.num_negatives = 0
        self.epoch = 0
        self._sampler = NeighborSampler(
            self.graph,
            num_neighbors,
            weighted=bool(weighted),
            edge_weights=bool(edge_weights),
            edge_numbers=self.features is not None,
        )
        if self.temporal and edges.times is not None:
            for moments in edges.times.values():
                self._sampler.check_times(moments.dtype)
        self._known: NegativeSampler | None = None
        if self.num_negatives or negatives == "in_batch":
            self._known = NegativeSampler(self.graph, edges, self._reverse)

    def __len__(self) -> int:
        """Batches per epoch; 0 without any pair."""
        return len(self.plan)

    def __iter__(self) -> Iterator[Any]:
        """One epoch; the next call gives the next epoch."""
        epoch, self.epoch = self.epoch, self.epoch + 1
        if self.features is None:
            return self.dense(epoch)
        return self._prefetch(lambda number: self.hetero(epoch, number), 0)

    def dense(self, epoch: int, start: int = 0) -> Iterator[MultiLinkBatch]:
        """The batches of an epoch from number `start` on, in the dense layout."""
        return self._prefetch(lambda number: self.batch(epoch, number), start)

    def batch(self, epoch: int, number: int) -> MultiLinkBatch:
        """Batch `number` of an epoch, without iterating to it."""
        numbers = self.plan.batch(epoch, number)
        times, given = None, {}
        if self.temporal and self.edges.times is not None:
            times = {name: self.edges.times[name][at] for name, at in numbers.items()}
        for name, at in self._deal.batch(epoch, number).items():
            moments = self._labelled.times
            given[name] = (
                self._labelled.negatives[name][at],
                None if times is None or moments is None else moments[name][at],
            )
        return self._collate(
            {name: self.edges.pairs[name][at] for name, at in numbers.items()},
            np.random.default_rng([self.seed, epoch, 1, number]),
            times,
            (self.rank, self.world_size),
            {
                name: self._labelled.labels[name][at]
                for name, at in numbers.items()
                if name in self._labelled.labels
            },
            given,
        )

    def hetero(self, epoch: int, number: int) -> Any:
        """Batch `number` of an epoch as `HeteroData` (over `Data` as `Data`), transformed."""
        if self.features is None:
            raise GraphError(
                "A graph has no features to hand on.",
                "Give the loader graph.to_hetero_data(text) for HeteroData batches.",
            )
        batch = self.features.batch(self.graph, self.batch(epoch, number))
        if self._homogeneous:
            batch = to_data(batch)
        if self.transform is not None:
            batch = self.transform(batch)
        if self.pin_memory and torch.cuda.is_available() and hasattr(batch, "pin_memory"):
            batch = batch.pin_memory()
        return batch

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
        if times is not None and self.edges.times is not None:
            kinds = {f"of {name}": array[:0] for name, array in self.edges.times.items()}
            asked = {
                name: times_of(part, len(pairs[name]), f"Times of {name}")
                for name, part in times.items()
            }
            times = {name: part for name, part in one_kind(asked | kinds).items() if name in asked}
        return self._collate(pairs, rng, times, (0, 1), {}, {})

    def _collate(
        self,
        pairs: Mapping[Any, np.ndarray],
        rng: np.random.Generator,
        times: Mapping[Any, np.ndarray] | None,
        share: tuple[int, int],
        labels: Mapping[Any, np.ndarray],
        given: Mapping[Any, tuple[np.ndarray, np.ndarray | None]],
    ) -> MultiLinkBatch:
        key = int(rng.integers(0, 2**63))
        # A given negative that is an edge, as a dislike may be, passes no messages either.
        asked = {
            name: np.concatenate([part, given[name][0]]) if name in given else part
            for name, part in pairs.items()
        }
        asked |= {name: part for name, (part, _) in given.items() if name not in asked}
        excluded = Excluded.of(asked, self.graph, self._reverse)
        rank, world_size = share

        none = np.zeros(0, np.int64)

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
        own_given = {name: mine(part) for name, (part, _) in given.items() if len(mine(part))}
        for name in own_given:
            if name not in own:
                own[name] = np.zeros((0, 2), np.int64)
                negatives[name] = np.zeros((0, self.num_negatives), np.int64)
        moments = None
        if times is not None:
            moments = {name: mine(times[name]) if name in times else none for name in own}
            for name in own_given:
                apart = given[name][1]
                moments["given", name] = none if apart is None else mine(apart)
        ends = own | {("given", name): part for name, part in own_given.items()}
        seeds, seen, place = distinct_seeds(ends, negatives, moments)
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
            {name: mine(part) for name, part in labels.items() if name in own},
            {name: place(part, ("given", name)) for name, part in own_given.items()},
        )

    def _prefetch(self, make: Callable[[int], Any], start: int) -> Iterator[Any]:
        numbers = range(start, len(self))
        return prefetch(make, numbers, self.num_workers, self.num_workers * self.prefetch_factor)
