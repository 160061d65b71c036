"""Means, ratios and CUPED are those of statsmodels, and CUPED is as narrow as theory says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.weightstats import CompareMeans, DescrStatsW

from colisten.experiments.means import POWER, Moments, change_of, detectable, mean_interval
from colisten.experiments.metrics import metric_of

MEAN = metric_of("new_starts_per_user")
RATIO = metric_of("fallback_share")
NAMES = ["all_new_starts", "new_starts_before", "fallbacks", "known_requests"]


def _drawn(rng: np.random.Generator, users: int, lift: float = 0.0) -> np.ndarray:
    """Starts after and before that hang together, and fallbacks among requests."""
    taste = rng.gamma(2.0, 1.0, users)
    after, before = rng.poisson(taste * (1 + lift)), rng.poisson(taste)
    requests = 1 + rng.poisson(2.0, users)
    return np.column_stack([after, before, rng.binomial(requests, 0.1), requests]).astype(float)


def _oracle(treated: np.ndarray, control: np.ndarray) -> CompareMeans:
    return CompareMeans(DescrStatsW(treated), DescrStatsW(control))


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 999), users=st.integers(50, 400), more=st.integers(50, 400))
def test_figures_are_those_of_statsmodels(seed: int, users: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    own, base = _drawn(rng, users, 0.3), _drawn(rng, more)
    treated, control = Moments.of(NAMES, own), Moments.of(NAMES, base)
    both = np.vstack([own, base])
    theta = np.cov(both[:, 0], both[:, 1])[0, 1] / both[:, 1].var(ddof=1)
    shares = [rows[:, 2].sum() / rows[:, 3].sum() for rows in (own, base)]
    linear = [
        share + (rows[:, 2] - share * rows[:, 3]) / rows[:, 3].mean()
        for share, rows in zip(shares, (own, base), strict=True)
    ]
    for change, expected in (
        (change_of(treated, control, MEAN), _oracle(own[:, 0], base[:, 0])),
        (
            change_of(treated, control, MEAN, covariate="new_starts_before"),
            _oracle(own[:, 0] - theta * own[:, 1], base[:, 0] - theta * base[:, 1]),
        ),
        (change_of(treated, control, RATIO), _oracle(linear[0], linear[1])),
    ):
        assert change is not None
        found = change.interval(0.9)
        low, high = expected.zconfint_diff(alpha=0.1, usevar="unequal")
        assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6)
        assert change.p == pytest.approx(expected.ztest_ind(usevar="unequal")[1], rel=1e-6)
    plain = change_of(treated, control, MEAN)
    assert plain is not None
    assert plain.ratio is not None
    spreads = [rows[:, 0].var(ddof=1) / rows[:, 0].mean() ** 2 / len(rows) for rows in (own, base)]
    assert plain.ratio.ratio == pytest.approx(own[:, 0].mean() / base[:, 0].mean(), rel=1e-6)
    assert plain.ratio.error == pytest.approx(np.sqrt(sum(spreads)), rel=1e-6)
    value = mean_interval(control, MEAN, 0.95)
    assert value is not None
    assert (value.low, value.high) == pytest.approx(
        DescrStatsW(base[:, 0]).zconfint_mean(0.05), rel=1e-6
    )


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6, 0.9])
def test_cuped_is_narrower_by_what_the_past_explains(rho: float) -> None:
    rng = np.random.default_rng(7)
    arms = []
    for lift in (0.2, 0.0):
        past = rng.normal(size=20_000)
        now = 5 * (1 + lift) + rho * past + np.sqrt(1 - rho**2) * rng.normal(size=20_000)
        arms.append(Moments.of(NAMES[:2], np.column_stack([now, past])))
    treated, control = arms
    plain = change_of(treated, control, MEAN)
    adjusted = change_of(treated, control, MEAN, covariate="new_starts_before")
    assert plain is not None
    assert adjusted is not None
    assert adjusted.error / plain.error == pytest.approx(np.sqrt(1 - rho**2), rel=0.03)
    assert adjusted.difference == pytest.approx(1.0, abs=4 * adjusted.error)


@pytest.mark.parametrize(("users", "more"), [(400, 400), (300, 900)])
def test_what_would_be_found_is_what_statsmodels_says(users: int, more: int) -> None:
    rng = np.random.default_rng(3)
    base = _drawn(rng, users)
    treated = Moments.of(NAMES, _drawn(rng, more))
    found = detectable(treated, Moments.of(NAMES, base), MEAN, alpha=0.01)
    assert found is not None
    effect = found * base[:, 0].mean() / base[:, 0].std(ddof=1)
    power = NormalIndPower().power(effect, users, 0.01, ratio=more / users)
    assert power == pytest.approx(POWER, abs=1e-6)


@pytest.mark.parametrize(
    ("own", "base", "ratio", "p"),
    [
        (np.zeros((9, 4)), np.zeros((9, 4)), None, 1.0),
        (np.ones((9, 4)), np.ones((9, 4)), 1.0, 1.0),
        (np.ones((9, 4)), np.zeros((9, 4)), None, 0.0),
    ],
)
def test_arms_without_spread_are_read_without_a_warning(
    own: np.ndarray, base: np.ndarray, ratio: float | None, p: float
) -> None:
    with np.errstate(all="raise"):
        change = change_of(Moments.of(NAMES, own), Moments.of(NAMES, base), MEAN)
    assert change is not None
    assert (change.ratio and change.ratio.ratio, change.p) == (ratio, p)


def test_too_few_users_say_nothing() -> None:
    one, many = Moments.of(NAMES, np.ones((1, 4))), Moments.of(NAMES, np.ones((9, 4)))
    nobody = Moments.of(NAMES, np.ones((0, 4)))
    for arm in (one, nobody):
        assert change_of(arm, many, MEAN) is None
        assert change_of(many, arm, MEAN) is None
        assert detectable(arm, many, MEAN, alpha=0.05) is None
        assert mean_interval(arm, MEAN, 0.95) is None
    unasked = Moments.of(NAMES, np.zeros((9, 4)))
    assert mean_interval(unasked, RATIO, 0.95) is None
    assert change_of(many, unasked, RATIO) is None
