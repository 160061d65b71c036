"""Item inputs survive a catalogue that knows nothing of its items."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from colisten.data.catalogue import Catalogue
from colisten.errors import TrainingError
from colisten.models.items import ItemBlocks, ItemFeatureSpec, encode_items


def catalogue_of(languages: list[str | None], genres: list[list[str | None] | None]) -> Catalogue:
    count = len(languages)
    return Catalogue(
        pa.table(
            {
                "item_id": [f"a{at}" for at in range(count)],
                "item_type": ["audiobook"] * count,
                "title": pa.nulls(count, pa.string()),
                "language": pa.array(languages, pa.string()),
                "genres": pa.array(genres, pa.list_(pa.string())),
            }
        )
    )


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def fitted(catalogue: Catalogue, blocks: ItemBlocks, most: int = 2) -> ItemFeatureSpec:
    return ItemFeatureSpec.fit(
        catalogue, "audiobook", blocks.dims, max_languages=most, max_genres=most
    )


def test_columns_say_what_they_mean() -> None:
    catalogue = catalogue_of(
        ["en", "en", "de", " ", "sv", None, "de", "en"],
        [["a", "b"], ["a"], ["a", "b", "z"], [], None, [None, " "], [" b "], ["a"]],
    )
    text = np.zeros((8, 3), np.float32)
    text[0] = (0.6, 0.8, 0.0)
    blocks = ItemBlocks(text)
    spec = fitted(catalogue, blocks)
    assert spec.languages == ("en", "de")
    assert spec.genres == ("a", "b")
    out = encode_items(spec, catalogue, slice(0, 8), blocks.history_vectors())
    assert out.shape == (8, spec.width)
    assert out.dtype == np.float32
    languages, genres, absent, vectors = np.split(out, [4, 8, 9], axis=1)
    # Columns: en, de, other, none.
    assert languages.argmax(axis=1).tolist() == [0, 0, 1, 3, 2, 3, 1, 0]
    assert (languages.sum(axis=1) == 1).all()
    # Columns: a, b, other, none.
    assert genres.astype(int).tolist() == [
        [1, 1, 0, 0],
        [1, 0, 0, 0],
        [1, 1, 1, 0],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 1, 0, 0],
        [1, 0, 0, 0],
    ]
    assert absent[:, 0].tolist() == [0, 1, 1, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(vectors, text)


def test_nothing_known_is_finite_and_equal_for_all() -> None:
    catalogue = catalogue_of([None] * 4, [None] * 4)
    blocks = ItemBlocks(np.zeros((4, 5), np.float32), np.zeros((4, 2), np.float32))
    spec = fitted(catalogue, blocks)
    out = encode_items(spec, catalogue, slice(0, 4), blocks.history_vectors())
    assert np.isfinite(out).all()
    assert (out == out[0]).all()
    assert out[0].sum() == 4.0  # no language, no genre, no text, no z


def test_a_slice_is_the_same_rows(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    rng = np.random.default_rng(0)
    blocks = ItemBlocks(rng.normal(size=(catalogue.num_items, 6)).astype(np.float32))
    spec = fitted(catalogue, blocks, most=10)
    vectors = blocks.history_vectors()
    whole = encode_items(spec, catalogue, slice(0, catalogue.num_items), vectors)
    np.testing.assert_array_equal(whole[7:19], encode_items(spec, catalogue, slice(7, 19), vectors))
    assert spec == ItemFeatureSpec.model_validate_json(spec.model_dump_json())


def test_history_vectors_take_the_fold_version_of_z_alone() -> None:
    text, z, folds = drawn(4, 3), drawn(4, 2), drawn(5, 4, 2)
    blocks = ItemBlocks(text, z, folds)
    np.testing.assert_array_equal(blocks.history_vectors(), np.concatenate([text, z], axis=1))
    fold = blocks.history_vectors(3)
    np.testing.assert_array_equal(fold, np.concatenate([text, folds[3]], axis=1))
    some = np.array([3, 0, 3])
    np.testing.assert_array_equal(blocks.rows(some, 3), fold[some])
    assert blocks.dims == {"text": 3, "z": 2}
    assert blocks.num_folds == 5
    assert ItemBlocks(text).dims == {"text": 3}
    np.testing.assert_array_equal(ItemBlocks(text).rows(some, 3), text[some])


def test_towers_are_blind_to_factors_and_to_their_absence() -> None:
    text, z, factors = drawn(4, 3), drawn(4, 2), drawn(4, 5)
    factors[2] = 0.0
    catalogue = catalogue_of([None] * 4, [None] * 4)
    blocks = ItemBlocks(text, z, factors=factors, factors_validation=-factors)
    spec = fitted(catalogue, blocks)
    assert blocks.dims == {"text": 3, "z": 2, "factors": 5}
    whole = encode_items(spec, catalogue, slice(0, 4), blocks.history_vectors())
    then = encode_items(spec, catalogue, slice(0, 4), blocks.earlier().history_vectors())
    seen = np.delete(whole, spec.unlearned, axis=1)
    np.testing.assert_array_equal(seen, np.delete(then, spec.unlearned, axis=1))
    np.testing.assert_array_equal(whole[:, spec.unlearned[1:]], factors)
    np.testing.assert_array_equal(whole[:, spec.unlearned[0]], [0, 0, 1, 0])
    assert not len(fitted(catalogue, ItemBlocks(text, z)).unlearned)


def test_misfits_are_refused() -> None:
    text, z = drawn(4, 3), drawn(4, 2)
    with pytest.raises(TrainingError, match="'z' has shape"):
        ItemBlocks(text, z[:3])
    with pytest.raises(TrainingError, match="beside z of shape"):
        ItemBlocks(text, z, drawn(5, 4, 3))
    with pytest.raises(TrainingError, match="beside z of shape None"):
        ItemBlocks(text, None, drawn(5, 4, 2))
    with pytest.raises(TrainingError, match="Earlier factors"):
        ItemBlocks(text, z, factors=z, factors_validation=z[:, :1])
    catalogue = catalogue_of([None] * 4, [None] * 4)
    spec = fitted(catalogue, ItemBlocks(text, z))
    with pytest.raises(TrainingError, match="ask for"):
        encode_items(spec, catalogue, slice(0, 4), text)
