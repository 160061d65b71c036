"""Times off by a thousand are named with their unit; the calendar's ends stay what they are."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data import violations
from colisten.data.catalogue import Catalogue
from colisten.data.checks import check_tables
from colisten.data.moments import EPOCH, LATEST, microseconds
from colisten.data.prepare import prepare_tables
from colisten.data.units import units
from colisten.data.violation import TableViolations, Violation
from colisten.feature_repo.repo import build_feature_repo, materialize
from tests.conftest import CUT
from tests.data.sources import copy_source, replace

MOST = 2**63 - 1
LINE = re.compile(r"(frame\['[a-z_]+'\] = .*?)\.(?: |$)")
FACTORS = [(1000, 1), (10**6, 1), (10**9, 1), (1, 1000)]


def moments(values: list[int], unit: str = "us", zone: str = "UTC") -> pa.Array:
    return pa.array(values, pa.int64()).cast(pa.timestamp(unit, zone))


@settings(max_examples=200, deadline=None)
@given(
    st.datetimes(datetime(1990, 1, 2), datetime(2199, 12, 31)).map(
        lambda at: at.replace(tzinfo=UTC, microsecond=0)
    ),
    st.sampled_from([*FACTORS, (1, 1)]),
)
def test_a_wrong_unit_is_told_from_the_value(at: datetime, factor: tuple[int, int]) -> None:
    written = microseconds(at) * factor[1] // factor[0]
    with duckdb.connect() as connection:
        connection.register("rows", pa.table({"t": moments([written])}))
        flags = ", ".join(unit.explains for unit in units("t", LATEST))
        found = connection.execute(f"SELECT {flags} FROM rows").fetchone()
    assert found == tuple(factor == each for each in FACTORS)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    ("table", "column"), [("interactions", "timestamp"), ("items", "published_at")]
)
def test_the_line_of_advice_gives_the_right_times(
    tiny_source: Path, tmp_path: Path, table: str, column: str, factor: tuple[int, int]
) -> None:
    folder = copy_source(tiny_source, tmp_path)
    file = folder / f"{table}.parquet"
    before = [microseconds(at) + 10**6 for at in pq.read_table(file).column(column).to_pylist()]
    replace(folder, table, column, moments([at * factor[1] // factor[0] for at in before]))
    with pytest.raises(Violation) as raised:
        check_tables(folder)
    violation = raised.value
    assert violation.count == len(before)
    assert "times too" in violation.detail
    frame = pd.read_parquet(file)
    found = LINE.search(f"{violation.do} ")
    assert found
    exec(found[1], {"pandas": pd, "frame": frame})
    frame.to_parquet(file, index=False)
    check_tables(folder)
    after = pq.read_table(file).column(column).cast(pa.timestamp("us", "UTC")).to_pylist()
    # What the wrong unit has rounded off is lost.
    assert all(
        0 <= was - microseconds(at) < factor[0] for was, at in zip(before, after, strict=True)
    )


@pytest.mark.parametrize("zone", ["UTC", "Europe/Stockholm", "-05:00"])
@pytest.mark.parametrize("unit", ["us", "ms", "ns"])
@pytest.mark.parametrize(
    ("table", "column"), [("interactions", "timestamp"), ("items", "published_at")]
)
def test_lines_of_advice_leave_sound_rows_as_they_are(
    tiny_source: Path, tmp_path: Path, table: str, column: str, unit: str, zone: str
) -> None:
    # Writers of several units met in one column; what each unit says lies on its own thousand.
    folder = copy_source(tiny_source, tmp_path)
    file = folder / f"{table}.parquet"
    sound = [microseconds(at) for at in pq.read_table(file).column(column).to_pylist()]
    before = [at // 10**9 * 10**9 for at in sound]
    wrong = [1, 1000, 10**6, 10**9] if unit == "ns" else [1, 1000, 10**6, 10**9, 0.001]
    written = [int(at / wrong[row % len(wrong)]) for row, at in enumerate(before)]
    if column == "published_at":  # A day of January 1970 that is meant.
        written[0] = before[0] = 9 * 86_400 * 10**6
    scale = {"us": (1, 1), "ms": (1, 1000), "ns": (1000, 1)}[unit]
    counts = [at * scale[0] // scale[1] for at in written]
    replace(folder, table, column, moments(counts, unit, zone))
    with pytest.raises(TableViolations) as raised:
        check_tables(folder)
    frame = pd.read_parquet(file)
    lines = [
        line for violation in raised.value.violations for line in LINE.findall(f"{violation.do} ")
    ]
    assert len(lines) == len(wrong) - 1
    for line in lines:
        exec(line, {"pandas": pd, "frame": frame})
    frame.to_parquet(file, index=False)
    check_tables(folder)
    after = pq.read_table(file).column(column).cast(pa.timestamp("us", "UTC")).to_pylist()
    lost = [1000 * factor if unit == "ms" and factor > 1 else 1 for factor in wrong]
    assert all(
        0 <= was - microseconds(at) < lost[row % len(wrong)]
        for row, (was, at) in enumerate(zip(before, after, strict=True))
    )


@pytest.mark.parametrize(
    ("value", "unit", "ahead"),
    [
        (253_402_300_799_999_999, "us", True),
        (569_000_000_000_000_000, "us", True),
        (MOST, "us", True),
        (MOST - 1, "us", True),
        (-MOST, "us", False),
        (-MOST - 1, "us", False),
        (MOST, "ns", True),
        (-MOST, "ns", False),
        (MOST // 1000, "ms", True),
        (-62_135_596_800_000_000, "us", False),
    ],
)
def test_the_ends_of_the_calendar_are_ahead_or_past_and_never_unknown(
    tiny_source: Path, tmp_path: Path, value: int, unit: str, ahead: bool
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    items = pq.read_table(folder / "items.parquet").to_pylist()
    new = [{**items[0], "item_id": "new"}, *items]
    table = pa.Table.from_pylist(new, schema=pq.read_schema(folder / "items.parquet"))
    plain = [microseconds(row["published_at"]) for row in items]
    scale = {"us": 1, "ns": 1000, "ms": 0.001}[unit]
    # One item that nobody has heard and one that somebody has lie at the end.
    dates = moments([value, value, *(int(at * scale) for at in plain[1:])], unit)
    pq.write_table(table.set_column(6, "published_at", dates), folder / "items.parquet")

    report = check_tables(folder)
    assert report.missing["audiobook.published_at"] == 0.0
    said = "years ahead" if ahead else "before there were recordings"
    assert any(said in notice for notice in report.notices)
    out = tmp_path / "out"
    prepare_tables(folder, out, cut=CUT, window_days=14)
    history = Catalogue.read(out / "history").table.to_pylist()
    kept = {row["item_id"]: row["published_at"] for row in history}
    assert ("new" in kept) != ahead
    assert kept["a000"] is not None
    assert (kept["a000"] > CUT) == ahead
    build_feature_repo(out / "history", tmp_path / "repo", as_of=CUT)
    materialize(tmp_path / "repo", as_of=CUT)


def test_events_at_the_ends_of_the_calendar_are_refused(tiny_source: Path, tmp_path: Path) -> None:
    for value, kind in ((MOST, violations.FutureTimestamp), (-MOST, violations.EarlyTimestamp)):
        folder = copy_source(tiny_source, tmp_path / kind.__name__)
        rows = pq.read_metadata(folder / "music.parquet").num_rows
        dates = [microseconds(EPOCH + timedelta(days=20_000))] * (rows - 1)
        replace(folder, "music", "timestamp", moments([value, *dates]))
        with pytest.raises(kind) as raised:
            check_tables(folder)
        assert raised.value.count == 1


def test_publishing_dates_that_are_hardly_meant_are_named(
    tiny_source: Path, tmp_path: Path
) -> None:
    folder = copy_source(tiny_source, tmp_path)
    dates = pq.read_table(folder / "items.parquet").column("published_at").to_pylist()
    dates[4] = EPOCH
    dates[5] = EPOCH - timedelta(hours=1)  # 1970-01-01 in Stockholm.
    dates[6] = datetime(1813, 1, 28, tzinfo=UTC)
    dates[7] = datetime(1900, 1, 1, tzinfo=UTC)
    dates[8] = datetime(1899, 12, 30, tzinfo=UTC)
    dates[9] = datetime(3000, 1, 1, tzinfo=UTC)
    dates[10] = datetime(1938, 10, 30, tzinfo=UTC)  # Recordings are that old.
    replace(folder, "items", "published_at", pa.array(dates, pa.timestamp("us", "UTC")))
    told = [one for one in check_tables(folder).notices if one.startswith("items.published_at")]
    assert told == [
        "items.published_at: 1 row before 1877, before there were recordings (first row 6).",
        "items.published_at: 2 rows 1970-01-01, which an empty date often becomes (first row 4).",
        "items.published_at: 2 rows 1900-01-01 or just before, which an empty date often becomes "
        "(first row 7).",
        "items.published_at: 1 row more than 10 years ahead, so they are yet to come "
        "(first row 9).",
    ]
