"""Each baseline finds planted tastes, repeats itself and agrees with a plain form of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from colisten.baselines.baseline import Baseline
from colisten.baselines.ease import fit_ease
from colisten.baselines.interaction_matrix import InteractionMatrix
from colisten.baselines.item_knn import fit_item_knn
from colisten.baselines.popularity import fit_popularity
from colisten.baselines.registry import BASELINES
from colisten.data.catalogue import Catalogue
from colisten.ranking.top_k import Scorer
from tests.conftest import CUT
from tests.evaluation.conftest import event_log

EVERY = pytest.mark.parametrize("baseline", BASELINES, ids=lambda baseline: baseline.name)
LEARNED = pytest.mark.parametrize("baseline", BASELINES[1:], ids=lambda baseline: baseline.name)


def planted(users: int = 80, items: int = 40, target: int = 25) -> InteractionMatrix:
    """Users of two tastes: even items, odd items, of which the text tells a little."""
    rng = np.random.default_rng(0)
    dense = rng.random((users, items)) < 0.02
    same = (np.arange(users)[:, None] % 2) == (np.arange(items)[None, :] % 2)
    dense |= same & (rng.random((users, items)) < 0.4)
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    times = rng.integers(0, 100 * 86_400_000_000, size=matrix.nnz)
    ids = np.array([f"u{at:03d}" for at in range(users)], dtype=object)
    text = rng.normal(size=(items, 16)).astype(np.float32)
    text[:, 0] += np.where(np.arange(items) % 2, 1.0, -1.0)
    return InteractionMatrix(matrix, times, ids, slice(0, target), text)


def small(baseline: Baseline) -> dict[str, Any]:
    """25 items need no 64 factors nor many steps, which would learn the matrix by heart."""
    return baseline.choices()[-1] | {"factors": 4, "steps": 20, "epochs": 8}


def fitted(
    baseline: Baseline,
    train: InteractionMatrix,
    parameters: dict[str, Any],
    threads: int = 1,
    seed: int = 0,
) -> Scorer:
    """A baseline on top of what it builds on, which is fitted small."""
    below = baseline.builds_on
    if below is None:
        return baseline.fit(train, parameters, threads, seed)
    component = fitted(below, train, small(below), threads, seed)
    return baseline.fit(train, parameters, threads, seed, component=component)


@LEARNED
def test_planted_tastes_are_found(baseline: Baseline) -> None:
    train = planted()
    rows = np.arange(len(train.user_ids))
    scorer = fitted(baseline, train, small(baseline))
    scores = np.array(scorer(rows), np.float64)
    assert scores.shape == (80, 25)
    scores[train.matrix[:, :25].toarray() > 0] = np.nan
    same = (rows[:, None] % 2) == (np.arange(25)[None, :] % 2)
    own = np.nanmean(np.where(same, scores, np.nan), axis=1)
    other = np.nanmean(np.where(same, np.nan, scores), axis=1)
    assert (own > other).mean() > 0.9


@LEARNED
def test_a_touch_left_out_is_found_before_popularity_finds_it(baseline: Baseline) -> None:
    whole = planted()
    dense = whole.matrix.toarray()
    rng = np.random.default_rng(1)
    left_out = np.array([rng.choice(np.flatnonzero(row[:25])) for row in dense])
    rows = np.arange(len(dense))
    dense[rows, left_out] = 0.0
    known = sparse.csr_matrix(dense)
    train = replace(whole, matrix=known, times=np.zeros(known.nnz, np.int64))

    def reciprocal_rank(fit: Baseline, parameters: dict[str, Any]) -> float:
        scores = np.array(fitted(fit, train, parameters)(rows), np.float64)
        scores[dense[:, :25] > 0] = -np.inf
        return float((1 / (scores >= scores[rows, left_out][:, None]).sum(axis=1)).mean())

    popular = reciprocal_rank(BASELINES[0], {"half_life_days": 90.0})
    assert reciprocal_rank(baseline, small(baseline)) > 1.3 * popular


@EVERY
def test_equal_seeds_give_equal_scores(baseline: Baseline) -> None:
    train = planted()
    rows = np.arange(len(train.user_ids))
    once, again = (fitted(baseline, train, baseline.choices()[0], 2, 3)(rows) for _ in range(2))
    np.testing.assert_array_equal(once, again)


@EVERY
def test_scores_are_of_the_target_wherever_it_lies(baseline: Baseline) -> None:
    train = planted()
    order = np.r_[25:40, 0:25]
    turned = train.matrix.tocsc()[:, order].tocsr()
    turned.sort_indices()
    assert train.text is not None
    last = replace(
        train,
        matrix=turned,
        times=np.zeros(turned.nnz, np.int64),
        target=slice(15, 40),
        text=train.text[order],
    )
    scores = np.array(fitted(baseline, last, small(baseline))(np.arange(80)))
    assert scores.shape == (80, 25)
    assert np.isfinite(scores).all()
    if baseline.name != BASELINES[0].name:
        same = (np.arange(80)[:, None] % 2) == (np.arange(25)[None, :] % 2)
        assert scores[same].mean() > scores[~same].mean()


def test_ease_solves_its_own_objective() -> None:
    train = planted()
    scorer = fit_ease(train, {"regularisation": 5.0, "min_events": 0}, 1, 0)
    x = train.matrix.toarray().astype(np.float64)
    # Each column is a ridge regression on all other columns.
    for column in (0, 7, 24):
        others = np.delete(np.arange(x.shape[1]), column)
        gram = x[:, others].T @ x[:, others] + 5.0 * np.eye(len(others))
        expected = x[:, others] @ np.linalg.solve(gram, x[:, others].T @ x[:, column])
        np.testing.assert_allclose(scorer(np.arange(80))[:, column], expected, atol=1e-4)


@pytest.mark.parametrize("similarity", ["counts", "cosine"])
def test_item_knn_is_the_sum_over_the_strongest_neighbours(similarity: str) -> None:
    train = planted()
    scores = fit_item_knn(train, {"similarity": similarity, "neighbours": 5}, 1, 0)(np.arange(80))
    x = train.matrix.toarray().astype(np.float64)
    scaled = x / np.linalg.norm(x, axis=0) if similarity == "cosine" else x
    near = scaled.T @ scaled
    np.fill_diagonal(near, 0.0)
    for column in range(25):
        order = np.argsort(-np.round(near[:, column], 6), kind="stable")[:5]
        expected = x[:, order] @ near[order, column]
        np.testing.assert_allclose(scores[:, column], expected, atol=1e-4)


def test_decayed_popularity_prefers_what_is_new() -> None:
    day = 86_400_000_000
    matrix = sparse.csr_matrix(np.array([[1, 1], [1, 0], [1, 0]], np.float32))
    times = np.array([0, 90 * day, 0, 0])
    train = InteractionMatrix(matrix, times, np.array(["a", "b", "c"], object), slice(0, 2))
    old = fit_popularity(train, {"half_life_days": 1000.0}, 1, 0)(np.array([0]))[0]
    new = fit_popularity(train, {"half_life_days": 7.0}, 1, 0)(np.array([0]))[0]
    assert old[0] > old[1]
    assert new[1] > new[0]


def test_touches_count_a_pair_once_and_stop_at_the_moment(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    train = InteractionMatrix.read(event_log(tiny_history, catalogue), CUT)
    assert set(train.matrix.data) == {1.0}
    events = pq.read_table(tiny_history / "interactions.parquet").to_pandas()
    events = events[events.timestamp < CUT]
    assert train.matrix.nnz == len(events.drop_duplicates(["user_id", "item_id", "item_type"]))
    nobody = InteractionMatrix.read(
        event_log(tiny_history, catalogue), datetime(1990, 1, 1, tzinfo=UTC)
    )
    assert nobody.matrix.nnz == 0
    assert nobody.rows_of(np.array(["u0001"], object)).tolist() == [-1]
