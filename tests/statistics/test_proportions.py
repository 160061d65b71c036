"""Shares of users against scipy."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from colisten.statistics.proportions import wilson


def test_wilson_agrees_with_scipy() -> None:

    ours = wilson(7, 50, 0.95)
    theirs = binomtest(7, 50).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
