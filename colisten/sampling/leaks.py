"""Edges that give a supervised pair away although it is excluded from messages."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from colisten.sampling.adjacency import Adjacency, carriers_of
from colisten.sampling.draws import linked
from colisten.sampling.supervision import SupervisedEdges

# Of a relation's supervised pairs, as many in another relation are its copy and no coincidence.
TELLING = 0.5


class LeakWarning(UserWarning):
    """Message passing shows a model the pairs that it is asked for."""


def warn_of_leaks(
    graph: Adjacency, edges: SupervisedEdges, reverse: Mapping[Any, Any] | None = None
) -> None:
    """Warn of relations that hold supervised pairs and are not known as their carriers.

    Args:
        graph: Message relations.
        edges: Supervised pairs.
        reverse: Reverse of a supervised relation, where its name does not tell.
    """
    for name, pairs in edges.pairs.items():
        known = carriers_of(name, graph.relations, reverse)
        for other, relation in graph.relations.items():
            if other in known or not relation.num_edges or not len(pairs):
                continue
            here = graph.start_of(relation.node_type)
            there = graph.start_of(relation.neighbour_type)
            for at, to in ((0, -1), (-1, 0)):
                if (name[at], name[to]) != (relation.node_type, relation.neighbour_type):
                    continue
                found = linked(relation, pairs[:, at] - here, pairs[:, to] - there)
                share = float(np.mean(found))
                if share >= TELLING:
                    # Messages run from row 1 to row 0 of what is supervised.
                    _warn(name, other, share, turned=at == 0)
                    break


def _warn(name: Any, other: Any, share: float, *, turned: bool) -> None:
    mend = (
        f"say rev_edge_types={{{name}: {other}}}"
        if turned
        else f"leave {other} out of the data or take these edges out of it"
    )
    warnings.warn(
        f"{share:.0%} of the supervised pairs of {name} are edges of {other} too, so messages "
        f"give the answer away: {mend}.",
        LeakWarning,
        stacklevel=4,
    )
