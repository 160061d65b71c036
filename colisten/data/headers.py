"""Which column of a file is which column of the contract.

One rule says which names are one name (`colisten.data.spelling`), and nothing that is nearly a
name of the contract vanishes silently. A required column under another spelling is refused: all
learning hangs on it, so its name is for its owner to set. An optional one is read, with a notice;
refusing it would stop over a value that may be missing, and ignoring it would be worse than
either. Where two columns could be meant, or the type does not fit, both kinds are refused. Each
message names the rename that mends it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from colisten.data.advice import advice
from colisten.data.contract import MOMENT, Column, Table
from colisten.data.parquet import OpenFile
from colisten.data.spelling import alike, related, shown
from colisten.data.violation import SHOWN_ROWS, BadRow, Violation
from colisten.data.violations import (
    ColumnMissing,
    ColumnTwice,
    MomentOutOfRange,
    TimestampWithoutZone,
    WrongType,
)

_SAMPLE_ROWS = 100_000
_MOST_MICROSECONDS = 2**63 - 1


@dataclass
class Header:
    """The columns of one file as columns of the contract.

    Attributes:
        places: Place in the file of each column that can be read, by the contract's name.
        present: Columns that the file has, under whatever spelling.
        violations: Of columns that are missing or cannot be read.
        notices: Of columns that are read under another spelling.
    """

    places: dict[str, int] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    violations: list[Violation] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def read_header(table: Table, inside: OpenFile) -> Header:
    """Look for the columns of a table in an open file.

    Raises:
        OSError, pyarrow.ArrowException: The file is damaged.
    """
    header = Header()
    names = inside.schema_arrow.names
    for column in table.columns:
        places = [place for place, name in enumerate(names) if name == column.name]
        if places:
            _beside(table, column, names, header)
        else:
            places = _under_another_spelling(table, column, names, header)
        if not places:
            continue
        header.present.add(column.name)
        if len(places) > 1:
            header.violations.append(ColumnTwice(table.name, column.name))
        elif violation := _type_violation(table, column, inside, places[0]):
            header.violations.append(violation)
        else:
            header.places[column.name] = places[0]
    return header


def _beside(table: Table, column: Column, names: list[str], header: Header) -> None:
    near = alike(column.name, names)
    if near:
        spelt = " and ".join(shown(name) for name in near)
        header.notices.append(
            f"{table.file_name} has '{column.name}', so {spelt} is not read. If it is meant, give "
            f"it the name '{column.name}' and drop the other."
        )


def _under_another_spelling(
    table: Table, column: Column, names: list[str], header: Header
) -> list[int]:
    near = alike(column.name, names)
    spelt = " or ".join(shown(name) for name in near)
    rename = f"Rename the column {spelt} to '{column.name}'"
    known = {other.name for other in table.columns}
    others = [name for name in names if name not in known]
    maybe = [] if near else related(column.name, others)
    meant = " or ".join(shown(name) for name in maybe)
    if column.required:
        do = f"{rename}." if near else ""
        if maybe:
            do = f"If {meant} is meant, rename it to '{column.name}'."
        header.violations.append(ColumnMissing(table.name, column.name, do=do))
        return []
    if len(near) > 1:
        detail = f"{' and '.join(shown(name) for name in near)} may each be meant"
        violation = ColumnTwice(table.name, column.name, detail=detail, do=f"{rename}.")
        header.violations.append(violation)
        return []
    if near:
        header.notices.append(
            f"{table.file_name} has no column '{column.name}'; {spelt} is read as it. {rename}."
        )
    elif maybe:
        header.notices.append(
            f"{table.file_name} has no column '{column.name}', and {meant} is not read. "
            f"If it is meant, rename it to '{column.name}'."
        )
    return [names.index(name) for name in near]


def _type_violation(table: Table, column: Column, inside: OpenFile, place: int) -> Violation | None:
    spelt = inside.schema_arrow.field(place)
    if pa.types.is_null(spelt.type):
        return None
    if column.kind.accepts(spelt.type):
        return _range_violation(table, column, inside, place)
    renamed = ""
    if spelt.name != column.name:
        renamed = f"Rename the column {shown(spelt.name)} to '{column.name}', then mend it. "
    violation: type[Violation] = WrongType
    detail = f"is {spelt.type}, not {column.kind.words}"
    if column.kind is MOMENT and pa.types.is_timestamp(spelt.type):
        violation, detail = TimestampWithoutZone, TimestampWithoutZone.says
    do = renamed + advice(column, _sample(inside, place))
    return violation(table.name, column.name, detail=detail, do=do)


def _range_violation(
    table: Table, column: Column, inside: OpenFile, place: int
) -> Violation | None:
    """Milliseconds reach beyond what DuckDB, Spark and Feast can hold, where they would fail."""
    kind = inside.schema_arrow.field(place).type
    if column.kind is not MOMENT or kind.unit not in ("s", "ms"):
        return None
    most = _MOST_MICROSECONDS // (1_000_000 if kind.unit == "s" else 1_000)
    count, start = 0, 0
    rows: list[BadRow] = []
    for batch in inside.iter_batches(columns=[inside.schema_arrow.field(place).name]):
        values = batch.column(0).cast(pa.int64())
        far = pc.or_(pc.greater(values, most), pc.less(values, -most))
        beyond = pc.indices_nonzero(far).to_pylist()
        count += len(beyond)
        shown_rows = beyond[: SHOWN_ROWS - len(rows)]
        rows += [
            BadRow(start + at, {column.name: f"{values[at]} {kind.unit}"}) for at in shown_rows
        ]
        start += len(values)
    return MomentOutOfRange(table.name, column.name, count=count, rows=rows) if count else None


def _sample(inside: OpenFile, place: int) -> pa.ChunkedArray:
    field_ = inside.schema_arrow.field(place)
    values: list[pa.Array] = []
    rows = 0
    for batch in inside.iter_batches(columns=[field_.name]):
        values.append(batch.column(0))
        rows += len(values[-1])
        if rows >= _SAMPLE_ROWS:
            break
    return pa.chunked_array(values, field_.type)
