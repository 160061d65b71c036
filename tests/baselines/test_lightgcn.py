"""LightGCN spreads vectors as the dense formula says, and learns only from what is in the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import sparse

from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.lightgcn import _batches, fit_lightgcn, lightgcn, normalised


def matrix(users: int = 30, items: int = 20, share: float = 0.2) -> sparse.csr_matrix:
    """Random interactions; the last user and the last two items have none."""
    dense = np.random.default_rng(0).random((users, items)) < share
    dense[-1] = False
    dense[:, -2:] = False
    return sparse.csr_matrix(dense.astype(np.float32))


def dense_operator(touched: np.ndarray, layers: int) -> np.ndarray:
    """Mean of the powers 0..K of D^-1/2 A D^-1/2, float64 [U + I, U + I]."""
    users, items = touched.shape
    adjacency = np.zeros((users + items, users + items))
    adjacency[:users, users:] = touched
    adjacency[users:, :users] = touched.T
    degrees = adjacency.sum(axis=1)
    scale = np.divide(1.0, np.sqrt(degrees), out=np.zeros_like(degrees), where=degrees > 0)
    step = scale[:, None] * adjacency * scale[None, :]
    powers = [np.linalg.matrix_power(step, k) for k in range(layers + 1)]
    return np.asarray(np.mean(powers, axis=0))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_propagation_and_its_gradient_equal_the_dense_computation(layers: int) -> None:
    touched = matrix()
    rng = np.random.default_rng(1)
    start = rng.normal(size=(50, 8)).astype(np.float32)
    adjacency = normalised(touched)
    operator = dense_operator(touched.toarray(), layers)
    model = lightgcn(torch.from_numpy(start), layers)
    out = model.get_embedding(adjacency)
    np.testing.assert_allclose(out.detach().numpy(), operator @ start, atol=1e-6)

    weights = rng.normal(size=(50, 8)).astype(np.float32)
    (out.square() * torch.from_numpy(weights)).sum().backward()
    expected = operator.T @ (2 * weights * (operator @ start))
    np.testing.assert_allclose(model.embedding.weight.grad.numpy(), expected, atol=1e-5)


def test_who_has_no_touch_has_no_score() -> None:
    touched = matrix()
    ids = np.array([f"u{at:02d}" for at in range(30)], dtype=object)
    train = InteractionMatrix(touched, np.zeros(touched.nnz, np.int64), ids, slice(5, 20))
    scores = fit_lightgcn(train, {"layers": 2, "l2": 0.01}, 1, 0)(np.arange(30))
    assert scores.shape == (30, 15)
    dense = touched.toarray()
    of_users, of_items = dense.any(axis=1), dense.any(axis=0)[5:]
    assert not of_users[-1]
    assert not of_items[-2:].any()
    np.testing.assert_array_equal(scores != 0, of_users[:, None] & of_items[None, :])


def test_triples_join_a_user_to_a_touched_and_an_untouched_item() -> None:
    touched = matrix(share=0.5)
    dense = touched.toarray()
    seen: set[tuple[int, int]] = set()
    for triples in _batches(touched, np.random.default_rng(0)):
        user, item, other = triples.numpy()
        assert (dense[user, item - 30] == 1).all()
        # Chance may leave a few: redrawing ends.
        assert (dense[user, other - 30] == 1).mean() < 0.1
        assert dense[:, other - 30].any(axis=0).all()
        seen.update(zip(user.tolist(), item.tolist(), strict=True))
        # An epoch's pairs are all of them, each once.
        assert len(user) == touched.nnz == len(set(zip(user, item, strict=True)))
    assert len(seen) == touched.nnz


def test_without_any_touch_all_scores_are_zero() -> None:
    nothing = sparse.csr_matrix((3, 4), dtype=np.float32)
    train = InteractionMatrix(
        nothing, np.zeros(0, np.int64), np.array(["a", "b", "c"], object), slice(0, 4)
    )
    assert not fit_lightgcn(train, {"layers": 2, "l2": 0.01}, 1, 0)(np.arange(3)).any()
