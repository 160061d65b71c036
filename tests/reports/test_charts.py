"""Scales hold every number, and marks stand where numbers are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.evaluation.comparison import Measure
from colisten.reports.charts import Point, Scale, Series, ends


@given(st.lists(st.floats(-1e6, 1e6), max_size=5))
def test_a_scale_holds_every_number_and_zero(numbers: list[float]) -> None:
    scale = Scale.over(numbers)
    for number in [0.0, *numbers]:
        assert 0 <= scale(number) <= 100
        assert scale.start(0, number) + scale.length(0, number) <= 100.01
    places = [place for place, _ in scale.ticks()]
    assert len(places) <= 6
    assert places == sorted(places)


@given(st.floats(1e-6, 1.0), st.floats(1.1, 1e6))
def test_a_logarithmic_scale_holds_every_number(least: float, times: float) -> None:
    scale = Scale(least, least * times, 90.0, 10.0, log=True)
    assert scale(least) == pytest.approx(90.0, abs=0.01)
    assert scale(least * times) == pytest.approx(10.0, abs=0.01)
    assert scale(least * math.sqrt(times)) == pytest.approx(50.0, abs=0.02)
    assert scale(0.0) == 90.0, "what lies below stands at the edge"
    assert len(scale.ticks()) >= 2


def test_ticks_are_round() -> None:
    assert [label for _, label in Scale(0.0, 0.89).ticks()] == ["0", "0.25", "0.5", "0.75"]
    assert [label for _, label in Scale(0.01, 1.0, log=True).ticks()] == ["0.01", "0.1", "1"]
    assert [label for _, label in Scale(0.01, 1.0, log=True).ticks(shares=True)] == [
        "1%",
        "10%",
        "100%",
    ]


def test_intervals_are_spans_where_there_are_any() -> None:
    scale = Scale(0.0, 2.0)
    assert scale.span(Measure(value=1.0, low=0.5, high=1.5)) == (25.0, 75.0)
    assert scale.span(Measure(value=1.0, low=None, high=None)) is None
    assert ends([Measure(value=1.0, low=None, high=math.inf)]) == [1.0]


def test_only_joined_series_have_segments() -> None:
    points = [Point(at, at) for at in range(3)]
    assert Series("", "own", points).segments == []
    assert len(Series("", "own", points, joined=True).segments) == 2
