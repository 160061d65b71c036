"""From a history to the item graph as of a moment.

`RELATIONS` lists what makes edges: users who touched two items (paper section 3.2), and the links
table. Reading, filtering and capping of events are Ibis expressions over integers (`edges.py`).
Pairs are then counted in memory by compiled code, or by the engine: out of core on DuckDB, or on a
Spark cluster. The graph is the same to the byte.
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.data.duckdb_connection import ibis_backend
from colisten.data.spark import spark_backend
from colisten.errors import GraphError
from colisten.graph.colistening import co_listening
from colisten.graph.folds import fold_of
from colisten.graph.graph import CoListeningGraph
from colisten.graph.inputs import GraphInputs, Relations
from colisten.graph.links import link_relations
from colisten.graph.relation import relation_label
from colisten.json_files import to_json
from colisten.logs import logger
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine
from colisten.settings.sections import GraphSettings

log = logger("graph")

# Each gives relations of names of its own.
RELATIONS: tuple[Callable[[GraphInputs], Relations], ...] = (
    co_listening,
    link_relations,
)


def build_graph(
    history: Path,
    *,
    as_of: datetime,
    data: DataSettings = DataSettings(),
    graph: GraphSettings = GraphSettings(),
    engine: Engine = Engine(),
    folds: int = 5,
    leave_out_fold: int | None = None,
) -> CoListeningGraph:
    """The graph of everything listened to before `as_of`, built by DuckDB, or by Spark where a
    step runs on one (`colisten.data.spark`).

    Args:
        history: Folder with `items.parquet`, `interactions.parquet` and perhaps `links.parquet`.
        as_of: UTC moment; events and links at or after it are not seen.
        data: Which types and signals there are.
        graph: What makes an edge.
        engine: Bounds of DuckDB, which spills to disk beyond the limit.
        folds: Into how many parts users are split.
        leave_out_fold: Build without the users of this fold (see `colisten.graph.folds`).

    Raises:
        GraphError: The tables cannot be read, `as_of` has no zone, or the fold does not exist.
    """
    built = partial(
        build_graph_on,
        history=history,
        as_of=as_of,
        data=data,
        graph=graph,
        engine=engine,
        folds=folds,
        leave_out_fold=leave_out_fold,
    )
    if (spark := spark_backend()) is not None:
        return built(spark)
    with tempfile.TemporaryDirectory(prefix="colisten-graph-") as spill:
        backend = ibis_backend(**engine.model_dump(), temp_directory=spill)
        try:
            return built(backend)
        finally:
            backend.disconnect()


def build_graph_on(
    backend: Any,
    history: Path,
    *,
    as_of: datetime,
    data: DataSettings = DataSettings(),
    graph: GraphSettings = GraphSettings(),
    engine: Engine = Engine(),
    folds: int = 5,
    leave_out_fold: int | None = None,
    in_memory: bool | None = None,
) -> CoListeningGraph:
    """`build_graph` on a given Ibis backend: DuckDB, or a Spark session in UTC.

    Args:
        in_memory: Count pairs in this process's memory, or in the engine. By default in memory
            where the engine is DuckDB and what users touched fits into `memory_limit`.
    """
    started = time.monotonic()
    if as_of.tzinfo is None:
        raise GraphError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    file = history / "interactions.parquet"
    if not file.exists():
        raise GraphError(f"No interactions at {file}.", "Run `colisten run`, which writes them.")
    catalogue = Catalogue.read(history)
    inputs = GraphInputs(
        backend,
        history,
        catalogue,
        _num_nodes(catalogue, data),
        as_of,
        data,
        graph,
        engine,
        None if leave_out_fold is None else _users_of(backend, file, leave_out_fold, folds),
        in_memory,
    )
    relations: Relations = {}
    for relations_of in RELATIONS:
        relations |= relations_of(inputs)
    ids = pa.array(catalogue.item_ids, pa.string())
    built = CoListeningGraph(inputs.num_nodes, relations, _ids_digest(catalogue), ids)
    log.info(
        "graph built",
        as_of=as_of.isoformat(),
        leave_out_fold=leave_out_fold,
        nodes=inputs.num_nodes,
        edges={
            relation_label(node, name, source): relation.num_edges
            for (source, name, node), relation in built.relations.items()
        },
        seconds=round(time.monotonic() - started, 2),
    )
    return built


def _users_of(backend: Any, events: Path, fold: int, folds: int) -> ibis.Table:
    """The users of a fold, as a table of user_id."""
    if not 0 <= fold < folds:
        raise GraphError(f"There is no fold {fold}: cross_fitting.folds is {folds}.")
    users = parquet.table(backend, events).select("user_id").distinct()
    ids = backend.to_pyarrow(users).column("user_id").to_numpy(zero_copy_only=False)
    members = np.sort(ids[fold_of(ids, folds) == fold])
    return ibis.memtable(pa.table({"user_id": pa.array(members, pa.string())}))


def _num_nodes(catalogue: Catalogue, data: DataSettings) -> dict[str, int]:
    counts = {name: int((catalogue.item_types == name).sum()) for name in data.item_types}
    if sum(counts.values()) < catalogue.num_items:
        lost = sorted(set(catalogue.item_types) - set(counts))
        raise GraphError(
            f"Items of type {lost[0]!r} are in the catalogue and not in the settings.",
            "Name it in data.context_types.",
        )
    return counts


def _ids_digest(catalogue: Catalogue) -> str:
    ids = to_json([catalogue.item_types.tolist(), catalogue.item_ids.tolist()])
    return hashlib.sha256(ids.encode()).hexdigest()
