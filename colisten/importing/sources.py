"""Rows as they came: files of an export as one DuckDB table, every value as it is written.

CSV and JSON are read as text, so an id `007` stays one and a time keeps its zone; parquet keeps
its types. A row's number is its `rowid`, in the order of the files and within them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from colisten.data import parquet
from colisten.data.duckdb_connection import connect
from colisten.data.sql import sql_name, sql_text, sql_texts
from colisten.data.violation import SHOWN_ROWS, BadRow, Violation
from colisten.errors import ConfigError, TableError
from colisten.importing.faults import SourceMissing, SourceUnreadable, UnreadableLine
from colisten.importing.mapping import TableMapping, kind_of
from colisten.settings.engine import Engine

FILE = "colisten_file"
"""The column that says which of the files a row is of, by its place."""


@dataclass(frozen=True)
class Source:
    """One table's rows in DuckDB.

    Attributes:
        connection: Where they are.
        name: Of the DuckDB table.
        types: DuckDB type of each column of theirs, in order.
        files: Where they came from.
        rows: How many there are.
    """

    connection: duckdb.DuckDBPyConnection
    name: str
    types: dict[str, str]
    files: tuple[Path, ...]
    rows: int

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query; raises TableError where memory or disk do not suffice."""
        with bounded():
            rows: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
            return rows

    def bad_rows(self, numbers: list[int], columns: list[str]) -> list[BadRow]:
        """Rows by their number over all files, numbered within their file.

        Args:
            numbers: `rowid`s.
            columns: Columns of theirs to show.
        """
        if not numbers:
            return []
        shown = "".join(f", CAST({sql_name(name)} AS VARCHAR)" for name in columns)
        rows = self.query(
            f"SELECT rowid - first, {FILE}{shown} FROM {self.name} JOIN "
            f"(SELECT {FILE}, min(rowid) AS first FROM {self.name} GROUP BY 1) USING ({FILE}) "
            f"WHERE rowid IN ({', '.join(map(str, numbers))}) ORDER BY rowid"
        )
        return [
            BadRow(int(row[0]), self._place(row[1]) | dict(zip(columns, row[2:], strict=True)))
            for row in rows
        ]

    def _place(self, at: int) -> dict[str, str | None]:
        return {"file": self.files[at].name} if len(self.files) > 1 else {}


@contextmanager
def open_engine(engine: Engine) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB of its own in a temporary folder, session zone UTC; rows keep their order.

    Raises:
        ConfigError: DuckDB refuses the bounds.
    """
    with tempfile.TemporaryDirectory(prefix="colisten-import-") as folder:
        file = Path(folder) / "rows.duckdb"
        try:
            connection = connect(file, **engine.model_dump(), temp_directory=folder)
        except duckdb.Error as error:
            raise ConfigError(f"DuckDB refuses {engine}: {first_line(error)}.") from error
        with connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


@contextmanager
def bounded() -> Iterator[None]:
    """Turn DuckDB's want of memory or disk into a TableError."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise TableError(
            f"Not enough memory or temporary disk: {first_line(error)}.",
            "Raise the setting memory_limit, or point TMPDIR at a larger disk.",
        ) from error


def load(
    connection: duckdb.DuckDBPyConnection, table: str, mapping: TableMapping
) -> tuple[Source | None, list[Violation]]:
    """Read a table's files; without a source, what hinders it."""
    files = mapping.files()
    if not files:
        named = ", ".join(mapping.file)
        return None, [SourceMissing(table, detail=f"there is no file at {named}")]
    name = f"raw_{table}"
    parts: list[str] = []
    faults: list[Violation] = []
    for at, file in enumerate(files):
        try:
            with bounded():
                part = f"{name}_{at}"
                scan = _scan(connection, file, mapping)
                connection.execute(
                    f"CREATE TEMP TABLE {part} AS SELECT *, {at} AS {FILE} FROM {scan}"
                )
            parts.append(part)
        except (duckdb.Error, OSError, ValueError) as error:
            detail = f"{file} cannot be read ({first_line(error)})"
            faults.append(SourceUnreadable(table, detail=detail))
    faults += _bad_lines(connection, table)
    if not parts:
        return None, faults
    union = " UNION ALL BY NAME ".join(f"SELECT * FROM {part}" for part in parts)
    with bounded():
        connection.execute(f"CREATE TABLE {name} AS {union}")
        for part in parts:
            connection.execute(f"DROP TABLE {part}")
    described = connection.execute(f"DESCRIBE {name}").fetchall()
    types = {str(row[0]): str(row[1]) for row in described if row[0] != FILE}
    counted = connection.execute(f"SELECT count(*) FROM {name}").fetchone()
    rows = int(counted[0]) if counted else 0
    return Source(connection, name, types, files, rows), faults


def first_line(error: BaseException) -> str:
    """What an error says first."""
    return str(error).strip().split("\n")[0].rstrip(".")


def _scan(connection: duckdb.DuckDBPyConnection, file: Path, mapping: TableMapping) -> str:
    if not file.is_file():
        raise OSError("it is no file")
    kind = kind_of(file)
    if kind == "parquet":
        return parquet.scan(file)
    path = parquet.literal(file)
    packing = {".gz": "gzip", ".zst": "zstd"}.get(file.suffix.casefold(), "none")
    if kind == "csv":
        nulls = sql_texts(("", *mapping.nulls))
        options = f"header = true, all_varchar = true, store_rejects = true, nullstr = [{nulls}]"
        options += f", compression = '{packing}', encoding = {sql_text(mapping.encoding)}"
        if mapping.delimiter:
            options += f", delim = {sql_text(mapping.delimiter)}"
        return f"read_csv({path}, {options})"
    if kind == "json":
        options = f"format = 'auto', compression = '{packing}'"
        names = connection.execute(f"DESCRIBE FROM read_json({path}, {options})").fetchall()
        # As text: a reader that guesses makes a moment of a text and drops its zone.
        columns = ", ".join(f"{sql_text(str(row[0]))}: 'VARCHAR'" for row in names)
        return f"read_json({path}, {options}, columns = {{{columns}}})"
    raise ValueError("its name ends in none of .csv, .jsonl, .parquet, .csv.gz and their like")


def _bad_lines(connection: duckdb.DuckDBPyConnection, table: str) -> list[Violation]:
    """Lines of CSV that have another number of columns, or cannot be told apart."""
    known = connection.execute(
        "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'reject_errors'"
    ).fetchone()
    if not known or not known[0]:
        return []
    rows = connection.execute(
        "SELECT file_path, line, any_value(error_message), any_value(csv_line) "
        "FROM reject_errors JOIN reject_scans USING (scan_id, file_id) GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    connection.execute("DELETE FROM reject_errors")
    if not rows:
        return []
    first = [
        BadRow(int(line) - 2, {"file": Path(str(file)).name, "line": str(text)})
        for file, line, _, text in rows[:SHOWN_ROWS]
    ]
    detail = f"a line that does not fit its header ({first_line(ValueError(rows[0][2]))})"
    return [UnreadableLine(table, count=len(rows), rows=first, detail=detail)]
