from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colisten.data.backtest import backtest_cut
from tests.conftest import DATA

START = datetime(2025, 1, 1, tzinfo=UTC)
CUT = START + timedelta(days=100)


def source(folder: Path, days: list[float], item_type: str = "audiobook") -> Path:
    rows = [
        {
            "user_id": "u",
            "item_id": "a",
            "item_type": item_type,
            "signal": "stream",
            "timestamp": START + timedelta(days=day),
        }
        for day in days
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "interactions.parquet")
    return folder


def found(folder: Path) -> datetime:
    return backtest_cut(folder, cut=CUT, window_days=30, data=DATA)


def test_one_window_before_the_cut(tmp_path: Path) -> None:
    assert found(source(tmp_path, list(range(100)))) == CUT - timedelta(days=30)


def test_a_short_history_is_cut_where_most_streams_have_happened(tmp_path: Path) -> None:
    moment = found(source(tmp_path, [80 + step for step in range(20)]))
    assert CUT - timedelta(days=20) < moment < CUT
    assert moment == START + timedelta(days=95)


@pytest.mark.parametrize("later", [[], [100.0, 101.0], [150.0] * 50])
def test_nothing_from_the_cut_on_matters(tmp_path: Path, later: list[float]) -> None:
    moment = found(source(tmp_path, [80.0 + step for step in range(20)] + later))
    assert moment == START + timedelta(days=95)


@pytest.mark.parametrize(
    ("days", "day"),
    [
        ([90.0] * 20, 100.0),
        ([90.0], 100.0),
        ([90.0] * 19 + [95.0], 95.0),
        ([90.0, 95.0], 95.0),
        ([90.0] * 19 + [95.0, 101.0], 95.0),
        ([50.0] * 20, 70.0),
    ],
)
def test_something_lies_before_it_or_it_is_the_cut(
    tmp_path: Path, days: list[float], day: float
) -> None:
    assert found(source(tmp_path, days)) == START + timedelta(days=day)


def test_without_target_streams_it_is_one_window_before(tmp_path: Path) -> None:
    assert found(source(tmp_path, [1.0, 2.0], item_type="podcast")) == CUT - timedelta(days=30)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_any_unit_and_zone_of_the_contract(tmp_path: Path, unit: str) -> None:
    file = source(tmp_path, [80.0 + step for step in range(20)]) / "interactions.parquet"
    events = pq.read_table(file)
    at = events.schema.get_field_index("timestamp")
    stamps = events["timestamp"].cast(pa.timestamp(unit, tz="America/New_York"))
    pq.write_table(events.set_column(at, "timestamp", stamps), file)
    assert found(tmp_path) == START + timedelta(days=95)
