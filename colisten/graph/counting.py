"""From touches or counted pairs to the relations of a graph: two ways to the same edges.

`count_in_memory` counts row by row in compiled code and never holds a pair that is not kept.
`strongest_of_pairs` takes the pairs an engine has counted: out of core, or on a cluster.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import pairwise
from types import ModuleType

import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix

from colisten.graph.edges import WHOLE, decay_factors
from colisten.graph.inputs import Relations
from colisten.graph.relation import Relation
from colisten.progress import track
from colisten.settings.sections import GraphSettings

try:
    from colisten.graph import kernels as _kernels
except ImportError:  # numba comes with the training extra
    compiled: ModuleType | None = None
else:
    compiled = _kernels

# Edges a thread has room for at once.
ROOM = 1 << 21
BY = {"colisteners": 0, "user_share": 0, "cosine": 1, "lift": 2}
MICROSECONDS = pa.timestamp("us", tz="UTC")


def count_in_memory(
    touched: pa.Table,
    num_nodes: dict[str, int],
    settings: GraphSettings,
    *,
    as_of: datetime,
    threads: int,
    name: str,
) -> Relations:
    """Relations of a graph from `edges.touched_items`, counted by compiled code.

    Args:
        name: Of each relation.
    """
    assert compiled is not None
    items = sum(num_nodes.values())
    users = touched.column("user_id").combine_chunks().dictionary_encode()
    user = users.indices.to_numpy().astype(np.int32, copy=False)
    item = touched.column("item").to_numpy()
    num_users = len(users.dictionary)
    # scipy's counting sort: CSR by user, whose values tell which row of `touched` it was.
    number = np.arange(len(user), dtype=np.int64)
    by_user = coo_matrix((number, (user, item)), shape=(num_users, max(items, 1))).tocsr()
    order = by_user.data
    share = np.zeros(num_users, np.int64)
    share[user] = touched.column("share").to_numpy()
    place = np.arange(len(user), dtype=np.int64)
    shape = by_user.shape
    by_item = type(by_user)((place, by_user.indices, by_user.indptr), shape=shape).tocsc()
    arguments = (
        by_user.indptr.astype(np.int64),
        by_user.indices.astype(np.int32),
        _micros(touched.column("first"))[order],
        touched.column("day").to_numpy()[order],
        share,
        np.zeros(0, np.int64)
        if settings.half_life_days is None
        else decay_factors(as_of, settings.half_life_days),
        by_item.indptr.astype(np.int64),
        by_item.indices.astype(np.int32),
        by_item.data,
        np.cumsum(list(num_nodes.values()), dtype=np.int64),
        BY[settings.weights],
        num_users,
        settings.min_colisteners,
        settings.top_k,
    )
    room = max(len(num_nodes) * min(settings.top_k, max(items, 1)), 1)
    parts = list(pairwise([*range(0, items, max(1, ROOM // room)), items]))
    kernel = compiled.edges_of_rows
    with ThreadPoolExecutor(threads) as pool:
        done = pool.map(lambda part: kernel(*part, *arguments), parts)
        edges = list(track(done, "counting co-listeners", len(parts)))
    if not edges:  # of no item
        edges = [kernel(0, 0, *arguments)]
    counts, targets, weights, times = (np.concatenate(part) for part in zip(*edges, strict=True))
    kind = np.tile(np.arange(len(num_nodes)), items)
    source = np.repeat(np.repeat(np.arange(items), len(num_nodes)), counts.ravel())
    kind = np.repeat(kind, counts.ravel())
    return _relations(name, num_nodes, source, targets, kind, weights, times)


def strongest_of_pairs(
    pairs: pa.Table,
    listeners: np.ndarray,
    num_users: int,
    num_nodes: dict[str, int],
    settings: GraphSettings,
    name: str,
) -> Relations:
    """Relations of a graph from `edges.colistening_pairs`.

    Args:
        name: Of each relation.
        listeners: int64 [num_items], users who touched each item.
        num_users: Users who touched any.
    """
    low, high = (pairs.column(name).to_numpy() for name in ("source", "target"))
    source, target = np.concatenate([low, high]), np.concatenate([high, low])
    value = np.tile(pairs.column("strength").to_numpy().astype(np.float64) / WHOLE, 2)
    times = np.tile(_micros(pairs.column("since")), 2)
    both = listeners[source].astype(np.float64) * listeners[target].astype(np.float64)
    if settings.weights == "cosine":
        value = value / np.sqrt(both)
    elif settings.weights == "lift":
        value = value * np.float64(num_users) / both
    stops = np.cumsum(list(num_nodes.values()))
    kind = np.searchsorted(stops, target, side="right")
    order = np.lexsort((target, -value, kind, source))
    group = source[order].astype(np.int64) * len(stops) + kind[order]
    first = np.flatnonzero(np.diff(group, prepend=-1))
    rank = np.arange(len(group)) - np.repeat(first, np.diff(first, append=len(group)))
    strongest = order[rank < settings.top_k]
    strongest = strongest[np.lexsort((target[strongest], source[strongest]))]
    return _relations(
        name,
        num_nodes,
        source[strongest].astype(np.int64),
        target[strongest],
        kind[strongest],
        value[strongest].astype(np.float32),
        times[strongest],
    )


def _relations(
    name: str,
    num_nodes: dict[str, int],
    source: np.ndarray,
    target: np.ndarray,
    kind: np.ndarray,
    weights: np.ndarray,
    times: np.ndarray,
) -> Relations:
    """Relations of edges sorted by (source, target), which are catalogue indices."""
    relations = {}
    for node, here in _slices(num_nodes):
        rows = slice(*np.searchsorted(source, [here.start, here.stop]))
        for b, (other, there) in enumerate(_slices(num_nodes)):
            edges = np.flatnonzero(kind[rows] == b) + rows.start
            degrees = np.bincount(source[edges] - here.start, minlength=num_nodes[node])
            indptr = np.zeros(num_nodes[node] + 1, np.int64)
            np.cumsum(degrees, out=indptr[1:])
            relations[other, name, node] = Relation(
                indptr,
                (target[edges] - there.start).astype(np.int32),
                weights[edges],
                times[edges],
            )
    return relations


def _slices(num_nodes: dict[str, int]) -> Iterator[tuple[str, slice]]:
    start = 0
    for name, count in num_nodes.items():
        yield name, slice(start, start + count)
        start += count


def _micros(column: pa.ChunkedArray) -> np.ndarray:
    micros: np.ndarray = column.cast(MICROSECONDS).cast(pa.int64()).to_numpy()
    return micros
