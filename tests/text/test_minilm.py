"""The bundled encoder gives what sentence-transformers gives from the same files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.text.bundled import MINILM
from colisten.text.encoders import SentenceTransformerEncoder, load_encoder
from colisten.text.minilm import MiniLM

TEXTS = [
    "",
    "   ",
    "The Long Orbit. A crew of seven looks for a way home.",
    "Ein Mörder im Watt: Kriminalroman",
    "漢字かな交じり文とカタカナ",
    "😀 <b>emoji</b> & \x00 control",
    "a" * 3_000,
    "word " * 900,  # far more than the model reads
]


@pytest.fixture(scope="module")
def encoder() -> MiniLM:
    loaded = load_encoder("minilm")
    assert isinstance(loaded, MiniLM)
    return loaded


@pytest.mark.slow
def test_vectors_are_those_of_sentence_transformers(encoder: MiniLM) -> None:
    draws = np.random.default_rng(0)
    words = " ".join(TEXTS[2:6]).split()
    texts = TEXTS + [" ".join(draws.choice(words, size)) for size in draws.integers(1, 60, 80)]
    theirs = SentenceTransformerEncoder("theirs", str(MINILM.folder()))
    assert theirs.dim == encoder.dim
    for batch_size in (1, 16, 200):
        np.testing.assert_allclose(
            encoder.encode(texts, batch_size), theirs.encode(texts, 32), atol=2e-6
        )


@settings(max_examples=10, deadline=None)
@given(
    texts=st.lists(st.text(max_size=80), min_size=1, max_size=12),
    batch_size=st.integers(1, 12),
    data=st.data(),
)
def test_a_text_has_one_vector_whatever_stands_beside_it(
    encoder: MiniLM, texts: list[str], batch_size: int, data: st.DataObject
) -> None:
    vectors = encoder.encode(texts, batch_size)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    order = data.draw(st.permutations(range(len(texts))))
    again = encoder.encode([texts[at] for at in order], 3)
    np.testing.assert_allclose(again, vectors[list(order)], atol=2e-6)


def test_nothing_to_encode_is_no_row(encoder: MiniLM) -> None:
    assert encoder.encode([], 8).shape == (0, 384)
