"""Step: what the graph says before anything is learned from it: its findings and its factors."""

from __future__ import annotations

from typing import Annotated, NamedTuple

from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.vectors import Factors, TextVectors
from colisten.steps.settings import Setting, TypesAndSignals


class Inspected(NamedTuple):
    """Co-listening factors."""

    factors: Factors


def inspect_graph(
    graph: GraphSet,
    text: TextVectors,
    *,
    data: TypesAndSignals,
    length: Annotated[int, Setting("graph.factors")],
    seed: int,
    threads: int,
) -> Inspected:
    """Warn of what a model could not learn from, and compute co-listening factors.

    Args:
        graph: Graphs; the factors are of the whole one and of that for validation.
        text: Text vectors, which findings compare neighbours by.
        threads: What the step is run with (`execute`); they decide the last bits.
    """
    from colisten.graph.factors import co_listening_factors
    from colisten.graph.report import graph_report
    from colisten.logs import logger

    for finding in graph_report(graph.full, text.vectors, data=data, seed=seed).findings:
        logger("graph").warning(finding.what, severe=finding.severe, advice=finding.advice)
    return Inspected(
        Factors(*(co_listening_factors(each, length) for each in (graph.full, graph.validation)))
    )
