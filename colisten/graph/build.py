"""From interactions to the co-listening graph (paper section 3.2), as of a moment.

An edge joins two items that at least `min_colisteners` users both touched. Reading, filtering
and capping are Ibis expressions over integers (`edges.py`). Pairs are then counted in memory by
compiled code, or by the engine: out of core on DuckDB, or on a Spark cluster. The graph is the
same to the byte.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from colisten.config import Settings
from colisten.data import parquet
from colisten.data.catalogue import Catalogue
from colisten.errors import GraphError
from colisten.graph.counting import Relations, compiled, count_in_memory, strongest_of_pairs
from colisten.graph.edges import colistening_pairs, touched_items
from colisten.graph.folds import fold_of
from colisten.graph.graph import CoListeningGraph, RelationName
from colisten.json_files import to_json
from colisten.logs import logger
from colisten.sections import ITEM_TYPES

log = logger("graph")

# What a touch takes while pairs are counted in memory: the table, and CSR both ways.
BYTES_PER_TOUCH = 96


def build_graph(
    history: Path, *, as_of: datetime, settings: Settings, leave_out_fold: int | None = None
) -> CoListeningGraph:
    """The graph of everything listened to before `as_of`, built by DuckDB.

    Args:
        history: Folder with `items.parquet` and `interactions.parquet`.
        as_of: UTC moment; events at or after it are not seen.
        settings: `graph` says what makes an edge; `threads` and `memory_limit` bound the engine,
            which spills to disk beyond the limit.
        leave_out_fold: Build without the users of this fold (see `colisten.graph.folds`).

    Raises:
        GraphError: The tables cannot be read, `as_of` has no zone, or the fold does not exist.
    """
    with tempfile.TemporaryDirectory(prefix="colisten-graph-") as spill:
        engine = ibis.duckdb.connect(
            threads=settings.threads, memory_limit=settings.memory_limit, temp_directory=spill
        )
        try:
            return build_graph_on(
                engine, history, as_of=as_of, settings=settings, leave_out_fold=leave_out_fold
            )
        finally:
            engine.disconnect()


def build_graph_on(
    engine: Any,
    history: Path,
    *,
    as_of: datetime,
    settings: Settings,
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
    folds = settings.cross_fitting.folds
    if leave_out_fold is not None and not 0 <= leave_out_fold < folds:
        raise GraphError(f"There is no fold {leave_out_fold}: cross_fitting.folds is {folds}.")
    file = history / "interactions.parquet"
    if not file.exists():
        raise GraphError(f"No interactions at {file}.", "Run `colisten run`, which writes them.")
    catalogue = Catalogue.read(history)
    num_nodes: dict[str, int] = {name: len(range(*_slice(catalogue, name))) for name in ITEM_TYPES}

    events = parquet.table(engine, file)
    left_out = None
    if leave_out_fold is not None:
        users = engine.to_pyarrow(events.select("user_id").distinct()).column("user_id")
        ids = users.to_numpy(zero_copy_only=False)
        leave = np.sort(ids[fold_of(ids, folds) == leave_out_fold])
        left_out = ibis.memtable(pa.table({"user_id": pa.array(leave, pa.string())}))
    items = ibis.memtable(
        pa.table(
            {
                "item_id": pa.array(catalogue.item_ids, pa.string()),
                "item": pa.array(np.arange(catalogue.num_items), pa.int32()),
            }
        )
    )
    touched = touched_items(
        events,
        items,
        settings.graph,
        as_of=as_of,
        type_starts=tuple(_slice(catalogue, name)[0] for name in ITEM_TYPES),
        left_out=left_out,
    )
    if in_memory is None:
        with parquet.opened(file) as inside:
            touches = inside.metadata.num_rows * BYTES_PER_TOUCH
        in_memory = (
            compiled is not None
            and engine.name == "duckdb"
            and touches <= _bytes(settings.memory_limit)
        )
    if in_memory:
        relations = count_in_memory(
            engine.to_pyarrow(touched),
            num_nodes,
            settings.graph,
            as_of=as_of,
            threads=settings.threads,
        )
    else:
        relations = _count_in_engine(engine, touched, num_nodes, settings, as_of=as_of)
    relations = _kept(relations, settings)
    ids = pa.array(catalogue.item_ids, pa.string())
    graph = CoListeningGraph(num_nodes, relations, _ids_digest(catalogue), ids)
    log.info(
        "graph built",
        as_of=as_of.isoformat(),
        leave_out_fold=leave_out_fold,
        counted="in memory" if in_memory else engine.name,
        nodes=num_nodes,
        edges={"-".join(name): relation.num_edges for name, relation in graph.relations.items()},
        seconds=round(time.monotonic() - started, 2),
    )
    return graph


def _count_in_engine(
    engine: Any,
    touched: ibis.Table,
    num_nodes: dict[str, int],
    settings: Settings,
    *,
    as_of: datetime,
) -> Relations:
    # DuckDB computes it once for the three readers below; Spark plans each of them whole.
    kept = touched
    if engine.name == "duckdb":
        kept = engine.create_table(f"touched_{uuid.uuid4().hex}", touched, temp=True)
    pairs = engine.to_pyarrow(colistening_pairs(kept, settings.graph, as_of=as_of))
    counted = engine.to_pyarrow(kept.group_by("item").agg(users=lambda t: t.count()))
    listeners = np.zeros(sum(num_nodes.values()), np.int64)
    listeners[counted.column("item").to_numpy()] = counted.column("users").to_numpy()
    num_users = int(engine.execute(kept.user_id.nunique()))
    return strongest_of_pairs(pairs, listeners, num_users, num_nodes, settings.graph)


def _kept(relations: Relations, settings: Settings) -> Relations:
    """The relations, those that `graph.relations` leaves out without their edges."""

    def kind(name: RelationName) -> str:
        ends = ["target" if one == settings.data.target_type else "auxiliary" for one in name]
        return "-".join(sorted(ends, reverse=True))

    return {
        name: relation
        if kind(name) in settings.graph.relations
        else relation.where(np.zeros(relation.num_edges, bool))
        for name, relation in relations.items()
    }


def _slice(catalogue: Catalogue, item_type: str) -> tuple[int, int]:
    """Global [start, stop) of a type; an empty type starts where it would stand in the order."""
    start = int((catalogue.item_types < item_type).sum())
    return start, start + int((catalogue.item_types == item_type).sum())


def _bytes(limit: str) -> int:
    """A DuckDB memory limit such as 4GB or 512MiB in bytes."""
    match = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?)(i?)B?\s*", limit, re.IGNORECASE)
    if match is None:
        raise GraphError(f"'{limit}' is no memory limit.", "Write memory_limit as 4GB or 512MB.")
    number, unit, binary = match.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGT".index(unit.upper() or " "))


def _ids_digest(catalogue: Catalogue) -> str:
    ids = to_json([catalogue.item_types.tolist(), catalogue.item_ids.tolist()])
    return hashlib.sha256(ids.encode()).hexdigest()
