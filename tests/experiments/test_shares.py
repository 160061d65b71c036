"""One rule reads planned shares, wherever they come from."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import ConfigError
from colisten.experiments.assignment import assign
from colisten.experiments.comparison import compare_arms
from colisten.settings.shares import planned_shares, read_shares
from tests.experiments.test_comparison import table

NO_PLAN: list[Any] = [
    {},
    None,
    ["control", "new"],
    "control",
    0.5,
    {"control": 50, "new": 50},
    {"control": 33, "new": 33, "third": 34},
    {"control": 1, "new": 1},
    {"control": 0.5, "new": 0.4},
    {"control": 0.5, "new": 0.6},
    {"control": 0.5, "new": 0.5, "off": 0.0},
    {"control": 1.5, "new": -0.5},
    {"control": math.nan, "new": 0.5},
    {"control": math.inf, "new": 0.5},
    {"control": 1e308, "new": 1e308},
    {"control": 10**400, "new": 0.5},
    {"control": ".5", "new": ".5"},
    {"control": None, "new": 1.0},
    {"control": [0.5], "new": 0.5},
    {"control": {"share": 0.5}, "new": 0.5},
    {"control": True},
    {"control": 0.5 + 0j, "new": 0.5},
    {"": 1.0},
    {" \n": 1.0},
    {"\ud800": 1.0},
    {1: 0.5, 2: 0.5},
    {None: 1.0},
]


@pytest.mark.parametrize("shares", NO_PLAN, ids=lambda shares: ascii(shares)[:40])
def test_what_is_no_plan_is_one_sentence_at_every_door(shares: Any) -> None:
    rows = table({"control": 0.5, "new": 0.5}, 20)
    doors = (
        lambda: planned_shares(shares),
        lambda: assign("u", experiment="shelf", arms=shares),
        lambda: compare_arms(rows, control="control", shares=shares),
    )
    for door in doors:
        with pytest.raises(ConfigError, match="Planned shares: ") as refusal:
            door()
        assert "\n" not in str(refusal.value)
        str(refusal.value).encode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "nonsense",
        "NaN",
        "0.5",
        "null",
        '["control"]',
        '{"control": NaN, "new": 0.5}',
        '{"control": Infinity, "new": 0.5}',
        '{"control": 1e999}',
        '{"control": 0.5, "control": 0.5}',
        '{"\\ud800": 1.0}',
        "[" * 100_000,
        '{"control": ' + "9" * 5_000 + "}",
    ],
    ids=lambda text: text[:20],
)
def test_text_that_is_no_plan_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        read_shares(text)
    assert "\n" not in str(refusal.value)


def test_a_repeated_arm_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'control'.* twice"):
        read_shares('{"control": 0.5, "new": 0.25, "control": 0.25}')


def test_per_cent_are_told_from_other_sums() -> None:
    with pytest.raises(ConfigError, match=r"per cent\. Divide each by 100"):
        planned_shares({"control": 33, "new": 33, "third": 34})
    with pytest.raises(ConfigError, match=r"sum to 0.9, not to 1"):
        planned_shares({"control": 0.5, "new": 0.4})


def test_rounded_thirds_are_thirds() -> None:
    assert planned_shares(dict.fromkeys("abc", 0.333)) == pytest.approx(
        dict.fromkeys("abc", 1 / 3), abs=1e-15
    )


def test_numbers_of_any_kind_are_numbers() -> None:
    shares: dict[str, Any] = {"a": np.float32(0.25), "b": Fraction(1, 4), "c": Decimal("0.5")}
    assert planned_shares(shares) == {"a": 0.25, "b": 0.25, "c": 0.5}
    for undefined in ("nan", "snan", "inf"):
        with pytest.raises(ConfigError, match="not a positive number"):
            planned_shares(shares | {"a": Decimal(undefined)})


@given(
    st.dictionaries(
        st.text(min_size=1).filter(lambda name: name.strip() and name.isprintable()),
        st.floats(1e-3, 1.0),
        min_size=1,
        max_size=12,
    )
)
def test_a_plan_sums_to_one_in_its_order_whatever_its_arms_are_called(
    weights: dict[str, float],
) -> None:
    total = sum(weights.values())
    shares = {arm: round(weight / total, 6) for arm, weight in weights.items()}
    if min(shares.values()) == 0:
        return
    plan = planned_shares(shares)
    assert list(plan) == list(shares)
    assert math.fsum(plan.values()) == pytest.approx(1, abs=1e-12)
    assert plan == pytest.approx(shares, abs=1e-4)
    assert read_shares(json.dumps(shares)) == plan
    assert assign("u", experiment="x", arms=shares) in shares
