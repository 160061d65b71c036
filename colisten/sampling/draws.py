"""Drawing neighbours without replacement, reproducibly, row by row.

What a node draws follows from (key, node) alone: not from the batch around it, the process that
asks, or the number of threads. So two workers that share a batch see the same neighbours as one
that has it all. Random numbers are SplitMix64 of (key, node, draw).

Here is the plain numpy form; `kernels.py` compiles the same arithmetic and gives the same draws.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from colisten.sampling.adjacency import Neighbours, plain

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
ODD = np.uint64(0xD1B54A32D192ED03)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
# Cells of a padded block handled at once.
BLOCK = 1 << 20

try:
    from colisten.sampling import kernels as _kernels
except ImportError:  # numba comes with the training extra; a serving image has none
    compiled: ModuleType | None = None
else:
    compiled = _kernels


def draw_edges(
    relation: Neighbours,
    rows: np.ndarray,
    fan_out: int,
    key: int,
    *,
    weighted: bool = False,
    latest: np.ndarray | None = None,
    engine: ModuleType | None = compiled,
) -> np.ndarray:
    """Edge numbers int64 [len(rows), k] of up to `fan_out` distinct neighbours per row; -1 pads.

    k is `fan_out` or the largest degree among the rows, whichever is less. A row with at most k
    neighbours takes all of them; a longer one draws uniformly (Floyd's sample: every set of k is
    equally likely) or, `weighted`, one after the other in proportion to what weights are left.

    Args:
        rows: int64 indices within the relation's node type.
        key: Unsigned 64-bit; another key, another draw.
        latest: [len(rows)], of the kind of the relation's times: a row takes no edge newer than
            this; None takes all.
        engine: Module of compiled kernels; None draws in numpy.
    """
    rows = np.ascontiguousarray(rows, np.int64)
    start = relation.indptr[rows]
    degree = relation.indptr[rows + 1] - start
    width = min(fan_out, int(degree.max(initial=0)))
    edges = np.full((len(rows), width), -1, np.int64)
    if not width:
        return edges
    weights = relation.weights if weighted else None
    times = relation.times if latest is not None else None
    if engine is not None:
        engine.draw(
            start,
            degree,
            rows,
            np.uint64(key),
            np.zeros(0, np.float32) if weights is None else weights,
            np.zeros(0, np.int64) if times is None else times,
            np.zeros(0, np.int64) if latest is None else latest,
            edges,
        )
        return edges
    # Rows of like degree are drawn together, so little of a block is padding.
    low = 0
    while (degree > low).any():
        high = max(2 * low, 16)
        alike = np.flatnonzero((degree > low) & (degree <= high))
        for part in np.array_split(alike, max(len(alike) * high // BLOCK, 1)):
            if part.size:
                edges[part] = _draw_alike(
                    start[part],
                    degree[part],
                    rows[part],
                    np.uint64(key),
                    weights,
                    times,
                    None if latest is None else latest[part],
                    width,
                )
        low = high
    return edges


def random_bits(key: np.uint64, nodes: np.ndarray, number: np.ndarray) -> np.ndarray:
    """uint64 random numbers, one per (node, number)."""
    with np.errstate(over="ignore"):
        stream = _mix(key + nodes.astype(np.uint64) * GOLDEN)
        return _mix(stream + (number.astype(np.uint64) + np.uint64(1)) * ODD)


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finalizer (Steele, Lea and Flood, 2014)."""
    x = (x ^ (x >> np.uint64(30))) * FIRST
    x = (x ^ (x >> np.uint64(27))) * SECOND
    mixed: np.ndarray = x ^ (x >> np.uint64(31))
    return mixed


