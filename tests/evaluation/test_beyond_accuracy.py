"""Popularity, novelty and diversity agree with their definitions, pair by pair."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import EvaluationError
from colisten.evaluation import beyond_accuracy as module
from colisten.evaluation.beyond_accuracy import BEYOND_ACCURACY, BeyondAccuracy

ITEMS = 12


def known_items(seed: int = 0) -> BeyondAccuracy:
    rng = np.random.default_rng(seed)
    text = rng.normal(size=(ITEMS, 4)) * rng.uniform(0.2, 5, size=(ITEMS, 1))
    text[::4] = 0.0
    return BeyondAccuracy(rng.integers(0, 30, ITEMS).astype(np.float32), text.astype(np.float32))


def naive(given_facts: BeyondAccuracy, ranking: list[int], k: int) -> list[float]:
    assert given_facts.text is not None
    shown = [item for item in ranking[:k] if item >= 0]
    streams = [float(one) for one in given_facts.streams]
    popular = [math.log2(1 + streams[item]) for item in shown]
    bits = [-math.log2((streams[item] + 1) / (sum(streams) + ITEMS)) for item in shown]
    with_text = [given_facts.text[item].astype(float) for item in shown if item % 4]
    cosines = [
        float(one @ other / math.sqrt(one @ one) / math.sqrt(other @ other))
        for one, other in combinations(with_text, 2)
    ]
    return [
        sum(popular) / len(popular) if popular else math.nan,
        sum(bits) / len(bits) if bits else math.nan,
        1 - sum(cosines) / len(cosines) if cosines else math.nan,
    ]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.permutations(range(ITEMS)), st.integers(0, 8)), min_size=1, max_size=6),
    st.integers(1, 8),
)
def test_agrees_with_the_definitions(users: list[tuple[list[int], int]], k: int) -> None:
    lists = [list(order[:length]) + [-1] * (8 - length) for order, length in users]
    found = known_items().measure(np.array(lists, dtype=np.int32), k)
    expected = [naive(known_items(), each, k) for each in lists]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_by_hand() -> None:
    text = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0], [0.0, 0.0]])
    found = BeyondAccuracy(np.array([3, 1, 0, 0]), text).measure(
        np.array([[0, 1, 2], [3, 0, -1]]), 3
    )
    # Two streams of the four items and one more each: 8 in all.
    np.testing.assert_allclose(found[0], [(2 + 1 + 0) / 3, (1 + 2 + 3) / 3, 1 - 1 / 3])
    np.testing.assert_allclose(found[1, :2], [1.0, 2.0])
    assert np.isnan(found[1, 2]), "one text alone is neither like nor unlike another"


def test_a_popular_list_is_popular_and_not_novel_and_alike_texts_are_not_diverse() -> None:
    streams = np.arange(ITEMS)[::-1]
    same = np.ones((ITEMS, 3))
    best, worst = np.arange(4)[None], np.arange(ITEMS)[-4:][None]
    found = BeyondAccuracy(streams, same).measure(np.concatenate([best, worst]), 4)
    assert found[0, 0] > found[1, 0]
    assert found[0, 1] < found[1, 1]
    np.testing.assert_allclose(found[:, 2], 0.0, atol=1e-12)


@pytest.mark.parametrize("block", [1, 3, 1000])
def test_blocks_of_any_size_give_equal_values(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    lists = np.argsort(rng.random((50, ITEMS)), axis=1).astype(np.int32)
    whole = known_items().measure(lists, 5)
    monkeypatch.setattr(module, "_BLOCK", block)
    np.testing.assert_array_equal(known_items().measure(lists, 5), whole)


def test_without_text_there_is_no_diversity() -> None:
    bare = BeyondAccuracy(np.arange(ITEMS))
    assert bare.metrics == BEYOND_ACCURACY[:2]
    assert bare.measure(np.zeros((3, 1), dtype=np.int32), 1).shape == (3, 2)
    assert np.isnan(BeyondAccuracy(np.zeros(0)).measure(np.full((2, 4), -1), 3)).all()


def test_texts_of_other_items_are_refused() -> None:
    with pytest.raises(EvaluationError, match="target type"):
        BeyondAccuracy(np.arange(3), np.zeros((4, 2)))
