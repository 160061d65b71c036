"""Leaving out what cannot be among the nearest changes no answer, whatever is asked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.index import pruned
from colisten.index.exact import best_of
from colisten.index.pruned import PrunedVectors

N, D = 600, 40


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few columns and no giving up, so that small vectors are pruned too."""
    monkeypatch.setattr(pruned, "FIRST", 3)
    monkeypatch.setattr(pruned, "COLUMNS", 8)
    monkeypatch.setattr(pruned, "_FEW", 1)
    monkeypatch.setattr(pruned, "_ENOUGH", 20)


def unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0), dtype=np.float32)


def made(seed: int, decay: float, *, repeated: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and queries [N, D] and [20, D] whose columns count for less and less."""
    rng = np.random.default_rng(seed)
    fall = np.exp(-decay * np.arange(D))
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    vectors = rng.normal(size=(N // repeated, D)) * fall @ turn
    queries = rng.normal(size=(20, D)) * fall @ turn
    return np.repeat(unit(vectors), repeated, axis=0), unit(queries)


def nearest(vectors: np.ndarray, query: np.ndarray, k: int, places: np.ndarray) -> list[int]:
    # One row at a time, so that equal vectors have equal scores wherever they lie.
    scores = np.array([np.dot(vectors[at], query) for at in places], dtype=np.float32)
    return places[best_of(scores, places, min(k, len(places)))].tolist()


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    decay=st.sampled_from([0.0, 0.05, 0.2, 1.0]),
    repeated=st.sampled_from([1, 3]),
    k=st.integers(1, 60),
    share=st.sampled_from([None, 0.0, 0.05, 0.5, 0.95]),
    strange=st.booleans(),
)
def test_all_of_the_nearest_are_among_the_candidates(
    seed: int, decay: float, repeated: int, k: int, share: float | None, strange: bool
) -> None:
    vectors, queries = made(seed, decay, repeated=repeated)
    rng = np.random.default_rng(seed)
    fast = PrunedVectors(vectors, queries)
    # A query of another kind than it was made for is answered as well.
    query = unit(rng.normal(size=(1, D)))[0] if strange else queries[seed % 20]
    allowed = None if share is None else rng.random(N) < share
    found = fast.candidates(query, k, allowed)
    everything = np.arange(N) if allowed is None else np.flatnonzero(allowed)
    if found is None:
        return
    assert (np.diff(found) > 0).all()
    assert set(found.tolist()) <= set(everything.tolist())
    assert nearest(vectors, query, k, found) == nearest(vectors, query, k, everything)


def test_few_are_left_where_columns_differ() -> None:
    vectors, queries = made(1, 0.2)
    fast = PrunedVectors(vectors, queries[:10])
    left = [fast.candidates(query, 5) for query in queries[10:]]
    assert max(N if found is None else len(found) for found in left) < N / 10


def test_it_gives_up_where_too_many_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, queries = made(2, 0.0)
    fast = PrunedVectors(vectors, queries)
    monkeypatch.setattr(pruned, "_FEW", 4)
    assert fast.candidates(queries[0], 5) is None
    assert fast.candidates(queries[0], N // 2) is None


@pytest.mark.parametrize("queries", [np.zeros((0, D)), np.zeros((3, D)), np.eye(1, D)])
def test_poor_samples_make_it_slow_and_not_wrong(queries: np.ndarray) -> None:
    vectors, asked = made(3, 0.2)
    fast = PrunedVectors(vectors, queries)
    for query in asked:
        found = fast.candidates(query, 5)
        assert found is not None
        assert nearest(vectors, query, 5, found) == nearest(vectors, query, 5, np.arange(N))


def test_it_is_for_many_long_vectors() -> None:
    def pays(n: int, d: int) -> bool:
        return PrunedVectors.pays(np.zeros((n, d), np.float32))

    assert pays(pruned.MIN_ITEMS, 8 * 2)
    assert not pays(pruned.MIN_ITEMS - 1, 8 * 2)
    assert not pays(pruned.MIN_ITEMS, 8 * 2 - 1)
