"""Which look a reading is, and that its bounds are those of the design."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.errors import ReportError
from colisten.experiments.comparison import compare_arms
from colisten.experiments.design import ExperimentDesign
from colisten.experiments.looks import UNPLANNED, Look, look_of
from colisten.statistics.sequential import (
    ONE_LOOK,
    ConfidenceSequence,
    GroupSequential,
    group_bounds,
)

START = datetime(2025, 6, 1, tzinfo=UTC)
FORTNIGHT = START + timedelta(days=14)
SHARES = {"old": 0.5, "new": 0.5}


def designed(**changes: Any) -> ExperimentDesign:
    fields = {"name": "shelf", "arms": SHARES, "control": "old", "start": START}
    return ExperimentDesign.model_validate({**fields, **changes})


def on_day(design: ExperimentDesign, day: float, users: int = 1_000) -> Look:
    return look_of(design, users=users, until=START + timedelta(days=day))


def test_without_a_design_one_look_is_covered() -> None:
    look = look_of(None, users=10)
    assert look == replace(UNPLANNED, bound=look.bound)
    assert look.boundary == ONE_LOOK
    assert look.bound == pytest.approx(1.959964)
    assert "One look is covered" in look.said
    assert look.is_due


def test_the_looks_of_a_fortnight() -> None:
    design = designed(end=FORTNIGHT, looks=[day / 14 for day in range(1, 14)])
    planned = group_bounds([day / 14 for day in range(1, 15)], 0.05)
    for day in range(1, 15):
        look = on_day(design, day)
        assert (look.number, look.is_last) == (day, day == 14)
        assert look.bound == pytest.approx(planned[day - 1])
        assert f"{look.bound:.3f} standard errors" in look.said
        assert ("One may stop now" in look.said) == (day < 14)
    # The last row is seldom of the very last second.
    assert on_day(design, 13.99).is_last
    assert on_day(design, 14.5).is_last
    assert look_of(design, users=1_000).is_last, "read with no moment: all rows are there"


def test_before_the_first_look_nothing_is_a_verdict() -> None:
    for design in (designed(end=FORTNIGHT), designed(end=FORTNIGHT, looks=[0.5])):
        for day in (0.0, 0.001, 3.0, 6.5):
            look = on_day(design, day)
            assert (look.number, look.is_due) == (0, False)
            assert "No look is due" in look.said
            assert look.bound is not None
            assert look.bound > 2.7, "nor is there an interval that looks like one"


def test_a_late_look_is_judged_by_what_is_known_then() -> None:
    design = designed(horizon_users=1_000, looks=[0.2, 0.6])
    look = look_of(design, users=500)
    assert (look.number, look.information) == (1, 0.5)
    assert look.boundary == GroupSequential((0.5,))
    assert look_of(design, users=600).boundary == GroupSequential((0.2, 0.6))
    assert look_of(design, users=5_000).boundary == GroupSequential((0.2, 0.6, 1.0))


def test_an_end_before_the_planned_users_came_is_the_last_look() -> None:
    design = designed(end=FORTNIGHT, horizon_users=1_000, looks=[0.2, 0.6])
    assert on_day(design, 7, users=700).number == 2
    look = on_day(design, 14, users=700)
    assert look.is_last
    assert look.boundary == GroupSequential((0.2, 0.6, 1.0))
    assert "70% of the planned information" in look.said


def test_without_a_horizon_one_may_look_at_any_time() -> None:
    look = on_day(designed(smallest_lift=0.1), 3)
    assert isinstance(look.boundary, ConfidenceSequence)
    assert look.is_due
    assert not look.is_last
    assert "confidence sequence" in look.said
    # Narrowest beside a fixed one where it reaches just the lift that is worth seeing.
    reach = look.boundary.critical(0.05, look.boundary.target) / np.sqrt(look.boundary.target)
    assert reach == pytest.approx(np.log(1.1))


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.integers(1, 30), min_size=1, max_size=8),
    days=st.lists(st.floats(0, 20), min_size=2, max_size=2).map(sorted),
    spending=st.sampled_from(["obrien_fleming", "pocock"]),
)
def test_looks_come_in_order_and_are_never_narrower_than_one(
    steps: list[int], days: list[float], spending: str
) -> None:
    looks = [float(one) for one in np.cumsum(steps) / (sum(steps) + 1)]
    design = designed(end=FORTNIGHT, looks=looks, spending=spending)
    first, second = (on_day(design, day) for day in days)
    assert first.number is not None
    assert second.number is not None
    assert 0 <= first.number <= second.number <= len(looks) + 1
    for look in (first, second):
        assert look.bound is not None
        assert look.bound >= ONE_LOOK.critical(0.05, 1.0) - 1e-6


def test_looks_that_lie_too_near_are_refused() -> None:
    with pytest.raises(ValueError, match="lie nearer than"):
        designed(end=FORTNIGHT, looks=[0.5, 0.5001])


def outcomes(users: int, rates: dict[str, float]) -> pa.Table:
    rng = np.random.default_rng(3)
    started = np.concatenate([rng.random(users) < rate for rate in rates.values()]).astype(int)
    return pa.table(
        {
            "variant": np.repeat(list(rates), users),
            "variants": [1] * len(started),
            "streams": started,
            "new_starts": started,
        }
    )


def test_lifts_are_those_of_the_look_and_the_json_says_which() -> None:
    table = outcomes(3_000, {"old": 0.1, "new": 0.12})
    design = designed(end=FORTNIGHT, looks=[0.25, 0.5, 0.75])
    reach: list[float] = []
    for day in (3.5, 7.0, 10.5, 14.0):
        reading = compare_arms(
            table, control="old", shares=SHARES, design=design, until=START + timedelta(days=day)
        )
        written = json.loads(json.dumps(reading.to_dict(), allow_nan=False))["look"]
        assert written["number"] == day / 3.5
        assert written["is_last"] == (day == 14.0)
        assert written["method"] == "group_sequential"
        assert written["said"] == reading.look.said
        lift = reading.lifts[0].lift
        assert lift is not None
        reach.append(np.log1p(lift.high) - np.log1p(lift.low))
    fixed = compare_arms(table, control="old", shares=SHARES).lifts[0].lift
    assert fixed is not None
    alone = np.log1p(fixed.high) - np.log1p(fixed.low)
    bounds = group_bounds([0.25, 0.5, 0.75, 1.0], 0.05)
    assert np.array(reach) / alone == pytest.approx(np.array(bounds) / 1.959964, rel=1e-5)


def test_a_look_at_nothing_is_no_traceback() -> None:
    table = outcomes(0, {"old": 0.1}).slice(0, 0)
    with pytest.raises(ReportError, match="control arm"):
        compare_arms(table, control="old", shares=SHARES, design=designed(end=FORTNIGHT))
