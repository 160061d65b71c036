"""Folders to serve from: a release of the real format at any size, its features, its index.

A release of 8,000 titles is trained; a larger one, or another of the same size, is made of it: new
titles have a mixture of two vectors and the words of one of them. It goes through the store's own
publishing, which verifies it, so its files, digests and golden set are those of any release.
`python -m benchmarks.serving_homes FOLDER` makes all of them; a benchmark that finds FOLDER in the
variable BENCHMARK_HOMES takes them from there.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.serving_path import Place, built, placed
from benchmarks.serving_process import milvus
from colisten.data import parquet
from colisten.feature_repo.repo import materialize
from colisten.feature_repo.stores import write_config
from colisten.features.repository import definitions_digest
from colisten.index import open_index
from colisten.index.exact import ExactCollection
from colisten.index.filter import NO_COLUMNS, FilterColumns
from colisten.json_files import write_json
from colisten.release.feature_files import FEATURES, bind_features, features_of
from colisten.release.golden_set import FOLDER, TOP, GoldenSet
from colisten.release.loaded import LoadedRelease
from colisten.release.manifest import Bound
from colisten.release.neighbours import ItemNeighbours
from colisten.release.payload import PAYLOAD
from colisten.release.popular import PopularLists
from colisten.release.store import ReleaseStore
from colisten.settings.index import IndexSettings
from colisten.settings.sections import FeatureSettings

HOMES, MILVUS = "BENCHMARK_HOMES", "milvus"
LARGE = 250_000
OTHERS = 3
"""Releases of the trained size beside each other, for swaps and arms."""
EXACT = IndexSettings(backend="exact")
_LEFT = (
    "steps",
    "cache",
    "exposures",
    "milvus.db",
    "endpoint.json",
    "work",
)  # of a folder that is copied


@contextmanager
def homes() -> Iterator[Path]:
    """The folder that the variable names, or one that is gone afterwards."""
    if kept := os.environ.get(HOMES):
        Path(kept).mkdir(parents=True, exist_ok=True)
        yield Path(kept)
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder)


def trained(folder: Path) -> Place:
    """The trained release, with `OTHERS` beside it in one folder; the first is live."""
    home = folder / "home"
    if not (home / "others").exists():
        # One that was interrupted has its trained release already.
        place = placed(home) if ReleaseStore(home).live() else built(folder)
        store, release = ReleaseStore(home), place.release
        with open_index(home, EXACT) as index:
            for seed in range(1, OTHERS):
                store.publish(remade(release, folder / "payload", seed=seed), index)
            store.promote(release.release_id, index)
        (home / "others").touch()
    return placed(home)


def large(place: Place, folder: Path, size: int | None = None) -> Place:
    """A folder of its own with a release of `size` titles (default `LARGE`), the same users."""
    home = folder / "large"
    if not (home / "others").exists():
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(place.home / FEATURES, home / FEATURES)
        payload = remade(place.release, folder / "payload", size=size or LARGE)
        with open_index(home, EXACT) as index:
            store = ReleaseStore(home)
            store.promote(store.publish(payload, index), index)
        shutil.rmtree(payload)
        (home / "others").touch()
    return Place(home, place.settings, place.users)


def copied(place: Place, folder: Path) -> Place:
    """The same folder elsewhere, of which a benchmark may break something."""
    shutil.copytree(place.home, folder, ignore=shutil.ignore_patterns(*_LEFT))
    return Place(folder, place.settings, place.users)


def on_redis(place: Place, address: str, folder: Path) -> Place:
    """The same releases over a Redis that is filled here."""
    skip = shutil.ignore_patterns("online*.db*")
    shutil.copytree(place.home / FEATURES, folder / FEATURES, ignore=skip)
    # A journal of its own, which says that this feature store belongs to the releases.
    (folder / "releases").mkdir()
    for one in (place.home / "releases").resolve().iterdir():
        own = folder / "releases" / one.name
        own.symlink_to(one) if one.is_dir() else shutil.copyfile(one, own)
    features = features_of(folder, place.release.manifest)
    settings = FeatureSettings(online_store="redis", redis=address)
    write_config(features, settings, definitions_digest(features))
    bind_features(folder, place.release.manifest)
    as_of = datetime.fromisoformat(place.release.manifest.as_of)
    materialize(features, as_of=as_of)
    return Place(folder, place.settings, place.users)


def of_server(address: str) -> IndexSettings:
    """Settings of a Milvus server."""
    return IndexSettings(backend="milvus", uri=address)


def indexed(place: Place, address: str) -> None:
    """Bring a live release to a Milvus server, where it is not there yet."""
    store = ReleaseStore(place.home)
    with open_index(place.home, of_server(address)) as index:
        if not store.verify(store.resolve(), index).passed:
            store.republish(store.resolve(), index)


def remade(release: LoadedRelease, out: Path, *, size: int | None = None, seed: int = 0) -> Path:
    """A payload of `size` titles (default as many as there are) whose shelves are others.

    Args:
        release: What it is made of.
        out: The folder; replaced if it exists.
        size: How many can be recommended, not fewer than the release has.
        seed: Of the mixtures; another one makes another release.
    """
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(release.folder, out)
    (out / "manifest.json").unlink()
    rng, target = np.random.default_rng(seed), release.target
    more = max(0, (size or 0) - len(release.item_vectors))
    source = rng.integers(0, len(release.item_vectors), more)
    vectors = np.array(release.item_vectors)
    if seed:
        vectors = _mixed(vectors, rng.permutation(len(vectors)), rng, most=0.3)
    added = _mixed(vectors[source], rng.integers(0, len(vectors), more), rng, of=vectors)
    vectors = np.concatenate([vectors, added])
    rows = np.insert(np.arange(len(release.item_ids)), target.stop, source + target.start)
    np.save(out / "item_vectors.npy", vectors)
    np.save(out / "history_vectors.npy", np.asarray(release.history_vectors)[rows])
    _neighbours(out, release, source)
    ids = _written_items(out, release, rows, target.stop, more)
    _popular(out, release, more)
    _golden(out, release, ids[target.start : target.stop + more], vectors)
    bound = Bound(**release.manifest.model_dump(include=set(Bound.model_fields)))
    counts = bound.counts | {"items": len(ids), "target_items": len(vectors)}
    content = bound.model_copy(update={"counts": counts}).model_dump(mode="json")
    write_json(out / PAYLOAD, content, indent=1)
    return out


def _mixed(
    vectors: np.ndarray,
    others: np.ndarray,
    rng: np.random.Generator,
    *,
    of: np.ndarray | None = None,
    most: float = 1.0,
) -> np.ndarray:
    """Unit mixtures of vectors [n, d] and rows [n] of the same or `of`, which weigh at `most`."""
    share = rng.random((len(vectors), 1), dtype=np.float32) * most
    made = (1 - share) * vectors + share * (vectors if of is None else of)[others]
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return np.asarray(made, np.float32)


def _written_items(
    out: Path, release: LoadedRelease, rows: np.ndarray, at: int, more: int
) -> list[str]:
    """Write the catalogue with its added rows, `more` from `at` on; its ids."""
    table = parquet.read(release.folder / "items.parquet").take(pa.array(rows))
    ids: list[str] = table.column("item_id").to_pylist()
    for number in range(at, at + more):
        ids[number] = f"{ids[number]}-{number}"
    place = table.column_names.index("item_id")
    table = table.set_column(place, "item_id", pa.array(ids, pa.string()))
    parquet.write(table.combine_chunks(), out / "items.parquet")
    return ids


def _neighbours(out: Path, release: LoadedRelease, source: np.ndarray) -> None:
    """An added title has the neighbours of the one it was made of [more]."""
    if release.neighbours is None:
        return
    items, strengths = release.neighbours.items, release.neighbours.strengths
    moved = np.where(items >= release.target.stop, items + len(source), items).astype(np.int32)
    ItemNeighbours(
        np.concatenate([moved, moved[source]]), np.concatenate([strengths, strengths[source]])
    ).write(out)


def _popular(out: Path, release: LoadedRelease, more: int) -> None:
    stop = release.target.stop
    everywhere = np.concatenate([release.popular_lists.everywhere, np.arange(stop, stop + more)])
    (out / "popular.parquet").unlink()
    PopularLists(everywhere, release.popular_lists.countries).write(out / "popular.parquet")


def _golden(out: Path, release: LoadedRelease, ids: list[str], vectors: np.ndarray) -> None:
    before = release.golden_set()
    named = np.array(ids, dtype=object)
    items = ExactCollection(named, vectors, FilterColumns(NO_COLUMNS), np.arange(len(ids)))
    positions, scores = items.search(before.vectors, TOP)
    shutil.rmtree(out / FOLDER)
    GoldenSet(
        before.rows,
        before.features,
        before.vectors,
        [named[each].tolist() for each in positions],
        [[float(score) for score in row] for row in scores],
    ).write(out)


def main() -> None:
    """Make every folder below the one that the command line names, and the server's indexes."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    small = trained(folder)
    places = [small, large(small, folder)]
    with milvus(folder / MILVUS) as server:
        if server is None:
            return
        for place in places:
            began = time.perf_counter()
            indexed(place, server[0])
            titles, took = len(place.release.item_vectors), time.perf_counter() - began
            print(f"{titles:,} titles in the index server after {took:.0f} s", flush=True)


if __name__ == "__main__":
    main()
