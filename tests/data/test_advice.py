"""Advice, followed to the letter, mends the table and gives the right values."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from colisten.data import violations
from colisten.data.advice import advice
from colisten.data.checks import check_tables
from colisten.data.contract import (
    EXPOSURES,
    INTERACTIONS,
    ITEMS,
    MOMENT,
    NUMBER,
    TEXT,
    USERS,
    WHOLE,
)
from colisten.data.violation import Violation
from tests.data.sources import copy_source, replace

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LINE = re.compile(r"(frame\['[a-z_]+'\] = .*?)\.(?: |$)")


def follow(violation: Violation, folder: Path) -> None:
    """Do what the violation says, as a reader would: read, paste the line, write."""
    file = folder / f"{violation.table}.parquet"
    frame = pd.read_parquet(file)
    found = LINE.search(f"{violation.do} ")
    assert found, violation.do
    exec(found[1], {"pandas": pd, "frame": frame})
    frame.to_parquet(file, index=False)


def refused(folder: Path) -> Violation:
    with pytest.raises(Violation) as raised:
        check_tables(folder)
    return raised.value


def micros(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1)


# The values of the tiny source's events, cut to what a writer can say, and how it writes them.
WRITERS: dict[str, tuple[int, Callable[[datetime], Any], pa.DataType]] = {
    "seconds": (10**6, lambda at: micros(at) // 10**6, pa.int64()),
    "small seconds": (10**6, lambda at: micros(at) // 10**6, pa.int32()),
    "unsigned seconds": (10**6, lambda at: micros(at) // 10**6, pa.uint32()),
    "milliseconds": (10**3, lambda at: micros(at) // 10**3, pa.int64()),
    "microseconds": (1, micros, pa.int64()),
    "nanoseconds": (1, lambda at: micros(at) * 1000, pa.int64()),
    "decimal seconds": (10**6, lambda at: Decimal(micros(at) // 10**6), pa.decimal128(20, 0)),
    "float seconds": (10**6, lambda at: float(micros(at) // 10**6), pa.float64()),
    "seconds as text": (10**6, lambda at: str(micros(at) // 10**6), pa.string()),
    "milliseconds as text": (10**3, lambda at: str(micros(at) // 10**3), pa.string()),
    "ISO text": (1, lambda at: at.isoformat(), pa.string()),
    "ISO text, Z": (1, lambda at: at.isoformat().replace("+00:00", "Z"), pa.large_string()),
    "ISO text without zone": (1, lambda at: at.replace(tzinfo=None).isoformat(" "), pa.string()),
    "mail text": (10**6, lambda at: at.strftime("%a, %d %b %Y %H:%M:%S +0000"), pa.string()),
    "day first": (10**6, lambda at: at.strftime("%d/%m/%Y %H:%M:%S"), pa.string()),
    "month first": (10**6, lambda at: at.strftime("%m/%d/%Y %H:%M:%S"), pa.string()),
    "days": (86_400 * 10**6, lambda at: micros(at) // (86_400 * 10**6), pa.int32()),
    "spreadsheet days": (
        86_400 * 10**6,
        lambda at: float(micros(at) // (86_400 * 10**6) + 25_569),
        pa.float64(),
    ),
    "float seconds with parts": (1, lambda at: micros(at) / 10**6, pa.float64()),
    "float milliseconds with parts": (1, lambda at: micros(at) / 10**3, pa.float64()),
    "decimal seconds with parts": (
        1,
        lambda at: Decimal(micros(at)).scaleb(-6),
        pa.decimal128(38, 9),
    ),
    "decimal nanoseconds": (1, lambda at: Decimal(micros(at) * 1000), pa.decimal128(38, 0)),
    "seconds with parts as text": (1, lambda at: f"{micros(at) / 10**6:.6f}", pa.string()),
    "nanoseconds as text": (1, lambda at: str(micros(at) * 1000), pa.string()),
    "a name for UTC": (1, lambda at: at.strftime("%Y-%m-%d %H:%M:%S.%f UTC"), pa.string()),
    "digits of seconds": (10**6, lambda at: int(at.strftime("%Y%m%d%H%M%S")), pa.int64()),
    "digits of seconds as text": (10**6, lambda at: at.strftime("%Y%m%d%H%M%S"), pa.string()),
    "digits of an hour": (3600 * 10**6, lambda at: int(at.strftime("%Y%m%d%H")), pa.int64()),
    "digits of a date": (86_400 * 10**6, lambda at: int(at.strftime("%Y%m%d")), pa.int32()),
    "dates": (86_400 * 10**6, lambda at: at.date(), pa.date32()),
    "no zone": (1, lambda at: at.replace(tzinfo=None), pa.timestamp("us")),
    "no zone, nanoseconds": (1, lambda at: at.replace(tzinfo=None), pa.timestamp("ns")),
}


@pytest.mark.parametrize("name", WRITERS)
def test_advice_on_times_gives_the_right_times(
    tiny_source: Path, tmp_path: Path, name: str
) -> None:
    step, write, kind = WRITERS[name]
    folder = copy_source(tiny_source, tmp_path)
    for table, column in (("interactions", "timestamp"), ("items", "published_at")):
        moments = pq.read_table(folder / f"{table}.parquet").column(column).to_pylist()
        # Whole seconds would hide what floats do to the parts of one.
        before = [at + timedelta(microseconds=row * 7919) for row, at in enumerate(moments)]
        before[5:8] = [None] * 3 if table == "items" else before[5:8]
        written = [None if at is None else write(at) for at in before]
        replace(folder, table, column, pa.array(written, kind))
        violation = refused(folder)
        assert isinstance(violation, violations.WrongType | violations.TimestampWithoutZone)
        follow(violation, folder)
        check_tables(folder)
        after = pq.read_table(folder / f"{table}.parquet").column(column).to_pylist()
        assert [None if at is None else micros(at) for at in after] == [
            None if at is None else micros(at) // step * step for at in before
        ]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["01/02/2025", "03/04/2025"], pa.string()),  # Which is the month?
        (["soon", "later"], pa.string()),
        (["2025-06-01 10:00:00 PST", "2025-06-02 10:00:00 PST"], pa.string()),  # Not UTC.
        (["Sun Jun 01 10:00:00 EST 2025"], pa.string()),
        (["01/02/25 10:00 UTC"], pa.string()),  # Which is the month?
        (["1 2 2025 10:00 AM GMT"], pa.string()),
        ([True, False], pa.bool_()),
        ([b"x"], pa.binary()),
        ([3, 5], pa.int64()),
        ([], pa.int64()),
        ([None, float("nan")], pa.float64()),
        ([{"t": 1}], pa.struct({"t": pa.int64()})),
        ([[1]], pa.list_(pa.int64())),
    ],
)
def test_no_line_is_given_where_none_is_sure(values: list[Any], kind: pa.DataType) -> None:
    do = advice(INTERACTIONS.column("timestamp"), pa.chunked_array([pa.array(values, kind)]))
    assert do == f"{MOMENT.wanted}."


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.datetimes(datetime(1995, 1, 1), datetime(2025, 1, 1)), min_size=1),
    st.sampled_from([("s", 10**6), ("ms", 10**3), ("us", 1)]),
)
def test_any_times_in_any_unit(times: list[datetime], unit: tuple[str, int]) -> None:
    step = unit[1]
    counts = [micros(at.replace(tzinfo=UTC)) // step for at in times]
    do = advice(INTERACTIONS.column("timestamp"), pa.chunked_array([pa.array(counts)]))
    frame = pd.DataFrame({"timestamp": counts})
    found = LINE.search(f"{do} ")
    assert found, do
    exec(found[1], {"pandas": pd, "frame": frame})
    after = pa.Array.from_pandas(frame["timestamp"]).cast(pa.timestamp("us", "UTC"))
    assert after.cast(pa.int64()).to_pylist() == [count * step for count in counts]


@pytest.mark.parametrize("most", [10**6, 10**3])
def test_times_in_two_units_are_mended_in_two_steps(
    tiny_source: Path, tmp_path: Path, most: int
) -> None:
    folder = copy_source(tiny_source, tmp_path)
    file = folder / "interactions.parquet"
    before = [micros(at) for at in pq.read_table(file).column("timestamp").to_pylist()]
    least = 10**9 // most
    steps = [least if row % 3 == 0 else most for row in range(len(before))]
    counts = [at // step for at, step in zip(before, steps, strict=True)]
    replace(folder, "interactions", "timestamp", pa.array(counts))
    follow(refused(folder), folder)
    follow(refused(folder), folder)
    check_tables(folder)
    after = [micros(at) for at in pq.read_table(file).column("timestamp").to_pylist()]
    assert after == [at // step * step for at, step in zip(before, steps, strict=True)]


def test_blank_dates_are_unknown_ones() -> None:
    values = pa.chunked_array([["2025-06-01", "", None]])
    do = advice(ITEMS.column("published_at"), values)
    frame = pd.DataFrame({"published_at": values.to_pandas()})
    found = LINE.search(f"{do} ")
    assert found, do
    exec(found[1], {"pandas": pd, "frame": frame})
    assert frame["published_at"].notna().tolist() == [True, False, False]


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False]),
        pa.array([date(1980, 1, 1)]),
        pa.array([datetime(1980, 1, 1)]),
        pa.array([timedelta(days=9)]),
        pa.array([["a"]]),
        pa.array([{"id": "a"}]),
        pa.array([b"0123456789abcdef"], pa.binary(16)),
        pa.array([b"\xff"]),
        pa.array([2.0**60]),
        pa.array([2.0**30], pa.float32()),
        pa.array([2**60, None]),
        pa.array([Decimal("1.00")]),
    ],
    ids=lambda values: str(values.type),
)
def test_no_line_makes_up_an_id(values: pa.Array) -> None:
    assert advice(USERS.column("user_id"), pa.chunked_array([values])) == f"{TEXT.wanted}."


@pytest.mark.parametrize(
    "values",
    [
        pa.array([True, False]),
        pa.array([date(1980, 1, 1)]),
        pa.array([datetime(1980, 1, 1)]),
        pa.array([timedelta(days=9)]),
        pa.array([[31.0]]),
        pa.array([{"age": 31}]),
        pa.array(["25-34", "35-44"]),
        pa.array(["31 years"]),
    ],
    ids=lambda values: str(values.type),
)
def test_no_line_makes_up_an_age_or_forgets_all(values: pa.Array) -> None:
    assert advice(USERS.column("age"), pa.chunked_array([values])) == f"{NUMBER.wanted}."


@pytest.mark.parametrize(
    ("kind", "gaps"),
    [
        (pa.int64(), False),
        (pa.int64(), True),
        (pa.uint64(), True),
        (pa.uint64(), False),
        (pa.float64(), False),
        (pa.decimal128(20, 0), False),
        (pa.binary(), False),
        (pa.large_binary(), True),
    ],
)
def test_advice_on_ids_gives_the_numbers_as_text(kind: pa.DataType, gaps: bool) -> None:
    wanted = ["7", "12", "9007199254740991", None if gaps else "0"]
    numbers = [None if one is None else int(one) for one in wanted]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = pa.array(wanted).cast(kind)
    else:
        values = pa.array(numbers).cast(kind)
    do = advice(USERS.column("user_id"), pa.chunked_array([values]))
    frame = pd.DataFrame({"user_id": values.to_pandas()})
    found = LINE.search(f"{do} ")
    assert found, do
    exec(found[1], {"pandas": pd, "frame": frame})
    assert [None if pd.isna(one) else one for one in frame["user_id"]] == wanted
    assert TEXT.accepts(pa.Array.from_pandas(frame["user_id"]).type)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        (pa.array(["31", None, "40.5"]), [31.0, None, 40.5]),
        (pa.array(["31", "unknown", ""]), [31.0, None, None]),
        (pa.array([Decimal("31"), None], pa.decimal128(5, 1)), [31.0, None]),
    ],
)
def test_advice_on_ages(values: pa.Array, wanted: list[float | None]) -> None:
    do = advice(USERS.column("age"), pa.chunked_array([values]))
    frame = pd.DataFrame({"age": values.to_pandas()})
    found = LINE.search(f"{do} ")
    assert found, do
    exec(found[1], {"pandas": pd, "frame": frame})
    after = pa.Array.from_pandas(frame["age"])
    assert NUMBER.accepts(after.type)
    assert after.to_pylist() == wanted


@pytest.mark.parametrize(
    ("values", "wanted"), [([1.0, 2.0], [1, 2]), (["1", "2"], [1, 2]), ([1.5, 2.0], None)]
)
def test_advice_on_positions_never_cuts_a_fraction(
    values: list[Any], wanted: list[int] | None
) -> None:
    do = advice(EXPOSURES.column("position"), pa.chunked_array([pa.array(values)]))
    found = LINE.search(f"{do} ")
    if wanted is None:
        assert do == f"{WHOLE.wanted}."
        return
    frame = pd.DataFrame({"position": values})
    assert found
    exec(found[1], {"pandas": pd, "frame": frame})
    assert pa.Array.from_pandas(frame["position"]).to_pylist() == wanted


def test_publishing_dates_long_ago_and_far_ahead_are_read_too() -> None:
    days = [date(1925, 1, 1), date(2025, 6, 1), date(2150, 1, 1)]
    do = advice(ITEMS.column("published_at"), pa.chunked_array([pa.array(days)]))
    frame = pd.DataFrame({"published_at": days})
    found = LINE.search(f"{do} ")
    assert found
    exec(found[1], {"pandas": pd, "frame": frame})
    assert [at.date() for at in frame["published_at"]] == days


def test_advice_on_a_folder_of_parts_gives_the_same_rows(
    tiny_source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_source(tiny_source, tmp_path / "source")
    right = check_tables(folder)
    table = pq.read_table(folder / "interactions.parquet")
    (folder / "interactions.parquet").unlink()
    # As Spark writes them: a column in the folders' names, not in the files.
    for signal in pc.unique(table.column("signal")).to_pylist():
        part = folder / "interactions.parquet" / f"signal={signal}" / "part-0.parquet"
        part.parent.mkdir(parents=True)
        rows = table.filter(pc.equal(table.column("signal"), signal))
        pq.write_table(rows.drop_columns(["signal"]), part)
    violation = refused(folder)
    assert isinstance(violation, violations.TableNotAFile)
    found = re.search(r"COPY .* TO '(.*?)'", violation.do)
    assert found
    monkeypatch.chdir(folder)
    duckdb.sql(found[0])
    shutil.rmtree("interactions.parquet")
    Path(found[1]).rename("interactions.parquet")
    assert check_tables(folder) == right
