"""Intervals over users and seeds cover what they say, for few seeds and any mix of noises."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from scipy.special import stdtrit

from colisten.evaluation.comparison import Comparison
from colisten.evaluation.metrics import Coverage
from colisten.evaluation.slices import Sample, _within
from colisten.settings.sections import EvaluationSettings
from colisten.statistics.jackknife import share_difference, share_interval
from colisten.statistics.seeds import SeedMeans, SeedNoise, quantile_of, with_seeds

SETTINGS = EvaluationSettings(bootstrap=200)
USERS = 60


def sample(values: np.ndarray) -> Sample:
    """A model's sample from one measure [S, U]; what is not looked at is empty."""
    average = np.repeat(values.mean(axis=0)[:, None], 4, axis=1)
    means = np.repeat(values.mean(axis=1)[:, None], 4, axis=1)
    squares = np.repeat((values**2).sum(), 4)
    seeds = SeedMeans(means, _within(average, means, squares))
    covered = Coverage(0.5, np.zeros(values.shape[1]))
    return Sample(average, seeds, covered, SeedMeans(np.full((len(values), 1), 0.5), np.zeros(1)))


def drawn(
    rng: np.random.Generator, people: np.ndarray, seeds: int, seed: float, rest: float
) -> np.ndarray:
    return (
        people + seed * rng.normal(size=(seeds, 1)) + rest * rng.normal(size=(seeds, len(people)))
    )


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("user", "seed", "rest"),
    [(1.0, 0.0, 0.1), (0.1, 0.5, 0.1), (0.1, 0.0, 1.0), (1.0, 0.12, 1.0)],
    ids=["users", "seeds", "both alike", "all"],
)
def test_an_interval_of_95_percent_covers_in_about_95_of_100_worlds(
    seeds: int, user: float, seed: float, rest: float
) -> None:
    rng = np.random.default_rng(seeds)
    worlds, covered, sure = 120, 0, 0
    for world in range(worlds):
        people = user * rng.normal(size=USERS)
        models = [sample(drawn(rng, people, seeds, seed, rest)) for _ in range(2)]
        found = Comparison(["one", "two"], models, "all", SETTINGS, seed=world)
        value = found.rows()[0].metrics["MRR"]
        assert value.low is not None
        assert value.high is not None
        covered += value.low <= 0.0 <= value.high
        (contrast,) = (each for each in found.against_all("one") if each.metric == "MRR")
        sure += contrast.sure
    # A share of 95 % over 120 worlds has a standard error of 2 %.
    assert covered / worlds >= 0.89
    assert sure / worlds <= 0.11, "models of one kind differ surely in a twentieth of the worlds"


def test_seeds_alone_would_look_surer_than_they_are() -> None:
    """Without Student's quantile three seeds cover 81 %: the factor is needed."""
    rng = np.random.default_rng(0)
    plain, honest = 0, 0
    for _ in range(2000):
        means = rng.normal(size=3)
        error = means.std(ddof=1) / np.sqrt(3)
        plain += abs(means.mean()) <= 1.96 * error
        noise = SeedNoise(3, error**2, np.zeros(0))
        honest += abs(means.mean()) <= quantile_of(0.0, [noise], 0.95) * error
    assert plain / 2000 < 0.85
    assert honest / 2000 == pytest.approx(0.95, abs=0.02)


def test_draws_have_the_variance_of_the_mean_over_seeds() -> None:
    means = np.random.default_rng(1).normal(size=(4, 3))
    found = SeedMeans(means, np.array([0.0, 0.1, 1e9]))
    draws = found.draws(40_000, np.random.default_rng(2))
    spread = means.var(axis=0, ddof=1)
    expected = np.array([spread[0], max(0.0, spread[1] - 0.1), 0.0]) / 4
    np.testing.assert_allclose(found.variance, expected)
    np.testing.assert_allclose(draws.var(axis=0), expected, rtol=0.05, atol=1e-12)
    np.testing.assert_allclose(draws.mean(axis=0), 0.0, atol=0.02)


def test_what_users_explain_is_the_mean_square_of_a_two_way_table() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=(3, 40)) + rng.normal(size=40)
    left = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + values.mean()
    expected = (left**2).sum() / (2 * 39) / 40
    found = _within(values.mean(axis=0)[:, None], values.mean(axis=1)[:, None], (values**2).sum())
    np.testing.assert_allclose(found, [expected])


def test_one_seed_or_equal_seeds_change_nothing() -> None:
    draws = np.random.default_rng(5).normal(size=100)
    alone = SeedMeans(np.ones((1, 2)), np.zeros(2))
    assert not alone.variance.any()
    assert np.isnan(alone.spread).all()
    assert not SeedMeans(np.ones((3, 2)), np.zeros(2)).draws(10, np.random.default_rng(0)).any()
    assert with_seeds(0.0, draws, [SeedNoise(1, 0.0, np.zeros(0))], 0.95) is draws
    assert quantile_of(1.0, [], 0.95) == NormalDist().inv_cdf(0.975)


def test_the_quantile_runs_from_the_normal_to_students() -> None:
    noise = SeedNoise(3, 1.0, np.zeros(0))
    found = [quantile_of(users, [noise], 0.95) for users in (1e9, 10.0, 1.0, 0.0)]
    assert found == sorted(found)
    assert found[0] == pytest.approx(NormalDist().inv_cdf(0.975))
    assert found[-1] == pytest.approx(stdtrit(2, 0.975))


def test_seeds_widen_the_interval_of_coverage() -> None:
    alone = np.full(20, 0.01)
    plain = share_interval(0.5, alone, confidence=0.95)
    assert plain is not None
    assert plain.low == 0.5
    noise = SeedNoise(3, 0.0004, np.zeros(0))
    found = share_interval(0.5, alone, confidence=0.95, noises=[noise])
    assert found is not None
    assert found.low == pytest.approx(0.5 - stdtrit(2, 0.975) * 0.02)
    difference = share_difference(0.1, alone - alone, confidence=0.95, noises=[noise, noise])
    assert difference is not None
    # Two variances of two degrees of freedom each make four.
    assert difference.low == pytest.approx(0.1 - stdtrit(4, 0.975) * 0.02 * np.sqrt(2))
    assert 0.0 < difference.p < 0.05
