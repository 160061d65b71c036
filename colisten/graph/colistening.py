"""Relations counted from events: items that the same users touched (paper section 3.2)."""

from __future__ import annotations

import uuid

import ibis
import numpy as np
import pyarrow as pa

from colisten.data import parquet
from colisten.graph.counting import compiled, count_in_memory, strongest_of_pairs
from colisten.graph.edges import colistening_pairs, touched_items
from colisten.graph.inputs import GraphInputs, Relations
from colisten.graph.relation import CO_LISTENED
from colisten.limits import bytes_of, within_memory
from colisten.logs import logger
from colisten.settings.data import DataSettings

log = logger("graph")

# What a touch takes while pairs are counted in memory: the table, and CSR both ways.
BYTES_PER_TOUCH = 96


def co_listening(inputs: GraphInputs, name: str = CO_LISTENED) -> Relations:
    """One relation per ordered pair of item types, from the events that `graph` says count.

    Pairs of types that `graph.relations` leaves out have no edges.

    Args:
        name: Of each relation.
    """
    touched = _touched(inputs)
    graph = inputs.graph
    in_memory = _fits(inputs) if inputs.in_memory is None else inputs.in_memory
    log.info("counting", relation=name, where="memory" if in_memory else inputs.backend.name)
    if in_memory:
        rows = inputs.backend.to_pyarrow(touched)
        relations = count_in_memory(
            rows,
            inputs.num_nodes,
            graph,
            as_of=inputs.as_of,
            threads=inputs.engine.threads,
            name=name,
        )
    else:
        relations = _count_in_engine(inputs, touched, name)
    return {
        each: relation
        if _kind(each[2], each[0], inputs.data) in graph.relations
        else relation.where(np.zeros(relation.num_edges, bool))
        for each, relation in relations.items()
    }


def _touched(inputs: GraphInputs) -> ibis.Table:
    catalogue = inputs.catalogue
    items = {
        "item_id": pa.array(catalogue.item_ids, pa.string()),
        "item": pa.array(np.arange(catalogue.num_items), pa.int32()),
    }
    starts = np.cumsum([0, *inputs.num_nodes.values()])[:-1]
    return touched_items(
        parquet.table(inputs.backend, inputs.events),
        ibis.memtable(pa.table(items)),
        inputs.graph,
        as_of=inputs.as_of,
        type_starts=tuple(map(int, starts)),
        left_out=inputs.left_out,
    )


def _count_in_engine(inputs: GraphInputs, touched: ibis.Table, name: str) -> Relations:
    backend, graph = inputs.backend, inputs.graph
    # DuckDB computes it once for the three readers below; Spark plans each of them whole.
    if backend.name == "duckdb":
        touched = backend.create_table(f"touched_{uuid.uuid4().hex}", touched, temp=True)
    pairs = backend.to_pyarrow(colistening_pairs(touched, graph, as_of=inputs.as_of))
    counted = backend.to_pyarrow(touched.group_by("item").agg(users=lambda t: t.count()))
    listeners = np.zeros(inputs.catalogue.num_items, np.int64)
    listeners[counted.column("item").to_numpy()] = counted.column("users").to_numpy()
    num_users = int(backend.execute(touched.user_id.nunique()))
    return strongest_of_pairs(pairs, listeners, num_users, inputs.num_nodes, graph, name)


def _fits(inputs: GraphInputs) -> bool:
    """Whether pairs can be counted in this process: by compiled code, within the memory limit."""
    if compiled is None or inputs.backend.name != "duckdb":
        return False
    with parquet.opened(inputs.events) as file:
        touches: int = file.metadata.num_rows * BYTES_PER_TOUCH
    return touches <= bytes_of(within_memory(inputs.engine.memory_limit))


def _kind(first: str, second: str, data: DataSettings) -> str:
    """A pair of types as `graph.relations` names it."""
    ends = ["target" if one == data.target_type else "context" for one in (first, second)]
    return "-".join(sorted(ends, reverse=True))
