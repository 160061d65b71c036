"""The items as each space sees them: who is near to whom, and a map to look at.

Before: by text alone. After: by the taste vector of the item tower, which is what recommendations
are made of; in between, by z, what the co-listening graph added. Nearness is cosine; an item
without a vector (no text, no listener) is nobody's neighbour.

The map is t-SNE (van der Maaten and Hinton 2008) on cosine-like distances of unit vectors, started
from the two leading principal components so that the large shape survives (Kobak and Berens 2019).
Who is beside whom can be trusted; distances between far groups and their sizes cannot. A few items
are shown by their principal components alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from colisten.extras import needs
from colisten.progress import track
from colisten.statistics.bootstrap import bootstrap_means, mean_interval
from colisten.statistics.interval import Estimate, Part

NEAREST = 5
_RESAMPLES = 1000
MOST = 1000
_FEWEST_FOR_TSNE = 50
_PERPLEXITY = 30.0
_ROUNDS = 750
_FIRST_SPREAD = 1e-4
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


class MapPoint(Part):
    """One item: its index in the catalogue and where it lies."""

    item: int
    x: float
    y: float


class MapView(Part):
    """One space, laid out.

    Attributes:
        space: Name.
        method: How it was laid out.
        variance: Share of the variance that the two leading components hold.
        points: Items with a vector.
    """

    space: str
    method: str
    variance: float
    points: list[MapPoint]


def item_map(
    spaces: Mapping[str, tuple[np.ndarray, np.ndarray]], *, seed: int, most: int = MOST
) -> list[MapView]:
    """Lay out each space.

    Args:
        spaces: By name, catalogue indices int64 [n] and vectors [n, d]; a row of zeros is left
            out.
        seed: Of the items drawn and of t-SNE.
        most: Items shown of each space, at most.
    """
    views = []
    for name, (items, vectors) in track(list(spaces.items()), "drawing maps"):
        vectors = np.asarray(vectors, dtype=np.float64)
        norms = np.linalg.norm(vectors, axis=1)
        rows = np.flatnonzero(norms > _TINY)
        if len(rows) > most:
            rows = np.sort(np.random.default_rng([seed, 3]).choice(rows, most, replace=False))
        unit = vectors[rows] / norms[rows, None]
        leading, variance = principal_components(unit)
        method, places = "PCA", leading
        if len(rows) >= _FEWEST_FOR_TSNE:
            method, places = "t-SNE", _tsne(unit, leading, seed)
        points = [
            MapPoint(item=int(item), x=round(float(x), 4), y=round(float(y), 4))
            for item, (x, y) in zip(items[rows], places, strict=True)
        ]
        views.append(MapView(space=name, method=method, variance=variance, points=points))
    return views


def principal_components(vectors: np.ndarray) -> tuple[np.ndarray, float]:
    """The two leading components [n, 2] of vectors [n, d], and the share of variance they hold.

    Signs are fixed: the largest loading of a component is positive.
    """
    out = np.zeros((len(vectors), 2))
    if len(vectors) < 2:
        return out, 0.0
    centred = vectors - vectors.mean(axis=0)
    _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
    axes = axes[:2]
    loadings = axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)]
    axes = axes * np.where(loadings < 0, -1.0, 1.0)[:, None]
    out[:, : len(axes)] = centred @ axes.T
    total = float((sizes**2).sum())
    return out, float((sizes[:2] ** 2).sum()) / total if total else 0.0


def _tsne(vectors: np.ndarray, leading: np.ndarray, seed: int) -> np.ndarray:
    needs("sklearn", "threadpoolctl")
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    spread = leading.std(axis=0).max()
    start = leading / max(spread, _TINY) * _FIRST_SPREAD
    layout = TSNE(
        init=start.astype(np.float32),
        perplexity=min(_PERPLEXITY, (len(vectors) - 1) / 3),
        random_state=seed,
        max_iter=_ROUNDS,
        n_jobs=1,
    )
    # A thousand points are too few for threads: they would wait for each other at every round.
    with threadpool_limits(limits=1):
        places: np.ndarray = layout.fit_transform(vectors.astype(np.float32))
    return places
