"""Edges that give a supervised pair away although it is excluded from messages."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from colisten.sampling.adjacency import Adjacency, Neighbours, carriers_of
from colisten.sampling.draws import linked
from colisten.sampling.supervision import SupervisedEdges

# Of a relation's supervised pairs, as many in another relation, beyond what its density puts there,
# are its copy, where chance would do it less than once in a thousand graphs.
TELLING = 0.5
CHANCE = 1e-3


class LeakWarning(UserWarning):
    """Message passing shows a model the pairs that it is asked for."""


def warn_of_leaks(
    graph: Adjacency, edges: SupervisedEdges, reverse: Mapping[Any, Any] | None = None
) -> None:
    """Warn of relations that hold supervised pairs and are not known as their carriers.

    Also of a known reverse that still holds pairs which were taken out of their own relation: each
    batch hides its own there, not those of other batches.

    Args:
        graph: Message relations.
        edges: Supervised pairs.
        reverse: Reverse of a supervised relation, where its name does not tell.
    """
    for name, pairs in edges.pairs.items():
        if not len(pairs):
            continue
        known = carriers_of(name, graph.relations, reverse)
        own = graph.relations[name]
        held_out = len(known) > 1 and own.num_edges and _share(graph, own, pairs, (-1, 0)) < TELLING
        for other, relation in graph.relations.items():
            if other == name or (other in known and not held_out):
                continue
            for at, to in ((0, -1), (-1, 0)):
                if (name[at], name[to]) != (relation.node_type, relation.neighbour_type):
                    continue
                share = _tells(graph, relation, pairs, (at, to))
                if share:
                    # Messages run from row 1 to row 0 of what is supervised.
                    _warn(name, other, share, turned=at == 0, known=other in known)
                    break


def _tells(
    graph: Adjacency, relation: Neighbours, pairs: np.ndarray, ends: tuple[int, int]
) -> float:
    """Share of pairs that a relation holds, where that is more than chance; else 0."""
    share = _share(graph, relation, pairs, ends)
    if share < TELLING:
        return 0.0
    rows = np.repeat(np.arange(len(relation.indptr) - 1), np.diff(relation.indptr))
    again = (np.diff(rows) == 0) & (np.diff(relation.indices) == 0)
    places = graph.num_nodes[relation.node_type] * graph.num_nodes[relation.neighbour_type]
    density = (relation.num_edges - int(again.sum())) / places
    if share - density < TELLING * (1 - density) or density >= 1:
        return 0.0
    # Chernoff's bound on as large a share by chance.
    surprise = share * math.log(share / density)
    if share < 1:
        surprise += (1 - share) * math.log((1 - share) / (1 - density))
    return share if len(pairs) * surprise > -math.log(CHANCE) else 0.0


def _share(
    graph: Adjacency, relation: Neighbours, pairs: np.ndarray, ends: tuple[int, int]
) -> float:
    here, there = graph.start_of(relation.node_type), graph.start_of(relation.neighbour_type)
    at, to = ends
    return float(np.mean(linked(relation, pairs[:, at] - here, pairs[:, to] - there)))


def _warn(name: Any, other: Any, share: float, *, turned: bool, known: bool) -> None:
    if known:
        message = (
            f"{share:.0%} of the supervised pairs of {name} are none of its edges but still those "
            f"of its reverse {other}, so batches show a model each other's pairs: name it in "
            "RandomLinkSplit(rev_edge_types=...), or take these edges out of it."
        )
    else:
        mend = (
            f"say rev_edge_types={{{name}: {other}}}"
            if turned
            else f"leave {other} out of the data or take these edges out of it"
        )
        message = (
            f"{share:.0%} of the supervised pairs of {name} are edges of {other} too, so messages "
            f"give the answer away: {mend}."
        )
    warnings.warn(message, LeakWarning, stacklevel=4)
