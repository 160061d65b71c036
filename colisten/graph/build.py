"""From interactions to the co-listening graph (paper section 3.2), as of a moment.

An edge joins two items that at least `min_colisteners` users both touched. The work is one Ibis
expression over integers, `colistening_edges`, so DuckDB on one machine and Spark on a cluster
give the same graph.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import ibis
import numpy as np
import pyarrow as pa

from colisten.config import ITEM_TYPES, GraphSettings, Settings
from colisten.data.catalogue import Catalogue
from colisten.errors import GraphError
from colisten.graph.folds import fold_of
from colisten.graph.graph import CoListeningGraph, Relation
from colisten.logs import logger

log = logger("graph")

# Shares are added up as integers, since a sum of floats depends on the order of rows.
WHOLE = 1_000_000


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
) -> CoListeningGraph:
    """`build_graph` on a given Ibis backend: DuckDB, or a Spark session in UTC."""
    started = time.monotonic()
    if as_of.tzinfo is None:
        raise GraphError(f"The moment {as_of} has no time zone.", "Pass a UTC datetime.")
    folds = settings.hgnn.folds
    if leave_out_fold is not None and not 0 <= leave_out_fold < folds:
        raise GraphError(f"There is no fold {leave_out_fold}: hgnn.folds is {folds}.")
    file = history / "interactions.parquet"
    if not file.exists():
        raise GraphError(f"No interactions at {file}.", "Run `colisten run`, which writes them.")
    catalogue = Catalogue.read(history)
    num_nodes: dict[str, int] = {name: len(range(*_slice(catalogue, name))) for name in ITEM_TYPES}

    events = engine.read_parquet(str(file))
    left_out = None
    if leave_out_fold is not None:
        users = engine.to_pyarrow(events.select("user_id").distinct()).column("user_id")
        ids = users.to_numpy(zero_copy_only=False)
        leave = np.sort(ids[fold_of(ids, folds) == leave_out_fold].astype(str))
        left_out = ibis.memtable(pa.table({"user_id": pa.array(leave, pa.string())}))
    items = ibis.memtable(
        pa.table(
            {
                "item_id": pa.array(catalogue.item_ids, pa.string()),
                "item": pa.array(np.arange(catalogue.num_items), pa.int32()),
            }
        )
    )
    edges = engine.to_pyarrow(
        colistening_edges(
            events,
            items,
            settings.graph,
            as_of=as_of,
            type_starts=tuple(_slice(catalogue, name)[0] for name in ITEM_TYPES),
            left_out=left_out,
        )
    )
    graph = CoListeningGraph(num_nodes, _relations(edges, num_nodes), _ids_digest(catalogue))
    log.info(
        "graph built",
        as_of=as_of.isoformat(),
        leave_out_fold=leave_out_fold,
        nodes=num_nodes,
        edges={"-".join(name): relation.num_edges for name, relation in graph.relations.items()},
        seconds=round(time.monotonic() - started, 2),
    )
    return graph


def colistening_edges(
    events: ibis.Table,
    items: ibis.Table,
    settings: GraphSettings,
    *,
    as_of: datetime,
    type_starts: tuple[int, ...],
    left_out: ibis.Table | None = None,
) -> ibis.Table:
    """Directed edges (source, target, strength) as an Ibis expression, unordered.

    Args:
        events: user_id, item_id, signal, timestamp; other columns are ignored.
        items: item_id and its catalogue index `item`, int32. Events of other items do not count.
        type_starts: First index of each item type, ascending; equal where a type is empty.
        left_out: Users (user_id) that do not count.

    Returns:
        One row per ordered pair of distinct items: source and target are catalogue indices,
        strength is in millionths. Per (source, type of target) the `top_k` strongest targets are
        kept, ties to the lower index.
    """

    def kind_of(item: Any) -> Any:
        kind = ibis.literal(0, "int32")
        for start in type_starts[1:]:
            kind = kind + (item >= start).cast("int32")
        return kind

    moment = as_of.astimezone(UTC)
    seen = events.filter(events.timestamp < _literal(moment), events.signal.isin(settings.signals))
    if settings.window_days is not None:
        since = moment - timedelta(days=settings.window_days)
        seen = seen.filter(seen.timestamp >= _literal(since))
    if left_out is not None:
        seen = seen.anti_join(left_out, "user_id")
    touched = (
        seen.join(items, "item_id")
        .group_by("user_id", "item")
        .agg(last=lambda t: t.timestamp.max())
        .mutate(kind=lambda t: kind_of(t.item))
    )
    # A heavy user's bill is quadratic, so only the most recent items of each type count.
    recent = touched.mutate(
        place=ibis.row_number().over(
            group_by=["user_id", "kind"], order_by=[ibis.desc("last"), "item"]
        )
    ).filter(lambda t: t.place < settings.max_items_per_user)
    items_of_user = ibis._.count().over(group_by="user_id")
    share = (
        (WHOLE // ibis.greatest(items_of_user - 1, 1)).cast("int64")
        if settings.weights == "user_share"
        else ibis.literal(WHOLE, "int64")
    )
    recent = recent.mutate(share=share)
    left = recent.select("user_id", "share", source="item")
    right = recent.select(other_user="user_id", target="item")
    # Each unordered pair is counted once; its reverse is the same count.
    pairs = (
        left.join(right, [left.user_id == right.other_user, left.source < right.target])
        .group_by("source", "target")
        .agg(colisteners=lambda t: t.count(), strength=lambda t: t.share.sum())
        .filter(lambda t: t.colisteners >= settings.min_colisteners)
        .select("source", "target", "strength")
    )
    both = pairs.union(
        pairs.select(source="target", target="source", strength="strength"), distinct=False
    )
    return (
        both.mutate(target_kind=lambda t: kind_of(t.target))
        .mutate(
            place=ibis.row_number().over(
                group_by=["source", "target_kind"],
                order_by=[ibis.desc("strength"), "target"],
            )
        )
        .filter(lambda t: t.place < settings.top_k)
        .select("source", "target", "strength")
    )


def _literal(moment: datetime) -> Any:
    return ibis.literal(moment, type="timestamp('UTC')")


def _slice(catalogue: Catalogue, item_type: str) -> tuple[int, int]:
    """Global [start, stop) of a type; an empty type starts where it would stand in the order."""
    start = int((catalogue.item_types < item_type).sum())
    return start, start + int((catalogue.item_types == item_type).sum())


def _relations(edges: pa.Table, num_nodes: dict[str, int]) -> dict[tuple[str, str], Relation]:
    source = edges.column("source").to_numpy().astype(np.int64)
    target = edges.column("target").to_numpy().astype(np.int64)
    weights = edges.column("strength").to_numpy() / WHOLE
    names = list(num_nodes)
    stops = np.cumsum(list(num_nodes.values()))
    starts = stops - list(num_nodes.values())
    source_kind = np.searchsorted(stops, source, side="right")
    target_kind = np.searchsorted(stops, target, side="right")
    relations = {}
    for a, name in enumerate(names):
        for b, other in enumerate(names):
            rows = np.flatnonzero((source_kind == a) & (target_kind == b))
            relations[name, other] = Relation.from_edges(
                num_nodes[name], source[rows] - starts[a], target[rows] - starts[b], weights[rows]
            )
    return relations


def _ids_digest(catalogue: Catalogue) -> str:
    ids = json.dumps([catalogue.item_types.tolist(), catalogue.item_ids.tolist()])
    return hashlib.sha256(ids.encode()).hexdigest()
