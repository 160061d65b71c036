"""Mixtures lie between popularity and a model, and answer for everyone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.item_knn import fit_item_knn
from colisten.baselines.mixture import POOLS, fit_mixture, shares
from colisten.baselines.popularity import decayed_counts, decayed_shares
from colisten.errors import EvaluationError
from colisten.ranking.top_k import Scorer
from tests.baselines.test_baselines import planted

ROWS = np.arange(-1, 80)
POOL = pytest.mark.parametrize("pool", POOLS)


def mixture(
    train: InteractionMatrix, pool: str, weight: float, component: Scorer | None = None
) -> np.ndarray:
    """Scores of nobody, then of each user."""
    if component is None:
        component = fit_item_knn(train, {"similarity": "cosine", "neighbours": 20}, 1, 0)
    chosen = {"pool": pool, "half_life_days": 30.0, "weight": weight}
    return fit_mixture(train, chosen, 1, 0, component=component)(ROWS)


def order(scores: np.ndarray) -> np.ndarray:
    return np.argsort(-scores, axis=1, kind="stable")


@POOL
def test_no_weight_is_popularity_and_all_of_it_the_model(pool: str) -> None:
    train = planted()
    popular = np.tile(decayed_counts(train, 30.0), (len(ROWS), 1))
    np.testing.assert_array_equal(order(mixture(train, pool, 0.0)), order(popular))
    personal = fit_item_knn(train, {"similarity": "cosine", "neighbours": 20}, 1, 0)(ROWS[1:])
    alone = mixture(train, pool, 1.0)[1:]
    # Shares are the scores up to a factor, whose rounding may part what was level.
    best = np.take_along_axis(personal, order(alone), axis=1)
    assert (np.diff(best, axis=1) <= 1e-5 * personal.max()).all()


@POOL
def test_who_is_unknown_to_the_model_gets_popularity(pool: str) -> None:
    train = planted()
    popular = decayed_counts(train, 30.0)[None]
    mixed = mixture(train, pool, 0.5)
    np.testing.assert_array_equal(order(mixed[:1]), order(popular))
    silent = mixture(train, pool, 0.5, lambda rows: np.zeros((len(rows), 25), np.float32))
    np.testing.assert_array_equal(order(silent), np.tile(order(popular), (len(ROWS), 1)))
    assert (order(mixed[1:]) != order(popular)).any()


@POOL
def test_the_component_is_never_asked_for_nobody(pool: str) -> None:
    asked: list[np.ndarray] = []

    def component(rows: np.ndarray) -> np.ndarray:
        asked.append(rows)
        return np.ones((len(rows), 25), np.float32)

    assert np.isfinite(mixture(planted(), pool, 0.5, component)).all()
    np.testing.assert_array_equal(np.concatenate(asked), ROWS[1:])


@given(
    arrays.arrays(
        np.float32, (3, 6), elements=st.floats(-100, 100, width=32, allow_subnormal=False)
    )
)
def test_shares_are_shares(scores: np.ndarray) -> None:
    given_away = shares(scores)
    assert (given_away >= 0).all()
    some = (scores > 0).any(axis=1)
    np.testing.assert_allclose(given_away.sum(axis=1), some.astype(float), atol=1e-5)
    assert not given_away[scores <= 0].any()


def test_decayed_shares_are_those_of_the_counts() -> None:
    train = planted()
    counts = np.expm1(decayed_counts(train, 30.0).astype(np.float64))
    np.testing.assert_allclose(decayed_shares(train, 30.0), counts / counts.sum(), rtol=1e-5)


def test_another_pool_is_refused() -> None:
    with pytest.raises(EvaluationError, match="linear"):
        mixture(planted(), "lineal", 0.5)
