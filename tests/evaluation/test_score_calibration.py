"""Scores as probabilities, in worlds whose probabilities are known."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from colisten.errors import ReleaseCorrupt
from colisten.evaluation import score_calibration
from colisten.evaluation.score_calibration import (
    CALIBRATION,
    EVERY_PAIR,
    SHOWN,
    ScoreCalibration,
    calibrate,
    carried,
    probabilities,
    reliabilities,
    score_pairs,
)
from colisten.evaluation.score_rule import LEAST_STARTS, Activity
from colisten.json_files import write_json
from colisten.ranking.eligible import EligibleUsers
from colisten.ranking.ragged import Ragged
from tests.evaluation.conftest import DAY

ITEMS, K = 120, 10


@dataclass(frozen=True)
class World:
    """Users with known chances, and a model that sees them through noise."""

    users: EligibleUsers
    activity: Activity
    chances: np.ndarray
    model: np.ndarray
    targets: Ragged

    def logits(self, rows: np.ndarray) -> np.ndarray:
        return self.model[rows]

    def calibrated(self) -> ScoreCalibration | None:
        return calibrate(
            self.users,
            self.targets,
            self.logits,
            self.activity,
            window_days=14,
            k=K,
            seed=0,
            confidence=0.95,
        )

    def take(self, rows: np.ndarray) -> World:
        return World(
            self.users.take(rows),
            self.activity.take(rows),
            self.chances[rows],
            self.model[rows],
            self.targets.take(rows),
        )


@cache
def world(
    users: int = 3000, *, noise: float = 0.7, level: float = -7.0, seed: int = 0, warm: float = 0.5
) -> World:
    """Busy users start more; some titles suit a user better than others."""
    rng = np.random.default_rng(seed)
    own = np.where(rng.random(users) < warm, rng.integers(1, 40, users), 0)
    activity = Activity(own > 0, np.log1p(own), np.log1p(rng.integers(0, 90, users)))
    taste = rng.normal(size=(users, ITEMS))
    odds = level + 0.8 * taste + 0.9 * activity.own[:, None]
    chances = 1.0 / (1.0 + np.exp(-odds))
    hidden = Ragged.of(np.repeat(np.arange(users), 3), rng.integers(0, ITEMS, 3 * users), users)
    available = np.ones(ITEMS, dtype=bool)
    available[-5:] = False
    started = rng.random(chances.shape) < chances
    started[:, ~available] = False
    started[hidden.rows, hidden.values] = False
    rows, items = np.nonzero(started)
    people = EligibleUsers(
        user_ids=np.array([f"u{at}" for at in range(users)], dtype=object),
        warm=activity.warm,
        exclusions=hidden,
        available=available,
        cut=DAY,
        target_type="audiobook",
    )
    model = 2.0 + taste + noise * rng.normal(size=taste.shape)
    return World(people, activity, chances, model, Ragged.of(rows, items, users))


@pytest.fixture(scope="module")
def found() -> ScoreCalibration:
    made = world().calibrated()
    assert made is not None
    return made


def test_probabilities_are_true_for_users_the_rule_has_not_seen(found: ScoreCalibration) -> None:
    planted = world()
    assert (found.users, found.window_days, found.k) == (3000, 14, K)
    assert found.starts == len(planted.targets.values) > 1000
    assert set(found.reliability) == {SHOWN, "shown to warm", "shown to cold", EVERY_PAIR}
    for name, one in found.reliability.items():
        assert one.error_of_truth.high is not None
        assert one.error < 0.01, name
        assert one.error < 2 * one.error_of_truth.high, name
        assert one.starts == round(
            sum(each.pairs * (each.observed.value or 0.0) for each in one.bins)
        )
    shown = found.reliability[SHOWN]
    assert shown.pairs == 3000 * K
    # One rate for all would be as true, and tell nothing.
    assert shown.log_loss < 0.97 * shown.log_loss_of_rate
    apart = [each.predicted for each in shown.bins]
    assert apart == sorted(apart)
    assert apart[-1] > 5 * apart[0]


def test_what_it_says_of_other_users_is_near_the_truth() -> None:
    learned, other = world(seed=1, noise=0.0), world(seed=2, noise=0.0)
    found = learned.calibrated()
    assert found is not None
    said = found.rule.probabilities(other.model, other.activity)
    busy = other.chances > 0.02
    assert np.abs(np.log(said[busy] / other.chances[busy])).mean() < 0.25
    assert said[busy].mean() == pytest.approx(other.chances[busy].mean(), rel=0.1)


def test_it_can_see_what_is_not_true(found: ScoreCalibration) -> None:
    """A softmax's own logits taken for log-odds, a rule of busier people, and rates of another
    window: each is far off, and is said to be."""
    planted = world()
    pairs = score_pairs(
        planted.users, planted.targets, planted.logits, planted.activity, k=K, seed=0
    )

    def error(predicted: np.ndarray) -> float:
        return reliabilities(pairs, predicted, 0, 0.95)[SHOWN].error

    assert error(probabilities(found.rule, pairs)) < 0.01
    assert error(1.0 / (1.0 + np.exp(-pairs.logits))) > 0.5
    assert error(np.minimum(1.0, 2 * probabilities(found.rule, pairs))) > 0.02
    # Learned from those alone who started something, as a table of hit rates has them.
    some = planted.take(np.flatnonzero(planted.targets.counts))
    eager = some.calibrated()
    assert eager is not None
    assert error(probabilities(eager.rule, pairs)) > 0.01


def test_for_one_user_probabilities_keep_the_order_of_scores() -> None:
    upright = world(800)
    backwards = World(
        upright.users, upright.activity, upright.chances, -upright.model, upright.targets
    )
    for each in (backwards, world(400, level=-6.0)):
        found = each.calibrated()
        assert found is not None
        order = np.argsort(each.model, axis=1)
        said = found.rule.probabilities(each.model, each.activity)
        assert np.isfinite(said).all()
        assert ((said >= 0) & (said <= 1)).all()
        assert (np.diff(np.take_along_axis(said, order, axis=1), axis=1) >= 0).all()


def test_a_rule_goes_on_with_a_training_whose_logits_lie_elsewhere(
    found: ScoreCalibration,
) -> None:
    planted = world()
    said = found.rule.probabilities(planted.model, planted.activity)
    elsewhere = np.where(planted.activity.warm[:, None], 4.0 * planted.model, planted.model - 3.0)
    moved = carried(found, planted.users, elsewhere.__getitem__, planted.activity)
    assert moved.reliability == found.reliability
    again = moved.rule.probabilities(elsewhere, planted.activity)
    np.testing.assert_allclose(again, said, rtol=1e-3)  # landmarks are of float32
    stale = found.rule.probabilities(elsewhere, planted.activity)
    assert np.abs(stale - said).mean() > 0.5 * said.mean()
    # A few shelves say nothing of where logits lie, and logits that are all alike neither.
    few = planted.take(np.arange(5))
    unmoved = carried(found, few.users, few.logits, few.activity)
    assert unmoved.rule.probabilities(planted.model, planted.activity) == pytest.approx(said)
    flat = np.zeros_like(planted.model)
    alike = carried(found, planted.users, flat.__getitem__, planted.activity)
    assert np.isfinite(alike.rule.probabilities(flat, planted.activity)).all()


def test_kinds_that_share_a_slope_share_their_landmarks() -> None:
    lopsided = world(1500, warm=0.9, level=-7.5)
    found = lopsided.calibrated()
    assert found is not None
    moved = carried(found, lopsided.users, lambda rows: 2 * lopsided.model[rows], lopsided.activity)
    assert moved.rule.cold.served == moved.rule.warm.served
    learned, served = moved.rule.warm.learned, moved.rule.warm.served
    assert learned is not None
    assert served is not None
    assert served.points == pytest.approx(2 * np.array(learned.points), rel=0.02)


def test_too_few_starts_give_no_rule_and_few_of_a_kind_no_slope_of_their_own() -> None:
    assert world(60, level=-12.0).calibrated() is None
    nobody = world(200, level=-60.0)
    assert nobody.calibrated() is None
    lopsided = world(1500, warm=0.9, level=-7.5)
    cold = ~lopsided.activity.warm
    assert lopsided.targets.counts[cold].sum() < LEAST_STARTS
    found = lopsided.calibrated()
    assert found is not None
    assert found.rule.cold.below == found.rule.warm.below
    assert found.rule.cold.intercept != found.rule.warm.intercept
    for name in (SHOWN, "shown to warm"):
        assert found.reliability[name].error < 0.01


def test_a_sample_of_the_pairs_says_what_all_of_them_say(
    found: ScoreCalibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = world()
    monkeypatch.setattr(score_calibration, "_MOST_PAIRS", 20_000)
    some = planted.calibrated()
    assert some is not None
    one, other = (each.reliability[EVERY_PAIR] for each in (found, some))
    assert other.pairs == pytest.approx(one.pairs, rel=0.03)
    assert other.starts == one.starts
    assert other.error < 0.002
    said = [each.rule.probabilities(planted.model, planted.activity) for each in (found, some)]
    assert np.abs(said[0] - said[1]).mean() < 0.001


def test_equal_seeds_give_equal_calibrations() -> None:
    assert world(500).calibrated() == world(500).calibrated()


def test_a_release_of_before_has_none_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    found = world(500).calibrated()
    assert found is not None
    assert ScoreCalibration.read(tmp_path) is None
    write_json(tmp_path / CALIBRATION, found, finite=True)
    assert ScoreCalibration.read(tmp_path) == found
    plain = found.model_dump(mode="json")
    falling = {**plain["rule"]["warm"], "above": -1.0}
    wrong: list[Any] = [
        {**plain, "rule": {**plain["rule"], "warm": falling}},
        {**plain, "k": 0},
        {**plain, "more": 1},
        {name: value for name, value in plain.items() if name != "rule"},
        [],
    ]
    for broken in wrong:
        write_json(tmp_path / CALIBRATION, broken)
        with pytest.raises(ReleaseCorrupt, match="Cannot read"):
            ScoreCalibration.read(tmp_path)
    (tmp_path / CALIBRATION).write_text('{"k": NaN')
    with pytest.raises(ReleaseCorrupt, match="Cannot read"):
        ScoreCalibration.read(tmp_path)
