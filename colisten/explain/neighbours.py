"""What is near to what, before and after training.

Before: by text alone. After: by the taste vector of the item tower, which is what recommendations
are made of; in between, by z, what the co-listening graph added. Nearness is cosine; an item
without a vector (no text, no listener) is nobody's neighbour.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from colisten.explain.estimate import Part
from colisten.statistics.bootstrap import bootstrap_means, mean_interval
from colisten.statistics.interval import Estimate

NEAREST = 5
_RESAMPLES = 1000
_TINY = 1e-12


class Neighbour(Part):
    """An item near another (index in the catalogue), with the cosine of both vectors."""

    item: int
    cosine: float


class Example(Part):
    """One item and its neighbours in each space, nearest first.

    Attributes:
        kind: Why it was selected, such as "long tail".
        item: Its index in the catalogue.
        streams: Users who streamed it before the cut.
        neighbours: By space; empty where the item has no vector.
    """

    kind: str
    item: int
    streams: int
    neighbours: dict[str, list[Neighbour]]


class Agreement(Part):
    """How much of the neighbourhoods two spaces share.

    Attributes:
        first, second: Spaces.
        items: Items with a vector in both.
        shared: Mean share of the nearest that are the same, with an interval over items.
        by_chance: What two unrelated spaces would share.
    """

    first: str
    second: str
    items: int
    shared: Estimate
    by_chance: float


class Neighbourhoods(Part):
    """Examples and how much changed over a sample of items; k is how many count as near."""

    k: int
    examples: list[Example]
    agreements: list[Agreement]

    def agreement(self, first: str, second: str) -> Agreement | None:
        """That of two spaces; None where one of them is missing."""
        matches = (one for one in self.agreements if {one.first, one.second} == {first, second})
        return next(matches, None)


def neighbourhoods(
    spaces: Mapping[str, np.ndarray],
    items: np.ndarray,
    available: np.ndarray,
    streams: np.ndarray,
    *,
    seed: int,
    k: int = NEAREST,
    sample: int = 1000,
    confidence: float = 0.95,
) -> Neighbourhoods:
    """Neighbours of some telling items, and the overlap of spaces over a sample.

    Args:
        spaces: By name, vectors [n_target, d] of the same items, in order of training.
        items: Their index in the catalogue, int64 [n_target].
        available: bool [n_target]; only candidates at the cut are looked at.
        streams: Users who streamed each item before the cut [n_target].
        seed: Of the examples and the sample.
        k: Neighbours of an item.
        sample: Items over which overlap is measured, at most.
        confidence: Mass of the intervals.
    """
    pool = np.flatnonzero(available)
    selected = telling_items(streams, available, seed)
    rows = [row for _, row in selected]
    near = {name: nearest(vectors, rows, pool, k) for name, vectors in spaces.items()}
    examples = [
        Example(
            kind=kind,
            item=int(items[row]),
            streams=int(streams[row]),
            neighbours={
                name: [
                    Neighbour(item=int(items[other]), cosine=float(cosine))
                    for other, cosine in zip(others[at], cosines[at], strict=True)
                    if other >= 0
                ]
                for name, (others, cosines) in near.items()
            },
        )
        for at, (kind, row) in enumerate(selected)
    ]
    drawn = pool
    if len(pool) > sample:
        drawn = np.sort(np.random.default_rng([seed, 1]).choice(pool, sample, replace=False))
    lists = {name: nearest(vectors, drawn, pool, k)[0] for name, vectors in spaces.items()}
    agreements = [
        _agreement(first, second, lists[first], lists[second], len(pool), seed, confidence)
        for first, second in itertools.combinations(spaces, 2)
    ]
    return Neighbourhoods(k=k, examples=examples, agreements=agreements)


def nearest(
    vectors: np.ndarray, rows: np.ndarray | list[int], pool: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The k items of `pool` nearest to each of some items, ties by position.

    Args:
        vectors: [n, d]; a row of zeros has no neighbours and is nobody's.
        rows: Items asked about, int [R].
        pool: Items that may be neighbours, int64 ascending.
        k: Neighbours wanted.

    Returns:
        Items int64 [R, k], -1 where there is none, and cosines float32 [R, k].
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.asarray(vectors / np.maximum(norms, _TINY), dtype=np.float32)
    alive = norms[:, 0] > _TINY
    asked = np.asarray(rows, dtype=np.int64)
    pool = pool[alive[pool]]
    held = unit[pool]
    items = np.full((len(asked), k), -1, dtype=np.int64)
    cosines = np.zeros((len(asked), k), dtype=np.float32)
    for row, item in enumerate(asked.tolist()):
        if not alive[item]:
            continue
        own = held @ unit[item]
        order = np.argsort(-own, kind="stable")[: k + 1]
        order = order[pool[order] != item][:k]
        items[row, : len(order)] = pool[order]
        cosines[row, : len(order)] = own[order]
    return items, cosines


def telling_items(
    streams: np.ndarray, available: np.ndarray, seed: int, each: int = 2
) -> list[tuple[str, int]]:
    """The most popular items, some of middling popularity, of the long tail, and never started.

    The long tail is the less started half of the items that anyone started. Equal seeds choose
    alike.
    """
    rng = np.random.default_rng([seed, 2])
    pool = np.flatnonzero(available)
    started = pool[streams[pool] > 0]
    ranked = started[np.argsort(-streams[started], kind="stable")]
    middle = len(ranked) // 2
    tail = ranked[middle + each :]
    silent = pool[streams[pool] == 0]
    selected = [("most popular", int(item)) for item in ranked[:each]]
    selected += [("median", int(item)) for item in ranked[middle : middle + each]]
    for kind, some in (("long tail", tail), ("never started", silent)):
        if len(some):
            drawn = rng.choice(some, min(each, len(some)), replace=False)
            selected += [(kind, int(item)) for item in np.sort(drawn)]
    unique: dict[int, str] = {}
    for kind, item in selected:
        unique.setdefault(item, kind)
    return [(kind, item) for item, kind in unique.items()]


def _agreement(
    first: str,
    second: str,
    one: np.ndarray,
    two: np.ndarray,
    pool: int,
    seed: int,
    confidence: float,
) -> Agreement:
    both = np.flatnonzero((one >= 0).any(axis=1) & (two >= 0).any(axis=1))
    k = one.shape[1]
    same = (one[both][:, :, None] == two[both][:, None, :]) & (one[both][:, :, None] >= 0)
    wanted = np.maximum((one[both] >= 0).sum(axis=1), 1)
    shares = same.any(axis=2).sum(axis=1) / wanted
    measure = Estimate(value=None)
    if len(both):
        means = bootstrap_means(shares[:, None], resamples=_RESAMPLES, seed=seed)[:, 0]
        value = float(shares.mean())
        interval = mean_interval(value, means, users=len(both), confidence=confidence)
        measure = Estimate.of(value, interval)
    return Agreement(
        first=first,
        second=second,
        items=len(both),
        shared=measure,
        by_chance=min(1.0, k / max(1, pool - 1)),
    )