def _draw_alike(
    start: np.ndarray,
    degree: np.ndarray,
    nodes: np.ndarray,
    key: np.uint64,
    weights: np.ndarray | None,
    times: np.ndarray | None,
    latest: np.ndarray | None,
    width: int,
) -> np.ndarray:
    places = np.arange(int(degree.max()))
    inside = places < degree[:, None]
    at = np.where(inside, start[:, None] + places, 0)
    if times is not None and latest is not None:
        inside &= times[at] <= latest[:, None]
        # What a row may take comes first, in its own order.
        order = np.argsort(~inside, axis=1, kind="stable")
        at = np.take_along_axis(at, order, 1)
        degree = inside.sum(1)
        inside = places < degree[:, None]
    edges = np.where(inside, at, -1)[:, :width]
    if edges.shape[1] < width:
        edges = np.pad(edges, ((0, 0), (0, width - edges.shape[1])), constant_values=-1)
    more = np.flatnonzero(degree > width)
    if more.size:
        if weights is None:
            sample = _floyd(degree[more], nodes[more], key, width)
        else:
            strength = np.where(inside[more], weights[at[more]], 0).astype(np.float64)
            sample = _in_proportion(strength, nodes[more], key, width)
        edges[more] = np.take_along_axis(at[more], sample, 1)
    return edges


def _floyd(degree: np.ndarray, nodes: np.ndarray, key: np.uint64, width: int) -> np.ndarray:
    """Floyd's sample of `width` from each range(degree) (Bentley and Floyd, 1987)."""
    sample = np.empty((len(degree), width), np.int64)
    for number in range(width):
        last = degree - width + number
        bits = random_bits(key, nodes, np.full(len(nodes), number))
        guess = (((bits >> np.uint64(32)) * (last + 1).astype(np.uint64)) >> np.uint64(32)).astype(
            np.int64
        )
        taken = (sample[:, :number] == guess[:, None]).any(1)
        sample[:, number] = np.where(taken, last, guess)
    return sample


def _in_proportion(
    strength: np.ndarray, nodes: np.ndarray, key: np.uint64, width: int
) -> np.ndarray:
    """Successive draws in proportion to float64 [rows, places]; what was drawn counts no more."""
    cumulative = np.cumsum(strength, axis=1)
    sample = np.empty((len(nodes), width), np.int64)
    asked = np.zeros(len(nodes), np.int64)

    def draw(rows: np.ndarray) -> np.ndarray:
        bits = random_bits(key, nodes[rows], asked[rows])
        asked[rows] += 1
        share = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
        goal = share * cumulative[rows, -1]
        passed: np.ndarray = (cumulative[rows] <= goal[:, None]).sum(1)
        # A share next to one may round up to the whole: the last with any weight is meant.
        last: np.ndarray = (cumulative[rows] < cumulative[rows, -1:]).sum(1)
        place: np.ndarray = np.minimum(passed, last)
        return place

    for number in range(width):
        every = np.arange(len(nodes))
        guess = draw(every)
        again = every[(sample[:, :number] == guess[:, None]).any(1)]
        if again.size:
            strength[again[:, None], sample[again, :number]] = 0
            cumulative[again] = np.cumsum(strength[again], axis=1)
            guess[again] = draw(again)
        sample[:, number] = guess
    return sample


def linked(
    relation: Any, rows: np.ndarray, others: np.ndarray, engine: ModuleType | None = compiled
) -> np.ndarray:
    """Whether `others[i]` is a neighbour of `rows[i]`; bool [len(rows)].

    Args:
        relation: `Neighbours` or `Relation`: `indptr`, and `indices` ascending within a row.
        rows: Indices within the node type.
        others: As many indices within the neighbour type.
    """
    if engine is not None:
        answer: np.ndarray = engine.linked(
            plain(relation.indptr), plain(relation.indices), rows, others
        )
        return answer
    if not len(relation.indices):
        return np.zeros(len(rows), bool)
    low, high = relation.indptr[rows], relation.indptr[np.asarray(rows) + 1]
    stop = high
    # Bisection of all rows at once.
    while (low < high).any():
        middle = (low + high) // 2
        less = relation.indices[np.minimum(middle, len(relation.indices) - 1)] < others
        open_ = low < high
        low = np.where(open_ & less, middle + 1, low)
        high = np.where(open_ & ~less, middle, high)
    at = np.minimum(low, len(relation.indices) - 1)
    hit: np.ndarray = (low < stop) & (relation.indices[at] == others)
    return hit
