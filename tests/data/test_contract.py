from __future__ import annotations

from datetime import MAXYEAR, MINYEAR
from pathlib import Path

import pyarrow as pa
import pytest

from colisten.data import violations
from colisten.data.contract import (
    MAX_AGE,
    MOMENT,
    NUMBER,
    TABLES,
    TEXT,
    TEXTS,
    VECTOR,
    WHOLE,
    Kind,
    Table,
)
from colisten.data.ids import MAX_ID_BYTES
from colisten.data.moments import CLOCK_SKEW, EARLIEST, LATEST
from colisten.data.rules import LARGEST_FLOAT, LARGEST_POSITION
from colisten.data.violation import BadRow, TableViolations, Violation
from colisten.errors import TableError
from colisten.features.transform import FARTHEST

PAGE = (Path(__file__).parents[2] / "docs" / "tables.md").read_text()

CLASSES = [
    value
    for value in vars(violations).values()
    if isinstance(value, type) and issubclass(value, Violation) and value is not Violation
]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_page_on_tables_lists_every_column(table: Table) -> None:
    _, _, rest = PAGE.partition(f"\n## {table.file_name}\n")
    section, _, _ = rest.partition("\n## ")
    assert table.meaning in section
    assert ("Required." if table.required else "May be missing.") in section
    rows = [line for line in section.splitlines() if line.startswith("| ")][1:]
    assert rows == [
        f"| {column.name} | {column.kind.words} | {'yes' if column.required else 'no'} "
        f"| {column.meaning} |"
        for column in table.columns
    ]


def test_the_page_on_tables_lists_every_violation() -> None:
    for violation in CLASSES:
        assert f"| {violation.__name__} | {violation.__doc__} | " in PAGE
        assert violation.advice in PAGE


def test_the_page_on_tables_tells_the_limits_that_are_kept() -> None:
    _, _, rest = PAGE.partition("\n## Limits\n")
    limits, _, _ = rest.partition("\n## ")
    skew = int(CLOCK_SKEW.total_seconds()) // 60
    for said in (
        f"| 1 byte, not blank | {MAX_ID_BYTES:,} bytes in UTF-8 |",
        f"| {EARLIEST:%Y-%m-%d} | now and {skew} minutes |",
        f"| {EARLIEST:%Y-%m-%d} | {LATEST:%Y-%m-%d} |",
        f"| 1 day | {LATEST:%Y-%m-%d} |",
        f"| year {MINYEAR} | year {MAXYEAR} |",
        f"| 0 | below {MAX_AGE} |",
        f"| {-LARGEST_FLOAT:.1e} | {LARGEST_FLOAT:.1e} |".replace("e+", "e"),
        f"beyond {FARTHEST:.0f} deviations it counts as {FARTHEST:.0f}",
        f"| 1 | {LARGEST_POSITION:,} |",
    ):
        assert said in limits, said


def test_each_violation_is_a_table_error_with_exit_code_2() -> None:
    assert len(CLASSES) >= 18
    for violation in [*CLASSES, TableViolations]:
        assert issubclass(violation, TableError)
        assert violation.exit_code == 2


def test_a_violation_says_where_how_many_which_and_what_to_do() -> None:
    rows = [BadRow(number, {"user_id": None, "age": str(number)}) for number in range(9)]
    violation = violations.AgeOutOfRange("users", "age", count=1234, rows=rows)
    text = str(violation)
    assert text.startswith("users.age: 1,234 rows: not an age in years.")
    assert "row 0: user_id=null, age='0'" in text
    assert "row 4" in text
    assert "row 5" not in text
    assert text.endswith(violations.AgeOutOfRange.advice)
    assert violation.to_dict()["rows"][1] == {"row": 1, "user_id": None, "age": "1"}
    assert violation.violations == (violation,)


def test_who_a_row_is_of_and_when_is_withheld() -> None:
    """The row's number says where to look; who may look has the file."""
    moment = "2031-05-06 07:08:09+00:00"
    values: dict[str, str | None] = {"user_id": "u0042", "item_id": "a7", "timestamp": moment}
    signal = violations.UnknownSignal("interactions", "signal", count=1, rows=[BadRow(3, values)])
    future = violations.FutureTimestamp("interactions", "timestamp", count=1, rows=signal.rows)
    assert "First: row 3: user_id=…, item_id='a7', timestamp=…." in str(signal)
    assert f"user_id=…, item_id='a7', timestamp='{moment}'" in str(future), "it is at fault"
    for violation in (signal, future):
        assert "u0042" not in str(violation) + str(violation.to_dict())
        assert violation.to_dict(ids=True)["rows"] == [{"row": 3, **values}]
    blank = violations.BlankId("users", "user_id", count=1, rows=[BadRow(0, {"user_id": " "})])
    assert "user_id=' '" in str(blank)


@pytest.mark.parametrize(
    ("kind", "accepted", "refused"),
    [
        (
            TEXT,
            [
                pa.string(),
                pa.large_string(),
                pa.string_view(),
                pa.dictionary(pa.int8(), pa.large_string()),
            ],
            [pa.int64(), pa.binary(), pa.dictionary(pa.int8(), pa.int64()), pa.list_(pa.string())],
        ),
        (
            TEXTS,
            [pa.list_(pa.string()), pa.large_list(pa.large_string()), pa.list_(pa.null())],
            [pa.string(), pa.list_(pa.int8()), pa.map_(pa.string(), pa.string())],
        ),
        (
            MOMENT,
            [
                pa.timestamp(unit, zone)
                for unit in ("s", "ms", "us", "ns")
                for zone in ("UTC", "+02:00")
            ],
            [pa.timestamp("us"), pa.date32(), pa.int64(), pa.string()],
        ),
        (NUMBER, [pa.int8(), pa.uint64(), pa.float32(), pa.float64()], [pa.bool_(), pa.string()]),
        (WHOLE, [pa.int8(), pa.uint64()], [pa.float64(), pa.bool_()]),
        (
            VECTOR,
            [pa.list_(pa.float32()), pa.list_(pa.float64(), 3), pa.large_list(pa.float16())],
            [pa.list_(pa.int64()), pa.float32(), pa.list_(pa.list_(pa.float32()))],
        ),
    ],
    ids=lambda value: value.words.replace(" ", "-") if isinstance(value, Kind) else "",
)
def test_a_kind_takes_what_means_the_same(
    kind: Kind, accepted: list[pa.DataType], refused: list[pa.DataType]
) -> None:
    assert [str(each) for each in accepted if not kind.accepts(each)] == []
    assert [str(each) for each in refused if kind.accepts(each)] == []
    assert kind.accepts(kind.arrow)
