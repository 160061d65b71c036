"""Text vectors beside those of the release before."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from colisten.monitoring.check import Check
from colisten.monitoring.text_check import (
    Fingerprints,
    fingerprints_before,
    keep_fingerprints,
    text_checks,
)
from colisten.text.golden import SENTENCES, keep_golden, read_golden

ITEMS, DIM = 60, 96
RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(ITEMS, DIM)).astype(np.float32)
GOLDEN = RNG.normal(size=(8, DIM)).astype(np.float32)
IDS = [f"i{at}" for at in range(ITEMS)]
TEXTS = [f"text {at}" for at in range(ITEMS)]


def marks(
    vectors: np.ndarray = VECTORS, golden: np.ndarray = GOLDEN, texts: list[str] = TEXTS
) -> Fingerprints:
    return Fingerprints.of(IDS, texts, vectors, golden)


def moved(now: Fingerprints, before: Fingerprints | None) -> dict[str, Check]:
    return {one.of: one for one in text_checks(before, now) if one.moved}


def test_the_same_vectors_up_to_rounding_and_new_texts_are_no_change() -> None:
    rounded = (VECTORS * (1 + 1e-4)).astype(np.float32)
    assert moved(marks(rounded), marks()) == {}
    other = ["another text", *TEXTS[1:]]
    changed = np.concatenate([-VECTORS[:1], VECTORS[1:]])
    assert moved(marks(changed, texts=other), marks()) == {}
    assert moved(marks(), None) == {}


def test_permuted_vectors_are_those_of_other_items() -> None:
    found = moved(marks(np.roll(VECTORS, 1, axis=0)), marks())
    assert set(found) == {"item vectors"}
    assert "that of another item" in found["item vectors"].says


def test_another_encoder_moves_golden_sentences_too() -> None:
    found = moved(marks(VECTORS[:, ::-1], GOLDEN[:, ::-1]), marks())
    assert set(found) == {"item vectors", "encoder"}
    assert "that of another item" not in found["item vectors"].says
    longer = np.concatenate([VECTORS, VECTORS], axis=1), np.concatenate([GOLDEN, GOLDEN], axis=1)
    assert "encoder" in moved(marks(*longer), marks())


def test_zero_vectors_of_items_with_a_text_show_without_a_release_before() -> None:
    zeroed = np.where(np.arange(ITEMS)[:, None] < 6, 0, VECTORS).astype(np.float32)
    assert moved(marks(zeroed), None)["zero vectors"].value == pytest.approx(0.1)
    silent = ["" if at < 6 else text for at, text in enumerate(TEXTS)]
    assert moved(marks(zeroed, texts=silent), None) == {}


def test_fingerprints_come_back_from_the_release_before(tmp_path: Path) -> None:
    assert fingerprints_before(tmp_path, "r1") is None
    for at, release in enumerate(("r1", "r2", "r3", "r4")):
        keep_fingerprints(tmp_path, release, marks(VECTORS + at))
        os.utime(tmp_path / f"texts-{release}.parquet", (at, at))
    before = fingerprints_before(tmp_path, "r4")
    assert before is not None
    np.testing.assert_array_equal(before.marks, marks(VECTORS + 2).marks)
    assert before.keys.tolist() == marks().keys.tolist()
    assert len(list(tmp_path.iterdir())) == 3
    (tmp_path / "texts-r3.parquet").write_text("no parquet")
    assert fingerprints_before(tmp_path, "r4") is None


def test_golden_sentences_are_kept_with_the_texts_and_a_damaged_file_is_none(
    tmp_path: Path,
) -> None:
    class Encoder:
        name, dim = "own", 3

        def encode(self, texts: list[str], batch_size: int) -> np.ndarray:
            return np.array([[len(text), 1, 0] for text in texts], dtype=np.float32)

    assert read_golden(tmp_path).shape == (0, 0)
    keep_golden(Encoder(), tmp_path)  # type: ignore[arg-type]
    assert read_golden(tmp_path)[:, 0].tolist() == [len(text) for text in SENTENCES]
    (tmp_path / "golden.npy").write_bytes(b"\x93NUMPY")
    assert read_golden(tmp_path).shape == (0, 0)
