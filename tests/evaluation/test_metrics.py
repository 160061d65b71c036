"""Measures agree with their definition, one user at a time, scikit-learn and torchmetrics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score
from torchmetrics.functional import retrieval

from colisten.evaluation import metrics as module
from colisten.evaluation.metrics import (
    catalogue_coverage,
    hit_matrix,
    metric_names,
    user_metric_names,
    user_metrics,
)
from colisten.ranking.ragged import Ragged

ITEMS = 15


@st.composite
def ranked_users(draw: st.DrawFn) -> list[tuple[list[int], set[int], int]]:
    """Per user a list (it may end early), reachable targets and how many are out of reach."""
    depth = draw(st.integers(1, 12))
    users = []
    for _ in range(draw(st.integers(1, 6))):
        order = draw(st.permutations(range(ITEMS)))
        length = draw(st.integers(0, depth))
        targets = draw(st.sets(st.integers(0, ITEMS - 1), max_size=5))
        missing = draw(st.integers(0 if targets else 1, 3))
        users.append((list(order[:length]) + [-1] * (depth - length), targets, missing))
    return users


def naive(ranking: list[int], targets: set[int], missing: int, k: int) -> list[float]:
    total = len(targets) + missing
    hits = [item in targets for item in ranking]
    gains = sum(1 / math.log2(place + 2) for place, hit in enumerate(hits[:k]) if hit)
    ideal = sum(1 / math.log2(place + 2) for place in range(min(k, total)))
    first = next((place + 1 for place, hit in enumerate(hits) if hit), None)
    return [
        1.0 if any(hits[:k]) else 0.0,
        1 / first if first else 0.0,
        sum(hits[:k]) / total,
        gains / ideal,
    ]


def ragged(targets: list[set[int]]) -> Ragged:
    rows = [row for row, each in enumerate(targets) for _ in each]
    values = [value for each in targets for value in each]
    return Ragged.of(np.array(rows, dtype=np.int64), np.array(values, np.int64), len(targets))


@settings(max_examples=80, deadline=None)
@given(ranked_users(), st.integers(1, 12))
def test_agrees_with_the_definitions(users: list[tuple[list[int], set[int], int]], k: int) -> None:
    k = min(k, len(users[0][0]))
    items = np.array([user[0] for user in users])
    hits = hit_matrix(items, ragged([user[1] for user in users]))
    counts = np.array([len(targets) + missing for _, targets, missing in users])
    found = user_metrics(hits, counts, k)
    assert found.shape == (len(users), len(user_metric_names(k)))
    np.testing.assert_allclose(found, [naive(*user, k) for user in users], atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(ranked_users())
def test_coverage_is_the_share_of_items_in_any_list_and_alone_what_one_user_adds(
    users: list[tuple[list[int], set[int], int]],
) -> None:
    lists = [{item for item in user[0] if item >= 0} for user in users]
    found = catalogue_coverage(np.array([user[0] for user in users]), ITEMS)
    assert found.value == len(set().union(*lists)) / ITEMS
    for user in range(len(users)):
        rest = set().union(*(each for at, each in enumerate(lists) if at != user))
        np.testing.assert_allclose(found.value - found.alone[user], len(rest) / ITEMS)


@pytest.mark.parametrize("block", [1, 4, 1000])
def test_coverage_of_some_users_and_some_items(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    items = np.argsort(rng.random((30, ITEMS)), axis=1)[:, :3]
    rows, among = np.flatnonzero(rng.random(30) < 0.3), rng.random(ITEMS) < 0.6
    monkeypatch.setattr(module, "BLOCK", block)
    found = catalogue_coverage(items, 7, rows=rows, among=among)
    lists = [{item for item in items[row] if among[item]} for row in rows]
    assert found.value == len(set().union(*lists)) / 7
    for at, own in enumerate(lists):
        others = set().union(*(each for other, each in enumerate(lists) if other != at))
        assert found.alone[at] == len(own - others) / 7


def test_ndcg_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    scores = rng.random((200, 40))
    relevant = rng.random((200, 40)) < 0.08
    relevant[np.arange(200), rng.integers(40, size=200)] = True
    order = np.argsort(-scores, axis=1)
    hits = hit_matrix(order, ragged([set(np.flatnonzero(row)) for row in relevant]))
    for k in (1, 5, 10, 40):
        ours = user_metrics(hits, relevant.sum(axis=1), k)[:, 3].mean()
        np.testing.assert_allclose(ours, ndcg_score(relevant, scores, k=k), rtol=1e-12)


def test_mrr_of_one_target_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(4)
    scores = rng.random((200, 40))
    relevant = np.zeros((200, 40), dtype=int)
    relevant[np.arange(200), rng.integers(40, size=200)] = 1
    order = np.argsort(-scores, axis=1)
    hits = hit_matrix(order, ragged([set(np.flatnonzero(row)) for row in relevant]))
    ours = user_metrics(hits, np.ones(200, dtype=int), 10)[:, 1].mean()
    reference = label_ranking_average_precision_score(relevant, scores)
    np.testing.assert_allclose(ours, reference, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 5, 10, 40])
def test_every_measure_agrees_with_torchmetrics(k: int) -> None:
    rng = np.random.default_rng(5)
    scores = rng.random((150, 40)).astype(np.float32)
    relevant = rng.random((150, 40)) < 0.07
    relevant[np.arange(150), rng.integers(40, size=150)] = True
    order = np.argsort(-scores, axis=1)
    hits = hit_matrix(order, ragged([set(np.flatnonzero(row)) for row in relevant]))
    found = user_metrics(hits, relevant.sum(axis=1), k)
    for row in range(len(scores)):
        given = torch.from_numpy(scores[row]), torch.from_numpy(relevant[row])
        expected = [
            retrieval.retrieval_hit_rate(*given, top_k=k),
            retrieval.retrieval_reciprocal_rank(*given),
            retrieval.retrieval_recall(*given, top_k=k),
            retrieval.retrieval_normalized_dcg(*given, top_k=k),
        ]
        np.testing.assert_allclose(found[row], [float(each) for each in expected], rtol=1e-5)


def test_a_case_by_hand() -> None:
    hits = np.array([[False, True, False, True], [False, False, False, True]])
    found = user_metrics(hits, np.array([3, 1]), k=2)
    ideal = 1 + 1 / math.log2(3)
    np.testing.assert_allclose(found[0], [1, 1 / 2, 1 / 3, (1 / math.log2(3)) / ideal])
    np.testing.assert_allclose(found[1], [0, 1 / 4, 0, 0])


def test_names_say_the_cut_off() -> None:
    assert metric_names(10) == ("HR@10", "MRR", "coverage", "recall@10", "NDCG@10")
