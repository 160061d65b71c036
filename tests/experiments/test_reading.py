"""What is read beside the lifts: the past, guardrails, days, segments and follow-up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from statsmodels.stats.multitest import multipletests

from colisten.errors import ConfigError
from colisten.experiments.comparison import compare_arms
from colisten.experiments.design import ExperimentDesign
from colisten.experiments.metrics import METRICS, measured
from colisten.experiments.pre_period import compare_before
from colisten.experiments.reading import Comparison

SHARES = {"control": 0.5, "new": 0.5}
DESIGN: dict[str, Any] = {
    "name": "shelf",
    "arms": SHARES,
    "control": "control",
    "start": datetime(2025, 6, 1, tzinfo=UTC),
}


def outcomes(users: int, seed: int = 0, **new_arm: Any) -> pa.Table:
    """As many users of either arm, alike but for what `new_arm` says of the columns of the new."""
    rng = np.random.default_rng(seed)
    taste = rng.gamma(1.0, 1.0, 2 * users)
    new = np.repeat([False, True], users)
    columns: dict[str, np.ndarray] = {
        "variants": np.ones(2 * users, dtype=int),
        "streams": rng.poisson(0.3, 2 * users),
        "new_starts": rng.poisson(0.2, 2 * users),
        "all_new_starts": rng.poisson(taste),
        "other_starts": rng.poisson(3 * taste),
        "starts_before": rng.poisson(taste),
        "new_starts_before": rng.poisson(taste),
        "other_starts_before": rng.poisson(3 * taste),
        "fallbacks": rng.binomial(4, 0.02, 2 * users),
        "empty_shelves": np.zeros(2 * users, int),
        "known_requests": np.full(2 * users, 4),
        "observed_days": rng.uniform(0, 14, 2 * users),
    }
    for name, change in new_arm.items():
        columns[name] = np.where(new, change(columns[name], rng), columns[name])
    countries = rng.choice(["SE", "DE", "FR"], 2 * users)
    return pa.table(
        {
            "variant": np.where(new, "new", "control"),
            "country": countries,
            "surface": ["home"] * (2 * users),
            **columns,
        }
    )


def read(table: pa.Table, **design: Any) -> Comparison:
    return compare_arms(
        table,
        control="control",
        shares=SHARES,
        design=ExperimentDesign(**DESIGN, **design) if design else None,
    )


def test_arms_that_were_alike_before_pass_as_seldom_as_it_says() -> None:
    tests = []
    for seed in range(60):
        table = outcomes(400, seed)
        new = np.asarray(table["variant"]) == "new"
        metrics, _ = measured(METRICS, table.column_names)
        found = compare_before(table, {"control": ~new, "new": new}, metrics, control="control")
        tests += [one.p_value for one in found]
    assert len(tests) == 60 * 4
    assert 0.02 < np.mean(np.array(tests) < 0.05) < 0.09
    quiet = read(outcomes(400))
    assert quiet.before_is_sound
    assert "users of all arms were alike (4 tests" in quiet.before_verdict


@pytest.mark.parametrize("column", ["new_starts_before", "other_starts_before"])
def test_an_arm_of_eager_users_is_found_before_any_result(column: str) -> None:
    eager: dict[str, Any] = {column: lambda own, rng: own + rng.poisson(0.9, len(own))}
    reading = read(outcomes(2_000, **eager))
    assert reading.split_is_sound
    assert not reading.before_is_sound
    assert not reading.is_sound
    [said] = reading.health
    assert "Users of 'new' were not like the control's in the 28 days before" in said
    assert reading.to_dict()["is_sound"] is False


def test_a_past_of_nobody_is_not_called_alike() -> None:
    empty: dict[str, Any] = dict.fromkeys(
        ("starts_before", "new_starts_before", "other_starts_before"), lambda own, rng: 0 * own
    )
    table = outcomes(200, **empty).slice(200)  # the new arm's
    both = pa.concat_tables([table, table.set_column(0, "variant", pa.array(["control"] * 200))])
    reading = read(both)
    assert reading.before == ()
    assert "Too few users did anything" in reading.before_verdict


def test_a_guardrail_that_got_worse_is_said_and_one_that_got_better_is_not() -> None:
    reading = read(outcomes(1_000, fallbacks=lambda own, rng: rng.binomial(4, 0.1, len(own))))
    worse = {one.metric for one in reading.guardrails if one.worse}
    assert worse == {"fallback_share"}
    [said] = reading.guarded
    assert said.startswith("Guardrail: share of fallbacks of 'new' got worse (+")
    better = read(outcomes(1_000, fallbacks=lambda own, rng: 0 * own))
    assert not [one for one in better.guardrails if one.worse]
    assert better.guarded[0].startswith("Guardrails: nothing surely got worse")


def test_fallbacks_that_rise_from_none_are_worse_though_they_have_no_lift() -> None:
    rows = outcomes(500, fallbacks=lambda own, rng: 0 * own)
    fell = np.where(np.asarray(rows["variant"]) == "new", 1, 0)
    table = rows.set_column(rows.schema.get_field_index("fallbacks"), "fallbacks", pa.array(fell))
    assert [one.metric for one in read(table).guardrails if one.worse] == ["fallback_share"]


def test_more_empty_shelves_are_worse() -> None:
    reading = read(outcomes(1_000, empty_shelves=lambda own, rng: rng.binomial(4, 0.05, len(own))))
    assert [one.metric for one in reading.guardrails if one.worse] == ["empty_share"]


def test_segments_are_judged_by_benjamini_and_hochberg() -> None:
    table = outcomes(3_000, new_starts=lambda own, rng: rng.poisson(0.3, len(own)))
    reading = read(table)
    assert [one.by for one in reading.segments] == ["country"] * 3 + ["surface"]
    alone = [one.p_value for one in reading.segments]
    expected = multipletests(alone, method="fdr_bh")[1]
    assert [one.adjusted_p_value for one in reading.segments] == pytest.approx(list(expected))
    assert reading.segments[-1].users == 6_000
    assert reading.segments[-1].lift == reading.lifts[0].lift


def test_segments_of_few_users_are_left_out() -> None:
    table = outcomes(30)
    countries = ["SE"] * 55 + [f"X{n}" for n in range(5)]
    at = table.schema.get_field_index("country")
    reading = read(table.set_column(at, "country", pa.array(countries)))
    assert {one.value for one in reading.segments} == {"SE", "home"}


def test_users_without_full_follow_up_are_left_out_with_a_design_alone() -> None:
    table = outcomes(500)
    open_ = int(np.sum(np.asarray(table["observed_days"]) < 3))
    free, planned = read(table), read(table, attribution_hours=72)
    assert (free.open_users, planned.open_users) == (None, open_)
    assert sum(arm.followed for arm in free.arms) == sum(arm.users for arm in free.arms) == 1_000
    assert sum(arm.followed for arm in planned.arms) == 1_000 - open_
    assert f"Left out: {open_} users without full follow-up" in " ".join(planned.left_out)
    assert planned.to_dict()["design"]["attribution_hours"] == 72


def test_the_family_is_what_the_design_says() -> None:
    table = outcomes(500)
    wide = read(table, secondary=None)
    narrow = read(table, secondary=[])
    named = read(table, primary="new_starts_per_user", secondary=["stream_rate"])
    assert [one.metric for one in wide.lifts] == [
        "new_start_rate",
        "stream_rate",
        "new_starts_per_user",
    ]
    assert [one.metric for one in narrow.lifts] == ["new_start_rate"]
    assert narrow.lifts[0].adjusted_p_value == pytest.approx(narrow.lifts[0].p_value)
    assert [one.metric for one in named.lifts] == ["new_starts_per_user", "stream_rate"]
    assert [one.name for one in wide.unmeasured] == ["hours_per_user"]
    assert narrow.lifts[0].detectable is not None
    assert wide.lifts[0].detectable is not None
    assert narrow.lifts[0].detectable < wide.lifts[0].detectable
    with pytest.raises(ConfigError, match="'hours_per_user' is not measured: the data lack hours"):
        read(table, primary="hours_per_user")


def test_days_are_counted_among_those_who_were_there() -> None:
    table = outcomes(300)
    days = [[0, 0, 1] if at % 2 else [] for at in range(600)]
    table = table.append_column("new_start_days", pa.array(days, pa.list_(pa.int64())))
    reading = read(table)
    watched = np.asarray(table["observed_days"])
    new = np.asarray(table["variant"]) == "new"
    own = np.array([[list_.count(day) for list_ in days] for day in range(14)])
    for one in reading.days:
        there = watched >= one.day + 1
        assert (one.users, one.control_users) == ((there & new).sum(), (there & ~new).sum())
        means = [own[one.day][there & arm].mean() for arm in (new, ~new)]
        assert (one.lift is None) == (min(means) == 0)
        if one.lift is not None:
            assert one.lift.value == pytest.approx(means[0] / means[1] - 1)
    assert [one.day for one in reading.days] == list(range(len(reading.days)))
    assert len(reading.days) > 10
