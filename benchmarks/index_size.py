"""From how many titles on an index is faster than exact search, at the length that releases have.

Catalogues of the size asked for are made of a release's own vectors and of mixtures of two of
them; users' vectors are those of its golden set and mixtures of these. Each way finds 100 titles
of one user at a time; milliseconds are of the clock, because a server's are spent elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pairs import machine, write_result
from benchmarks.serving_path import built
from colisten.index.exact import best_of
from colisten.index.milvus import MilvusIndex
from colisten.index.protocol import VectorIndex
from colisten.index.pruned import PrunedVectors
from colisten.release.loaded import LoadedRelease

NAME = "index_size"
SIZES = (8_000, 50_000, 250_000)
LITE_ITEMS = 10_000
"""Milvus Lite looks at every row in Python: beyond this it is not asked."""
TOP, ASKED = 100, 60
_LOAD = round(os.getloadavg()[0], 1)
Search = Callable[[np.ndarray], np.ndarray]


def run() -> None:
    """Each way at each size."""
    with tempfile.TemporaryDirectory() as folder:
        place = built(Path(folder))
        write_result(NAME, measured(place.release, Path(folder)))


def measured(
    release: LoadedRelease, work: Path, sizes: Sequence[int] | None = None
) -> dict[str, Any]:
    """Median milliseconds a search and recall of it, by size (default `SIZES`) and way."""
    users = mixed(release.golden_set().vectors, ASKED, seed=1)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    with _server(work) as server:
        for size in sizes or SIZES:
            vectors = mixed(np.asarray(release.item_vectors), size, seed=0)
            row = rows[str(size)] = {}
            right: list[np.ndarray] = []
            for name, search in _ways(vectors, release, work, server):
                row[name] = _timed(search, users, right)
                print(f"{NAME}: {size:,} titles, {name}: {row[name]}")
    return {
        "benchmark": NAME,
        **machine(),
        "load_before": _LOAD,
        "facts": {"vector_length": release.item_vectors.shape[1], "titles_asked_for": TOP},
        "searches": rows,
    }


def markdown(result: dict[str, Any] | None) -> str:
    """The table of the page."""
    if result is None:
        return "Not measured yet."
    lines = ["| titles | | median ms | recall@100 |", "|---|---|---|---|"]
    lines += [
        f"| {int(size):,} | {name} | {figures['median_ms']:.2f} | {figures['recall']:.3f} |"
        for size, row in result["searches"].items()
        for name, figures in row.items()
    ]
    return "\n".join(lines)


def mixed(vectors: np.ndarray, size: int, *, seed: int) -> np.ndarray:
    """`size` unit rows: those given, then mixtures of two of them at random weights."""
    rng = np.random.default_rng(seed)
    more = max(0, size - len(vectors))
    one, other = rng.integers(0, len(vectors), (2, more))
    share = rng.random((more, 1), dtype=np.float32)
    made = share * vectors[one] + (1 - share) * vectors[other]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return np.asarray(np.concatenate([vectors[:size], made]), dtype=np.float32)


def _ways(
    vectors: np.ndarray, release: LoadedRelease, work: Path, server: str | None
) -> Iterator[tuple[str, Search]]:
    rows = np.arange(len(vectors))
    yield "whole product", lambda user: best_of(vectors @ user, rows, TOP)
    pruned = PrunedVectors(vectors, release.golden_set().vectors)

    def search(user: np.ndarray) -> np.ndarray:
        found = pruned.candidates(user, TOP)
        at: np.ndarray = rows if found is None else found
        nearest: np.ndarray = at[best_of(vectors[at] @ user, at, TOP)]
        return nearest

    yield "pruned product", search
    if len(vectors) <= LITE_ITEMS:
        with MilvusIndex(str(work / "lite.db")) as index:
            yield "Milvus Lite", _filled(index, vectors)
    if server is not None:
        with MilvusIndex(server) as index:
            yield "Milvus server, HNSW", _filled(index, vectors)
            index.drop("sized")


def _filled(index: VectorIndex, vectors: np.ndarray) -> Search:
    index.create("sized", [str(at) for at in range(len(vectors))], vectors)

    def search(user: np.ndarray) -> np.ndarray:
        ids, _ = index.search("sized", user[None], TOP)
        return np.array(ids[0], dtype=np.int64)

    return search


def _timed(search: Search, users: np.ndarray, right: list[np.ndarray]) -> dict[str, float]:
    """Median time, and the share found of what the first way found."""
    for user in users[:5]:
        search(user)
    spent, found = [], []
    for user in users:
        start = time.perf_counter()
        found.append(search(user))
        spent.append((time.perf_counter() - start) * 1000)
    right[:] = right or found
    shares = [len(np.intersect1d(a, b)) / TOP for a, b in zip(found, right, strict=True)]
    return {
        "median_ms": round(statistics.median(spent), 3),
        "recall": round(statistics.mean(shares), 4),
    }


@contextmanager
def _server(work: Path) -> Iterator[str | None]:
    """A Milvus server on loopback; None where the package that carries it is not installed."""
    if importlib.util.find_spec("milvus") is None:
        yield None
        return
    from milvus import default_server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        default_server.listen_port = probe.getsockname()[1]
    default_server.set_base_dir(str(work / "milvus"))
    default_server.start()
    try:
        yield f"http://127.0.0.1:{default_server.listen_port}"
    finally:
        default_server.stop()
