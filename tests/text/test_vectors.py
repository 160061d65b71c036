from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from colisten.data.catalogue import Catalogue
from colisten.errors import TextError
from colisten.settings.sections import TextSettings
from colisten.text.encoders import load_encoder
from colisten.text.vectors import embed_items, item_texts

SETTINGS = TextSettings()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def with_titles(catalogue: Catalogue, titles: list[str | None]) -> Catalogue:
    at = catalogue.table.schema.get_field_index("title")
    table = catalogue.table.set_column(at, "title", pa.array(titles, pa.string()))
    at = table.schema.get_field_index("description")
    empty = pa.nulls(len(titles), pa.string())
    return Catalogue(table.set_column(at, "description", empty))


def test_like_texts_are_near(tiny_history: Path, cache: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    vectors = embed_items(catalogue, SETTINGS, cache)
    assert vectors.shape == (100, 384)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    likeness = vectors @ vectors.T
    taste = np.array([int(item_id[1:]) % 2 for item_id in catalogue.item_ids])
    same = taste[:, None] == taste[None, :]
    assert likeness[same].mean() > likeness[~same].mean() + 0.1


def test_only_new_texts_are_encoded(
    tiny_history: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalogue = Catalogue.read(tiny_history)
    before = embed_items(catalogue, SETTINGS, cache)
    seen: list[str] = []
    real = load_encoder("minilm")

    class Watched:
        name, dim = real.name, real.dim

        def encode(self, texts: list[str], batch_size: int) -> np.ndarray:
            seen.extend(texts)
            return real.encode(texts, batch_size)

    monkeypatch.setattr("colisten.text.vectors.load_encoder", lambda name: Watched())
    np.testing.assert_array_equal(embed_items(catalogue, SETTINGS, cache), before)
    assert seen == []
    titles = ["a lighthouse keeper", *[str(title) for title in catalogue.titles[1:]]]
    embed_items(with_titles(catalogue, list(titles)), SETTINGS, cache)
    assert "a lighthouse keeper" in seen


def test_an_item_without_text_has_a_zero_vector(tiny_history: Path, cache: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    titles: list[str | None] = [None] * 40 + ["a quiet harbour"] * 60
    vectors = embed_items(with_titles(catalogue, titles), SETTINGS, cache)
    assert not vectors[:40].any()
    assert np.linalg.norm(vectors[40:], axis=1).min() > 0.99


def test_a_catalogue_without_any_text_works(tiny_history: Path, tmp_path: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    vectors = embed_items(with_titles(catalogue, [None] * 100), SETTINGS, tmp_path)
    assert vectors.shape == (100, 384)
    assert not vectors.any()


def test_texts_are_cut(tiny_history: Path) -> None:
    assert max(len(text) for text in item_texts(Catalogue.read(tiny_history), 20)) == 20


def test_an_unknown_encoder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match="no-such-folder"):
        load_encoder(str(tmp_path / "no-such-folder"))
