"""Rankers score what their names say, in any blocks, and know when they know nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import EvaluationError
from colisten.features.users import History, UserBatch
from colisten.ranking.rankers import (
    MeanVectorRanker,
    RandomRanker,
    Ranker,
    VectorRanker,
    mean_vectors,
)

SIGNALS = ("purchase", "wishlist", "click")
TYPES = ("audiobook", "music", "podcast")
Events = list[tuple[int, str, float]]
"""Item, signal, days."""


def batch(users: list[dict[str, Events]]) -> UserBatch:
    histories = {}
    for kind in TYPES:
        lists = [sorted(user.get(kind, []), key=lambda event: event[2]) for user in users]
        flat = [event for each in lists for event in each]
        histories[kind] = History(
            np.cumsum([0, *map(len, lists)]).astype(np.int64),
            np.array([event[0] for event in flat], np.int64),
            np.array([SIGNALS.index(event[1]) for event in flat], np.int8),
            np.array([event[2] for event in flat], np.int64),
        )
    ids = np.array([f"u{at}" for at in range(len(users))], dtype=object)
    nobody = np.full(len(users), None, dtype=object)
    ages = np.full(len(users), np.nan, np.float32)
    return UserBatch(ids, nobody, ages, np.zeros((len(users), 0), np.float32), histories)


events = st.lists(
    st.tuples(st.integers(0, 8), st.sampled_from(SIGNALS), st.integers(0, 300)), max_size=6
)
people = st.lists(st.fixed_dictionaries(dict.fromkeys(TYPES, events)), min_size=1)


@settings(max_examples=30, deadline=None)
@given(people)
def test_the_mean_runs_over_all_types_and_signals_alike(users: list[dict[str, Events]]) -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 4)).astype(np.float32)
    found = mean_vectors(batch(users), vectors)
    for row, user in enumerate(users):
        items = [item for kind in TYPES for item, _, _ in user[kind]]
        total = vectors[items].sum(axis=0)
        # However many events there are: it is their mean that may be too short for a direction.
        norm = np.linalg.norm(total)
        expected = total / norm if norm > 1e-6 * len(items) else np.zeros(4)
        np.testing.assert_allclose(found[row], expected, atol=1e-4)


def test_near_items_first_and_popularity_for_whom_nothing_is_known() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8], [0, 0], [0, 1]], np.float32)
    users = batch(
        [
            {"podcast": [(4, "click", 1)]},
            {},
            {"audiobook": [(3, "click", 1)]},  # an item without a vector
        ]
    )
    fallback = np.array([7, 9, 8, 6], np.float32)
    ranker = MeanVectorRanker("text-KNN", users, vectors, slice(0, 4), fallback)
    scores = ranker.scores(np.arange(3))
    np.testing.assert_allclose(scores[0], [0, 1, 0.8, 0])
    assert scores[1].tolist() == scores[2].tolist() == fallback.tolist()


def test_blocks_of_any_size_score_alike() -> None:
    rng = np.random.default_rng(1)
    users = batch(
        [
            {"podcast": [(int(item), "click", day) for day, item in enumerate(row)]}
            for row in rng.integers(40, size=(60, 5))
        ]
    )
    vectors = rng.normal(size=(40, 8)).astype(np.float32)
    fallback = np.zeros(30, np.float32)
    rankers: list[Ranker] = [
        MeanVectorRanker("mean", users, vectors, slice(0, 30), fallback),
        VectorRanker("vectors", rng.normal(size=(60, 8)), vectors[:30], fallback),
        RandomRanker(30),
    ]
    rows = rng.permutation(60)
    for ranker in rankers:
        whole = ranker.scores(rows)
        parts = np.concatenate([ranker.scores(rows[at : at + 7]) for at in range(0, 60, 7)])
        assert whole.dtype == np.float32
        np.testing.assert_allclose(whole, parts, atol=1e-5)


def test_a_zero_user_vector_means_nothing_is_known() -> None:
    ranker = VectorRanker(
        "towers",
        np.array([[0, 1], [0, 0]], np.float32),
        np.array([[1, 0], [0, 1]], np.float32),
        np.array([5, 4], np.float32),
    )
    assert ranker.scores(np.array([0, 1])).tolist() == [[0, 1], [5, 4]]


def test_chance_is_even_over_items_and_differs_between_users_and_seeds() -> None:
    ranker = RandomRanker(20)
    scores = ranker.scores(np.arange(20_000))
    first = np.bincount(scores.argmax(axis=1), minlength=20)
    # 1,000 expected each, standard deviation 31.
    assert first.min() > 850
    assert first.max() < 1150
    assert not np.array_equal(scores, RandomRanker(20, seed=1).scores(np.arange(20_000)))
    correlation = np.corrcoef(scores[:-1].ravel(), scores[1:].ravel())[0, 1]
    assert abs(correlation) < 0.01


def test_vectors_that_do_not_fit_are_refused() -> None:
    ranker = VectorRanker("towers", np.ones((2, 3)), np.ones((4, 2)), np.zeros(4))
    with pytest.raises(EvaluationError, match="do not fit"):
        ranker.scores(np.array([0]))
