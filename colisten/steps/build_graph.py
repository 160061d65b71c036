"""Step: the co-listening graph, whole and once per left-out user fold."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

from colisten.settings.engine import Engine
from colisten.settings.sections import GraphSettings
from colisten.steps.artifacts.graph import GraphSet
from colisten.steps.artifacts.reports import Metrics
from colisten.steps.artifacts.tables import History
from colisten.steps.settings import Setting, TypesAndSignals, Without


class Built(NamedTuple):
    """The graphs."""

    graph: GraphSet
    metrics: Metrics


def build_graph(
    history: History,
    as_of: datetime,
    *,
    data: TypesAndSignals,
    graph: Annotated[GraphSettings, Without("factors")],
    folds: Annotated[int, Setting("cross_fitting.folds")],
    validation_share: Annotated[float, Setting("towers.validation_share")],
    engine: Engine,
    out: Path,
) -> Built:
    """Build the whole graph, one without each user fold, and one for validation.

    Those without a fold serve cross-fitting. The last ends where the rows begin that the towers
    hold out: the graph of a release made at that moment.

    Args:
        history: Checked tables.
        as_of: UTC moment; events at or after it make no edge.

    Raises:
        GraphError: The tables cannot be read.
    """
    from colisten.data.moments import microseconds
    from colisten.features.starts import first_starts
    from colisten.graph.build import build_graph as build
    from colisten.graph.relation import relation_label
    from colisten.training.time_split import held_out_moment

    tables = history.folder
    graph_at = partial(build, tables, data=data, graph=graph, engine=engine, folds=folds)
    full = graph_at(as_of=as_of)
    starts = first_starts(tables, as_of=as_of, data=data).column("timestamp")
    moment = held_out_moment(starts, validation_share)
    graphs = GraphSet.write(
        out / "graph",
        full,
        [partial(graph_at, as_of=as_of, leave_out_fold=fold) for fold in range(folds)],
        None if moment is None else graph_at(as_of=moment),
        None if moment is None else microseconds(moment),
    )
    edges = {
        f"edges_{relation_label(*name[::-1]).replace('-', '_')}": float(relation.num_edges)
        for name, relation in full.relations.items()
    }
    return Built(graphs, Metrics(edges))
