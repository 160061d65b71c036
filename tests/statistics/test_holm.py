"""Holm's procedure, held to that of statsmodels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from colisten.statistics.holm import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)
ALPHA = 0.05


@given(P_VALUES)
def test_adjusted_p_values_are_those_of_statsmodels(p_values: list[float]) -> None:
    expected = multipletests(p_values, ALPHA, method="holm")[1]
    found = [one.p_value for one in holm(p_values, ALPHA) if one]
    assert found == pytest.approx(list(expected), rel=1e-9)


@given(P_VALUES)
def test_a_test_is_rejected_exactly_where_it_beats_its_level(p_values: list[float]) -> None:
    rejected = multipletests(p_values, ALPHA, method="holm")[0]
    for p, judged, rejects in zip(p_values, holm(p_values, ALPHA), rejected, strict=True):
        assert judged is not None
        assert (p <= judged.level) == rejects
        assert ALPHA / len(p_values) <= judged.level <= ALPHA


def test_a_test_that_could_not_be_made_still_counts() -> None:
    judged = holm([0.03, None], ALPHA)
    assert judged[1] is None
    assert judged[0] is not None
    assert judged[0].p_value == pytest.approx(0.06)
    assert judged[0].level == pytest.approx(0.025)
