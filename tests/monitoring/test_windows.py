"""Windows of any columns become numbers and texts that Evidently compares, or one sentence."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from colisten.errors import ReportError
from colisten.monitoring.drift import drift_report
from colisten.monitoring.windows import LARGEST, MAX_LEVELS, MAX_ROWS, _sampled, comparable

MOMENTS = [datetime(2025, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
COLUMNS: dict[str, Any] = {
    "mixed": [1, "a", None, b"x", True],
    "infinite in part": [np.inf, -np.inf, 1.0, 2.0],
    "too far apart": [1.7e308, -1.7e308],
    "too near": [1.0, 1.0 + 2e-16],
    "subnormal": [5e-324, 0.0],
    "large and alone": [1e16, 1e16],
    "large integers": [2**63 - 1, -(2**63)],
    "larger integers": pd.Series([10**400, -(10**30)], dtype=object),
    "booleans": [True, False],
    "booleans with gaps": pd.array([True, None], dtype="boolean"),
    "texts with gaps": pd.array(["a", None], dtype="string"),
    "moments": pd.DatetimeIndex(MOMENTS),
    "moments without zone": pd.DatetimeIndex(MOMENTS).tz_localize(None),
    "moments beyond nanoseconds": np.array(["0001-01-01", "9999-12-31"], dtype="datetime64[us]"),
    "arrow moments": pd.Series(MOMENTS, dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))).array,
    "arrow lists": pd.Series([[1], [2]], dtype=pd.ArrowDtype(pa.list_(pa.int64()))).array,
    "durations": pd.to_timedelta([timedelta(1), timedelta(2)]),
    "days": [date(2025, 1, 1), None],
    "months": pd.period_range("2025-01", periods=3, freq="M"),
    "decimals": [Decimal("1.5"), Fraction(1, 3)],
    "decimals that signal": [Decimal("1.5"), Decimal("sNaN"), Decimal("-sNaN")],
    "complex": [1j, 2j],
    "lists": [[1], [2]],
    "arrays": [np.zeros(2), np.ones(2)],
    "categories of numbers": pd.Categorical([1.5, 2.5]),
    "sparse": pd.arrays.SparseArray([0.0, 1.0]),
    "half a pair": ["\udc80", "\0"],
}


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_values_is_reported(name: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"c": pd.Series(COLUMNS[name])})
    report = drift_report(frame, frame, tmp_path / "drift.html")
    assert (list(report.columns), report.drifted, report.left_out) == (["c"], (), ())
    assert report.html.stat().st_size > 1_000


@pytest.mark.parametrize("values", [[None, None], [np.inf, -np.inf], [np.inf, np.nan], [pd.NaT]])
def test_a_column_without_values_is_left_out(values: list[Any]) -> None:
    frame = pd.DataFrame({"c": values, "age": np.ones(len(values))})
    full = frame.assign(c=1.0)
    for windows in ((frame, full), (full, frame)):
        earlier, later, left_out = comparable(*windows)
        assert (list(earlier), list(later), left_out) == (["age"], ["age"], ("c",))


@pytest.mark.parametrize(
    ("earlier", "later", "words"),
    [
        ({"a": [1], "b": [1]}, {"a": [1]}, "different columns: 'b'"),
        ({"a": [1.0]}, {"a": ["x"]}, "'a' holds numbers in the reference and text"),
        ({1: [1.0], "1": [1.0]}, {1: [1.0], "1": [1.0]}, "Columns of one name: '1'"),
        ({"a": [None]}, {"a": [1.0]}, "No column has values in both"),
        ({"a": []}, {"a": [1.0]}, "no users"),
        ({}, {}, "no users"),
    ],
)
def test_windows_that_cannot_be_compared(
    earlier: dict[Any, Any], later: dict[Any, Any], words: str
) -> None:
    with pytest.raises(ReportError, match=words):
        comparable(pd.DataFrame(earlier), pd.DataFrame(later))


def test_a_column_keeps_its_place_and_name() -> None:
    earlier = pd.DataFrame({"b": [1.0], 2: ["x"], ("m", "n"): [1.0]})
    later = earlier[[2, ("m", "n"), "b"]]
    assert [list(frame) for frame in comparable(earlier, later)[:2]] == [
        ["b", "2", "('m', 'n')"]
    ] * 2


def test_values_are_those_that_were_given() -> None:
    frame = pd.DataFrame(
        {
            "number": [0.1, -3.0, 1e300],
            "moment": pd.DatetimeIndex(MOMENTS),
            "text": ["a", None, "b"],
        }
    )
    found, _, _ = comparable(frame, frame)
    assert found["number"].tolist() == pytest.approx([0.1, -3.0, LARGEST], rel=1e-11)
    assert found["moment"].tolist() == pytest.approx([m.timestamp() for m in MOMENTS], rel=1e-11)
    assert found["text"].tolist() == ["a", None, "b"]


def test_an_exchange_of_rare_values_still_shows(tmp_path: Path) -> None:
    rows = 4 * MAX_LEVELS
    earlier = pd.DataFrame({"c": [f"before {row}" for row in range(rows)]})
    later = pd.DataFrame({"c": [f"after {row}" for row in range(rows)]})
    then, now, _ = comparable(earlier, later)
    assert then["c"].nunique() <= MAX_LEVELS + 2
    assert set(then["c"]).isdisjoint(now["c"])
    same, again, _ = comparable(earlier, earlier)
    assert same["c"].tolist() == again["c"].tolist()


def test_a_sample_without_values_leaves_the_column_out() -> None:
    frame = pd.DataFrame({"c": [np.nan] * (MAX_ROWS + 1), "age": 1.0})
    [unseen] = set(frame.index) - set(_sampled(frame, 0).index)
    frame.loc[unseen, "c"] = 1.0
    assert comparable(frame, frame, seed=0)[2] == ("c",)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_of_any_values_makes_strata_or_none(name: str) -> None:
    values = pd.Series(COLUMNS[name])
    frame = pd.DataFrame({"c": pd.concat([values] * (MAX_ROWS // len(values) + 1))})
    assert len(_sampled(frame, 0)) == MAX_ROWS


@settings(max_examples=20)
@given(
    st.lists(st.integers(1, 40_000), min_size=2, max_size=30).filter(
        lambda sizes: sum(sizes) > MAX_ROWS
    ),
    st.integers(0, 9),
)
def test_a_sample_has_each_value_as_often_as_the_window(sizes: list[int], seed: int) -> None:
    names = [f"c{at}" for at in range(len(sizes))]
    frame = pd.DataFrame({"age": 1.0, "country": np.repeat(names, sizes)})
    frame = frame.sample(len(frame), random_state=1).reset_index(drop=True)
    sample = _sampled(frame, seed)
    assert len(sample) == MAX_ROWS
    assert sample.index.is_monotonic_increasing
    assert sample.index.is_unique
    counts = sample.country.value_counts()
    assert set(counts.index) == set(names), "not one is lost"
    expected = np.array(sizes) * MAX_ROWS / sum(sizes)
    # As near as whole rows allow; what rare values have beyond their share the common ones lack.
    rare = int((expected < 1).sum())
    for share, name in zip(expected, names, strict=True):
        assert counts[name] == 1 if share < 1 else abs(counts[name] - share) < rare + 1 + 1e-9
    assert sample.equals(_sampled(frame, seed))


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=2),
    st.decimals(),
    st.datetimes(),
    st.lists(st.integers(), max_size=2),
)
_WINDOWS = st.lists(
    st.tuples(st.text(max_size=3) | st.integers(0, 2), st.lists(_VALUES, min_size=3, max_size=3)),
    max_size=3,
)


# Shrinking would draw pages for minutes; the windows are small as they are.
@settings(
    max_examples=25,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(_WINDOWS, st.randoms(use_true_random=False))
def test_any_frame_is_a_page_or_one_sentence(columns: list[Any], chance: Any) -> None:
    earlier = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns})
    later = earlier.sample(frac=1, random_state=chance.randrange(100))
    with TemporaryDirectory() as folder:
        page = Path(folder) / "drift.html"
        refused = ""
        try:
            drift_report(earlier, later, page)
        except ReportError as error:
            refused = str(error)
        assert "\n" not in refused
        if refused:
            assert not list(Path(folder).iterdir())
        else:
            json.loads(page.with_suffix(".json").read_text(), parse_constant=pytest.fail)
