"""What to know of a graph before training on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from colisten.graph.graph import CoListeningGraph
from colisten.graph.relation import CO_LISTENED

if TYPE_CHECKING:
    from colisten.graph.report import GraphReport

# An item linked to this share of its type drowns what the others say.
HUB_SHARE = 0.5
ISOLATED_SHARE = 0.5
SAMPLE_ITEMS = 2000


class Finding(BaseModel):
    """Something to know before training: `severe` where nothing can be learned."""

    model_config = ConfigDict(frozen=True)

    severe: bool
    what: str
    advice: str


def findings(
    report: GraphReport, graph: CoListeningGraph, text: np.ndarray | None
) -> list[Finding]:
    """All of them, the severe first; `text` is [num_items, d]."""
    every = [*_of_edges(report), *_of_text(graph, text), *_of_likeness(report)]
    return sorted(every, key=lambda finding: not finding.severe)


def _of_edges(report: GraphReport) -> Iterator[Finding]:
    if not report.edges:
        yield Finding(
            severe=True,
            what="The graph has no edges.",
            advice="Widen graph.window_days or lower graph.min_colisteners.",
        )
        return
    yield from _of_relations(report)
    target = report.target_type
    lonely, count = report.isolated[target], report.nodes[target]
    if lonely > ISOLATED_SHARE * count:
        yield Finding(
            severe=False,
            what=f"{lonely:,} of {count:,} items of type {target} have no edge and live by their "
            "text alone.",
            advice="Widen graph.window_days or count weaker graph.signals.",
        )


def _of_relations(report: GraphReport) -> Iterator[Finding]:
    for relation in report.relations.values():
        node, near, counted = relation.destination, relation.source, relation.name == CO_LISTENED
        if counted and not relation.edges and report.nodes[node] and report.nodes[near]:
            own = node == near == report.target_type
            yield Finding(
                severe=own,
                what=f"No user joins items of type {node} and {near}: the relation has no edges.",
                advice=f"What makes items of type {node} alike is not learned; widen "
                "graph.window_days."
                if own
                else "Nothing is learned from it; do the two types have users in common?",
            )
        if relation.max_degree > HUB_SHARE * report.nodes[near] and report.nodes[near] > 20:
            by = "" if counted else f" by {relation.name}"
            yield Finding(
                severe=False,
                what=f"One item of type {node} is linked{by} to {relation.max_degree:,} of the "
                f"{report.nodes[near]:,} of type {near}.",
                advice="Raise graph.min_colisteners; graph.weights=lift makes less of popular "
                "items."
                if counted
                else "Does such a link say anything? Leave it out with graph.links.",
            )


def _of_text(graph: CoListeningGraph, text: np.ndarray | None) -> Iterator[Finding]:
    if text is None:
        return
    for name in graph.item_types:
        part = text[graph.slice_of(name)]
        some = part[:: max(1, len(part) // SAMPLE_ITEMS)]
        if len(some) and not some.any():
            yield Finding(
                severe=False,
                what=f"No item of type {name} has a text vector.",
                advice="Give titles or descriptions.",
            )
        elif len(some) > 1 and np.ptp(some, axis=0).max() == 0:
            yield Finding(
                severe=True,
                what=f"The text vectors of all items of type {name} are equal.",
                advice="Check the text columns and text.encoder.",
            )


def _of_likeness(report: GraphReport) -> Iterator[Finding]:
    gain = None if report.likeness is None else report.likeness.linked_gain
    if gain is not None and gain.low is not None and gain.low <= 0:
        yield Finding(
            severe=False,
            what=f"Linked items of type {report.target_type} are not surely closer in text than "
            "random ones.",
            advice="The graph and the text disagree; look at the hubs and at "
            "graph.min_colisteners.",
        )
