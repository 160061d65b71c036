"""Flat lists behave as the lists they stand for."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from colisten.ranking.ragged import Ragged

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 20)))


@given(PAIRS, st.lists(st.integers(0, 6)))
def test_pairs_become_sorted_lists_and_rows_can_be_taken(
    pairs: list[tuple[int, int]], rows: list[int]
) -> None:
    expected = [sorted({value for row, value in pairs if row == at}) for at in range(7)]
    ragged = Ragged.of(np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs]), 7)
    assert [ragged[row].tolist() for row in range(len(ragged))] == expected
    assert ragged.counts.tolist() == [len(each) for each in expected]
    assert ragged.rows.tolist() == [row for row in range(7) for _ in expected[row]]
    taken = ragged.take(np.array(rows, dtype=np.int64))
    assert [taken[row].tolist() for row in range(len(taken))] == [expected[row] for row in rows]


def test_empty_has_rows_without_values() -> None:
    assert Ragged.empty(3).counts.tolist() == [0, 0, 0]
