"""Intervals of lifts hold a known truth as often as they say: at a moderate size, seeds fixed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.lift_truth import LIFTS, RATES, Chances, coverage, cuped, mixed
from benchmarks.pairs import read_result

USERS, RUNS = 2_000, 400


@pytest.fixture(scope="module")
def chances() -> Chances:
    rng = np.random.default_rng(46)
    control = rng.beta(0.6, 3.0, (USERS, 1)) * np.array([0.9, 1.0])
    return Chances([f"u{row}" for row in range(USERS)], control, control**0.4)


@pytest.mark.parametrize("lift", LIFTS)
def test_intervals_hold_the_true_lift(chances: Chances, lift: float) -> None:
    dealt = np.random.default_rng(3).integers(0, 3, (RUNS, USERS))
    found = coverage(chances, lift, dealt)
    assert found["new_start_rate"]["true_lift"] == pytest.approx(lift, abs=0.005)
    for rate in RATES:
        assert abs(found[rate]["coverage"] - 0.95) < 3.3 * np.sqrt(0.05 * 0.95 / RUNS)


def test_the_treated_are_shown_the_better_shelf(chances: Chances) -> None:
    assert not chances.treated(0.0).any()
    few, many = chances.treated(0.02), chances.treated(0.46)
    assert 0 < few.sum() < many.sum() < USERS
    assert (many[few]).all()
    with pytest.raises(ValueError, match="No shelf"):
        chances.treated(50.0)
    shelves = {
        name: pa.table({"user_id": chances.users, "item_id": [name] * USERS, "rank": [1] * USERS})
        for name in ("popular", "personal")
    }
    table = mixed(shelves, chances.users, few).to_pandas().set_index("user_id")
    expected = np.where(few, "personal", "popular")
    assert list(table["item_id"].loc[chances.users]) == list(expected)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_cuped_takes_off_what_the_past_explains(noise: float) -> None:
    rng = np.random.default_rng(8)
    past = rng.gamma(2.0, 1.0, 4_000)
    table = pa.table(
        {
            "variant": np.where(rng.random(4_000) < 0.5, "old", "new"),
            "all_new_starts": past + noise * rng.gamma(2.0, 1.0, 4_000),
            "new_starts_before": past,
        }
    )
    found = cuped(table)["new_starts_per_user"]
    assert found["width"] == pytest.approx(found["expected"], rel=0.03)
    assert found["expected"] == pytest.approx(noise / np.hypot(1, noise), rel=0.05)


def test_the_committed_result_is_what_is_claimed() -> None:
    result = read_result("lift_truth")
    assert [*map(float, result["lifts"])] == list(LIFTS)
    for rates in result["lifts"].values():
        for rate in RATES:
            assert 0.936 <= rates[rate]["coverage"] <= 0.964
    for one in result["played"]["cuped"].values():
        assert one["width"] == pytest.approx(one["expected"], rel=0.03)
