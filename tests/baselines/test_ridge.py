"""Ridge reads the other types alone, adds to popularity, and needs neither users nor history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.popularity import decayed_shares
from colisten.baselines.ridge import fit_factors, fit_ridge
from tests.baselines.test_baselines import planted

CHOICE = {"regularisation": 10.0, "half_life_days": 30.0, "weight": 1.0}


def ridge(train: InteractionMatrix, rows: np.ndarray, **choice: float) -> np.ndarray:
    component = fit_factors(train, {}, 1, 0)
    return fit_ridge(train, CHOICE | choice, 1, 0, component=component)(rows)


def of(matrix: np.ndarray, target: slice) -> InteractionMatrix:
    """Interactions at one moment."""
    events = sparse.csr_matrix(matrix.astype(np.float32))
    ids = np.array([f"u{at:03d}" for at in range(len(matrix))], dtype=object)
    return InteractionMatrix(events, np.zeros(events.nnz, np.int64), ids, target)


def test_no_weight_and_no_other_history_are_popularity() -> None:
    whole = planted()
    dense = whole.matrix.toarray()
    dense[7, 25:] = 0.0
    train = of(dense, whole.target)
    popular = decayed_shares(train, 30.0)
    for scores in (ridge(train, np.array([-1, 7])), ridge(train, np.arange(80), weight=0.0)):
        np.testing.assert_allclose(scores, np.tile(popular, (len(scores), 1)), atol=1e-8)
    assert np.abs(ridge(train, np.arange(7)) - popular).max() > 1e-3


def test_what_a_user_chose_of_the_target_changes_coefficients_but_not_factors() -> None:
    whole = planted()
    dense = whole.matrix.toarray()
    # Of two people with the same other history, one has had all there is of the target.
    dense[1, 25:] = dense[0, 25:]
    dense[1, :25] = 1.0
    train = of(dense, whole.target)
    dense[1, :25] = 0.0
    without = of(dense, whole.target)
    scores = ridge(train, np.array([0, 1]))
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)
    rows = np.arange(80)
    np.testing.assert_array_equal(
        fit_factors(train, {}, 1, 0)(rows), fit_factors(without, {}, 1, 0)(rows)
    )
    assert np.abs(scores[0] - ridge(without, np.array([0]))[0]).max() > 1e-6


def test_people_new_to_the_target_are_ranked_by_their_other_history() -> None:
    whole = planted(users=200)
    dense = whole.matrix.toarray()
    cold = np.arange(50)
    wanted = dense[cold, :25] > 0
    dense[cold, :25] = 0.0
    scores = ridge(of(dense, whole.target), cold)
    popular = decayed_shares(of(dense, whole.target), 30.0)
    everybody = np.tile(popular, (len(cold), 1))
    like = [np.corrcoef(each.ravel(), wanted.ravel())[0, 1] for each in (scores, everybody)]
    assert like[0] > 0.3 > like[1]
    assert scores[wanted].mean() > 1.2 * everybody[wanted].mean()


def test_coefficients_are_those_of_ridge_regression() -> None:
    train = planted()
    factors = fit_factors(train, {}, 1, 0)(np.arange(80)).astype(np.float64)
    x = train.matrix.toarray()[:, train.target].astype(np.float64)
    residuals = x - x.mean(axis=0)
    expected = np.linalg.solve(
        factors.T @ factors + 10.0 * np.eye(factors.shape[1]), factors.T @ residuals
    )
    surplus = ridge(train, np.arange(80)) - decayed_shares(train, 30.0)
    np.testing.assert_allclose(surplus, factors @ expected / x.mean(axis=0).sum(), atol=1e-6)


@pytest.mark.parametrize(
    ("users", "target"),
    [(0, slice(0, 3)), (1, slice(0, 3)), (5, slice(0, 6)), (3, slice(1, 2))],
    ids=["nobody", "one user", "one type alone", "little"],
)
def test_small_worlds_have_an_answer(users: int, target: slice) -> None:
    train = of(np.ones((users, 6)), target)
    scores = ridge(train, np.arange(-1, users))
    assert scores.shape == (users + 1, train.num_target)
    assert np.isfinite(scores).all()
    empty = replace(train, matrix=sparse.csr_matrix((users, 6), dtype=np.float32))
    assert not ridge(replace(empty, times=np.zeros(0, np.int64)), np.arange(-1, users)).any()
