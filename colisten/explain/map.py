"""The item space in two dimensions, to look at.

t-SNE (van der Maaten and Hinton 2008) on cosine-like distances of unit vectors, started from the
two leading principal components so that the large shape survives (Kobak and Berens 2019). Who is
beside whom can be trusted; distances between far groups and their sizes cannot. A few items are
shown by their principal components alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from colisten.explain.estimate import Part
from colisten.extras import needs
from colisten.progress import track

MOST = 1000
_FEWEST_FOR_TSNE = 50
_PERPLEXITY = 30.0
_ROUNDS = 750
_FIRST_SPREAD = 1e-4
_TINY = 1e-12


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
