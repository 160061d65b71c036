"""Bounds of repeated looks: beside published tables and scipy, and as seldom passed as they say."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from colisten.errors import ConfigError
from colisten.statistics.sequential import (
    LEAST_P,
    Boundary,
    ConfidenceSequence,
    GroupSequential,
    OneLook,
    Spending,
    group_bounds,
    spent,
)

SPENDINGS: tuple[Spending, ...] = get_args(Spending)
FIFTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
FORTNIGHT = tuple(day / 14 for day in range(1, 15))


def fractions_of(steps: list[int]) -> tuple[float, ...]:
    """Information fractions that rise by parts of `steps`, to 1."""
    return tuple(float(one) for one in np.cumsum(steps) / sum(steps))


plans = st.lists(st.integers(1, 9), min_size=1, max_size=6).map(fractions_of)
alphas = st.floats(1e-6, 0.3)


@pytest.mark.parametrize(
    ("spending", "published"),
    [
        # Two-sided, 0.05, five equal looks: Reboussin, DeMets, Kim and Lan, Controlled Clinical
        # Trials 21 (2000); also of Jennison and Turnbull (2000), section 7.2.
        ("obrien_fleming", (4.8769, 3.3569, 2.6803, 2.2898, 2.0310)),
        ("pocock", (2.4380, 2.4268, 2.4101, 2.3966, 2.3859)),
    ],
)
def test_bounds_are_those_of_the_published_tables(
    spending: Spending, published: tuple[float, ...]
) -> None:
    assert group_bounds(FIFTHS, 0.05, spending) == pytest.approx(published, abs=1e-3)


def covariance(fractions: tuple[float, ...]) -> np.ndarray:
    """Of the scores of these looks."""
    at = np.array(fractions)
    return np.sqrt(np.minimum.outer(at, at) / np.maximum.outer(at, at))


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("alpha", [0.001, 0.05, 0.2])
@pytest.mark.parametrize("first", [0.1, 0.5, 0.8])
def test_two_looks_are_those_of_scipys_bivariate_normal(
    spending: Spending, alpha: float, first: float
) -> None:
    fractions = (first, 1.0)
    whole = covariance(fractions)
    start = norm.isf(spent(first, alpha, spending) / 2)

    def left(bound: float) -> float:
        ends = np.array([start, bound])
        kept = multivariate_normal.cdf(ends, cov=whole, lower_limit=-ends)
        return float(1 - kept - spent(1.0, alpha, spending))

    expected = (start, brentq(left, 0.1, 8))
    assert group_bounds(fractions, alpha, spending) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("fractions", [FIFTHS, (0.3, 0.35, 0.9), (0.5, 0.6, 0.7, 1.0)])
def test_every_look_is_that_of_scipys_multivariate_normal(
    spending: Spending, fractions: tuple[float, ...]
) -> None:
    bounds = np.array(group_bounds(fractions, 0.05, spending))
    whole = covariance(fractions)
    for look in range(2, len(fractions) + 1):
        kept = multivariate_normal.cdf(
            bounds[:look],
            cov=whole[:look, :look],
            lower_limit=-bounds[:look],
            abseps=1e-7,
            maxpts=400_000,
            rng=np.random.default_rng(1),
        )
        spends = spent(fractions[look - 1], 0.05, spending)
        # What a bound that is wrong by a thousandth would be wrong by.
        thousandth = 2e-3 * norm.pdf(bounds[look - 1])
        assert 1 - kept == pytest.approx(spends, abs=thousandth + 2e-6)


@pytest.mark.parametrize("spending", SPENDINGS)
def test_fourteen_looks_are_false_as_often_as_one(spending: Spending) -> None:
    runs = 100_000
    steps = np.random.default_rng(8).standard_normal((runs, 14))
    scores = np.abs(np.cumsum(steps, axis=1) / np.sqrt(np.arange(1, 15)))
    assert (scores > 1.96).any(axis=1).mean() > 0.2, "or there was nothing to mend"
    alarms = (scores > group_bounds(FORTNIGHT, 0.05, spending)).any(axis=1).mean()
    assert alarms == pytest.approx(0.05, abs=0.003)


def test_the_last_of_fourteen_intervals_is_hardly_wider() -> None:
    assert group_bounds(FORTNIGHT, 0.05)[-1] / norm.isf(0.025) <= 1.10
    target = ConfidenceSequence(target=300.0)
    assert target.critical(0.05, 300.0) / norm.isf(0.025) <= 1.6


@given(fractions=plans, alpha=alphas, spending=st.sampled_from(SPENDINGS))
def test_what_comes_later_changes_no_earlier_bound(
    fractions: tuple[float, ...], alpha: float, spending: Spending
) -> None:
    whole = group_bounds(fractions, alpha, spending)
    for looks in range(1, len(fractions)):
        assert group_bounds(fractions[:looks], alpha, spending) == pytest.approx(
            whole[:looks], abs=1e-4
        )


@given(
    fractions=plans, alpha=alphas, share=st.floats(0.1, 0.9), spending=st.sampled_from(SPENDINGS)
)
def test_a_smaller_alpha_asks_for_more_at_every_look(
    fractions: tuple[float, ...], alpha: float, share: float, spending: Spending
) -> None:
    # Without this neither a repeated p-value nor Holm's procedure over them would be valid.
    wide = group_bounds(fractions, alpha * share, spending)
    narrow = group_bounds(fractions, alpha, spending)
    assert all(one > other for one, other in zip(wide, narrow, strict=True))


BOUNDARIES: tuple[Boundary, ...] = (
    OneLook(),
    *(GroupSequential(FIFTHS[:looks], each) for looks in (1, 3, 5) for each in SPENDINGS),
    ConfidenceSequence(target=50.0),
)


@pytest.mark.parametrize("boundary", BOUNDARIES, ids=repr)
def test_p_values_are_the_alpha_of_the_bound_that_is_reached(boundary: Boundary) -> None:
    for information in (5.0, 50.0, 5_000.0):
        for alpha in (1e-6, 0.01, 0.05, 0.3):
            score = boundary.critical(alpha, information)
            assert boundary.p_value(score, information) == pytest.approx(alpha, rel=1e-3)
            assert boundary.p_value(-score, information) == boundary.p_value(score, information)
        scores = np.linspace(0, 45, 46)
        found = [boundary.p_value(score, information) for score in scores]
        assert all(one >= other for one, other in pairwise(found))
        assert 0 <= min(found) <= LEAST_P
        assert found[0] == pytest.approx(1)


@given(alpha=st.floats(1e-9, 0.9))
def test_one_look_is_the_normal_distribution(alpha: float) -> None:
    expected = norm.isf(alpha / 2)
    assert OneLook().critical(alpha, 1.0) == pytest.approx(expected)
    for spending in SPENDINGS:
        assert group_bounds((1.0,), alpha, spending) == pytest.approx((expected,), abs=1e-6)


def test_a_confidence_sequence_may_be_looked_at_whenever() -> None:
    runs, looks = 2_000, 4_000
    steps = np.random.default_rng(8).standard_normal((runs, looks))
    information = np.arange(1, looks + 1)
    scores = np.abs(np.cumsum(steps, axis=1) / np.sqrt(information))
    boundary = ConfidenceSequence(target=400.0)
    bounds = np.array([boundary.critical(0.05, float(one)) for one in information])
    alarms = (scores > bounds).any(axis=1).mean()
    assert 0.02 < alarms <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert (scores > 1.96).any(axis=1).mean() > 0.5
    widths = bounds / np.sqrt(information)
    narrowest = bounds.min()
    assert bounds[399] == pytest.approx(narrowest, rel=0.005)
    assert (np.diff(widths) < 0).all()


@pytest.mark.parametrize(
    "fractions", [(), (0.0,), (0.5, 0.5), (0.5, 0.4), (0.5, 1.1), (float("nan"),), (0.5, 0.5001)]
)
def test_fractions_that_are_none_are_refused(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="information fractions"):
        group_bounds(fractions, 0.05)


def test_looks_before_anything_is_known_have_bounds_that_nothing_passes() -> None:
    bounds = group_bounds((0.001, 0.002, 1.0), 0.05)
    assert bounds[:2] == (37.0, 37.0)
    assert bounds[2] == pytest.approx(norm.isf(0.025), abs=1e-3)
