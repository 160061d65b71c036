"""A release answers by itself, and without torch."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from colisten.errors import FeatureError, ReleaseCorrupt, VectorIndexError
from colisten.features.transform import encode_users
from colisten.features.users import UserBatch
from colisten.index import ExactIndex
from colisten.index.filter import Filter
from colisten.release.loaded import LoadedRelease
from colisten.release.store import ReleaseStore
from tests.conftest import CUT, FIELDS
from tests.release.payloads import Parts


@pytest.fixture(scope="module")
def release(payloads: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> LoadedRelease:
    store = ReleaseStore(tmp_path_factory.mktemp("out"))
    return LoadedRelease.load(store.folder(store.publish(payloads[0], ExactIndex())))


@pytest.fixture(scope="module")
def batch(release: LoadedRelease, parts: Parts) -> UserBatch:
    return UserBatch.from_table(parts.rows, release.index_of, FIELDS)


def test_it_loads_no_training_code() -> None:
    code = (
        "import sys, colisten.release.loaded, colisten.release.store, colisten.index\n"
        "bad = {'torch', 'torch_geometric', 'pymilvus', 'onnx', 'safetensors', 'feast', 'ibis'}\n"
        "print(sorted(bad & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_user_vectors_are_transform_then_tower(
    release: LoadedRelease, batch: UserBatch, parts: Parts
) -> None:
    vectors = release.user_vectors(batch)
    features = encode_users(release.spec, batch, np.load(parts.towers / "history_vectors.npy"))
    np.testing.assert_allclose(vectors, release.tower.from_features(features), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_the_shelf_follows_the_taste(release: LoadedRelease, batch: UserBatch) -> None:
    """Users of odd number like odd items; their ten nearest are mostly of that kind."""
    found, _ = release.exact(release.user_vectors(batch), 10)
    for user, shelf in zip(batch.user_ids, found, strict=True):
        own = [int(item[1:]) % 2 == int(user[1:]) % 2 for item in shelf]
        assert sum(own) >= 8, (user, shelf)


def test_index_of_knows_every_item(release: LoadedRelease, parts: Parts) -> None:
    ids = parts.catalogue.item_ids
    assert release.index_of(ids).tolist() == list(range(100))
    assert release.index_of(pa.array(["nobody", "p000", "a000"])).tolist() == [-1, 40, 0]
    assert release.target == slice(0, 40)
    assert release.item_types[40] == "podcast"


def test_exact_search_filters(release: LoadedRelease, batch: UserBatch) -> None:
    vectors = release.user_vectors(batch)[:1]
    full, scores = release.exact(vectors, 40)
    assert sorted(full[0]) == sorted(release.item_ids[:40])
    assert (np.diff(scores[0]) <= 0).all()
    without = Filter(exclude={"item_id": [*full[0][:3], "nobody"]})
    assert release.exact(vectors, 5, filter=without)[0][0] == full[0][3:8]
    german = [item for item in full[0] if int(item[1:]) % 5 == 0]
    assert release.exact(vectors, 40, filter=Filter(include={"language": ["de"]}))[0][0] == german
    with pytest.raises(VectorIndexError):
        release.exact(vectors[:, :4], 5)
    with pytest.raises(VectorIndexError):
        release.exact(vectors * np.nan, 5)


def test_because_names_a_near_thing_the_user_streamed(
    release: LoadedRelease, batch: UserBatch
) -> None:
    shelves, _ = release.exact(release.user_vectors(batch), 5)
    for row, shelf in enumerate(shelves):
        streamed = {
            int(item)
            for history in batch.take([row]).histories.values()
            for item, signal in zip(history.items, history.signals, strict=True)
            if signal == 0
        }
        for item in release.index_of(shelf):
            because = release.because(int(item), batch, row)
            assert because is not None
            assert because.signal == "stream"
            assert because.item in streamed
            vectors = release.history_vectors
            own = vectors[item] / np.linalg.norm(vectors[item])
            near = {
                other: float(vectors[other] @ own / max(np.linalg.norm(vectors[other]), 1e-9))
                for other in streamed
            }
            assert near[because.item] == pytest.approx(max(near.values()), abs=1e-5)
            assert because.similarity == pytest.approx(max(near.values()), abs=1e-5)


def test_because_says_nothing_rather_than_something_false(
    release: LoadedRelease, parts: Parts
) -> None:
    names = parts.rows.column_names

    def one(items: list[str], signals: list[str]) -> UserBatch:
        row = {name: parts.rows.column(name)[0].as_py() for name in names}
        row |= {"podcast_item_ids": [], "podcast_signals": [], "podcast_times": []}
        row |= {"audiobook_item_ids": items, "audiobook_signals": signals}
        row["audiobook_times"] = [CUT - timedelta(days=1)] * len(items)
        table = pa.Table.from_pylist([row], schema=parts.rows.schema)
        return UserBatch.from_table(table, release.index_of, FIELDS)

    item = int(release.index_of(["a002"])[0])
    assert release.because(item, one([], [])) is None
    assert release.because(item, one(["a001"], ["stream"])) is None, "the opposite taste"
    zero = release.item_ids[-1]
    assert release.because(item, one([zero], ["stream"])) is None, "an item without a vector"
    previewed = release.because(item, one(["a004"], ["preview"]))
    assert previewed is not None
    assert previewed.signal == "preview"
    both = release.because(item, one(["a002", "a004"], ["preview", "stream"]))
    assert both is not None
    assert (both.item, both.signal) == (int(release.index_of(["a004"])[0]), "stream")


def test_a_user_of_whom_nothing_is_known_gets_a_vector(release: LoadedRelease) -> None:
    golden = release.golden_set()
    nobody = golden.rows.slice(len(golden.rows) - 1)
    assert nobody.column("country").to_pylist() == [None]
    batch = UserBatch.from_table(nobody, release.index_of, FIELDS)
    np.testing.assert_allclose(release.user_vectors(batch), golden.vectors[-1:], atol=1e-6)


def test_histories_of_another_catalogue_are_refused(
    release: LoadedRelease, batch: UserBatch
) -> None:
    far = UserBatch.from_table(
        release.golden_set().rows, lambda ids: np.full(len(ids), 10_000), FIELDS
    )
    with pytest.raises(FeatureError):
        release.user_vectors(far)


def test_a_folder_that_is_no_release(tmp_path: Path) -> None:
    with pytest.raises(ReleaseCorrupt):
        LoadedRelease.load(tmp_path)
