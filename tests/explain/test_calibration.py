from __future__ import annotations

import numpy as np
import pytest

from colisten.explain.calibration import Calibration, calibration
from colisten.explain.logits import UserSample
from colisten.ranking.ragged import Ragged
from tests.explain.samples import answering, drawn_sample

LOGITS = np.random.default_rng(7).normal(scale=1.5, size=(3000, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def sample() -> UserSample:
    return drawn_sample(LOGITS)


def measured(sample: UserSample, logits: np.ndarray) -> Calibration:
    found = calibration(sample, answering(sample, logits), seed=0)
    assert found is not None
    return found


def test_true_probabilities_have_next_to_no_error(sample: UserSample) -> None:
    found = measured(sample, LOGITS)
    assert found.error < 0.06
    assert not found.sure
    assert found.slope.value == pytest.approx(1.0, abs=0.06)
    assert found.slope.low is not None
    assert found.slope.high is not None
    assert found.slope.low < 1.0 < found.slope.high
    for one in found.bins:
        assert one.observed.low is not None
        assert one.observed.high is not None
        # A little beyond 95%: ten bins are looked at.
        slack = 0.15 * one.predicted
        assert one.observed.low - slack < one.predicted < one.observed.high + slack


@pytest.mark.parametrize("factor", [2.0, 0.5])
def test_sharpened_and_flattened_ones_do_not(sample: UserSample, factor: float) -> None:
    found = measured(sample, LOGITS * np.float32(factor))
    assert found.error > 0.2
    assert found.sure
    assert found.slope.value == pytest.approx(1 / factor, rel=0.1)
    assert found.log_probability < measured(sample, LOGITS).log_probability


def test_a_model_that_knows_nothing_has_no_slope(sample: UserSample) -> None:
    found = measured(sample, np.random.default_rng(1).normal(size=LOGITS.shape))
    assert found.slope.low is not None
    assert found.slope.high is not None
    assert found.slope.low < 0.0 < found.slope.high
    assert found.log_probability < found.log_probability_of_chance


def test_one_that_is_never_wrong_has_no_best_factor() -> None:
    logits = np.zeros((50, 5))
    logits[:, 2] = 4.0
    sample = drawn_sample(logits * 100)
    assert measured(sample, logits).slope.value is None


def test_bins_hold_equal_probability_and_every_candidate(sample: UserSample) -> None:
    found = measured(sample, LOGITS)
    assert sum(one.pairs for one in found.bins) == LOGITS.size
    assert sum(one.streamed for one in found.bins) == found.choices == len(LOGITS)
    expected = np.array([one.expected for one in found.bins])
    assert expected.sum() == pytest.approx(found.choices)
    assert expected == pytest.approx(np.full(10, 300.0), rel=0.1)
    predicted = [one.predicted for one in found.bins]
    assert predicted == sorted(predicted)


def test_what_cannot_be_shown_has_no_probability() -> None:
    available = np.arange(40) < 25
    sample = drawn_sample(LOGITS[:500], available=available)
    found = measured(sample, LOGITS[:500])
    assert sum(one.pairs for one in found.bins) == 500 * 25
    assert found.log_probability_of_chance == pytest.approx(-np.log(25))


def test_a_user_with_two_streams_made_two_choices() -> None:
    logits = np.zeros((3, 4))
    sample = UserSample(
        user_ids=np.array(["a", "b", "c"], dtype=object),
        warm=np.ones(3, dtype=bool),
        exclusions=Ragged.of(np.array([0]), np.array([3]), 3),
        available=np.ones(4, dtype=bool),
        targets=Ragged.of(np.array([0, 0, 2]), np.array([0, 1, 2]), 3),
    )
    found = measured(sample, logits)
    assert (found.users, found.choices) == (2, 3)
    assert sum(one.pairs for one in found.bins) == 2 * 3 + 4
    assert found.log_probability == pytest.approx(-(2 * np.log(3) + np.log(4)) / 3)


def test_equal_seeds_give_equal_figures(sample: UserSample) -> None:
    assert measured(sample, LOGITS) == measured(sample, LOGITS)


def test_without_streams_there_is_nothing_to_say() -> None:
    sample = drawn_sample(LOGITS[:10])
    silent = UserSample(
        sample.user_ids,
        sample.warm,
        sample.exclusions,
        sample.available,
        Ragged.empty(10),
    )
    assert calibration(silent, answering(silent, LOGITS), seed=0) is None
