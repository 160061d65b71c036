"""Experiments without a difference, read once and every day: at a moderate size, seeds fixed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.false_alarms import ARMS, METRICS, dealt_arms, measured, scores_of
from colisten.experiments.comparison import compare_arms

START = datetime(2025, 6, 1, tzinfo=UTC)
USERS, RUNS = 900, 300
MOST = 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)
"""Three standard errors of so few experiments above what is allowed; the benchmark has more."""


@pytest.fixture(scope="module")
def known() -> dict[datetime, pa.Table]:
    """Outcomes by day of users who come within a fortnight and start titles at their own rates."""
    rng = np.random.default_rng(19)
    came = rng.uniform(0, 14, USERS) ** 2 / 14
    eager = rng.gamma(0.5, 2.0, USERS)
    shown = np.zeros(USERS, dtype=int)
    total = np.zeros(USERS, dtype=int)
    tables = {}
    for day in range(1, 15):
        there = np.clip(day - came, 0, 1)
        shown += rng.poisson(0.05 * eager * there)
        total += rng.poisson(0.05 * eager * there)
        rows = np.flatnonzero(came < day)
        tables[START + timedelta(days=day)] = pa.table(
            {
                "user_id": [f"u{row}" for row in rows],
                "variants": [1] * len(rows),
                "observed_days": day - came[rows],
                "streams": shown[rows],
                "new_starts": shown[rows] // 2,
                "all_new_starts": (shown + total)[rows],
            }
        )
    return tables


def test_alarms_are_as_seldom_as_they_are_said_to_be(known: dict[datetime, pa.Table]) -> None:
    ways = measured(known, START, RUNS)["ways"]
    once = ways["once, at the end"]
    assert all(0.1 - MOST < share < MOST for share in once["each_lift"])
    assert once["any_lift_alone"] > 0.1, "or there was nothing to mend"
    naive = ways["every day, as if once"]
    assert min(naive["each_lift"]) > 0.1, "or there was nothing to mend"
    for name in ways.keys() - {"every day, as if once"}:
        assert ways[name]["any_lift_adjusted"] < MOST, name
        assert max(ways[name]["each_lift"]) < MOST, name
    assert 1.0 < ways["every day, group sequential"]["last_width"] <= 1.10
    assert 1.0 < ways["every day, confidence sequence"]["last_width"] <= 1.6


def test_scores_are_those_of_the_report(known: dict[datetime, pa.Table]) -> None:
    table = list(known.values())[-1]
    followed = table.filter(np.asarray(table["observed_days"]) >= 3)
    dealt = dealt_arms(table["user_id"].to_pylist(), 3)
    scores = scores_of(table, dealt)
    for run in range(3):
        arms = dealt_arms(followed["user_id"].to_pylist(), 3)[run]
        outcomes = followed.append_column("variant", pa.array([ARMS[arm] for arm in arms]))
        reading = compare_arms(outcomes, control=ARMS[0], shares=dict.fromkeys(ARMS, 1 / 3))
        for lift in reading.lifts:
            at = run, ARMS.index(lift.arm) - 1, list(METRICS).index(lift.metric)
            error = scores.information[at] ** -0.5
            ends = np.exp(scores.score[at] * error + 1.959964 * error * np.array([-1, 0, 1])) - 1
            assert lift.lift is not None
            told = (lift.lift.low, lift.lift.value, lift.lift.high)
            assert told == pytest.approx(ends, rel=1e-4, abs=1e-6)
