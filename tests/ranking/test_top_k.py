"""The best k, the same however they are computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from colisten.errors import EvaluationError
from colisten.ranking.ragged import Ragged
from colisten.ranking.top_k import ranked_blocks, top_k
from tests.evaluation.conftest import Scores, random_set

# Few distinct values, so that ties are everywhere, also at the last place of a list.
tied = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 5), st.integers(0, 12)),
    elements=st.sampled_from([-np.inf, -1.0, -0.0, 0.0, 0.5, 1.0]),
)


@settings(max_examples=150, deadline=None)
@given(tied, st.integers(1, 14))
def test_agrees_with_sorting_and_ties_go_to_the_lower_position(scores: np.ndarray, k: int) -> None:
    items, best = top_k(scores, k)
    assert items.shape == best.shape == (len(scores), k)
    for row, values in enumerate(scores.tolist()):
        order = sorted((-value, at) for at, value in enumerate(values) if value > -np.inf)
        expected = [at for _, at in order][:k]
        assert items[row].tolist() == expected + [-1] * (k - len(expected))
        assert best[row, : len(expected)].tolist() == [values[at] for at in expected]
        assert np.isneginf(best[row, len(expected) :]).all()


@pytest.mark.parametrize("levels", [2, 1000])
def test_block_size_changes_nothing(levels: int) -> None:
    rng = np.random.default_rng(1)
    data = random_set(101, 6000, exclude=0.01)
    ranker = Scores("given", rng.integers(levels, size=(101, 6000)))

    def lists(megabytes: int) -> tuple[int, np.ndarray]:
        blocks = list(ranked_blocks(ranker.scores, data, 50, block_megabytes=megabytes))
        return len(blocks), np.concatenate([block.items for block in blocks])

    (many, small), (one, large) = lists(1), lists(256)
    assert many > 1 == one
    assert np.array_equal(small, large)


def test_what_is_excluded_or_unavailable_never_appears_and_short_lists_end() -> None:
    users = replace(
        random_set(2, 5),
        exclusions=Ragged.of(np.array([0, 0, 1]), np.array([3, 1, 0]), 2),
        available=np.array([True, True, True, True, False]),
    )
    scores = np.tile([1.0, 2.0, 3.0, 4.0, 5.0], (2, 1))
    (block,) = ranked_blocks(Scores("given", scores).scores, users, 4)
    assert block.rows.tolist() == [0, 1]
    assert block.items.tolist() == [[2, 0, -1, -1], [3, 2, 1, -1]]


def test_a_ranker_keeps_its_own_scores() -> None:
    matrix = np.ones((3, 4), dtype=np.float32)
    list(ranked_blocks(lambda rows: matrix[: len(rows)], random_set(3, 4, exclude=0.9), 2))
    assert (matrix == 1).all()


def test_refuses_scores_that_are_no_numbers_or_of_another_shape() -> None:
    with pytest.raises(EvaluationError, match="row 1 for item 2"):
        top_k(np.array([[1, 2, 3], [1, 2, np.nan]], dtype=np.float32), 1)
    with pytest.raises(EvaluationError, match="expected"):
        list(ranked_blocks(lambda rows: np.ones((len(rows), 3)), random_set(2, 4), 1))
