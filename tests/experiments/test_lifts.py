"""Where no arm differs from the control, pages say so as seldom as they claim."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from colisten.experiments.lifts import Lift, lifts_of, method_of
from colisten.statistics.log_ratio import ratio_of_shares
from colisten.statistics.sequential import (
    ONE_LOOK,
    Boundary,
    ConfidenceSequence,
    GroupSequential,
)

ARMS = ("popularity", "2t", "2t-hgnn")
RATES = ("stream_rate", "new_start_rate")
USERS = 5_000
EXPERIMENTS = 10_000
"""So many that a figure is within .007 of the truth for any seed."""


Counts = tuple[int, dict[str, int]]
"""Users of an arm, and by rate how many of them did it."""


def _lifts(arms: dict[str, Counts], boundary: Boundary = ONE_LOOK) -> tuple[Lift, ...]:
    """Of every arm and rate against the first arm's."""
    (users, base), *_ = arms.values()
    ratios = {
        (arm, rate): ratio_of_shares(hits[rate], own, base[rate], users)
        for arm, (own, hits) in arms.items()
        for rate in RATES
        if arm != next(iter(arms))
    }
    return lifts_of(ratios, confidence=0.95, boundary=boundary)


@pytest.fixture(scope="module")
def quiet() -> list[tuple[Lift, ...]]:
    """Readings of A/A experiments: 20 % of users stream, half of these for the first time."""
    rng = np.random.default_rng(19)
    streams = rng.binomial(USERS, 0.2, (EXPERIMENTS, len(ARMS)))
    starts = rng.binomial(streams, 0.5)
    return [
        _lifts(
            {
                arm: (USERS, dict(zip(RATES, (int(did), int(new)), strict=True)))
                for arm, did, new in zip(ARMS, *counts, strict=True)
            }
        )
        for counts in zip(streams, starts, strict=True)
    ]


def _alarms(readings: list[tuple[Lift, ...]], name: str) -> np.ndarray:
    """Which lifts do not exceed 5 %, [experiments, lifts]."""
    return np.array([[getattr(lift, name) <= 0.05 for lift in lifts] for lifts in readings])


def test_a_lift_alone_is_falsely_found_in_one_experiment_of_twenty(
    quiet: list[tuple[Lift, ...]],
) -> None:
    shares = _alarms(quiet, "p_value").mean(axis=0)
    assert len(shares) == 4
    assert all(0.036 <= share <= 0.064 for share in shares)


def test_four_lifts_together_are_falsely_found_no_more_often(
    quiet: list[tuple[Lift, ...]],
) -> None:
    assert _alarms(quiet, "p_value").any(axis=1).mean() > 0.11, "or there was nothing to mend"
    assert _alarms(quiet, "adjusted_p_value").any(axis=1).mean() <= 0.064


def test_intervals_agree_with_the_p_beside_them(quiet: list[tuple[Lift, ...]]) -> None:
    for lift in (lift for lifts in quiet for lift in lifts):
        assert lift.lift is not None
        assert lift.adjusted_lift is not None
        assert lift.p_value is not None
        assert lift.adjusted_p_value is not None
        assert (lift.p_value <= 0.05) == (not lift.lift.low < 0 < lift.lift.high)
        adjusted = lift.adjusted_lift
        assert (lift.adjusted_p_value <= 0.05) == (not adjusted.low < 0 < adjusted.high)
        assert adjusted.low <= lift.lift.low <= lift.lift.high <= adjusted.high


def test_the_family_is_every_lift_of_the_page() -> None:
    arms = {
        "popularity": (1_000, {"stream_rate": 200, "new_start_rate": 100}),
        "2t": (1_000, {"stream_rate": 240, "new_start_rate": 150}),
        "nobody": (0, {"stream_rate": 0, "new_start_rate": 0}),
    }
    lifts = _lifts(arms)
    alone = [1.0 if lift.p_value is None else lift.p_value for lift in lifts]
    expected = multipletests(alone, method="holm")[1]
    assert [lift.adjusted_p_value for lift in lifts[:2]] == pytest.approx(list(expected[:2]))
    assert [lift.adjusted_p_value for lift in lifts[2:]] == [None, None]
    assert method_of(lifts, 0.95).startswith("4 lifts are read together by Holm's procedure")
    assert method_of((), 0.95) == ""


LOOKS = tuple(day / 14 for day in range(1, 15))


@pytest.mark.parametrize(
    "boundary", [GroupSequential(LOOKS[:9]), ConfidenceSequence(target=500.0)], ids=repr
)
def test_lifts_of_a_look_are_judged_by_its_bounds_at_the_steps_of_holm(boundary: Boundary) -> None:
    rng = np.random.default_rng(4)
    found: list[bool] = []
    for _ in range(12):
        arms = {
            arm: (
                2_000,
                {rate: int(rng.binomial(2_000, rng.uniform(0.1, 0.2))) for rate in RATES},
            )
            for arm in ARMS
        }
        lifts = _lifts(arms, boundary)
        expected, rejects = {}, True
        scores = {(lift.arm, lift.metric): _score(arms, lift) for lift in lifts}
        for rank, key in enumerate(sorted(scores, key=lambda key: -abs(scores[key][0]))):
            score, information = scores[key]
            rejects &= abs(score) > boundary.critical(0.05 / (4 - rank), information)
            expected[key] = rejects
        for lift in lifts:
            assert lift.adjusted_p_value is not None
            assert lift.adjusted_lift is not None
            assert lift.lift is not None
            assert (lift.adjusted_p_value <= 0.05) == expected[lift.arm, lift.metric]
            assert (not lift.adjusted_lift.low < 0 < lift.adjusted_lift.high) == expected[
                lift.arm, lift.metric
            ]
            alone = _lifts(arms)[lifts.index(lift)].lift
            assert alone is not None
            assert lift.lift.low < alone.low < alone.high < lift.lift.high
            found.append(expected[lift.arm, lift.metric])
    assert 5 < sum(found) < len(found) - 5, "or one of the two was never tried"


def _score(arms: dict[str, Counts], lift: Lift) -> tuple[float, float]:
    """Log ratio in standard errors, and its information."""
    own, base = arms[lift.arm][1][lift.metric], arms[ARMS[0]][1][lift.metric]
    variance = 1 / own + 1 / base - 2 / 2_000
    return float(np.log(own / base) / np.sqrt(variance)), 1 / variance
