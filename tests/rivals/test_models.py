"""Each rival finds planted tastes, agrees with a plain form of itself and never sees the window."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from scipy import sparse

from colisten.config import Settings
from colisten.data.catalogue import Catalogue
from colisten.evaluation.split import evaluation_set
from colisten.rivals.models import RIVALS, fit_ease, fit_item_knn, fit_popularity
from colisten.rivals.touches import Touches
from colisten.rivals.tuning import tuned_rivals
from tests.conftest import CUT

WINDOW = 14
SMALL = Settings(threads=1)


def planted(users: int = 80, items: int = 40, target: int = 25) -> Touches:
    """Users of two tastes: even items, odd items."""
    rng = np.random.default_rng(0)
    dense = rng.random((users, items)) < 0.02
    same = (np.arange(users)[:, None] % 2) == (np.arange(items)[None, :] % 2)
    dense |= same & (rng.random((users, items)) < 0.4)
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    times = rng.integers(0, 100 * 86_400_000_000, size=matrix.nnz)
    ids = np.array([f"u{at:03d}" for at in range(users)], dtype=object)
    return Touches(matrix, times, ids, slice(0, target))


@pytest.mark.parametrize("rival", RIVALS[1:], ids=lambda rival: rival.name)
def test_planted_tastes_are_found(rival: object) -> None:
    touches = planted()
    rows = np.arange(len(touches.user_ids))
    # 25 items need no 64 factors, which would learn the matrix by heart.
    chosen = rival.choices()[-1] | {"factors": 4}  # type: ignore[attr-defined]
    scorer = rival.fit(touches, chosen, 1, 0)  # type: ignore[attr-defined]
    scores = np.array(scorer(rows), np.float64)
    assert scores.shape == (80, 25)
    scores[touches.matrix[:, :25].toarray() > 0] = np.nan
    same = (rows[:, None] % 2) == (np.arange(25)[None, :] % 2)
    own = np.nanmean(np.where(same, scores, np.nan), axis=1)
    other = np.nanmean(np.where(same, np.nan, scores), axis=1)
    assert (own > other).mean() > 0.9


def test_ease_solves_its_own_objective() -> None:
    touches = planted()
    scorer = fit_ease(touches, {"regularisation": 5.0, "min_events": 0}, 1, 0)
    x = touches.matrix.toarray().astype(np.float64)
    # Each column is a ridge regression on all other columns.
    for column in (0, 7, 24):
        others = np.delete(np.arange(x.shape[1]), column)
        gram = x[:, others].T @ x[:, others] + 5.0 * np.eye(len(others))
        expected = x[:, others] @ np.linalg.solve(gram, x[:, others].T @ x[:, column])
        np.testing.assert_allclose(scorer(np.arange(80))[:, column], expected, atol=1e-4)


@pytest.mark.parametrize("similarity", ["counts", "cosine"])
def test_item_knn_is_the_sum_over_the_strongest_neighbours(similarity: str) -> None:
    touches = planted()
    scores = fit_item_knn(touches, {"similarity": similarity, "neighbours": 5}, 1, 0)(np.arange(80))
    x = touches.matrix.toarray().astype(np.float64)
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
    touches = Touches(matrix, times, np.array(["a", "b", "c"], object), slice(0, 2))
    old = fit_popularity(touches, {"half_life_days": 1000.0}, 1, 0)(np.array([0]))[0]
    new = fit_popularity(touches, {"half_life_days": 7.0}, 1, 0)(np.array([0]))[0]
    assert old[0] > old[1]
    assert new[1] > new[0]


def test_tuned_rivals_rank_an_audience_and_never_read_the_window(
    tiny_history: Path, tmp_path: Path
) -> None:
    catalogue = Catalogue.read(tiny_history)
    as_of = CUT - timedelta(days=WINDOW)
    window = evaluation_set(
        [tiny_history], catalogue, cut=as_of, window_days=WINDOW, target_type="audiobook"
    )
    fallback = np.arange(40, dtype=np.float32)

    def scores(folder: Path) -> dict[str, np.ndarray]:
        users = np.append(window.user_ids, "nobody")
        made = tuned_rivals(
            [folder],
            catalogue,
            as_of=as_of,
            window_days=WINDOW,
            user_ids=users,
            fallback=fallback,
            settings=SMALL,
            rivals=RIVALS[:3],
        )
        return {one.name: one.scores(np.arange(len(users))) for one in made}

    whole = scores(tiny_history)
    assert list(whole) == [rival.name for rival in RIVALS[:3]]
    for found in whole.values():
        np.testing.assert_array_equal(found[-1], fallback)
    events = pq.read_table(tiny_history / "interactions.parquet")
    moment = pa.scalar(as_of.astimezone(UTC), events.schema.field("timestamp").type)
    pq.write_table(
        events.filter(pc.less(events.column("timestamp"), moment)),
        tmp_path / "interactions.parquet",
    )
    for name, found in scores(tmp_path).items():
        np.testing.assert_array_equal(found, whole[name])


def test_touches_count_a_pair_once_and_stop_at_the_moment(tiny_history: Path) -> None:
    catalogue = Catalogue.read(tiny_history)
    touches = Touches.read([tiny_history], catalogue, as_of=CUT, settings=SMALL)
    assert set(touches.matrix.data) == {1.0}
    events = pq.read_table(tiny_history / "interactions.parquet").to_pandas()
    events = events[events.timestamp < CUT]
    assert touches.matrix.nnz == len(events.drop_duplicates(["user_id", "item_id", "item_type"]))
    nobody = Touches.read(
        [tiny_history], catalogue, as_of=datetime(1990, 1, 1, tzinfo=UTC), settings=SMALL
    )
    assert nobody.matrix.nnz == 0
    assert nobody.rows_of(np.array(["u0001"], object)).tolist() == [-1]
