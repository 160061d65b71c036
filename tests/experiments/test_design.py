"""A design is read as it is meant, or refused in a sentence that names what is wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import ConfigError
from colisten.experiments.design import ExperimentDesign, read_design
from colisten.experiments.metrics import CANDIDATES, METRICS, chosen_metrics, measured

START, END = datetime(2025, 6, 1, tzinfo=UTC), datetime(2025, 6, 29, tzinfo=UTC)
DESIGN: dict[str, Any] = {
    "name": "shelf",
    "arms": {"control": 0.5, "new": 0.5},
    "control": "control",
    "start": "2025-06-01",
    "end": "2025-06-29",
}


def write_design(folder: Path, **changed: Any) -> Path:
    file = folder / "experiment.yaml"
    tree = {name: value for name, value in (DESIGN | changed).items() if value is not None}
    file.write_text(yaml.safe_dump(tree, allow_unicode=True))
    return file


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    design = read_design(write_design(tmp_path))
    assert (design.start, design.end) == (START, END)
    assert (design.attribution_hours, design.confidence, design.looks) == (72, 0.95, ())
    assert design.primary == "new_start_rate"
    assert design.fractions == (1.0,)
    json.dumps(design.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2025-06-08", datetime(2025, 6, 8, tzinfo=UTC)),
        ("2025-06-08 12:00:00", datetime(2025, 6, 8, 12, tzinfo=UTC)),
        ("2025-06-08T12:00:00+02:00", datetime(2025, 6, 8, 10, tzinfo=UTC)),
        ("'2025-06-08'", datetime(2025, 6, 8, tzinfo=UTC)),
    ],
)
def test_moments_are_of_utc_unless_they_say_otherwise(
    written: str, meant: datetime, tmp_path: Path
) -> None:
    file = write_design(tmp_path, start=None)
    file.write_text(file.read_text() + f"start: {written}\n")
    assert read_design(file).start == meant


@given(days=st.lists(st.integers(1, 27), min_size=1, max_size=6, unique=True).map(sorted))
def test_looks_by_moments_and_by_shares_mean_the_same(days: list[int]) -> None:
    by_day = ExperimentDesign(**DESIGN, looks=[START + timedelta(days=day) for day in days])
    by_share = ExperimentDesign(**DESIGN, looks=[day / 28 for day in days])
    assert by_day.fractions == pytest.approx(by_share.fractions)
    assert len(by_day.fractions) == len(days) + 1
    assert list(by_day.fractions) == sorted({*by_day.fractions, 1.0})


def test_the_end_that_is_named_is_no_second_look() -> None:
    for looks in ([0.5, 1.0], [0.5], [START + timedelta(days=14), END]):
        assert ExperimentDesign(**DESIGN, looks=looks).fractions == (0.5, 1.0)


def test_information_is_counted_in_users_where_they_are_planned_else_in_time() -> None:
    half = START + timedelta(days=14)
    timed = ExperimentDesign(**DESIGN)
    assert timed.information(7, half) == pytest.approx(0.5)
    assert (timed.information(7, START), timed.information(7, END + timedelta(days=9))) == (0, 1)
    counted = ExperimentDesign(**DESIGN, horizon_users=1_000)
    assert (counted.information(250, half), counted.information(2_000, half)) == (0.25, 1)
    open_ended = ExperimentDesign(**DESIGN | {"end": None})
    assert (open_ended.information(7, half), open_ended.fractions) == (None, ())


BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"control": "nobody"}, "control arm 'nobody' is not planned"),
    ({"control": None}, "'control' does not fit: field required"),
    ({"arms": {"control": 50, "new": 50}}, "per cent"),
    ({"arms": {"control": 0.5, "new": 0.4}}, "sum to 0.9"),
    ({"arms": {"control": 1.0, "new": 0.0}}, "not a positive number"),
    ({"arms": {"control": True}}, "'arms' does not fit"),
    ({"arms": {}}, "'arms' does not fit"),
    ({"arms": ["control", "new"]}, "'arms' does not fit"),
    ({"arms": {"control": 0.5, " ": 0.5}}, "'arms"),
    ({"name": ""}, "'name' does not fit"),
    ({"start": "soon"}, "'start' does not fit: the moment 'soon' is no moment"),
    ({"start": 20250601}, "'start' does not fit"),
    ({"start": "0001-01-01"}, "is outside"),
    (
        {"start": None, "strat": "2025-06-01"},
        "'strat' is unknown, the nearest known one is 'start'",
    ),
    ({"end": "2025-06-01"}, "end does not lie after start"),
    ({"end": "2025-05-01"}, "end does not lie after start"),
    ({"looks": [0.5, 0.5]}, "do not lie in order"),
    ({"looks": [0.0]}, "do not lie in order"),
    ({"looks": [1.5]}, "do not lie in order"),
    ({"looks": ["2025-07-01"]}, "do not lie in order"),
    ({"looks": ["2025-06-08", 0.5]}, "all moments, with an end, or all shares"),
    ({"looks": ["2025-06-08"], "end": None, "horizon_users": 5}, "all moments, with an end"),
    ({"looks": [0.5], "end": None}, "looks need an end or horizon_users"),
    ({"looks": 3}, "'looks' does not fit"),
    ({"looks": [0.001 * at for at in range(1, 200)]}, "'looks' does not fit"),
    ({"horizon_users": 0}, "'horizon_users' does not fit"),
    ({"horizon_users": 1.5}, "'horizon_users' does not fit"),
    ({"primary": "new_start_rat"}, "nearest known one is 'new_start_rate'"),
    ({"primary": "fallback_share"}, "Metric 'fallback_share' is unknown"),
    ({"secondary": ["new_start_rate"]}, "'new_start_rate' is named twice"),
    ({"attribution_hours": 0}, "'attribution_hours' does not fit"),
    ({"attribution_hours": float("nan")}, "'attribution_hours' does not fit"),
    ({"attribution_hours": 1e9}, "'attribution_hours' does not fit"),
    ({"confidence": 95}, "'confidence' does not fit"),
]


@pytest.mark.parametrize(("changed", "said"), BROKEN)
def test_what_is_no_design_is_refused(changed: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        read_design(write_design(tmp_path, **changed))
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"[1, 2]", b"name: a\nname: b", b"\xff\xfe\x00", b"{", b"a: &b 1\nc: *b", b"[" * 2_000],
)
def test_a_file_that_is_no_yaml_of_ours_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "experiment.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=r"experiment\.yaml"):
        read_design(file)
    with pytest.raises(ConfigError, match="Cannot read the design"):
        read_design(tmp_path / "none.yaml")


@given(
    primary=st.sampled_from(CANDIDATES),
    secondary=st.none() | st.lists(st.sampled_from(CANDIDATES), unique=True),
)
def test_roles_are_those_of_the_design_and_guardrails_stay(
    primary: str, secondary: list[str] | None
) -> None:
    named = [name for name in secondary or () if name != primary]
    chosen = chosen_metrics(primary, None if secondary is None else named)
    by_role = {
        role: [one.name for one in chosen if one.role == role]
        for role in ("primary", "secondary", "guardrail")
    }
    assert by_role["primary"] == [primary] == [chosen[0].name]
    expected = named if secondary is not None else [one for one in CANDIDATES if one != primary]
    assert by_role["secondary"] == expected
    assert by_role["guardrail"] == [one.name for one in METRICS if one.role == "guardrail"]


def test_metrics_without_their_columns_are_told_apart() -> None:
    there, missing = measured(METRICS, ["streams", "new_starts", "fallbacks"])
    assert [metric.name for metric in there] == ["new_start_rate", "stream_rate"]
    assert {*there, *missing} == {*METRICS}
