from __future__ import annotations

import json
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from colisten.errors import ColistenError, ConfigError, ReportError
from colisten.experiments.comparison import compare_arms

SHARES = {"popularity": 0.5, "2t-hgnn": 0.5}


def table(rates: dict[str, float], users: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = []
    for name, rate in rates.items():
        starts = rng.random(users) < rate
        rows += [
            {
                "user_id": f"{name}{n}",
                "variant": name,
                "variants": 1,
                "requests": 1,
                "streams": int(start),
                "new_starts": int(start),
            }
            for n, start in enumerate(starts)
        ]
    return pa.Table.from_pylist(rows)


def test_a_planted_lift_is_found() -> None:
    reading = compare_arms(
        table({"popularity": 0.10, "2t-hgnn": 0.15}, 8_000), control="popularity", shares=SHARES
    )
    lift = next(lift for lift in reading.lifts if lift.metric == "new_start_rate")
    assert lift.lift is not None
    assert lift.p_value is not None
    assert lift.lift.low < 0.5 < lift.lift.high
    assert lift.lift.low > 0
    assert lift.p_value < 1e-6
    assert reading.split_is_sound


def test_intervals_cover_as_often_as_they_say() -> None:
    covered = 0
    for seed in range(200):
        reading = compare_arms(
            table({"popularity": 0.2, "2t-hgnn": 0.2}, 400, seed),
            control="popularity",
            shares=SHARES,
        )
        lift = reading.lifts[1].lift
        assert lift is not None
        covered += lift.low <= 0 <= lift.high
    assert 180 <= covered <= 199


def test_a_broken_split_is_seen() -> None:
    lopsided = pa.concat_tables([table({"popularity": 0.1}, 5_000), table({"2t-hgnn": 0.1}, 4_000)])
    assert not compare_arms(lopsided, control="popularity", shares=SHARES).split_is_sound


def test_users_of_two_arms_are_left_out_and_counted() -> None:
    rows = table({"popularity": 0.5, "2t-hgnn": 0.5}, 50)
    both = rows.set_column(2, "variants", pa.array([2] * 5 + [1] * 95))
    reading = compare_arms(both, control="popularity", shares=SHARES)
    assert reading.excluded == 5
    assert reading.arms[0].users == 45


def test_a_wrong_plan_and_a_control_that_nobody_saw_are_errors() -> None:
    rows = table({"popularity": 0.1}, 10)
    with pytest.raises(ConfigError, match="shown but not planned: 'popularity' \\(10 users\\)"):
        compare_arms(rows, control="2t", shares={"2t": 1.0})
    with pytest.raises(ConfigError, match="control arm 'popularity' is not planned"):
        compare_arms(rows, control="popularity", shares={"2t": 1.0})
    with pytest.raises(ReportError, match="'2t-hgnn' has no users"):
        compare_arms(rows, control="2t-hgnn", shares=SHARES)


def test_a_stray_user_of_an_unplanned_arm_is_named_and_left_out() -> None:
    rows = pa.concat_tables(
        [table({"popularity": 0.5, "2t-hgnn": 0.5}, 20), table({"2t-hgnm": 1.0}, 1)]
    )
    reading = compare_arms(rows, control="popularity", shares=SHARES)
    assert [arm.users for arm in reading.arms] == [20, 20]
    assert reading.unplanned == {"2t-hgnm": 1}
    assert reading.left_out == ("Left out: 1 user of the arm '2t-hgnm', which is not planned.",)
    assert reading.split_is_sound


def test_a_stray_showing_to_a_user_of_two_arms_does_not_name_an_arm() -> None:
    rows = pa.concat_tables([table({"popularity": 0.5, "2t-hgnn": 0.5}, 20), table({"x": 1.0}, 9)])
    mixed = rows.set_column(2, "variants", pa.array([1] * 40 + [2] * 9))
    reading = compare_arms(mixed, control="popularity", shares=SHARES)
    assert (reading.excluded, reading.unplanned) == (9, {})


def test_a_planned_arm_that_nobody_saw_is_a_mismatch() -> None:
    thirds = {"popularity": 1 / 3, "2t": 1 / 3, "2t-hgnn": 1 / 3}
    for users in (2, 200):
        rows = table({"popularity": 0.5, "2t": 0.5}, users)
        reading = compare_arms(rows, control="popularity", shares=thirds)
        assert not reading.split_is_sound
        assert "Sample ratio mismatch" in reading.split_verdict
        assert "nobody saw '2t-hgnn'" in reading.split_verdict
        empty = reading.arms[-1]
        assert (empty.users, {*empty.values.values()}) == (0, {None})
        assert [lift.lift for lift in reading.lifts if lift.arm == "2t-hgnn"] == [None, None]
    assert reading.split_p_value is not None
    assert reading.split_p_value < 1e-9


def test_one_arm_is_no_mismatch() -> None:
    reading = compare_arms(table({"c": 0.5}, 30), control="c", shares={"c": 1.0})
    assert (reading.split_p_value, reading.split_is_sound) == (None, True)
    assert "no split" in reading.split_verdict


def test_everybody_converting_in_both_arms_is_no_difference() -> None:
    reading = compare_arms(
        table({"popularity": 1.0, "2t-hgnn": 1.0}, 30), control="popularity", shares=SHARES
    )
    lift = reading.lifts[0]
    assert lift.lift is not None
    assert (lift.lift.value, lift.p_value) == (0.0, 1.0)


def test_the_split_is_judged_as_scipy_does() -> None:
    from scipy.stats import chisquare

    rows = pa.concat_tables([table({"popularity": 0.1}, 530), table({"2t-hgnn": 0.1}, 470)])
    reading = compare_arms(rows, control="popularity", shares=SHARES)
    assert reading.split_p_value == pytest.approx(chisquare([530, 470], [500, 500]).pvalue)
    assert reading.to_dict()["split_is_sound"] is True


@pytest.mark.parametrize("confidence", [0.0, 1.0, 1 - 1e-16, -1.0, 95.0, float("nan")])
def test_a_confidence_out_of_bounds_is_refused(confidence: float) -> None:
    rows = table({"popularity": 0.5, "2t-hgnn": 0.5}, 20)
    with pytest.raises(ConfigError, match="confidence"):
        compare_arms(rows, control="popularity", shares=SHARES, confidence=confidence)


ARMS = ("c", "n", "</script>", "[/red]", "arm\nof two lines", "é")


@settings(max_examples=200, deadline=None)
@given(
    seen=st.lists(
        st.tuples(st.sampled_from(ARMS), st.integers(0, 3), st.booleans(), st.booleans()),
        max_size=30,
    ),
    plan=st.lists(st.sampled_from(ARMS), min_size=1, unique=True),
)
def test_any_outcomes_give_strict_json_or_one_sentence(
    seen: list[tuple[str, int, bool, bool]], plan: list[str]
) -> None:
    rows = pa.table(
        {
            "variant": pa.array([arm for arm, *_ in seen], pa.string()),
            "variants": pa.array([many for _, many, *_ in seen], pa.int64()),
            "streams": pa.array([int(hit) for *_, hit, _ in seen], pa.int64()),
            "new_starts": pa.array([int(hit) for *_, hit in seen], pa.int64()),
        }
    )
    shares = dict.fromkeys(plan, 1 / len(plan))
    try:
        reading = compare_arms(rows, control=plan[0], shares=shares)
    except ColistenError as error:
        sentence = str(error)
    else:
        _check_reading(reading.to_dict(), seen, plan)
        return
    assert "\n" not in sentence


def _check_reading(
    figures: dict[str, Any], seen: list[tuple[str, int, bool, bool]], plan: list[str]
) -> None:
    written: dict[str, Any] = json.loads(
        json.dumps(figures, allow_nan=False), parse_constant=_no_number
    )
    assert sum(arm["share"] for arm in written["arms"]) == pytest.approx(1)
    counted = sum(arm["users"] for arm in written["arms"]) + sum(written["unplanned"].values())
    assert counted + written["excluded"] == len(seen)
    assert written["split_is_sound"] == ("mismatch" not in written["split_verdict"])
    hits = dict.fromkeys(plan, (0, 0))
    for arm, many, stream, start in seen:
        if many == 1 and arm in hits:
            hits[arm] = (hits[arm][0] + stream, hits[arm][1] + start)
    for lift in written["lifts"]:
        at = ("stream_rate", "new_start_rate").index(lift["metric"])
        defined = bool(hits[lift["arm"]][at] and hits[plan[0]][at])
        figures_of = ("lift", "p_value", "adjusted_lift", "adjusted_p_value")
        assert {lift[name] is not None for name in figures_of} == {defined}


def _no_number(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def counted(hits: dict[str, tuple[int, int]]) -> pa.Table:
    """Outcomes with so many users of whom so many converted, per arm."""
    rows = [
        (name, int(at < converted))
        for name, (users, converted) in hits.items()
        for at in range(users)
    ]
    happened = pa.array([row[1] for row in rows], pa.int64())
    return pa.table(
        {
            "variant": [row[0] for row in rows],
            "variants": [1] * len(rows),
            "streams": happened,
            "new_starts": happened,
        }
    )


@pytest.mark.parametrize("hits", [(600, 200), (2_000, 200), (3_900, 100)])
def test_small_p_values_keep_their_size(hits: tuple[int, int]) -> None:
    rows = counted({"popularity": (4_000, hits[1]), "2t-hgnn": (4_000, hits[0])})
    found = compare_arms(rows, control="popularity", shares=SHARES).lifts[0].p_value
    assert found is not None
    error = np.sqrt(1 / hits[0] + 1 / hits[1] - 2 / 4_000)
    assert 0 < found < 1e-16
    assert found == pytest.approx(2 * norm.sf(np.log(hits[0] / hits[1]) / error), rel=1e-6)


MANY = [f"arm{number}" for number in range(3_000)]
LONG = "x" * 60_000


@pytest.mark.parametrize(
    ("control", "shares"),
    [
        ("popularity", dict.fromkeys(MANY, 1 / 3_000)),  # the control is not planned
        (["popularity"], SHARES),
        (LONG, SHARES),
        (LONG, {LONG: 0.5, "2t-hgnn": 0.5}),  # nor is what was shown
        (MANY[0], dict.fromkeys(MANY, 1 / 3_000)),
        (MANY[0], {LONG: "half"}),
    ],
)
def test_sentences_stay_readable_with_many_and_long_arms(control: Any, shares: Any) -> None:
    rows = counted({LONG[:-1]: (5, 1), "popularity": (5, 1)})
    with pytest.raises(ConfigError) as refused:
        compare_arms(rows, control=control, shares=shares)
    assert len(str(refused.value)) < 700
    assert "\n" not in str(refused.value)


def test_the_verdict_on_many_arms_that_nobody_saw_stays_readable() -> None:
    shares = dict.fromkeys(["popularity", *MANY[1:]], 1 / 3_000)
    verdict = compare_arms(
        counted({"popularity": (5, 1)}), control="popularity", shares=shares
    ).split_verdict
    assert "and 2,989 more" in verdict
    assert len(verdict) < 300


@pytest.mark.parametrize("confidence", ["0.95", None, [0.95], 1 + 0j])
def test_a_confidence_that_is_no_number_is_refused(confidence: Any) -> None:
    with pytest.raises(ConfigError, match="The confidence"):
        compare_arms(
            table({"popularity": 0.2, "2t-hgnn": 0.2}, 9),
            control="popularity",
            shares=SHARES,
            confidence=confidence,
        )
