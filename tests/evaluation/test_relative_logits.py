"""Logits that a constant of their user does not move."""

from __future__ import annotations

import numpy as np
import pytest

from colisten.evaluation.relative_logits import RelativeLogits
from colisten.explain.logits import log_softmax
from colisten.models.vector_layout import VectorLayout


def unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def drawn(items: int, *, seed: int = 0, dim: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vectors of users and items, and the items by the mean of their inner products."""
    rng = np.random.default_rng(seed)
    towards = rng.normal(size=dim)
    users = unit(rng.normal(size=(40, dim)) + 0.5 * towards)
    vectors = unit(rng.normal(size=(items, dim)) + rng.random((items, 1)) * towards)
    return users, vectors, np.argsort(-(users @ vectors.T).mean(axis=0))


@pytest.mark.parametrize("items", [1, 5, 256, 257, 512])
def test_in_a_small_catalogue_they_are_the_log_softmax(items: int) -> None:
    users, vectors, popular = drawn(items)
    layout = VectorLayout(taste=16, members=1, temperature=0.2)
    inner = users @ vectors.T
    found = RelativeLogits.over(layout, vectors, popular).of(inner, users)
    np.testing.assert_allclose(found, log_softmax(inner / np.float32(0.2)), atol=1e-4)


def test_in_a_large_one_they_are_near_it() -> None:
    users, vectors, popular = drawn(20_000)
    layout = VectorLayout(taste=16, members=1, temperature=0.2)
    inner = users @ vectors.T
    relative = RelativeLogits.over(layout, vectors, popular)
    assert len(relative.vectors) == 512
    off = relative.of(inner, users) - log_softmax(inner / np.float32(0.2))
    assert np.abs(off).max() < 0.5
    assert off.std() < 0.15


def test_what_is_added_to_all_of_a_users_logits_changes_nothing() -> None:
    """A popularity that all titles share: the same softmax, other inner products."""
    users, vectors, popular = drawn(300)
    shifted = np.concatenate([vectors, np.full((300, 1), 3.0, np.float32)], axis=1)
    more = np.concatenate([users, np.full((40, 1), 0.7, np.float32)], axis=1)
    one = RelativeLogits.over(VectorLayout(16, 1, 0.1), vectors, popular)
    other = RelativeLogits.over(VectorLayout(17, 1, 0.1), shifted, popular)
    np.testing.assert_allclose(
        one.of(users @ vectors.T, users), other.of(more @ shifted.T, more), atol=1e-3
    )
