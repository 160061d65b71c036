"""Axes hold every number, end at round ones and place ticks where numbers are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.reports.axis import Axis, LogAxis, label


@given(st.floats(1e-6, 1e6))
def test_a_linear_axis_ends_at_a_round_number_above(largest: float) -> None:
    axis = Axis.upto(largest, 10.0, 210.0)
    assert axis.top >= largest * (1 - 1e-9)
    assert axis.top <= largest * 2.6
    assert (axis.at(0.0), axis.at(axis.top)) == pytest.approx((10.0, 210.0))
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 6
    assert ticks[0] == 0.0
    assert ticks[-1] <= axis.top * (1 + 1e-9)


def test_a_linear_axis_may_grow_upwards_and_hold_nothing() -> None:
    assert Axis.upto(0.9, 200.0, 0.0).at(0.5) == pytest.approx(100.0)
    assert Axis.upto(0.0, 0.0, 1.0).top > 0


@given(st.floats(1e-6, 1.0), st.floats(1.0, 1e4))
def test_a_logarithmic_axis_holds_every_number(least: float, times: float) -> None:
    axis = LogAxis.around(least, least * times, 0.0, 100.0)
    assert -1e-6 <= axis.at(least) <= axis.at(least * times) <= 100.0 + 1e-6
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 12
    assert all(axis.bottom * 0.999 <= tick <= axis.top * 1.001 for tick in ticks)
    assert axis.at(0.0) == axis.at(axis.bottom) == 0.0


def test_ticks_are_written_without_needless_digits() -> None:
    assert [label(each) for each in (0.0, 0.5, 1.0, 0.0025, 20.0)] == [
        "0",
        "0.5",
        "1",
        "0.0025",
        "20",
    ]
