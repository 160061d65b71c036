"""Pairs with labels: which of those a caller gives are supervised, and which are negatives.

PyG's `RandomLinkSplit` leaves `edge_label_index` and `edge_label`, or another key, at each edge
type: 0 for the negatives that it drew, 1 (or a class from 1 on) for edges. They are read as that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from colisten.errors import GraphError
from colisten.graph.given import array_of, index_of, one_kind, times_of
from colisten.graph.hetero import edge_index
from colisten.sampling.adjacency import Adjacency
from colisten.sampling.edge_types import by_edge_type, supervised_types
from colisten.sampling.epochs import EpochPlan, OnceAnEpoch
from colisten.sampling.splits import stored_pairs
from colisten.sampling.supervision import SupervisedEdges
from colisten.words import shown


@dataclass(frozen=True)
class Labelled:
    """What is known of pairs beside that they are pairs.

    Attributes:
        labels: Per labelled relation the label of each supervised pair, above 0.
        negatives: Per relation with any int64 [num_negatives, 2] of global indices.
        times: Per relation the moments of its negatives; None where pairs have none.
    """

    labels: dict[Any, np.ndarray]
    negatives: dict[Any, np.ndarray]
    times: dict[Any, np.ndarray] | None

    @classmethod
    def nothing(cls) -> Labelled:
        """No pair has a label."""
        return cls({}, {}, None)


class Deal:
    """Deals given negatives out to the batches of an epoch, beside the pairs.

    An epoch takes as large a share of a relation's negatives as it takes of its pairs, drawn
    afresh; every batch gets about as many.

    Args:
        plan: How the pairs are dealt out.
        amounts: Negatives by relation.
    """

    def __init__(self, plan: EpochPlan, amounts: Mapping[Any, int]) -> None:
        self.plan = plan
        self.amounts = {name: amount for name, amount in amounts.items() if amount}
        self._once: OnceAnEpoch[dict[Any, np.ndarray]] = OnceAnEpoch()

    def batch(self, epoch: int, number: int) -> dict[Any, np.ndarray]:
        """Numbers of the negatives of one batch, by relation."""
        parts = {}
        for name, drawn in self._once.of(epoch, self._draw).items():
            start, stop = (len(drawn) * (number + step) // len(self.plan) for step in (0, 1))
            if stop > start:
                parts[name] = drawn[start:stop]
        return parts

    def _draw(self, epoch: int) -> dict[Any, np.ndarray]:
        rng = np.random.default_rng([self.plan.seed, epoch, 3])
        drawn = {}
        for name, amount in self.amounts.items():
            share = self.plan.sizes[name] / len(self.plan.edges.pairs[name])
            drawn[name] = rng.permutation(amount)[: max(1, round(amount * share))]
        return drawn


def labelled_pairs(
    data: Any,
    graph: Adjacency,
    edge_label_index: Any,
    edge_label: Any = None,
    edge_label_time: Any = None,
) -> tuple[SupervisedEdges, Labelled]:
    """What a loader over `HeteroData` supervises, and the negatives that come with it.

    Args:
        data: The graph; an edge type named alone brings the pairs that `RandomLinkSplit` stored,
            or else all its edges.
        graph: Its neighbour lists.
        edge_label_index: Pairs or edge types, as `supervised_types` takes them.
        edge_label: Labels by edge type, or bare where one is supervised; else those that the data
            stores for the same pairs.
        edge_label_time: Moments of all given pairs, likewise.

    Raises:
        GraphError: An edge type is unknown, an index out of range, a label or a time does not
            fit, or pairs beside the stored ones come without labels.
    """
    given = supervised_types(edge_label_index, graph.relations)
    labels = _by_type(edge_label, given, graph.relations, "edge_label")
    times = _by_type(edge_label_time, given, graph.relations, "edge_label_time")
    index: dict[Any, np.ndarray] = {}
    for name, pairs in given.items():
        index[name], stored = _pairs(data, graph, name, pairs, name not in labels)
        if name not in labels and stored is not None:
            labels[name] = stored
    moments = None
    if edge_label_time is not None:
        moments = {name: _times(times, name, index[name].shape[1]) for name in given}
    wrong = {}
    for name, values in labels.items():
        labels[name] = _labels(values, index[name].shape[1], name)
        wrong[name] = labels[name] == 0
        if wrong[name].all() and len(wrong[name]):
            raise GraphError(
                f"edge_label of {name} is 0 throughout, which leaves negatives and no pair.",
                "Label what is linked with 1.",
            )
    right = {name: ~wrong[name] if name in wrong else slice(None) for name in given}
    edges = SupervisedEdges.of_index(
        graph,
        {name: index[name][:, right[name]] for name in given},
        None if moments is None else {name: moments[name][right[name]] for name in given},
    )
    no = {name: mask for name, mask in wrong.items() if mask.any()}
    apart = SupervisedEdges.of_index(
        graph, {name: index[name][:, mask] for name, mask in no.items()}
    )
    return edges, Labelled(
        {name: labels[name][right[name]] for name in labels},
        apart.pairs,
        None if moments is None else {name: moments[name][mask] for name, mask in no.items()},
    )


def on_one_clock(
    graph: Adjacency, edges: SupervisedEdges, labelled: Labelled
) -> tuple[Adjacency, SupervisedEdges, Labelled]:
    """The same with all times of one kind, so that they compare exactly.

    Raises:
        GraphError: Floats meet integers that float64 does not hold.
    """
    of_edges = {
        name: relation.times
        for name, relation in graph.relations.items()
        if relation.times is not None
    }
    parts = {"edges": of_edges, "pairs": edges.times or {}, "negatives": labelled.times or {}}
    every = {f"{part} {name}": times for part in parts for name, times in parts[part].items()}
    if all(times.dtype.kind == "i" for times in every.values()):
        return graph, edges, labelled
    alike = one_kind(every)
    of_edges, of_pairs, of_negatives = (
        {name: alike[f"{part} {name}"] for name in parts[part]} for part in parts
    )
    return (
        graph.timed(of_edges),
        replace(edges, times=of_pairs),
        replace(labelled, times=of_negatives),
    )


def _by_type(
    given: Any, named: Mapping[Any, Any], known: Collection[Any], what: str
) -> dict[Any, Any]:
    """Values by edge type; bare ones are those of the only supervised type."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        if len(named) > 1:
            raise GraphError(
                f"{what} is given once for {len(named)} edge types.",
                f"Give a mapping with each of {list(named)}.",
            )
        given = dict.fromkeys(named, given)
    by_type = by_edge_type(given, known)
    for name in by_type:
        if name not in named:
            raise GraphError(
                f"{what} is given for {name}, which is not supervised.",
                f"Supervised are {list(named)}.",
            )
    return {name: values for name, values in by_type.items() if values is not None}


