"""The input tables as DuckDB views with exactly the contract's columns and types.

Schemas are looked at first, with Arrow; what does not fit becomes a violation and its column is
left null in the view, so that the other columns can still be checked. Nothing is loaded: a view
scans its parquet file, and DuckDB spills to a temporary folder beyond its memory limit.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from colisten.data import parquet
from colisten.data.contract import AMOUNT, MOMENT, NUMBER, WHOLE, Column, Table, tables_of
from colisten.data.duckdb_connection import connect
from colisten.data.headers import Header, read_header
from colisten.data.sql import sql_name
from colisten.data.table_files import find_table
from colisten.data.violation import Violation
from colisten.data.violations import (
    FolderMissing,
    TableEmpty,
    TableMissing,
    TableNotAFile,
    TableUnreadable,
)
from colisten.errors import ConfigError, TableError
from colisten.settings.data import DataSettings
from colisten.settings.engine import Engine


@dataclass
class TableViews:
    """Views named after their tables, each with the contract's columns and `row_number` from 0.

    Attributes:
        connection: DuckDB, session zone UTC.
        data: Types, signals and further columns that the tables may hold.
        usable: Columns of each viewed table whose values mean something: present with the
            right type, or optional and absent (then null).
        present: Columns of each viewed table that its file has.
        rows: Rows of each viewed table.
        notices: Names of files and columns that are not quite the contract's.
    """

    connection: duckdb.DuckDBPyConnection
    data: DataSettings
    usable: dict[str, frozenset[str]] = field(default_factory=dict)
    present: dict[str, frozenset[str]] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)

    def query(self, sql: str, table: str) -> list[tuple[Any, ...]]:
        """All rows of a query that scans `table` first of all.

        Raises:
            TableUnreadable: The file is damaged inside.
            TableError: The work needs more memory or temporary disk than it was given.
        """
        with reading(table):
            rows: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
            return rows


@contextmanager
def reading(table: str) -> Iterator[None]:
    """Turn DuckDB's errors while `table` is read into those of `TableViews.query`."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise TableError(
            f"{table}: not enough memory or temporary disk: {_first_line(error)}.",
            "Raise the setting memory_limit, or point TMPDIR at a larger disk.",
        ) from error
    except (duckdb.IOException, duckdb.DataError, duckdb.InvalidInputException) as error:
        raise TableUnreadable(
            table, detail=f"cannot be read as parquet ({_first_line(error)})"
        ) from error


@contextmanager
def open_views(
    folder: Path, data: DataSettings, engine: Engine
) -> Iterator[tuple[TableViews, list[Violation]]]:
    """Open the tables of `folder`; yields the views and the violations of files and columns."""
    with (
        tempfile.TemporaryDirectory(prefix="colisten-duckdb-") as spill,
        _connect(engine, spill) as connection,
    ):
        views = TableViews(connection, data)
        violations: list[Violation] = []
        if not folder.is_dir():
            violations.append(FolderMissing("", detail=f"{folder} is not a folder"))
        else:
            for table in tables_of(data):
                table_file = find_table(folder, table)
                if table_file.notice:
                    views.notices.append(table_file.notice)
                if table_file.violation is not None:
                    violations.append(table_file.violation)
                elif table_file.path is not None:
                    violations += _open(views, table, table_file.path)
        yield views, violations


@contextmanager
def open_files(
    files: Sequence[tuple[Table, Path]], data: DataSettings, engine: Engine
) -> Iterator[tuple[TableViews, list[Violation]]]:
    """Open files of any names as tables, as `open_views` opens those of a folder.

    Each view bears its table's name, so those of several files of one kind need names of their
    own. A file that is asked for by name must be there; it need not have rows.
    """
    with (
        tempfile.TemporaryDirectory(prefix="colisten-duckdb-") as spill,
        _connect(engine, spill) as connection,
    ):
        views = TableViews(connection, data)
        violations: list[Violation] = []
        for table, file in files:
            if file.exists():
                violations += _open(views, replace(table, required=False), file)
            else:
                detail = f"the file {file} is missing"
                violations.append(
                    TableMissing(table.name, detail=detail, do="Name one that is there.")
                )
        yield views, violations


def _connect(engine: Engine, spill: str) -> duckdb.DuckDBPyConnection:
    try:
        connection = connect(
            **engine.model_dump(), temp_directory=spill, preserve_insertion_order=False
        )
    except duckdb.Error as error:
        raise ConfigError(
            f"DuckDB refuses threads={engine.threads}, memory_limit={engine.memory_limit}: "
            f"{_first_line(error)}.",
            "Write a limit such as 4GB.",
        ) from error
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _open(views: TableViews, table: Table, file: Path) -> list[Violation]:
    if file.is_dir():
        do = TableNotAFile.advice.replace("table.parquet", file.name)
        detail = f"{file} is a folder, not a parquet file"
        return [TableNotAFile(table.name, detail=detail, do=do)]
    try:
        with parquet.opened(file) as inside:
            schema, rows = inside.schema_arrow, inside.metadata.num_rows
            header = read_header(table, inside)
    except (OSError, pa.ArrowException) as error:
        detail = f"{file} cannot be read as parquet ({_first_line(error)})"
        return [TableUnreadable(table.name, detail=detail)]
    try:
        with reading(table.name):
            _create_view(views.connection, table, file, schema, header)
    except TableUnreadable as violation:
        return [violation]
    views.notices += header.notices
    views.rows[table.name] = rows
    views.present[table.name] = frozenset(header.present)
    views.usable[table.name] = frozenset(column.name for column in table.columns) - {
        str(violation.column) for violation in header.violations
    }
    return [*header.violations, *([TableEmpty(table.name)] if table.required and not rows else [])]


def _create_view(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    file: Path,
    schema: pa.Schema,
    header: Header,
) -> None:
    scan = parquet.scan(file)
    # By position: DuckDB folds case, and renames a column that differs from another in case only.
    described = connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
    names = [str(row[0]) for row in described]
    taken = "file_row_number" in (name.casefold() for name in names)
    columns = ["row_number() OVER () - 1" if taken else "file_row_number"]
    columns[0] += " AS row_number"
    for column in table.columns:
        at = header.places.get(column.name)
        value = "NULL"
        if at is not None and not pa.types.is_null(schema.field(at).type):
            value = _value(column, sql_name(names[at]), schema.field(at).type)
        columns.append(f"CAST({value} AS {column.kind.sql}) AS {sql_name(column.name)}")
    connection.execute(f'CREATE VIEW "{table.name}" AS SELECT {", ".join(columns)} FROM {scan}')


def _value(column: Column, name: str, kind: pa.DataType) -> str:
    if column.kind is MOMENT and kind.unit == "ns":
        # A cast rounds to the nearest microsecond and could carry an event over the cut.
        # The ends of the calendar (DuckDB's infinity) have no nanoseconds.
        return f"coalesce(make_timestamp(epoch_ns({name}) // 1000), CAST({name} AS TIMESTAMPTZ))"
    if column.kind in (AMOUNT, NUMBER) and pa.types.is_floating(kind):
        # DuckDB answers `isnan`, `=` and `<` from a file's statistics, which leave NaN out: where a
        # column has no null, it takes NaN for a number.
        return f"CASE WHEN isfinite({name}) OR isinf({name}) THEN {name} END"
    if column.kind is WHOLE:
        return f"TRY_CAST({name} AS BIGINT)"
    return name


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