def _pairs(
    data: Any, graph: Adjacency, name: Any, given: Any, ask: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """The pairs of an edge type, int [2, n], and the labels that the data stores for them."""
    limits = graph.num_nodes[name[0]], graph.num_nodes[name[-1]]
    stored, label = stored_pairs(data[name], name)
    if stored is None:
        # Labels that stand beside the edges themselves.
        stored, label = edge_index(data, name, graph.num_nodes), data[name].get("edge_label")
    if given is None:
        return index_of(stored, limits, name), label
    pairs = index_of(given, limits, name)
    if label is None or not ask:
        return pairs, None
    # Labelled pairs are somewhere; which of these are negatives must not be guessed.
    known = index_of(stored, limits, name)
    marks = _labels(label, known.shape[1], name)
    keys, own = (part[0].astype(np.int64) * limits[1] + part[1] for part in (known, pairs))
    order = np.argsort(keys, kind="stable")
    at = np.minimum(np.searchsorted(keys[order], own), max(len(keys) - 1, 0))
    there = keys[order][at] == own if len(keys) else np.zeros(len(own), bool)
    linked = edge_index(data, name, graph.num_nodes)
    edge = np.isin(own, linked[0].astype(np.int64) * limits[1] + linked[1])
    if not (there | edge).all():
        raise GraphError(
            f"{int((~(there | edge)).sum())} pairs given for {name} are neither its edges nor "
            "among its labelled pairs, so that nobody knows which of them are negatives.",
            "Give edge_label too: 1 for a pair, 0 for a negative.",
        )
    signs = np.ones(len(own), marks.dtype)
    signs[there] = marks[order][at[there]]
    return pairs, signs


def _labels(values: Any, count: int, name: Any) -> np.ndarray:
    """Labels [count] of a numeric kind, 0 or more."""
    array = array_of(values, f"edge_label of {name}")
    if array.shape == (count, 1):
        array = array[:, 0]
    if array.shape != (count,):
        raise GraphError(
            f"edge_label of {name} is of shape {list(array.shape)} for {count} pairs.",
            "Give one number per pair.",
        )
    if count and array.dtype.kind not in "biuf":
        raise GraphError(f"edge_label of {name} is {array.dtype}, where labels are numbers.")
    wrong = ~np.isfinite(array) | (array < 0)
    if wrong.any():
        raise GraphError(
            f"edge_label of {name} holds {shown(array[wrong][0].item())}: 0 is a negative, a "
            "number above 0 a pair.",
            "Count classes from 1; keep other numbers under another name.",
        )
    return array.astype(np.int64) if array.dtype.kind in "bu" else array


def _times(times: Mapping[Any, Any], name: Any, count: int) -> np.ndarray:
    if name not in times:
        raise GraphError(f"Supervised edges {name} need one time each, in edge_label_time.")
    return times_of(times[name], count, f"edge_label_time of {name}")
